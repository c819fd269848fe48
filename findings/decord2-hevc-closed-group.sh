#!/usr/bin/env bash
# decord2: H.265 with B-frames and closed groups of pictures cannot be read to its end
#
# Expected: a valid file of 100 frames, which FFmpeg decodes, gives 100 frames.
# Happens: reading in order ends in DECORDError (avcodec_send_packet returned -11) at or soon after the second key
#   frame: -11 is EAGAIN, with which the decoder only asks for its pictures to be taken first. Without B-frames the
#   same pictures can be read.
# Versions: decord2 3.4.0, imageio-ffmpeg 0.8.1, numpy 2.4.6; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   decord2 3.4.0 FFmpeg n9.0.2-17-g2a571b6068-20260930 NumPy 2.4.6
#   4 B-frames: FFmpeg 100 frames, decord2 25 avcodec_send_packet(dec_ctx_.get(), pkt.get()) >= 0 (-11 vs. 0) Thread
#       worker: Error sending packet.
#   0 B-frames: FFmpeg 100 frames, decord2 100
#   expected: 100 frames from both, with and without B-frames
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


def read(name):
    reader, count = decord.VideoReader(name, num_threads=1), 0
    try:
        for k in range(len(reader)):
            reader[k].asnumpy()
            count += 1
    except decord.DECORDError as error:
        return count, str(error).splitlines()[0].rpartition("Check failed: ")[2]
    return count, ""


results = {}
for b_frames in (4, 0):
    command = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=4"]
    options = f"log-level=error:open-gop=0:bframes={b_frames}"
    subprocess.run([*command, "-pix_fmt", "yuv420p", "-g", "25", "-c:v", "libx265", "-x265-params", options, "c.mp4"], check=True)
    md5 = subprocess.run([ffmpeg, "-v", "error", "-i", "c.mp4", "-f", "framemd5", "-"], check=True, capture_output=True, text=True)
    by_ffmpeg = sum(not line.startswith("#") for line in md5.stdout.splitlines())
    results[b_frames] = by_ffmpeg, *read("c.mp4")
    print(f"{b_frames} B-frames: FFmpeg {results[b_frames][0]} frames, decord2 {results[b_frames][1]} {results[b_frames][2]}")
print("expected: 100 frames from both, with and without B-frames")
if results[0] != (100, 100, "") or results[4][0] != 100:
    sys.exit("changed: a control no longer gives 100 frames")
if results[4][1] == 100:
    sys.exit("changed: decord2 reads the file to its end")
print("still there")
PYTHON
