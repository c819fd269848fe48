import io
import json
import logging
import stat
import threading

import pytest

from pipeline.commands.opening import journalled
from pipeline.console import Console, UserError
from pipeline.journal import Journal, at_step, current_step


def events(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_event_has_time_run_and_the_step_at_work(tmp_path):
    path = tmp_path / "log.jsonl"
    journal = Journal.open(str(path), "runs/a")
    journal.write("line", text="before")
    with at_step("score"):
        journal.write("video failed", video="abc", kind="decode")
        with at_step("inner"):
            assert current_step() == "inner"
    journal.close()
    first, second = events(path)
    assert (first["run"], first["text"], "step" in first) == ("runs/a", "before", False)
    assert (second["step"], second["video"], second["kind"]) == ("score", "abc", "decode")
    assert second["time"] >= first["time"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_lines_of_many_threads_stay_whole():
    stream = io.StringIO()
    journal = Journal(stream, "r")
    threads = [
        threading.Thread(target=lambda: [journal.write("x", text="y" * 500) for _ in range(50)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(json.loads(line)["text"] == "y" * 500 for line in stream.getvalue().splitlines())


def test_what_the_console_says_is_an_event_and_so_is_what_a_library_logs(tmp_path):
    path, console = tmp_path / "log.jsonl", Console(io.StringIO())
    with journalled(console, str(path), "runs/a"):
        console.line("hello\x1b[31m")
        console.warn("look out")
        console.step("ingest", "8 files", rows=8, seconds=1.5)
        logging.getLogger("ray.data").error("a worker died\nTraceback, forty lines")
    console.line("after")
    found = {row["event"]: row for row in events(path)}
    assert set(found) == {"line", "warning", "step done", "library", "end"}
    assert "\x1b" not in found["line"]["text"], "control characters are escaped"
    assert (found["step done"]["step"], found["step done"]["rows"]) == ("ingest", 8)
    assert found["library"]["text"].startswith("a worker died\n"), "whole, where nobody reads it by chance"


def test_the_end_of_a_failed_run_is_an_event(tmp_path):
    path = tmp_path / "log.jsonl"
    with pytest.raises(UserError), journalled(Console(io.StringIO()), str(path), "r"):
        raise UserError("no videos there")
    assert events(path)[-1]["text"] == "no videos there"


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(UserError, match="--log-json"), journalled(Console(), str(tmp_path), "r"):
        pass
