#!/usr/bin/env bash
# FFmpeg: what blockdetect says of a frame is about all frames before it too: a blocky one scores 41 in the first place and 3.7 in the eleventh
#
# Expected: lavfi.block is a measure of the frame that carries it, as lavfi.blur of blurdetect is.
# Happens: blockdetect never clears the sums that it compares, so every value is about all frames since the start. A blocky frame
#   scores 11 times less after ten clean ones, and the clean ones after it never come back to what they score alone. The mean of
#   the clip depends on the order of its frames.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-30, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   alone: clean 1.9 blocky 41.4
#   ten clean frames, a blocky one, nine clean ones: [1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 1.9, 3.72, 3.56, 3.43, 3.32, 3.22, 3.13, 3.06, 2.99, 2.93, 2.88]
#   the same two frames in both orders: [1.9, 14.79] [41.4, 14.79]
#   blurdetect, in both orders: [9.36, 9.79] [9.79, 9.36]
#   expected: the blocky frame 41.4 wherever it stands, and the clean ones 1.9
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
picture = f"color=gray:size=640x352:rate=5:duration=1,format=yuvj420p,geq=lum='{wave}':cb=128:cr=128"
for name in ("clean.jpg", "blocky.jpg"):
    quality = "2" if name == "clean.jpg" else "31"
    command = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", picture, "-frames:v", "1", "-q:v", quality, name]
    subprocess.run(command, check=True)


def measured(order, measure="block"):
    sources = [word for letter in order for word in ("-i", {"c": "clean.jpg", "b": "blocky.jpg"}[letter])]
    joined = "".join(f"[{place}:v]" for place in range(len(order)))
    graph = f"{joined}concat=n={len(order)},format=gray,{measure}detect,metadata=print:file=-"
    command = [ffmpeg, "-v", "error", *sources, "-lavfi", graph, "-f", "null", "-"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [round(float(value), 2) for value in re.findall(rf"lavfi\.{measure}=(\S+)", found)]


alone = {letter: measured(letter)[0] for letter in "cb"}
late = measured("c" * 10 + "b" + "c" * 9)
print("alone: clean", alone["c"], "blocky", alone["b"])
print("ten clean frames, a blocky one, nine clean ones:", late)
print("the same two frames in both orders:", measured("cb"), measured("bc"))
print("blurdetect, in both orders:", measured("cb", "blur"), measured("bc", "blur"))
print("expected: the blocky frame", alone["b"], "wherever it stands, and the clean ones", alone["c"])
if late[10] > 0.8 * alone["b"] or late[-1] < 1.1 * alone["c"]:
    sys.exit("changed: a frame is measured by itself")
print("still there")
PYTHON
