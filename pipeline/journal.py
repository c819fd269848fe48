"""A log for programs: one JSON object a line, with the time, the run, the step and, where it is about one, the video."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

_STEP: ContextVar[str] = ContextVar("step", default="")


def current_step() -> str:
    """Name of the step that is at work; empty outside of one."""
    return _STEP.get()


@contextmanager
def at_step(name: str) -> Iterator[None]:
    """Everything in the block belongs to this step."""
    token = _STEP.set(name)
    try:
        yield
    finally:
        _STEP.reset(token)


class Journal:
    """Appends events to a file.

    Args:
        stream: Where to write; every line is flushed, so that the last one before a crash is there.
        run: The run folder, a field of every line.
    """

    def __init__(self, stream: TextIO, run: str) -> None:
        self._stream = stream
        self._run = run
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: str, run: str) -> Journal:
        """Append to a file, which only its owner may read.

        Raises:
            OSError: It cannot be written.
        """
        file = Path(path).expanduser()
        file.parent.mkdir(parents=True, exist_ok=True)
        return cls(os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8"), run)

    def write(self, event: str, **fields: Any) -> None:
        """Write one event; fields that are None are left out."""
        now = dt.datetime.now(tz=dt.UTC).isoformat(timespec="milliseconds")
        row: dict[str, Any] = {"time": now, "event": event, "run": self._run, "step": current_step() or None, **fields}
        text = json.dumps({key: value for key, value in row.items() if value is not None}, default=str)
        with self._lock:
            self._stream.write(text + "\n")
            self._stream.flush()

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class LibraryHandler(logging.Handler):
    """Takes what libraries log into a journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """One record, whole: it does not reach the terminal."""
        self._journal.write("library", level=record.levelname.lower(), logger=record.name, text=record.getMessage())
