#!/usr/bin/env bash
# FFmpeg: cut one row and one column off a blocky picture, and blockdetect says 6.7 instead of 45
#
# Expected: the measure searches the period of the grid and so its place too: a crop of a few pixels takes no blocks away.
# Happens: it searches periods from 3 to 24, and takes every grid to begin at the first pixel. Blocks of 8 pixels count in
#   full only where the picture is cut on a multiple of 8; elsewhere a part of them is seen through periods that divide the shift.
#   Cropped, padded and letterboxed videos are therefore measured as far less blocky than they are.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-30, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   uncompressed picture (1 is no blocks): 1.02
#   JPEG of it, cut at: {0: 45.1, 1: 6.71, 2: 2.89, 3: 3.57, 4: 26.53, 8: 45.33}
#   JPEG of it, padded by: {2: 6.54, 8: 58.24}
#   expected: one value for all of the JPEG
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
wave = "128+60*sin(X/37+2*sin(Y/53))+30*sin((X+2*Y)/11)+10*sin(X*Y/900)"
picture = f"color=gray:size=1280x720:rate=5:duration=1,format=yuvj420p,geq=lum='{wave}':cb=128:cr=128"


def saved(name, *options):
    command = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", picture, "-frames:v", "1", *options, name]
    subprocess.run(command, check=True)


def blocks(name, change):
    graph = f"format=gray,{change},blockdetect"
    command = [ffmpeg, "-hide_banner", "-i", name, "-vf", graph, "-f", "null", "-"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return round(float(re.search(r"block mean: (\S+)", log)[1]), 2)


saved("smooth.png")
saved("blocks.jpg", "-q:v", "31")
cut = {shift: blocks("blocks.jpg", f"crop=1264:704:{shift}:{shift}:exact=1") for shift in (0, 1, 2, 3, 4, 8)}
padded = {shift: blocks("blocks.jpg", f"pad=iw+16:ih+16:{shift}:{shift}") for shift in (2, 8)}
smooth = blocks("smooth.png", "crop=1264:704:0:0")
print("uncompressed picture (1 is no blocks):", smooth)
print("JPEG of it, cut at:", cut)
print("JPEG of it, padded by:", padded)
print("expected: one value for all of the JPEG")
if smooth > cut[0] / 2:
    sys.exit("changed: the blocks are not seen at all")
if min(cut[1], cut[2], cut[3], padded[2]) > 0.7 * cut[0]:
    sys.exit("changed: the place of the grid is found")
print("still there")
PYTHON
