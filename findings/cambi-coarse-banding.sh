#!/usr/bin/env bash
# CAMBI in libvmaf: an ordinary 8-bit gradient is full of banding (18.9), the same in 33 grey levels has none (0.0)
#
# Expected: a measure of banding rises, or stays, when a smooth gradient gets fewer and wider bands.
# Happens: by default CAMBI looks for steps of at most 2^2 levels of 10 bits, which is one level of 8 bits. Wider steps are
#   edges to it: bands of 2 levels or more, which everybody sees, score 0.0. With max_log_contrast=5 they are counted. VMAF
#   v1.0.16, which has CAMBI among its features, therefore prefers bands of 3 levels to bands of 2 against one reference.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-30, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   CAMBI (0 is no banding) by the width of the bands in 8-bit levels: {1: 18.9, 2: 0.0, 3: 0.0, 4: 0.0, 8: 0.0}
#   with max_log_contrast=5: {1: 21.5, 2: 36.7, 3: 40.2, 4: 41.0, 8: 32.1}
#   VMAF v1.0.16 against bands of one level: {1: 89.7, 2: 80.4, 3: 81.3, 4: 73.1, 8: 61.8}
#   expected: CAMBI not below that of one level for wider bands, VMAF falling
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib imageio-ffmpeg==0.8.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import json
import subprocess
import sys

import imageio_ffmpeg

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())


def gradient(step):
    level = f"{step}*round((60+120*X/W+10*Y/H)/{step})"
    return f"color=gray:size=1280x720:rate=5:duration=1,format=yuv420p,geq=lum='{level}':cb=128:cr=128"


def measured(step, option):
    sources = ["-f", "lavfi", "-i", gradient(step), "-f", "lavfi", "-i", gradient(1)]
    graph = f"libvmaf={option}:log_fmt=json:log_path=log.json"
    subprocess.run([ffmpeg, "-v", "error", *sources, "-lavfi", graph, "-f", "null", "-"], check=True)
    with open("log.json") as file:
        return {name: value["mean"] for name, value in json.load(file)["pooled_metrics"].items()}


def of(values, start):
    return round(next(value for name, value in values.items() if name.startswith(start)), 1)


steps = (1, 2, 3, 4, 8)
cambi = {step: of(measured(step, "feature=name=cambi"), "cambi") for step in steps}
wider = {step: of(measured(step, r"feature=name=cambi\\:max_log_contrast=5"), "cambi") for step in steps}
vmaf = {step: of(measured(step, "model=version=vmaf_v1.0.16_3d0h"), "vmaf") for step in steps}
print("CAMBI (0 is no banding) by the width of the bands in 8-bit levels:", cambi)
print("with max_log_contrast=5:", wider)
print("VMAF v1.0.16 against bands of one level:", vmaf)
print("expected: CAMBI not below that of one level for wider bands, VMAF falling")
if cambi[4] > cambi[1] / 10 or cambi[8] > cambi[1] / 10:
    sys.exit("changed: wide bands are counted")
if wider[4] <= wider[1]:
    sys.exit("changed: max_log_contrast does not mend it")
if vmaf[3] <= vmaf[2]:
    sys.exit("changed: VMAF v1.0.16 falls with the width of the bands")
print("still there")
PYTHON
