#!/usr/bin/env bash
# x264 and x265: the same pictures at the same CRF lose 5 dB if they are said to come 60 times a second
#
# Expected: CRF is a constant quality: 60 pictures coded with -crf 30 look alike whether the stream calls itself 5 or
#   60 pictures a second.
# Happens: both encoders weigh a picture by the time that it is shown. From 5 to 60 per second PSNR falls by 5 to 6 dB
#   and the file to less than a quarter; -qp and SVT-AV1's CRF do not change. A quality ladder in CRF is another
#   ladder for every frame rate, and a corpus of mixed rates has levels that do not compare.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   libx264 -crf 30: (dB, bytes) by pictures per second {5: (37.36, 136684), 25: (33.16, 54408), 60: (31.42, 29677)}
#   libx265 -crf 30: (dB, bytes) by pictures per second {5: (36.49, 139776), 25: (32.46, 48828), 60: (31.53, 30245)}
#   libx264 -qp 30: (dB, bytes) by pictures per second {5: (38.18, 155327), 25: (38.18, 155327), 60: (38.18, 155326)}
#   libsvtav1 -crf 40: (dB, bytes) by pictures per second {5: (35.62, 105556), 25: (35.62, 105556), 60: (35.62,
#       105556)}
#   expected: about the same dB and bytes in each line
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
from pathlib import Path

import imageio_ffmpeg

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
source = "mandelbrot=size=320x240:rate=25:end_scale=0.3,trim=end_frame=60,format=yuv420p"
subprocess.run([ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-f", "rawvideo", "pictures.yuv"], check=True)


def code(rate, *encoder):
    """PSNR in dB and bytes of the same 60 pictures, called ``rate`` per second."""
    pictures = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-video_size", "320x240", "-framerate", str(rate), "-i", "pictures.yuv"]
    # The encoders' own messages are of no use here.
    subprocess.run([ffmpeg, "-y", "-v", "quiet", *pictures, "-g", "60", *encoder, "c.mp4"], check=True, stderr=subprocess.DEVNULL)
    compare = [ffmpeg, "-hide_banner", "-i", "c.mp4", *pictures, "-lavfi", "psnr", "-f", "null", "-"]
    log = subprocess.run(compare, check=True, capture_output=True, text=True).stderr
    return round(float(re.search(r"average:(\S+)", log)[1]), 2), Path("c.mp4").stat().st_size


encoders = {
    "libx264 -crf 30": ("-c:v", "libx264", "-crf", "30"),
    "libx265 -crf 30": ("-c:v", "libx265", "-crf", "30", "-x265-params", "log-level=none"),
    "libx264 -qp 30": ("-c:v", "libx264", "-qp", "30"),
    "libsvtav1 -crf 40": ("-c:v", "libsvtav1", "-crf", "40", "-preset", "9"),
}
fall = {}
for name, encoder in encoders.items():
    results = {rate: code(rate, *encoder) for rate in (5, 25, 60)}
    fall[name] = results[5][0] - results[60][0]
    print(f"{name}: (dB, bytes) by pictures per second {results}")
print("expected: about the same dB and bytes in each line")
if abs(fall["libx264 -qp 30"]) > 0.2 or abs(fall["libsvtav1 -crf 40"]) > 0.2:
    sys.exit("changed: a control depends on the rate as well")
if fall["libx264 -crf 30"] < 1 and fall["libx265 -crf 30"] < 1:
    sys.exit("changed: CRF no longer depends on the rate")
print("still there")
PYTHON
