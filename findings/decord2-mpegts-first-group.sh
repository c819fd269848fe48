#!/usr/bin/env bash
# decord2: index 0 of an MPEG transport stream with B-frames is not its first frame
#
# Expected: VideoReader(file)[k] is frame k of the file, as it is for the same packets in MP4.
# Happens: in MPEG-TS index 0 is the first frame of the second group of pictures. All indices are that far ahead, and
#   the last ones repeat the last frame. The count is right, so nothing looks wrong. Without B-frames the same
#   container is read correctly.
# Versions: decord2 3.4.0, imageio-ffmpeg 0.8.1, numpy 2.4.6; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   decord2 3.4.0 FFmpeg n9.0.2-17-g2a571b6068-20260930 NumPy 2.4.6
#   b.ts: 100 frames; indices 0 to 2 show [25, 26, 27], the last three [99, 99, 99]
#   b.mp4: 100 frames; indices 0 to 2 show [0, 1, 2], the last three [97, 98, 99]
#   plain.ts: 100 frames; indices 0 to 2 show [0, 1, 2], the last three [97, 98, 99]
#   expected: [0, 1, 2] and [97, 98, 99] for all three
#   still there: index k of b.ts shows frame k + 25
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib decord2==3.4.0 imageio-ffmpeg==0.8.1 numpy==2.4.6
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import subprocess
import sys

import decord
import imageio_ffmpeg
import numpy as np

decord.logging.set_level(decord.logging.QUIET)
ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("decord2", decord.__version__, "FFmpeg", imageio_ffmpeg.get_ffmpeg_version(), "NumPy", np.__version__)

SOURCE = (
    "color=black:size=128x64:rate=25:duration=4,"
    "geq=lum='if(mod(floor(N/pow(2,floor(X/16))),2),235,16)':cb=128:cr=128"
)  # frame n shows the bits of n as eight bars


def number(picture):
    bars = np.asarray(picture)[8:-8].mean(axis=(0, 2)).reshape(8, 16)[:, 4:12].mean(axis=1)
    return sum(1 << bit for bit, level in enumerate(bars) if level > 128)


def make(name, *options):
    command = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", SOURCE, "-pix_fmt", "yuv420p", "-c:v", "libx264"]
    subprocess.run([*command, "-g", "25", "-sc_threshold", "0", *options, name], check=True)


def frames(name):
    reader = decord.VideoReader(name, num_threads=1)
    return [number(reader[k].asnumpy()) for k in range(len(reader))]


make("b.ts", "-bf", "2")
make("plain.ts", "-bf", "0")
subprocess.run([ffmpeg, "-y", "-v", "error", "-i", "b.ts", "-c", "copy", "b.mp4"], check=True)
ffmpeg_md5 = [
    subprocess.run([ffmpeg, "-v", "error", "-i", name, "-f", "md5", "-"], check=True, capture_output=True).stdout
    for name in ("b.ts", "b.mp4")
]
right = list(range(100))
shown = {name: frames(name) for name in ("b.ts", "b.mp4", "plain.ts")}
for name, numbers in shown.items():
    print(f"{name}: {len(numbers)} frames; indices 0 to 2 show {numbers[:3]}, the last three {numbers[-3:]}")
print("expected: [0, 1, 2] and [97, 98, 99] for all three")
if ffmpeg_md5[0] != ffmpeg_md5[1]:
    sys.exit("changed: FFmpeg itself no longer decodes the two B-frame files alike")
if shown["b.mp4"] != right or shown["plain.ts"] != right:
    sys.exit("changed: a control file is no longer read correctly")
if shown["b.ts"] == right:
    sys.exit("changed: decord2 reads the transport stream correctly")
print("still there: index k of b.ts shows frame", f"k + {shown['b.ts'][0]}")
PYTHON
