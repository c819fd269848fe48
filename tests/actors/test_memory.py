"""The allocator of a worker: what it keeps, and what it gives back."""

import os
import subprocess
import sys

import pytest

# Minor faults of arrays of 8 MiB that are made and freed one after the other, and resident pages after one of 512 MiB.
PROGRAM = """
import resource, sys
import numpy as np
from pathlib import Path
from actors.memory import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def resident(): return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
np.ones(2**20)
before = faults()
for _ in range(50):
    np.ones(2**20)
print(faults() - before)
before = resident()
np.ones(2**26)
print(resident() - before)
"""


@pytest.fixture(scope="module")
def measured():
    """``measured[kind]``: faults and bytes."""
    found = {}
    for kind in ("usual", "kept"):
        environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
        if kind == "usual":
            environment["MALLOC_MMAP_THRESHOLD_"] = str(2**17)  # glibc's own, before it has learnt
        line = [sys.executable, "-c", PROGRAM, kind]
        ended = subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        found[kind] = [int(number) for number in ended.stdout.split()]
    return found


def test_arrays_of_frames_are_made_in_pages_that_are_there(measured):
    assert measured["kept"][0] < measured["usual"][0] / 10 or measured["usual"][0] < 50, "another C library"


def test_what_is_large_goes_back_to_the_system(measured):
    assert measured["kept"][1] < 2**26
