"""What the user sees: lines, bars and tables on the terminal, and one clear line for every failure.

On a terminal long work shows a bar; elsewhere (a log file, a CI job) the same work prints a plain line every ten
seconds at most. `guarded` turns whatever escapes a command into the documented exit codes, so that no traceback reaches
a user who did not ask for one.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console as RichConsole
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from actors.media.outcome import STORAGE, Failure
from cluster import ClusterError, causes
from pipeline.journal import Journal
from trainers.bucket import BucketError

DONE = 0
SOME_FAILED = 1
USAGE = 2
MACHINE = 3
TOO_MANY_BAD = 4
INTERNAL = 70  # EX_SOFTWARE of sysexits.h: a defect of this program, outside the documented codes on purpose
INTERRUPTED = 130

PLAIN_INTERVAL_S = 10.0


class UserError(Exception):
    """A failure that the user can mend. The message is one line: what, where, how to mend it.

    Attributes:
        exit_code: 2 wrong usage or configuration, 3 the machine cannot run this, 4 too many bad inputs.
    """

    def __init__(self, message: str, exit_code: int = USAGE) -> None:
        if exit_code not in (SOME_FAILED, USAGE, MACHINE, TOO_MANY_BAD):
            raise ValueError(f"exit code {exit_code} is not one of those that users rely on (1, 2, 3, 4)")
        self.exit_code = exit_code
        super().__init__(one_line(message))


class Track(Protocol):
    """Progress of one piece of long work."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """Count `count` more units as done; `note` is shown beside the bar (a loss, a name)."""


def one_line(text: object) -> str:
    """Return `text` on one line: white space folded and control characters made visible."""
    return visible(" ".join(str(text).split()))


def visible(text: str) -> str:
    """Return `text` with line ends as spaces and control characters as escapes, for names that come from files."""
    joined = " ".join(text.splitlines())
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in joined)


class Console:
    """Writes everything that a command tells its user.

    Args:
        stream: Where to write; standard error by default, so that standard output stays free for `--json`.
        plain: No colours, bars or boxes. Default: whether the stream is no terminal.
        clock: Seconds that never run backwards; given by tests.

    Attributes:
        journal: A log for programs that gets the same events, or None.
    """

    def __init__(
        self, stream: TextIO | None = None, *, plain: bool | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        stream = stream if stream is not None else sys.stderr
        self.plain = not stream.isatty() if plain is None else plain
        width = 160 if self.plain else None
        self._rich = RichConsole(
            file=stream, force_terminal=not self.plain, no_color=self.plain, highlight=False, markup=False, width=width
        )
        self._clock = clock
        self.journal: Journal | None = None

    def note(self, event: str, **fields: object) -> None:
        """Write an event into the journal, if there is one; nothing is printed."""
        if self.journal is not None:
            self.journal.write(event, **fields)

    def banner(self, title: str, lines: Iterable[str] = ()) -> None:
        """Open a command: its name and a few lines about what it is going to do."""
        body = [one_line(line) for line in lines]
        if self.plain:
            self.line(title)
            for line in body:
                self.line(f"  {line}")
        else:
            text = Text("\n".join(body)) if body else Text("")
            self._rich.print(Panel(text, title=one_line(title), title_align="left", border_style="cyan", expand=False))

    def line(self, text: str) -> None:
        """Print one line."""
        self.note("line", text=visible(text))
        self._rich.print(Text(visible(text)), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print one line that asks for attention."""
        self.note("warning", text=one_line(text))
        self._rich.print(Text(f"warning: {one_line(text)}", style="yellow"), soft_wrap=True)

    def step(self, name: str, what: str, *, rows: int | None = None, seconds: float | None = None) -> None:
        """Print the line of one finished step: its name, what it gave, rows and seconds."""
        self.note("step done", step=name, what=one_line(what), rows=rows, seconds=seconds)
        parts = [one_line(what)]
        if rows is not None:
            parts.append(f"{rows:,} rows")
        if seconds is not None:
            parts.append(f"{seconds:.1f} s")
        said = "  ".join(part for part in parts if part)
        line = Text.assemble(("done  ", "green"), (f"{one_line(name):<22} ", "bold"), said)
        self._rich.print(line, soft_wrap=True)

    def table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table; the first column is text, the others are aligned to the right."""
        cells = [[_cell(value) for value in row] for row in rows]
        if self.plain:
            self._plain_table(title, columns, cells)
            return
        table = Table(title=one_line(title), title_justify="left", title_style="bold", header_style="bold")
        for index, column in enumerate(columns):
            table.add_column(one_line(column), justify="left" if index == 0 else "right", no_wrap=True)
        for row in cells:
            table.add_row(*(Text(cell) for cell in row))
        self._rich.print(table)

    def _plain_table(self, title: str, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
        widths = [max(len(row[index]) for row in [list(columns), *cells]) for index in range(len(columns))]
        self.line(title)
        for row in [list(columns), *cells]:
            first, *others = row
            padded = [first.ljust(widths[0]), *map(str.rjust, others, widths[1:])]
            self._rich.print(Text("  " + "  ".join(padded).rstrip()), soft_wrap=True)

    @contextmanager
    def track(self, total: int, title: str) -> Iterator[Track]:
        """Show the progress of `total` units of work while the block runs."""
        if self.plain:
            yield _PlainTrack(self, total, title)
            return
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[note]}", markup=False),
        )
        with Progress(*columns, console=self._rich, transient=True) as progress:
            yield _BarTrack(progress, total, one_line(title))

    @property
    def clock(self) -> Callable[[], float]:
        """The clock of progress lines and of step times."""
        return self._clock


class _BarTrack:
    def __init__(self, progress: Progress, total: int, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total, note="")

    def advance(self, count: int = 1, note: str = "") -> None:
        self._progress.update(self._task, advance=count, note=one_line(note))


class _PlainTrack:
    def __init__(self, console: Console, total: int, title: str) -> None:
        self._console = console
        self._total = total
        self._title = title
        self._done = 0
        self._last = console.clock()

    def advance(self, count: int = 1, note: str = "") -> None:
        self._done += count
        now = self._console.clock()
        if now - self._last >= PLAIN_INTERVAL_S:
            self._last = now
            self._console.line(f"  {self._title}: {self._done}/{self._total} {note}".rstrip())


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    return one_line(value)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, handled like Ctrl-C: what was committed stays, and the same command resumes."""


class _TermSignal:
    """While the block runs, SIGTERM raises `_Terminated` in the main thread."""

    def __enter__(self) -> Self:
        # Signal handlers exist only in the main thread; elsewhere SIGTERM keeps its default action.
        self._previous: object = None
        with suppress(ValueError):
            self._previous = signal.signal(signal.SIGTERM, self._raise)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)  # type: ignore[arg-type]

    @staticmethod
    def _raise(_number: int, _frame: FrameType | None) -> None:
        raise _Terminated


def guarded(main: Callable[[], int], *, debug: bool = False) -> int:
    """Run `main` and return its exit code; map what escapes it to the documented codes with one line on standard error.

    Args:
        main: The command; it returns 0 (done) or 1 (some inputs failed).
        debug: Print the traceback as well.
    """
    try:
        with _TermSignal():
            return main()
    except SystemExit as stop:  # argparse has already printed its line
        return stop.code if isinstance(stop.code, int) else USAGE if stop.code else DONE
    except BrokenPipeError:
        # The reader of standard output has gone (`| head`): no failure. Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - the outermost frame: every failure becomes one line
        if debug:
            traceback.print_exc()
        code, line = _explain(error)
        print(one_line(line), file=sys.stderr)  # noqa: T201 - the terminal itself may be what failed
        return code


_FAILURES = {"usage": USAGE, STORAGE: MACHINE}  # those that end a command


def _explain(error: BaseException) -> tuple[int, str]:
    known = explained(error)
    if known is not None:
        return known[0], f"error: {known[1]}"
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes(error)):
        return INTERRUPTED, "interrupted: what is finished is kept; the same command goes on from there"
    kind = type(error).__name__
    return INTERNAL, f"internal error: {kind}: {error} (run again with --debug for the traceback)"


def explained(error: BaseException) -> tuple[int, str] | None:
    """The exit code and the one line of a failure that the user can mend.

    Returns:
        None for a defect of this program, and for an interrupt.
    """
    for cause in causes(error):
        if isinstance(cause, KeyboardInterrupt):
            return None
        if isinstance(cause, UserError):
            return cause.exit_code, str(cause)
        if isinstance(cause, Failure) and cause.kind in _FAILURES:
            return _FAILURES[cause.kind], cause.message
        if isinstance(cause, ClusterError | BucketError):
            return MACHINE, one_line(cause)
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f" at {cause.filename}" if cause.filename else ""
            return MACHINE, f"no space left on the disk{where}; free some and run the same command again"
        if isinstance(cause, PermissionError):
            return MACHINE, f"not allowed to use {cause.filename}; change its permissions or name another place"
        if isinstance(cause, MemoryError):
            return MACHINE, "out of memory; lower corpus.max_short_side or teachers.key_frames with --set"
    return None
