"""Actors that processes of `cluster.processes` can import."""

import os
import signal
import time
from pathlib import Path


class Doubling:
    """Doubles a row's number and says who did it."""

    def __init__(self, plus=0):
        self.plus = plus

    def __call__(self, row):
        return {**row, "number": 2 * row["number"] + self.plus, "process": os.getpid()}


class Slow(Doubling):
    """Takes a while."""

    def __call__(self, row):
        time.sleep(0.05)
        return super().__call__(row)


class Deadly(Doubling):
    """Kills its process at the rows whose name begins with "deadly", or at the first try of one that is called "once"."""

    def __init__(self, folder):
        super().__init__()
        self.folder = Path(folder)

    def __call__(self, row):
        tried = self.folder / f"{row['video_id']}.tried"
        if row["video_id"].startswith("deadly") or (row["video_id"].startswith("once") and not tried.exists()):
            tried.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(row)


class Broken:
    """Cannot be made."""

    def __init__(self, at_once=False):
        if at_once:
            os._exit(7)
        raise ValueError("no such weights")


class Closing(Doubling):
    """Leaves a file when it is closed."""

    def __init__(self, folder):
        super().__init__()
        self.folder = Path(folder)

    def close(self):
        (self.folder / f"closed-{os.getpid()}").touch()


class Full:
    """Finds no room on the disk."""

    def __call__(self, row):
        return {**row, "status": "failed", "error_kind": "storage", "error": "no space left in /tmp"}
