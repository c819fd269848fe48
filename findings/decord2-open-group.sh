#!/usr/bin/env bash
# decord2: after a jump, files with open groups of pictures or intra refresh show other frames than asked for
#
# Expected: VideoReader(file)[k] is frame k, whether frames were read before it or not.
# Happens: read in order all files are right, but a new reader asked for a frame at a key frame in mid-file leaves out
#   the B-frames before that key frame in MP4 (H.265, index 25 shows frame 28) and shows frames of the group before in
#   Matroska. With x264's intra refresh, as live streams use it, most jumps are wrong. x265 and FFmpeg's MPEG-2
#   encoder open their groups by default; closed groups are right.
# Versions: decord2 3.4.0, imageio-ffmpeg 0.8.1, numpy 2.4.6; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   decord2 3.4.0 FFmpeg n9.0.2-17-g2a571b6068-20260930 NumPy 2.4.6
#   h265.mp4: in order right; of 20 jumps wrong, index and frame shown: {25: 28, 50: 54, 75: 79}
#   h265.mkv: in order right; of 20 jumps wrong, index and frame shown: {25: 3, 50: 29, 75: 54}
#   h264-open.mp4: in order right; of 20 jumps wrong, index and frame shown: {25: 27}
#   h264-open.mkv: in order right; of 20 jumps wrong, index and frame shown: {25: 2}
#   h264-refresh.mp4: in order right; of 20 jumps wrong, index and frame shown: {25: 42, 30: 47, 35: 52, 40: 57, 55:
#       72, 60: 77, 65: 82, 80: 97, 85: 99, 90: 97, 95: 97}
#   mpeg2.mkv: in order right; of 20 jumps wrong, index and frame shown: {25: 0, 50: 28, 65: 52, 90: 68}
#   mpeg2-closed.mkv: in order right; of 20 jumps wrong, index and frame shown: none
#   h264-closed.mp4: in order right; of 20 jumps wrong, index and frame shown: none
#   expected: none wrong
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


X265, X264 = ("-c:v", "libx265", "-x265-params"), ("-c:v", "libx264", "-sc_threshold", "0")
files = {
    "h265.mp4": (*X265, "log-level=error"),
    "h265.mkv": (*X265, "log-level=error"),
    "h264-open.mp4": (*X264, "-x264-params", "open-gop=1"),
    "h264-open.mkv": (*X264, "-x264-params", "open-gop=1"),
    "h264-refresh.mp4": (*X264, "-intra-refresh", "1"),
    "mpeg2.mkv": ("-c:v", "mpeg2video", "-q:v", "2", "-bf", "2"),
    "mpeg2-closed.mkv": ("-c:v", "mpeg2video", "-q:v", "2", "-bf", "2", "-flags", "+cgop", "-sc_threshold", "1000000000"),
    "h264-closed.mp4": X264,
}
wrong = {}
for name, options in files.items():
    command = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", SOURCE, "-pix_fmt", "yuv420p", "-g", "25"]
    subprocess.run([*command, *options, name], check=True)
    reader = decord.VideoReader(name, num_threads=1)
    if [number(reader[k].asnumpy()) for k in range(len(reader))] != list(range(100)):
        sys.exit(f"changed: {name} is no longer right when read in order")
    jumps = {k: number(decord.VideoReader(name, num_threads=1)[k].asnumpy()) for k in range(0, 100, 5)}
    wrong[name] = {k: n for k, n in jumps.items() if k != n}
    print(f"{name}: in order right; of {len(jumps)} jumps wrong, index and frame shown: {wrong[name] or 'none'}")
print("expected: none wrong")
if wrong.pop("mpeg2-closed.mkv") or wrong.pop("h264-closed.mp4"):
    sys.exit("changed: closed groups are wrong as well")
if not any(wrong.values()):
    sys.exit("changed: decord2 jumps correctly into open groups")
print("still there")
PYTHON
