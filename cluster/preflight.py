"""Checks that this machine is ready. They take seconds, run before Ray starts, and name a remedy for each fault."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster import ClusterError

RAY = "2.58.0"
MIN_CPUS = 2
MIN_MEMORY_GIB = 4.0
MIN_DISK_GIB = 5.0
ENCODERS = ("libx264", "libx265", "libvpx-vp9", "libsvtav1", "mpeg2video", "mjpeg", "png", "rawvideo")
FILTERS = ("libvmaf", "hqdn3d", "noise", "scale", "fps")
MODULES = {
    "torch": "torch",
    "transformers": "transformers",
    "deepspeed": "deepspeed",
    "decord": "decord2",
    "cv2": "opencv-python",
    "skimage": "scikit-image",
    "ffmpeg": "ffmpeg-python",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "pyarrow": "pyarrow",
    "obstore": "obstore",
    "scipy": "scipy",
    "safetensors": "safetensors",
}
_GIB = 1 << 30
_TIMEOUT_S = 60.0
_REINSTALL = "install the project again: pip install -e ."


@dataclass(frozen=True)
class Check:
    """The result of one check. `mend` is the remedy, empty if the check passed.

    A check that is not `needed` may fail without stopping a run.
    """

    name: str
    ok: bool
    detail: str
    mend: str = ""
    needed: bool = True


def doctor(folder: Path | None = None, *, thorough: bool = True) -> list[Check]:
    """Check everything that a run needs from this machine.

    Args:
        folder: Folder for runs; the free space of its disk is checked. Default: the current folder.
        thorough: Also import PyTorch and query the GPU driver, which takes seconds; a run does this anyway.
    """
    checks: list[Callable[[], Check]] = [
        check_python,
        check_ray,
        check_cpus,
        check_memory,
        lambda: check_disk(folder or Path.cwd()),
        check_modules,
        check_ffmpeg,
    ]
    if thorough:
        checks += [check_torch, check_gpus]
    return [check() for check in checks]


def require(checks: Iterable[Check]) -> None:
    """Stop before any work if a needed check failed.

    Raises:
        ClusterError: Names the first failed check and its remedy.
    """
    failed = [check for check in checks if check.needed and not check.ok]
    if failed:
        first, *others = failed
        more = f" (and {len(others)} more: python run.py doctor)" if others else ""
        raise ClusterError(f"{first.name}: {first.detail}; {first.mend}{more}")


def check_python(version: Sequence[int] = sys.version_info[:3]) -> Check:
    """Python 3.11 or 3.12: the versions for which every dependency has a release."""
    text = ".".join(str(part) for part in version[:3])
    ok = (3, 11) <= tuple(version[:2]) < (3, 13)
    return Check("Python", ok, text, "" if ok else "create the environment with Python 3.11 or 3.12")


def check_ray() -> Check:
    """Ray has the release that the project is written for."""
    try:
        version = importlib.metadata.version("ray")
    except importlib.metadata.PackageNotFoundError:
        return Check("Ray", ok=False, detail="not installed", mend=_REINSTALL)
    return Check("Ray", version == RAY, version, "" if version == RAY else f"pip install 'ray[data,train,tune]=={RAY}'")


def check_cpus(count: int | None = None) -> Check:
    """CPUs that this process may use."""
    cpus = len(os.sched_getaffinity(0)) if count is None else count
    ok = cpus >= MIN_CPUS
    mend = "" if ok else "a run works but is slow; give the process two or more cores"
    return Check("CPUs", ok, f"{cpus} usable", mend, needed=False)


def check_memory(gib: float | None = None) -> Check:
    """Memory of the machine, or the limit of its control group (a container) if that is lower."""
    memory = memory_gib() if gib is None else gib
    ok = memory >= MIN_MEMORY_GIB
    mend = "" if ok else f"a run needs {MIN_MEMORY_GIB:.0f} GiB; use a larger machine or container"
    return Check("memory", ok, f"{memory:.1f} GiB", mend)


def memory_gib(group: Path = Path("/sys/fs/cgroup/memory.max")) -> float:
    """Return the memory in GiB that this process may use."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = group.read_text(encoding="ascii").strip() if group.is_file() else "max"
    return min(machine, int(limit) if limit.isdigit() else machine) / _GIB


def check_disk(folder: Path, free_gib: float | None = None) -> Check:
    """Free space on the disk of the run folder."""
    place = next(path for path in [folder.absolute(), *folder.absolute().parents] if path.exists())
    free = shutil.disk_usage(place).free / _GIB if free_gib is None else free_gib
    if not os.access(place, os.W_OK):
        return Check(
            "disk", ok=False, detail=f"{place} cannot be written", mend="name a folder that you own with --out"
        )
    ok = free >= MIN_DISK_GIB
    mend = "" if ok else f"free {MIN_DISK_GIB:.0f} GiB, or name a folder on another disk with --out"
    return Check("disk", ok, f"{free:.0f} GiB free at {place}", mend)


def check_modules(modules: Mapping[str, str] = MODULES) -> Check:
    """Every library is installed. The check imports none of them."""
    missing = [package for module, package in modules.items() if importlib.util.find_spec(module) is None]
    if missing:
        return Check("libraries", ok=False, detail=f"not installed: {', '.join(missing)}", mend=_REINSTALL)
    return Check("libraries", ok=True, detail=f"{len(modules)} found")


def check_torch() -> Check:
    """PyTorch imports and computes. This runs in a child process, because a broken build may crash on import."""
    code = "import torch; assert (torch.ones(2, 2) @ torch.ones(2, 2)).sum() == 8; print(torch.__version__)"
    try:
        child = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        detail = f"its import takes more than {_TIMEOUT_S:.0f} s"
        return Check("PyTorch", ok=False, detail=detail, mend="check the disk that holds the Python environment")
    if child.returncode != 0:
        message = (child.stderr.strip().splitlines() or [f"killed by signal {-child.returncode}"])[-1]
        return Check("PyTorch", ok=False, detail=message, mend=_REINSTALL)
    return Check("PyTorch", ok=True, detail=child.stdout.strip())


def check_ffmpeg(binary: str | None = None) -> Check:
    """FFmpeg runs, with the encoders and filters that the distortions and VMAF need.

    Args:
        binary: Path of the program; default: the one that the media code uses.
    """
    mend = "install imageio-ffmpeg again: pip install --force-reinstall imageio-ffmpeg"
    try:
        from actors.media.ffmpeg import ask
        from actors.media.outcome import Failure
    except ImportError as error:
        return Check("FFmpeg", ok=False, detail=f"does not run: {error}", mend=mend)
    try:
        encoders, filters = (ask(question, executable=binary) for question in ("-encoders", "-filters"))
        version = ask("-version", executable=binary).split()[2]
    except (ImportError, OSError, RuntimeError, Failure) as error:
        return Check("FFmpeg", ok=False, detail=f"does not run: {error}", mend=mend)
    missing = [name for name in ENCODERS if not _lists(encoders, name)]
    missing += [name for name in FILTERS if not _lists(filters, name)]
    if missing:
        return Check("FFmpeg", ok=False, detail=f"{version} lacks {', '.join(missing)}", mend=mend)
    return Check("FFmpeg", ok=True, detail=f"{version}, with all encoders and filters")


def _lists(answer: str, name: str) -> bool:
    return re.search(rf"^\s*\S+\s+{re.escape(name)}\s", answer, re.MULTILINE) is not None


def check_gpus(devices: Path = Path("/dev"), query: Callable[[], str] | None = None) -> Check:
    """GPUs are optional; a GPU whose driver does not answer is reported."""
    gpus = sorted(devices.glob("nvidia[0-9]*"))
    if not gpus:
        return Check("GPUs", ok=True, detail="none; everything runs on the CPU", needed=False)
    try:
        names = (query or _nvidia_smi)().strip().splitlines()
    except (OSError, subprocess.SubprocessError) as error:
        mend = "install the driver again, or hide the device"
        return Check("GPUs", ok=False, detail=f"{len(gpus)} found, but no answer: {error}", mend=mend, needed=False)
    return Check("GPUs", ok=True, detail=", ".join(names), needed=False)


def _nvidia_smi() -> str:
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout
