"""Write the small student's model of pristine pictures: that of the teacher `niqe`.

python benchmarks/encoder/pristine.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from actors.teachers.niqe import pristine_model


def main() -> None:
    """Write the file of the package."""
    mean, covariance, _ = pristine_model()
    file = PROJECT / "trainers" / "student" / "lite" / "naturalness.safetensors"
    save_file({"mean": np.ascontiguousarray(mean), "covariance": np.ascontiguousarray(covariance)}, file)
    print(f"{file.relative_to(PROJECT)}: {file.stat().st_size} bytes")


if __name__ == "__main__":
    main()
