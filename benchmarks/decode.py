"""Peak memory of one decode that makes the views of all five published teachers.

    python benchmarks/decode.py [--seconds 60] [--width 3840] [--height 2160]

The clip repeats two rendered seconds. Peaks are of resident memory: of this process, which receives the views, and of the
child process, which decodes the clip and makes the views.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.media import ffmpeg
from actors.media.decode import Decoder
from actors.media.views import SampleSpec
from actors.teachers import views_of

TEACHERS = ("dover", "fastvqa", "minimalistic_vii", "minimalistic_ix", "qalign")


def clip(folder: Path, width: int, height: int, seconds: int) -> Path:
    """A clip that repeats two rendered seconds of 24 frames each."""
    short, long = folder / "short.mp4", folder / "long.mp4"
    colours = f"gradients=s={width // 4}x{height // 4}:r=24:d=2:speed=0.02,scale={width}:{height}:flags=neighbor"
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "35", "-threads", "1", "-pix_fmt", "yuv420p"]
    call = [ffmpeg.binary(), "-loglevel", "error", "-nostdin"]
    subprocess.run([*call, "-f", "lavfi", "-i", colours, *encode, short], check=True)
    subprocess.run([*call, "-stream_loop", str(seconds // 2 - 1), "-i", short, "-c", "copy", long], check=True)
    return long


def peak_mib(pid: int | str) -> int:
    """Largest resident size of a process so far, MiB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("seconds", 60), ("width", 3840), ("height", 2160)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Decoder(timeout_s=1800) as decoder:
        file = clip(Path(folder), options.width, options.height, options.seconds)
        start = time.perf_counter()
        sample = decoder.decode(file, spec=SampleSpec(1, 48, views=views_of(TEACHERS)))
        seconds = time.perf_counter() - start
        views = sum(view.nbytes for view in sample.views.values()) / 2**20
        child = decoder._child  # noqa: SLF001 - the only way to its peak
        assert child is not None
        print(f"{options.width}x{options.height}, {options.seconds} s: {seconds:.0f} s, views {views:.0f} MiB")
        print(f"peak of the child {peak_mib(child.process.pid)} MiB, of this process {peak_mib('self')} MiB")


if __name__ == "__main__":
    main()
