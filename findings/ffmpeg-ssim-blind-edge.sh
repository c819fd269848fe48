#!/usr/bin/env bash
# FFmpeg: the ssim filter does not look at the last columns and rows of a picture
#
# Expected: a red bar over the last three columns, or black last rows, lowers SSIM.
# Happens: the filter works in whole blocks of four pixels and leaves the rest out: at 131x99 it prints "SSIM ...
#   1.000000 (inf)", while psnr gives 23.8 dB and xpsnr 22.1 dB for the same pictures.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   red bar over the last 3 columns:
#     SSIM Y:1.000000 (inf) U:1.000000 (inf) V:1.000000 (inf) All:1.000000 (inf)
#     PSNR y:27.992355 u:29.407019 v:20.038704 average:23.751934 min:23.725987 max:23.763292
#     XPSNR  y: 29.9111  u: 31.4385  v: 22.1500  (minimum: 22.1500)
#   red bar over the last 3 rows:
#     SSIM Y:1.000000 (inf) U:1.000000 (inf) V:1.000000 (inf) All:1.000000 (inf)
#     PSNR y:27.874996 u:26.122026 v:22.069063 average:24.649805 min:24.617611 max:24.781021
#     XPSNR  y: 29.8507  u: 25.1503  v: 23.0000  (minimum: 23.0000)
#   red bar over the first 3 columns:
#     SSIM Y:0.997287 (25.664905) U:0.997698 (26.378165) V:0.997061 (25.317321) All:0.997348 (25.764674)
#     PSNR y:38.284916 u:39.377183 v:35.571606 average:37.438637 min:35.327037 max:39.389640
#     XPSNR  y: 36.8825  u: 40.1827  v: 34.1111  (minimum: 34.1111)
#   expected: less than 1 for each of the three
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
source = "testsrc2=size=131x99:rate=5:duration=1"
subprocess.run([ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv444p", "-c:v", "ffv1", "a.mkv"], check=True)


def compare(change, metric):
    graph = f"[0:v]{change}[a];[a][1:v]{metric}"
    command = [ffmpeg, "-hide_banner", "-i", "a.mkv", "-i", "a.mkv", "-lavfi", graph, "-f", "null", "-"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return re.search(rf"{metric.upper()} .*", log)[0]


bars = {
    "last 3 columns": "drawbox=x=128:y=0:w=3:h=99:c=red:t=fill",
    "last 3 rows": "drawbox=x=0:y=96:w=131:h=3:c=red:t=fill",
    "first 3 columns": "drawbox=x=0:y=0:w=3:h=99:c=red:t=fill",
}
answers = {place: [compare(change, metric) for metric in ("ssim", "psnr", "xpsnr")] for place, change in bars.items()}
for place, lines in answers.items():
    print(f"red bar over the {place}:", *lines, sep="\n  ")
print("expected: less than 1 for each of the three")
if "All:1.000000" in answers["first 3 columns"][0]:
    sys.exit("changed: ssim does not see the first columns either")
if not all("All:1.000000 (inf)" in answers[place][0] for place in ("last 3 columns", "last 3 rows")):
    sys.exit("changed: ssim looks at the last columns or rows")
print("still there")
PYTHON
