#!/usr/bin/env bash
# FFmpeg and PyAV: an accurate seek in an MPEG transport stream lands up to a group of pictures late
#
# Expected: -ss before -i is accurate by default: the first frame is the one at that time, as for the same packets in
#   MP4. PyAV's seek(backward=True) goes to a key frame before the time.
# Happens: in MPEG-TS both go to a key frame after the time, and the frames between are lost without a word: 0.2 s
#   gives the frame of 1.0 s. After -i the same option is exact.
# Versions: av 18.1.0, imageio-ffmpeg 0.8.1, numpy 2.4.6; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930 PyAV 18.1.0 NumPy 2.4.6
#   0.2 s, expected frame 5: {'TS, -ss before -i': 25, 'TS, -ss after -i': 5, 'MP4, -ss before -i': 5, 'TS, PyAV': 25,
#       'MP4, PyAV': 5}
#   0.8 s, expected frame 20: {'TS, -ss before -i': 25, 'TS, -ss after -i': 20, 'MP4, -ss before -i': 20, 'TS, PyAV':
#       25, 'MP4, PyAV': 20}
#   1.2 s, expected frame 30: {'TS, -ss before -i': 50, 'TS, -ss after -i': 30, 'MP4, -ss before -i': 30, 'TS, PyAV':
#       50, 'MP4, PyAV': 30}
#   2.2 s, expected frame 55: {'TS, -ss before -i': 75, 'TS, -ss after -i': 55, 'MP4, -ss before -i': 55, 'TS, PyAV':
#       75, 'MP4, PyAV': 55}
#   still there: frames late [20, 5, 20, 20]
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib av==18.1.0 imageio-ffmpeg==0.8.1 numpy==2.4.6
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import subprocess
import sys

import av
import imageio_ffmpeg
import numpy as np

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version(), "PyAV", av.__version__, "NumPy", np.__version__)
SOURCE = (
    "color=black:size=128x64:rate=25:duration=4,"
    "geq=lum='if(mod(floor(N/pow(2,floor(X/16))),2),235,16)':cb=128:cr=128"
)  # frame n shows the bits of n as eight bars


def number(picture):
    bars = np.asarray(picture)[8:-8].mean(axis=(0, 2)).reshape(8, 16)[:, 4:12].mean(axis=1)
    return sum(1 << bit for bit, level in enumerate(bars) if level > 128)


command = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", SOURCE, "-pix_fmt", "yuv420p", "-c:v", "libx264"]
subprocess.run([*command, "-g", "25", "-sc_threshold", "0", "n.ts"], check=True)
subprocess.run([ffmpeg, "-y", "-v", "error", "-i", "n.ts", "-c", "copy", "n.mp4"], check=True)


def first(*arguments):
    tail = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    # The decoder complains about references that it never gets; these complaints are no error of the command.
    raw = subprocess.run([ffmpeg, "-v", "quiet", *arguments, *tail], check=True, capture_output=True).stdout
    return number(np.frombuffer(raw, np.uint8).reshape(64, 128, 3))


def with_pyav(name, seconds):
    av.logging.set_level(av.logging.PANIC)
    with av.open(name) as container:
        stream = container.streams.video[0]
        time = int(seconds / stream.time_base) + stream.start_time
        container.seek(time, stream=stream, backward=True)
        frame = next(frame for frame in container.decode(stream) if frame.pts >= time)
        return number(frame.to_ndarray(format="rgb24"))


late = []
for seconds in (0.2, 0.8, 1.2, 2.2):
    expected = round(seconds * 25)
    answers = {
        "TS, -ss before -i": first("-ss", str(seconds), "-i", "n.ts"),
        "TS, -ss after -i": first("-i", "n.ts", "-ss", str(seconds)),
        "MP4, -ss before -i": first("-ss", str(seconds), "-i", "n.mp4"),
        "TS, PyAV": with_pyav("n.ts", seconds),
        "MP4, PyAV": with_pyav("n.mp4", seconds),
    }
    print(f"{seconds} s, expected frame {expected}:", answers)
    late.append(answers["TS, -ss before -i"] - expected)
    if {answers["TS, -ss after -i"], answers["MP4, -ss before -i"], answers["MP4, PyAV"]} != {expected}:
        sys.exit("changed: a control is no longer exact")
if not any(late):
    sys.exit("changed: FFmpeg's input seek is exact in a transport stream")
print("still there: frames late", late)
PYTHON
