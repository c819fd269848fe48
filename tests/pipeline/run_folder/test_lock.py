import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.console import UserError
from pipeline.run_folder import lock
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.lock import RunLock, holder

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys, time
from pathlib import Path
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.lock import RunLock
with RunLock(RunLayout(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


def start_holder(folder):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


def test_a_second_run_in_one_folder_is_refused_until_the_first_ends(tmp_path):
    layout = RunLayout(tmp_path)
    child = start_holder(tmp_path)
    owner = holder(layout)
    assert owner is not None
    assert owner.pid == child.pid
    with pytest.raises(UserError, match=f"process {child.pid} on .*--out") as caught, RunLock(layout):
        pass
    assert caught.value.exit_code == 2
    child.communicate()
    assert holder(layout) is None
    with RunLock(layout):
        assert holder(layout) is not None


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    child = start_holder(tmp_path)
    child.kill()
    child.communicate()
    with RunLock(RunLayout(tmp_path)):
        owner = holder(RunLayout(tmp_path))
    assert owner is not None
    assert owner.pid == os.getpid()


@pytest.mark.parametrize(("age", "stale"), [(30.0, False), (lock.STALE_S + 1, True)])
def test_a_lock_of_another_host_counts_by_its_heartbeat(age, stale, tmp_path):
    layout = RunLayout(tmp_path)
    other = {"host": "elsewhere", "pid": 1, "born": "7", "beat": time.time() - age}
    layout.lock.write_text(json.dumps(other), encoding="ascii")
    if stale:
        with RunLock(layout):
            assert holder(layout) is not None
    else:
        with pytest.raises(UserError, match="elsewhere"), RunLock(layout):
            pass


def test_a_later_process_with_the_same_number_does_not_hold_the_lock(tmp_path):
    layout = RunLayout(tmp_path)
    reused = {"host": socket.gethostname(), "pid": os.getpid(), "born": "1", "beat": time.time()}
    layout.lock.write_text(json.dumps(reused), encoding="ascii")
    with RunLock(layout):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": 1}'])
def test_a_torn_lock_holds_nobody(text, tmp_path):
    layout = RunLayout(tmp_path)
    layout.lock.write_text(text, encoding="ascii")
    assert holder(layout) is None
    with RunLock(layout):
        pass


def test_the_heartbeat_moves(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    ticks = iter(range(1, 10**6))
    beaten = threading.Event()

    def clock():
        tick = next(ticks)
        if tick > 20:
            beaten.set()
        return time.time() + tick

    layout = RunLayout(tmp_path)
    with RunLock(layout, clock):
        first = json.loads(layout.lock.read_text(encoding="ascii"))["beat"]
        assert beaten.wait(60)
        with lock._opened(layout.lock) as descriptor:
            owner = lock._read(descriptor)
    assert owner is not None
    assert owner.beat > first
    assert layout.lock.read_text(encoding="ascii") == ""


def test_of_many_that_start_at_once_one_gets_the_folder(tmp_path):
    layout = RunLayout(tmp_path)
    barrier = threading.Barrier(8)
    results = []
    done = threading.Barrier(8)

    def try_it():
        barrier.wait()
        try:
            with RunLock(layout):
                results.append("got it")
                done.wait()
        except UserError:
            results.append("refused")
            done.wait()

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["got it"] + ["refused"] * 7
