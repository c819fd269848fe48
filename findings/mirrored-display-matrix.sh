#!/usr/bin/env bash
# An MP4 that is mirrored by its display matrix is turned upside down by OpenCV and decord2
#
# Expected: a display matrix that mirrors left and right is applied as FFmpeg applies it; a reader that applies
#   rotations only would leave it out.
# Happens: OpenCV and decord2 turn the picture by 180 degrees, PyAV calls it rotation -180 (the same as a real half
#   turn), and the header that FFmpeg prints says "rotation of -180.00 degrees" too, although FFmpeg shows the mirror
#   correctly. A vertical mirror is left out.
# Versions: opencv-python-headless 5.0.0.93, av 18.1.0, decord2 3.4.0, imageio-ffmpeg 0.8.1, numpy 2.4.6; seen on
#   2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   OpenCV 5.0.0 PyAV 18.1.0 decord2 3.4.0 FFmpeg n9.0.2-17-g2a571b6068-20260930
#   hflip {'FFmpeg': 'mirrored', 'OpenCV': 'half turn', 'decord2': 'half turn', "PyAV's frame.rotation": -180,
#       "FFmpeg's header": 'rotation of -180.00 degrees'}
#   vflip {'FFmpeg': 'upside down mirrored', 'OpenCV': 'as stored', 'decord2': 'as stored', "PyAV's frame.rotation":
#       0, "FFmpeg's header": 'rotation of -0.00 degrees'}
#   expected: hflip mirrored, vflip upside down mirrored, by every reader
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib opencv-python-headless==5.0.0.93 av==18.1.0 decord2==3.4.0 imageio-ffmpeg==0.8.1 numpy==2.4.6
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import re
import subprocess
import sys

import av
import cv2
import decord
import imageio_ffmpeg
import numpy as np

decord.logging.set_level(decord.logging.QUIET)
ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("OpenCV", cv2.__version__, "PyAV", av.__version__, "decord2", decord.__version__, "FFmpeg", imageio_ffmpeg.get_ffmpeg_version())

# Four quarters of different brightness: white and black above, grey and dark grey below.
SOURCE = "color=black:size=64x32:rate=5:duration=1,geq=lum='if(lt(X,32),if(lt(Y,16),235,90),if(lt(Y,16),16,50))':cb=128:cr=128"
command = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", SOURCE, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-qp", "0"]
subprocess.run([*command, "plain.mp4"], check=True)


def name_of(picture, plain):
    """Which change of the plain picture this one is."""
    changes = {"as stored": plain, "mirrored": plain[:, ::-1], "upside down mirrored": plain[::-1], "half turn": plain[::-1, ::-1]}
    return min(changes, key=lambda change: np.abs(changes[change].astype(int) - picture).mean())


def with_ffmpeg(path):
    raw = subprocess.run(
        [ffmpeg, "-v", "error", "-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        check=True, capture_output=True,
    ).stdout
    return np.frombuffer(raw, np.uint8).reshape(32, 64, 3)


plain = with_ffmpeg("plain.mp4")
answers = {}
for option in ("hflip", "vflip"):
    subprocess.run([ffmpeg, "-y", "-v", "error", f"-display_{option}", "-i", "plain.mp4", "-c", "copy", "m.mp4"], check=True)
    header = subprocess.run([ffmpeg, "-i", "m.mp4"], capture_output=True, text=True).stderr
    frame = next(av.open("m.mp4").decode(video=0))
    answers[option] = {
        "FFmpeg": name_of(with_ffmpeg("m.mp4"), plain),
        "OpenCV": name_of(cv2.VideoCapture("m.mp4").read()[1], plain),
        "decord2": name_of(decord.VideoReader("m.mp4")[0].asnumpy(), plain),
        "PyAV's frame.rotation": frame.rotation,
        "FFmpeg's header": (re.findall(r"rotation of [-.\d]+ degrees", header) or ["nothing"])[0],
    }
    print(option, answers[option])
print("expected: hflip mirrored, vflip upside down mirrored, by every reader")
if answers["hflip"]["FFmpeg"] != "mirrored" or answers["vflip"]["FFmpeg"] != "upside down mirrored":
    sys.exit("changed: FFmpeg shows the mirror differently")
if "half turn" not in (answers["hflip"]["OpenCV"], answers["hflip"]["decord2"]):
    sys.exit("changed: neither OpenCV nor decord2 makes a half turn of a mirror")
print("still there")
PYTHON
