"""Folders of single workers, and what is left of killed ones."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from actors.media.scratch import Scratch

PROJECT = Path(__file__).resolve().parents[3]
WORKER = """
import sys, time
from actors.media.scratch import Scratch

folder = Scratch("some-", sys.argv[1])
(folder.path / "copy.mkv").write_bytes(b"x")
print("ready", flush=True)
time.sleep(600)
"""


def test_a_folder_is_gone_with_its_owner_or_when_it_is_closed(tmp_path):
    folders = [Scratch("some-", tmp_path) for _ in range(2)]
    (folders[0].path / "deep").mkdir()
    assert {path.name[:5] for path in tmp_path.iterdir()} == {"some-"}
    folders[0].close()
    folders[0].close()
    assert list(tmp_path.iterdir()) == [folders[1].path]
    folders.clear()
    assert list(tmp_path.iterdir()) == []


def test_the_next_worker_removes_what_a_killed_one_left_and_nothing_of_a_living_one(tmp_path):
    line = [sys.executable, "-c", WORKER, str(tmp_path)]
    with subprocess.Popen(line, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        (theirs,) = tmp_path.iterdir()
        first = Scratch("some-", tmp_path)
        assert theirs.exists(), "its process lives and holds the lock"
        worker.send_signal(signal.SIGKILL)
    second = Scratch("some-", tmp_path)
    assert set(tmp_path.iterdir()) == {first.path, second.path}


def test_workers_that_start_at_once_do_not_remove_each_other(tmp_path):
    made = []
    starts = [threading.Thread(target=lambda: made.append(Scratch("some-", tmp_path))) for _ in range(40)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert {folder.path for folder in made} == set(tmp_path.iterdir())
    assert len(made) == 40


@pytest.mark.parametrize("kind", ["another prefix", "a file", "a link"])
def test_other_things_stay(kind, tmp_path):
    left = tmp_path / ("others-1" if kind == "another prefix" else "some-1")
    if kind == "a file":
        left.write_bytes(b"x")
    elif kind == "a link":
        (tmp_path / "elsewhere").mkdir()
        left.symlink_to(tmp_path / "elsewhere")
    else:
        left.mkdir()
    Scratch("some-", tmp_path).close()
    assert os.path.lexists(left)
