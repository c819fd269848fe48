#!/usr/bin/env bash
# FFmpeg: in ten bits the siti filter finds four times the spatial and temporal information in the same pictures
#
# Expected: SI and TI (ITU-T P.910) describe the picture. The filter brings full and limited range to one scale, so it does
#   that for 8 and 10 bits as well.
# Happens: luma of ten bits is taken as it is, 0..1023. A corpus of both depths falls into two groups; in twelve bits a clip is
#   measured in ten. And each run begins with a summary of no frames: the first "Average" in the log is -nan.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-30, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   yuv420p: SI, TI ['73.753349', '13.441468'], before them ['-nan', '-nan']
#   yuvj420p: SI, TI ['73.759361', '13.430063'], before them ['-nan', '-nan']
#   yuv420p10le: SI, TI ['296.446869', '53.970901'], before them ['-nan', '-nan']
#   yuv420p12le: SI, TI ['296.446869', '53.970901'], before them ['-nan', '-nan']
#   expected: the same SI and TI for all four
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


def measured(pixels):
    source = "testsrc2=size=640x360:rate=30:duration=1"
    graph = f"format=yuv420p,format={pixels},siti=print_summary=1"
    command = [ffmpeg, "-hide_banner", "-f", "lavfi", "-i", source, "-vf", graph, "-f", "null", "-"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return re.findall(r"Average:\s*(\S+)", log)


found = {pixels: measured(pixels) for pixels in ("yuv420p", "yuvj420p", "yuv420p10le", "yuv420p12le")}
for pixels, averages in found.items():
    print(f"{pixels}: SI, TI {averages[-2:]}, before them {averages[:-2]}")
print("expected: the same SI and TI for all four")
si = {pixels: float(averages[-2]) for pixels, averages in found.items()}
if abs(si["yuvj420p"] / si["yuv420p"] - 1) > 0.05:
    sys.exit("changed: the range matters too")
if not 3.5 < si["yuv420p10le"] / si["yuv420p"] < 4.5:
    sys.exit("changed: ten bits are on the scale of eight")
print("still there")
PYTHON
