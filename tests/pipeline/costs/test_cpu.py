import subprocess
import sys
import time

from pipeline.costs.cpu import TreeClock

BURN = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
NESTED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}]); sys.stdin.readline()"


def test_own_time_children_and_grandchildren_count_once_also_after_they_have_ended():
    clock = TreeClock()
    begin = clock.seconds()
    subprocess.run([sys.executable, "-c", BURN], check=True)
    after = clock.seconds() - begin
    assert 0.29 <= after < 3, "a child that was waited for"
    child = subprocess.Popen([sys.executable, "-c", NESTED], stdin=subprocess.PIPE)
    while clock.seconds() - begin - after < 0.29:
        time.sleep(0.05)
    while_alive = clock.seconds() - begin
    child.communicate(b"\n")
    ended = clock.seconds() - begin
    assert while_alive <= ended + 0.02 < while_alive + 2, "nothing is lost or counted twice when it ends"


def test_the_clock_of_another_process_leaves_this_one_out():
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.readline()"], stdin=subprocess.PIPE)
    try:
        clock = TreeClock(child.pid)
        end = time.process_time() + 0.5
        while time.process_time() < end:
            pass
        before = clock.seconds()
        end += 0.3
        while time.process_time() < end:
            pass
        assert clock.seconds() - before < 0.1, "it waits, whatever this process does"
    finally:
        child.communicate(b"\n")
    assert clock.seconds() >= 0, "it has ended: what was seen of it"
