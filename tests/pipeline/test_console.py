import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actors.media.outcome import Failure
from cluster import ClusterError
from pipeline.console import Console, UserError, guarded, one_line

ROOT = Path(__file__).resolve().parents[2]


def plain():
    stream = io.StringIO()
    return Console(stream), stream


def test_a_log_file_gets_plain_lines():
    console, stream = plain()
    console.banner("demo", ["three rounds", "no GPU"])
    console.step("score", "7 teachers", rows=1234, seconds=2.04)
    console.warn("2 files\nfailed")
    console.table("SRCC", ["model", "seen", "unseen"], [["niqe", 0.5, None], ["student", 0.91234, 0.8]])
    assert stream.getvalue().splitlines() == [
        "demo",
        "  three rounds",
        "  no GPU",
        "done  score                  7 teachers  1,234 rows  2.0 s",
        "warning: 2 files failed",
        "SRCC",
        "  model     seen  unseen",
        "  niqe     0.500       -",
        "  student  0.912   0.800",
    ]


def test_a_terminal_gets_colours_and_the_same_words():
    stream = io.StringIO()
    console = Console(stream, plain=False)
    console.banner("demo", ["three rounds"])
    console.step("score", "7 teachers")
    console.table("SRCC", ["model", "seen"], [["[red]x[/red]", 0.5]])
    with console.track(2, "decoding") as progress:
        progress.advance(2, note="loss 1.2")
    text = stream.getvalue()
    assert "\x1b[" in text
    for words in ("three rounds", "7 teachers", "[red]x[/red]", "0.500", "decoding"):
        assert words in text


def test_hostile_names_cannot_move_the_cursor():
    console, stream = plain()
    console.line("a\x1b[2Jb\nc\x00")
    assert stream.getvalue() == "a\\x1b[2Jb c\\x00\n"
    assert one_line("Füße 日本") == "Füße 日本"


def test_a_log_file_gets_a_line_of_progress_every_ten_seconds_at_most():
    now = [0.0]
    stream = io.StringIO()
    console = Console(stream, clock=lambda: now[0])
    with console.track(100, "scoring") as progress:
        for _ in range(100):
            now[0] += 0.5
            progress.advance(1, note="fine")
    lines = stream.getvalue().splitlines()
    assert lines == [f"  scoring: {count}/100 fine" for count in (20, 40, 60, 80, 100)]


class WorkerError(Exception):
    """An exception as Ray wraps it: what the worker raised is in `cause`."""

    def __init__(self, cause):
        super().__init__("worker traceback\nover many lines")
        self.cause = cause


def raising(error):
    def main():
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (UserError("--set x: wrong\nreally"), 2, "error: --set x: wrong really"),
        (UserError("30 % failed", 4), 4, "30 % failed"),
        (ClusterError("no FFmpeg"), 3, "no FFmpeg"),
        (WorkerError(UserError("deep", 2)), 2, "deep"),
        (KeyboardInterrupt(), 130, "the same command goes on"),
        (Failure("storage", "no space left in /data; free some"), 3, "no space left in /data; free some"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), 3, "no space left on the disk at /data/x"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/x"),
            3,
            "not allowed to use /data/x; change its permissions or name another place",
        ),
        (MemoryError(), 3, "out of memory"),
        (ZeroDivisionError("division by zero"), 70, "--debug"),
        (SystemExit(2), 2, ""),
        (SystemExit(None), 0, ""),
    ],
)
def test_every_failure_has_its_exit_code_and_one_line(error, code, words, capsys):
    assert guarded(raising(error)) == code
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == (1 if words else 0)
    assert "Traceback" not in said


def test_debug_shows_the_traceback(capsys):
    assert guarded(raising(UserError("wrong")), debug=True) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_command_s_own_code_is_returned():
    assert guarded(lambda: 1) == 1


def test_a_cause_that_was_raised_from_is_found(capsys):
    outer = RuntimeError("outer")
    outer.__cause__ = UserError("inner")
    assert guarded(raising(outer)) == 2
    assert "inner" in capsys.readouterr().err


def test_only_documented_codes_can_be_asked_for():
    with pytest.raises(ValueError, match="exit code 7"):
        UserError("x", 7)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_a_command_with_130(number):
    # A shell that starts a job in the background has it ignore SIGINT; the child takes it back, as a terminal's would.
    code = "import signal, sys, time; from pipeline.console import guarded; "
    code += "signal.signal(signal.SIGINT, signal.default_int_handler); "
    code += "sys.exit(guarded(lambda: print('ready', flush=True) or time.sleep(600)))"
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    time.sleep(0.1)
    os.kill(child.pid, number)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert said.startswith("interrupted")
    assert "Traceback" not in said


def test_a_closed_pipe_is_no_failure():
    code = "import sys; from pipeline.console import guarded; "
    code += "sys.exit(guarded(lambda: [print('x' * 1000, flush=True) for _ in range(10000)] and 0))"
    child = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr is not None
    assert child.stderr.read() == ""
    assert child.wait(60) == 0
    child.stderr.close()
