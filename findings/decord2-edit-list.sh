#!/usr/bin/env bash
# decord2: in an MP4 trimmed without re-encoding an index means one frame in order and another after a jump
#
# Expected: a player shows 67 frames, 33 to 99, because the edit list hides what precedes the cut; index k is frame k
#   + 33.
# Happens: decord2 counts 68 frames and shows the last one twice. Read in order index k is frame k + 33; after a jump
#   it is frame k + 32.
# Versions: decord2 3.4.0, imageio-ffmpeg 0.8.1, numpy 2.4.6; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   decord2 3.4.0 FFmpeg n9.0.2-17-g2a571b6068-20260930 NumPy 2.4.6
#   expected (FFmpeg): 67 frames, [33, 34, 35] ... [97, 98, 99]
#   decord2 in order:  68 frames, [33, 34, 35] ... [98, 99, 99]
#   decord2 jumping, frame minus index: {60: 32, 10: 32, 50: 32, 20: 32, 40: 32, 3: 32}
#   still there
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


command = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", SOURCE, "-pix_fmt", "yuv420p", "-c:v", "libx264"]
subprocess.run([*command, "-g", "25", "-bf", "2", "whole.mp4"], check=True)
subprocess.run([ffmpeg, "-y", "-v", "error", "-ss", "1.3", "-i", "whole.mp4", "-c", "copy", "cut.mp4"], check=True)
raw = subprocess.run(
    [ffmpeg, "-v", "error", "-i", "cut.mp4", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, capture_output=True
).stdout
player = [number(picture) for picture in np.frombuffer(raw, np.uint8).reshape(-1, 64, 128, 3)]
reader = decord.VideoReader("cut.mp4", num_threads=1)
order = [number(reader[k].asnumpy()) for k in range(len(reader))]
reader = decord.VideoReader("cut.mp4", num_threads=1)
jumps = {k: number(reader[k].asnumpy()) - k for k in (60, 10, 50, 20, 40, 3)}
print(f"expected (FFmpeg): {len(player)} frames, {player[:3]} ... {player[-3:]}")
print(f"decord2 in order:  {len(order)} frames, {order[:3]} ... {order[-3:]}")
print("decord2 jumping, frame minus index:", jumps)
if order == player and set(jumps.values()) == {player[0]}:
    sys.exit("changed: decord2 follows the edit list")
print("still there")
PYTHON
