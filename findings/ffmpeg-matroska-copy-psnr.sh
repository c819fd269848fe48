#!/usr/bin/env bash
# FFmpeg: a stream copied from MP4 to Matroska scores PSNR 27 dB and VMAF 75 against its source
#
# Expected: -c copy changes no picture, so the psnr filter says inf and libvmaf about 100.
# Happens: Matroska rounds time stamps to milliseconds, and the two-input filters pair frames by time, so at
#   30000/1001, 24000/1001 and 30 frames per second many frames are compared with a neighbour. Nothing is printed
#   about it. At 25 per second, or with frames paired by number, the answer is inf.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   25: PSNR inf, VMAF 100.0; paired by number PSNR inf
#   24000/1001: PSNR 26.6, VMAF 74.1; paired by number PSNR inf
#   30000/1001: PSNR 27.4, VMAF 75.3; paired by number PSNR inf
#   30: PSNR 28.8, VMAF 81.9; paired by number PSNR inf
#   expected: PSNR inf and VMAF near 100 at every rate
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib imageio-ffmpeg==0.8.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import re
import subprocess
import sys

import imageio_ffmpeg

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())


def score(graph, pattern):
    command = [ffmpeg, "-hide_banner", "-i", "a.mkv", "-i", "a.mp4", "-lavfi", graph, "-f", "null", "-"]
    return float(re.search(pattern, subprocess.run(command, check=True, capture_output=True, text=True).stderr)[1])


PSNR, VMAF = r"average:(\S+)", r"VMAF score: (\S+)"
results = {}
for rate in ("25", "24000/1001", "30000/1001", "30"):
    source = f"testsrc2=size=320x240:rate={rate}:duration=4"
    command = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-c:v", "libx264"]
    subprocess.run([*command, "-qp", "0", "-preset", "ultrafast", "a.mp4"], check=True)
    subprocess.run([ffmpeg, "-y", "-v", "error", "-i", "a.mp4", "-c", "copy", "a.mkv"], check=True)
    equal = "[0:v]settb=1/1000,setpts=N*40[a];[1:v]settb=1/1000,setpts=N*40[b];[a][b]psnr"
    results[rate] = score("psnr", PSNR), score("libvmaf", VMAF), score(equal, PSNR)
    print(f"{rate}: PSNR {results[rate][0]:.1f}, VMAF {results[rate][1]:.1f}; paired by number PSNR {results[rate][2]}")
print("expected: PSNR inf and VMAF near 100 at every rate")
if any(result[2] != float("inf") for result in results.values()):
    sys.exit("changed: the copy itself is no longer lossless")
if all(result[0] == float("inf") for result in results.values()):
    sys.exit("changed: frames are paired correctly")
print("still there")
PYTHON
