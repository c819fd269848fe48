#!/usr/bin/env bash
# FFmpeg: xpsnr gives the same pictures other decibels when they are said to come 32 times a second instead of 31
#
# Expected: A full-reference measure of pictures depends on the pictures. PSNR, SSIM and VMAF of two streams do not change with
#   the rate that is written on both of them.
# Happens: xpsnr weighs a block by the activity of the reference in time: up to 31 per second its change from the last picture,
#   from 32 on the change of that change. What a corpus of both rates ranks by is therefore two measures: between 31 and 32
#   the same pictures gain half a decibel in a zoom and 2.9 where two pictures alternate, and lose 1.2 where a part grows
#   steadily brighter.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   slow zoom: xpsnr of luma at 24, 31, 32, 60 per second: [18.6526, 18.6526, 19.1983, 19.1983]
#   slow zoom: psnr of luma at 24, 31, 32, 60 per second: [32.111182, 32.111182, 32.111182, 32.111182]
#   slow zoom: ssim of luma at 24, 31, 32, 60 per second: [0.718437, 0.718437, 0.718437, 0.718437]
#   two pictures that alternate: xpsnr of luma at 24, 31, 32, 60 per second: [29.0106, 29.0106, 31.8977, 31.8977]
#   two pictures that alternate: psnr of luma at 24, 31, 32, 60 per second: [32.111182, 32.111182, 32.111182, 32.111182]
#   two pictures that alternate: ssim of luma at 24, 31, 32, 60 per second: [0.849692, 0.849692, 0.849692, 0.849692]
#   one half grows brighter: xpsnr of luma at 24, 31, 32, 60 per second: [18.9851, 18.9851, 17.761, 17.761]
#   one half grows brighter: psnr of luma at 24, 31, 32, 60 per second: [32.111182, 32.111182, 32.111182, 32.111182]
#   one half grows brighter: ssim of luma at 24, 31, 32, 60 per second: [0.749628, 0.749628, 0.749628, 0.749628]
#   expected: four equal numbers in each line
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


def run(*words):
    return subprocess.run([ffmpeg, "-y", "-hide_banner", "-nostats", *words], check=True, capture_output=True, text=True).stderr


raw = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x240")
still = "120+50*sin(X/5)*sin(Y/7)"
grey = "color=gray:s=320x240:r=25,format=yuv420p"
clips = {
    "slow zoom": "mandelbrot=size=320x240:rate=25:end_scale=0.3",
    "two pictures that alternate": f"{grey},geq=lum='120+50*sin((X+40*mod(N,2))/9)*sin(Y/7)':cb=128:cr=128",
    "one half grows brighter": f"{grey},geq=lum='if(lt(X,160),60+4*N,{still})':cb=128:cr=128",
}
found = {}
for name, clip in clips.items():
    run("-f", "lavfi", "-i", f"{clip},trim=end_frame=30,format=yuv420p", "-f", "rawvideo", "reference.yuv")
    run(*raw, "-r", "25", "-i", "reference.yuv", "-vf", "noise=alls=12:allf=t:all_seed=7", "-f", "rawvideo", "noisy.yuv")
    for metric, pattern in (("xpsnr", r"XPSNR +y: +(\S+)"), ("psnr", r"PSNR y:(\S+)"), ("ssim", r"SSIM Y:(\S+)")):
        values = []
        for rate in ("24", "31", "32", "60"):
            inputs = (*raw, "-r", rate, "-i", "reference.yuv", *raw, "-r", rate, "-i", "noisy.yuv")
            values.append(float(re.search(pattern, run(*inputs, "-lavfi", f"[0:v][1:v]{metric}", "-f", "null", "-"))[1]))
        found[name, metric] = values
        print(f"{name}: {metric} of luma at 24, 31, 32, 60 per second: {values}")
print("expected: four equal numbers in each line")
if any(len(set(values)) > 1 for (_, metric), values in found.items() if metric != "xpsnr"):
    sys.exit("changed: another measure depends on the rate as well")
if all(len(set(values)) == 1 for (_, metric), values in found.items() if metric == "xpsnr"):
    sys.exit("changed: xpsnr does not depend on the rate")
print("still there")
PYTHON
