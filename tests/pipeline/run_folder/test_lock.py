import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.console import UserError
from pipeline.run_folder import lock
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.lock import RunLock, holder
from trainers import bucket

ROOT = Path(__file__).resolve().parents[3]
HOLD = """
import sys, time
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.lock import RunLock
with RunLock(RunLayout.at(sys.argv[1])):
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


def test_a_second_run_in_one_folder_is_refused_until_the_first_ends(root):
    layout = RunLayout.at(root)
    child = start_holder(root)
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


def test_the_lock_of_a_killed_process_is_taken_over(root):
    child = start_holder(root)
    child.kill()
    child.communicate()
    with RunLock(RunLayout.at(root)):
        owner = holder(RunLayout.at(root))
    assert owner is not None
    assert owner.pid == os.getpid()


@pytest.mark.parametrize(("age", "stale"), [(30.0, False), (lock.STALE_S + 1, True)])
def test_a_lock_of_another_host_counts_by_its_heartbeat(age, stale, root):
    layout = RunLayout.at(root)
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
def test_a_torn_lock_holds_nobody(text, root):
    layout = RunLayout.at(root)
    layout.lock.write_text(text, encoding="ascii")
    assert holder(layout) is None
    with RunLock(layout):
        pass


def test_the_heartbeat_moves(root, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    ticks = iter(range(1, 10**6))
    beaten = threading.Event()

    def clock():
        tick = next(ticks)
        if tick > 20:
            beaten.set()
        return time.time() + tick

    layout = RunLayout.at(root)
    with RunLock(layout, clock):
        first = json.loads(layout.lock.read_text(encoding="ascii"))["beat"]
        assert beaten.wait(60)
        owner = lock._record(layout).read()
    assert owner is not None
    assert owner.beat > first
    assert layout.lock.read_text(encoding="ascii") == ""


def test_of_many_that_start_at_once_one_gets_the_folder(root):
    layout = RunLayout.at(root)
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


def test_a_run_whose_lock_another_one_took_ends_and_leaves_the_lock_to_it(s3, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    layout = RunLayout.at(f"{s3.bucket}/run")
    other = json.dumps({"host": "elsewhere", "pid": 1, "born": "7", "beat": time.time()})

    def lose_it():
        with RunLock(layout), terminating():
            layout.lock.write_text(other)
            while True:
                time.sleep(0.01)

    with pytest.raises(UserError, match="another run took this folder over"):
        lose_it()
    assert layout.lock.read_text() == other


@contextmanager
def terminating():
    """SIGTERM is what it is in every command: an exception in the main thread."""
    before = signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_heartbeat_that_the_service_refuses_is_tried_at_the_next_beat(s3, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(bucket, "RETRIES", 0)
    bucket._store.cache_clear()
    layout = RunLayout.at(f"{s3.bucket}/run")
    with RunLock(layout):
        s3.busy_every, seen = 1, len(s3.requests)
        while len(s3.requests) < seen + 3:
            time.sleep(0.01)
        s3.busy_every = 0
        owner = holder(layout)
    assert owner is not None
    assert owner.pid == os.getpid()
    assert holder(layout) is None
    bucket._store.cache_clear()
