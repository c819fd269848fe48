#!/usr/bin/env bash
# FFmpeg: one black frame makes blurdetect's mean of a whole clip "-nan"
#
# Expected: a frame without edges has no measure of blur and is left out of the mean, or counts as a number.
# Happens: blurdetect divides by its number of edges; a black frame gives -nan, and from then on the mean of the clip
#   is -nan. Fades to black are enough. So is strong blur: the strongest blur has no number at all.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   25 frames: 4.6575201 - the same with frame 5 black: -nan
#   one frame by sigma of a Gaussian blur: {1: '8.7658472', 4: '14.1902637', 16: '28.8737431', 32: '-nan'}
#   expected: a number for all of them, a larger one for more blur
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


def mean(source, change):
    command = [ffmpeg, "-hide_banner", "-f", "lavfi", "-i", source, "-vf", f"{change},format=gray,blurdetect", "-f", "null", "-"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return re.search(r"blur mean: (\S+)", log)[1]


clip = "testsrc2=size=320x240:rate=25:duration=1"
whole, black = mean(clip, "null"), mean(clip, "drawbox=enable='eq(n,5)':t=fill:c=black")
blurred = {sigma: mean("mandelbrot=size=640x480:rate=1,trim=end_frame=1", f"gblur=sigma={sigma}") for sigma in (1, 4, 16, 32)}
print("25 frames:", whole, "- the same with frame 5 black:", black)
print("one frame by sigma of a Gaussian blur:", blurred)
print("expected: a number for all of them, a larger one for more blur")
if "nan" in whole:
    sys.exit("changed: the clip without a black frame has no number either")
if "nan" not in black and "nan" not in blurred[32]:
    sys.exit("changed: frames without edges no longer make the mean nan")
print("still there")
PYTHON
