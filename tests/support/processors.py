"""A processor with fewer vector units, as far as NumPy, OpenCV, PyTorch, oneDNN and MKL can imitate one.

OpenBLAS keeps its kernels: some machines name theirs on purpose, because another would compute wrong results there.

Each of them chooses its code when it is loaded, by what the processor has. A variable of the environment makes each of
them leave units out, so that two child processes on one machine compute as two processors would.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SWITCHES = (
    "NPY_DISABLE_CPU_FEATURES",
    "OPENCV_CPU_DISABLE",
    "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_CBWR",
)

_UNITS = """
import json, cv2, numpy, torch
numpy_units = numpy.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
# a star: used where the processor has it; a question mark: not used here
opencv_units = [name[1:] for name in cv2.getCPUFeaturesLine().split() if name[0] == "*" and name[-1] != "?"]
torch_units = torch.backends.cpu.get_cpu_capability()
print(json.dumps({"numpy": [n for n in numpy_units if n], "opencv": opencv_units, "torch": torch_units}))
"""


def all_units():
    """The environment in which every library uses all that this processor has."""
    return {name: value for name, value in os.environ.items() if name not in SWITCHES}


def fewest_units():
    """The environment in which every library uses only what all processors of this family have."""
    units = units_of(all_units())
    environment = all_units() | {"ATEN_CPU_CAPABILITY": "default"}
    if units["numpy"]:
        environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(units["numpy"])
    if units["opencv"]:
        environment["OPENCV_CPU_DISABLE"] = ",".join(units["opencv"])
    if platform.machine() == "x86_64":
        environment |= {"ONEDNN_MAX_CPU_ISA": "SSE41"}
        environment |= {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "MKL_CBWR": "COMPATIBLE"}
    return environment


def units_of(environment):
    """The vector units beyond the baseline that NumPy, OpenCV and PyTorch use in an environment."""
    return json.loads(output("-c", _UNITS, environment=environment).splitlines()[-1])


def output(*arguments, environment):
    """Standard output of ``python ARGUMENTS`` in the project's folder."""
    line = [sys.executable, *map(str, arguments)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, env=environment, cwd=PROJECT, timeout=600)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


if __name__ == "__main__":  # python tests/support/processors.py COMMAND...: run it with the fewest units
    sys.exit(subprocess.run(sys.argv[1:], env=fewest_units(), check=False).returncode)
