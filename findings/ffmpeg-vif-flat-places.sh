#!/usr/bin/env bash
# FFmpeg: the vif filter and the VIF inside VMAF are two measures: .46 and .60 for the same pictures, of which much is flat
#
# Expected: The vif filter prints the four scales that VMAF's features of that name are, so both give the same numbers.
# Happens: They agree where every place has texture. The filter follows the published formula, in which a flat place of the
#   reference (variance below that of the assumed eye's noise) counts next to nothing. libvmaf counts each such place as one
#   that was transmitted whole, less the variance of the distorted picture. Screens, cartoons and skies therefore score much
#   higher inside VMAF, and a threshold found with one of them does not hold for the other.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   flat places: filter [0.463, 0.927, 0.977, 0.997], libvmaf [0.6, 0.944, 0.981, 0.995]
#   texture everywhere: filter [0.244, 0.868, 0.946, 0.98], libvmaf [0.244, 0.868, 0.951, 0.986]
#   expected: the same numbers on both lines
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib imageio-ffmpeg==0.8.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import csv
import re
import subprocess
import sys

import imageio_ffmpeg

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
PICTURES = {
    "flat places": "testsrc2=size=640x360:rate=5:duration=1,format=yuv420p",
    "texture everywhere": "testsrc2=size=640x360:rate=5:duration=1,format=yuv420p,noise=all_seed=1:c0s=40",
}


def log_of(source, measure):
    """The two pictures, sharp and blurred, and what a filter says of them; the distorted one comes first in both."""
    graph = f"{source},split[sharp][other];[other]gblur=sigma=1[blurred];[blurred][sharp]{measure}"
    command = [ffmpeg, "-hide_banner", "-filter_complex", graph, "-f", "null", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


def by_filter(source):
    return [float(one) for one in re.findall(r"VIF scale=\d average:([\d.]+)", log_of(source, "vif"))]


def by_libvmaf(source):
    log_of(source, "libvmaf=feature=name=vif:log_fmt=csv:log_path=scores.csv")
    with open("scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [sum(float(row[f"integer_vif_scale{k}"]) for row in rows) / len(rows) for k in range(4)]


gaps = {}
for name, source in PICTURES.items():
    one, other = by_filter(source), by_libvmaf(source)
    print(f"{name}: filter {[round(x, 3) for x in one]}, libvmaf {[round(x, 3) for x in other]}")
    gaps[name] = max(abs(a - b) for a, b in zip(one, other, strict=True))
print("expected: the same numbers on both lines")
if gaps["texture everywhere"] > 0.02:
    sys.exit(f"changed: they differ where every place has texture, by {gaps['texture everywhere']:.3f}")
if gaps["flat places"] < 0.1:
    sys.exit(f"changed: they agree where places are flat, within {gaps['flat places']:.3f}")
print("still there")
PYTHON
