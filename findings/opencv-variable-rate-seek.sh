#!/usr/bin/env bash
# OpenCV: in a file of variable rate neither a time nor a frame number leads to its frame
#
# Expected: set(CAP_PROP_POS_MSEC, t) leads to the picture shown at t, and set(CAP_PROP_POS_FRAMES, k) to the one that
#   the k-th read() gives.
# Happens: both are converted with the average rate: 1000 ms leads to the picture of 680 ms, frame 49 to the last one,
#   and frame 52 (of 60) to nothing at all. Read in order, all 60 pictures and their times are right.
# Versions: opencv-python-headless 5.0.0.93, imageio-ffmpeg 0.8.1, numpy 2.4.6; seen on 2026-11-29, Python 3.11, Linux
#   on x86-64
# Output:
#   OpenCV 5.0.0 FFmpeg n9.0.2-17-g2a571b6068-20260930 NumPy 2.4.6
#   read in order: right
#   milliseconds: (picture, expected) {400: (7, 10), 1000: (17, 25), 2400: (55, 60), 3600: (None, 90)}
#   frame number: (picture, expected) {10: (10, 10), 40: (50, 40), 49: (95, 49), 52: (None, 60), 58: (None, 90)}
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib opencv-python-headless==5.0.0.93 imageio-ffmpeg==0.8.1 numpy==2.4.6
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import subprocess
import sys

import cv2
import imageio_ffmpeg
import numpy as np

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("OpenCV", cv2.__version__, "FFmpeg", imageio_ffmpeg.get_ffmpeg_version(), "NumPy", np.__version__)
SOURCE = (
    "color=black:size=128x64:rate=25:duration=4,"
    "geq=lum='if(mod(floor(N/pow(2,floor(X/16))),2),235,16)':cb=128:cr=128"
)  # frame n shows the bits of n as eight bars


def number(picture):
    bars = np.asarray(picture)[8:-8].mean(axis=(0, 2)).reshape(8, 16)[:, 4:12].mean(axis=1)
    return sum(1 << bit for bit, level in enumerate(bars) if level > 128)


command = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", SOURCE, "-pix_fmt", "yuv420p", "-c:v", "libx264"]
vary = "select='lt(n,50)+not(mod(n,5))'"  # 25 pictures a second for two seconds, then five
subprocess.run([*command, "-vf", vary, "-fps_mode", "vfr", "v.mp4"], check=True)
capture = cv2.VideoCapture("v.mp4")
order = []
while True:
    more, picture = capture.read()
    if not more:
        break
    order.append(number(picture))


def after(what, value):
    capture.set(what, value)
    more, picture = capture.read()
    return number(picture) if more else None


right = [*range(50), *range(50, 100, 5)]
print("read in order:", "right" if order == right else order)
times = {ms: (after(cv2.CAP_PROP_POS_MSEC, ms), ms // 40) for ms in (400, 1000, 2400, 3600)}
places = {k: (after(cv2.CAP_PROP_POS_FRAMES, k), right[k]) for k in (10, 40, 49, 52, 58)}
print("milliseconds: (picture, expected)", times)
print("frame number: (picture, expected)", places)
if order != right:
    sys.exit("changed: reading in order is no longer right")
if all(got == expected for got, expected in [*times.values(), *places.values()]):
    sys.exit("changed: OpenCV seeks correctly in a file of variable rate")
print("still there")
PYTHON
