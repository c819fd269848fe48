"""The end of the process: native code cannot change its exit code while Python shuts down."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# An object that aborts when the interpreter is taken down, as a native thread may.
ABORTING = """
import atexit, os, sys, types
import run
class Aborting:
    def __del__(self): os.abort()
atexit.register(print, "closed", flush=True)
kept = types.ModuleType("kept")
kept.last = Aborting()
sys.modules["kept"] = kept
del kept
print("done")
"""


@pytest.mark.parametrize("code", [0, 4])
def test_the_exit_code_of_a_finished_command_stands(code):
    end = f"run.leave({code})"  # no Ray has been imported: Arrow alone may abort
    ended = subprocess.run(
        [sys.executable, "-c", ABORTING + end], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout.split()) == (code, ["done", "closed"])


def test_without_it_such_an_object_ends_the_process():
    ended = subprocess.run([sys.executable, "-c", ABORTING], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGABRT
