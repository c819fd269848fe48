#!/usr/bin/env bash
# imageio: a file of variable rate has 60 pictures for one call and 100 at another rate for the next
#
# Expected: count_frames_and_secs, read_frames and iio.imiter agree about one file: 60 pictures in 4 s.
# Happens: counting says 60; reading gives 100, because FFmpeg repeats pictures to a constant 25 per second when it
#   writes raw video; the rate reported beside them is the mean of the stored pictures, 17.05. Played at that rate the
#   clip lasts 5.9 s. Index 58 is one picture with plugin pyav and another with plugin FFMPEG.
# Versions: imageio 2.38.1, av 18.1.0, imageio-ffmpeg 0.8.1, numpy 2.4.6; seen on 2026-11-29, Python 3.11, Linux on
#   x86-64
# Output:
#   imageio 2.38.1 imageio-ffmpeg 0.8.1 FFmpeg n9.0.2-17-g2a571b6068-20260930
#   count_frames_and_secs: 60 in 4.0 s; read_frames: 100 at 17.05 per second, which is 5.87 s
#   picture at index 58: {'pyav': 90, 'FFMPEG': 55}
#   expected: 60 and 60, a rate that makes 4 s of them, and picture 90
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib imageio==2.38.1 av==18.1.0 imageio-ffmpeg==0.8.1 numpy==2.4.6
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import subprocess
import sys

import imageio
import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("imageio", imageio.__version__, "imageio-ffmpeg", imageio_ffmpeg.__version__, "FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
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
counted, seconds = imageio_ffmpeg.count_frames_and_secs("v.mp4")
frames = imageio_ffmpeg.read_frames("v.mp4")
rate = next(frames)["fps"]
read = sum(1 for _ in frames)
print(f"count_frames_and_secs: {counted} in {seconds} s; read_frames: {read} at {rate} per second, which is {read / rate:.2f} s")
at = {plugin: number(iio.imread("v.mp4", index=58, plugin=plugin)) for plugin in ("pyav", "FFMPEG")}
print("picture at index 58:", at)
print("expected: 60 and 60, a rate that makes 4 s of them, and picture 90")
if counted != 60 or at["pyav"] != 90:
    sys.exit("changed: a control gives another answer")
if read == counted:
    sys.exit("changed: reading gives what counting says")
print("still there")
PYTHON
