#!/usr/bin/env bash
# FFmpeg: where the picture size changes in mid-stream, half of the clip is dropped with exit status 0
#
# Expected: setpts=N/25/TB numbers the frames of a stream through, and select='lt(n,40)' passes 40 of them.
# Happens: at a change of size FFmpeg builds the filter graph again, and the counters n and N start from 0: time
#   stamps run back, the muxer's constant rate drops 49 of 100 frames, and select passes 80. The exit status is 0. A
#   scale filter in front does not help.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   null: 100 frames, expected 100
#   setpts=N/25/TB: 51 frames, expected 100
#   scale=128:64,setpts=N/25/TB: 51 frames, expected 100
#   select='lt(n,40)': 80 frames, expected 40
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib imageio-ffmpeg==0.8.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import subprocess
import sys
from pathlib import Path

import imageio_ffmpeg

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
parts = []
for size in ("128x64", "256x128"):
    source = f"testsrc2=size={size}:rate=25:duration=2"
    command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-f", "mpegts", "-"]
    parts.append(subprocess.run(command, check=True, capture_output=True).stdout)
Path("grows.ts").write_bytes(b"".join(parts))  # as a broadcast that changes its size


def frames(graph, *options):
    command = [ffmpeg, "-v", "quiet", "-i", "grows.ts", "-vf", graph, *options, "-f", "framemd5", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return sum(not line.startswith("#") for line in done.stdout.splitlines())


passthrough = "-fps_mode", "passthrough"
answers = {
    "null": (frames("null"), 100),
    "setpts=N/25/TB": (frames("setpts=N/25/TB"), 100),
    "scale=128:64,setpts=N/25/TB": (frames("scale=128:64,setpts=N/25/TB"), 100),
    "select='lt(n,40)'": (frames("select='lt(n,40)'", *passthrough), 40),
}
for graph, (count, expected) in answers.items():
    print(f"{graph}: {count} frames, expected {expected}")
if answers["null"][0] != 100:
    sys.exit("changed: the clip no longer gives 100 frames without a filter")
if all(count == expected for count, expected in answers.values()):
    sys.exit("changed: counters go on over a change of size")
print("still there")
PYTHON
