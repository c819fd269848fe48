#!/usr/bin/env bash
# FFmpeg: xpsnr takes the reference first, libvmaf takes it second; in that order a blurred clip loses 4.7 dB
#
# Expected: In one graph the inputs of psnr, ssim, vif, libvmaf and xpsnr have the same order, the distorted video first; and
#   a peak signal-to-noise ratio is the same either way round.
# Happens: xpsnr weighs each block by the activity of its FIRST input, so that is the reference. A loop over these filters with
#   one order of inputs weighs the errors by the distorted video's activity: a blurred copy looks smooth, its errors weigh more.
#   Two copies that differ from one picture by the same errors of opposite sign tell which input is the weighing one.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   psnr: picture first [30.47339, 30.47339], copy first [30.47339, 30.47339]
#   xpsnr: picture first [32.8333, 32.8333], copy first [33.6191, 33.6145]
#   a blurred clip: 29.4613 dB with the reference first, 24.7315 dB in the order of libvmaf
#   expected: the same dB in both orders, or the copy first as in libvmaf
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib imageio-ffmpeg==0.8.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import math
import random
import re
import subprocess
import sys

import imageio_ffmpeg

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
SIDE = 256


def written(name, luma):
    with open(name, "wb") as file:
        file.write(bytes(luma) + bytes([128]) * (SIDE * SIDE // 2))


def luma_db(first, second, measure):
    given = [word for name in (first, second) for word in ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{SIDE}x{SIDE}", "-i", name)]
    command = [ffmpeg, "-hide_banner", *given, "-lavfi", f"[0:v][1:v]{measure}", "-f", "null", "-"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return float(re.search(r" y: *([\d.]+)", log).group(1))


# Grey with stripes in one half; errors of up to 12 levels in the other one, and waves all over.
picture = [128 + round(20 * math.sin(x / 3)) if y > SIDE // 2 else 128 for y in range(SIDE) for x in range(SIDE)]
draw = random.Random(0)
errors = [(draw.randint(-12, 12) if x < SIDE // 2 else 0) + round(8 * math.sin(y / 2)) for y in range(SIDE) for x in range(SIDE)]
written("picture", picture)
written("plus", [a + b for a, b in zip(picture, errors, strict=True)])
written("minus", [a - b for a, b in zip(picture, errors, strict=True)])
found = {}
for measure in ("psnr", "xpsnr"):
    found[measure] = [luma_db(*two, measure) for two in (("picture", "plus"), ("picture", "minus"), ("plus", "picture"), ("minus", "picture"))]
    print(f"{measure}: picture first {found[measure][:2]}, copy first {found[measure][2:]}")


def coded(order):
    graph = "testsrc2=size=640x360:rate=5:duration=1,format=yuv420p,split[sharp][other];[other]gblur=sigma=2[blurred];"
    command = [ffmpeg, "-hide_banner", "-filter_complex", f"{graph}{order}xpsnr", "-f", "null", "-"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return float(re.search(r" y: *([\d.]+)", log).group(1))


right, as_others = coded("[sharp][blurred]"), coded("[blurred][sharp]")
print(f"a blurred clip: {right} dB with the reference first, {as_others} dB in the order of libvmaf")
print("expected: the same dB in both orders, or the copy first as in libvmaf")
if len(set(found["psnr"])) != 1:
    sys.exit("changed: psnr depends on the order")
forth, back = found["xpsnr"][:2], found["xpsnr"][2:]
if forth[0] != forth[1]:
    sys.exit("changed: the first input is not the reference")
if back[0] == back[1] or abs(right - as_others) < 1:
    sys.exit("changed: the order hardly matters")
print("still there")
PYTHON
