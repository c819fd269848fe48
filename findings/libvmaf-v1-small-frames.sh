#!/usr/bin/env bash
# libvmaf: below 320 pixels a side vmaf_v1.0.16 gives full marks to pictures that have lost their colours
#
# Expected: the score of a pale copy hardly depends on the size of the frames, or a size that is too small has no score.
# Happens: the chroma features want enough blocks for a covariance matrix. At 480x270 there are too few; libvmaf warns on
#   standard error ("covariance matrix is singular") and the score is 100 as if the colours were right. At 320x320 and above it
#   is 66. A copy without any colour at all scores 100 at every size.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   480x270, pale: 100.0, warned True
#   480x270, grey: 100.0, warned True
#   640x360, pale: 67.8, warned False
#   640x360, grey: 100.0, warned True
#   expected: about the same scores at both sizes
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
scores = {}
for size in ("480x270", "640x360"):
    clip = f"testsrc2=size={size}:rate=10:duration=0.5,noise=alls=20,gblur=3,format=yuv420p"
    for name, change in (("pale", "hue=s=0.4"), ("grey", "hue=s=0")):
        graph = f"[0:v]split[a][b];[a]{change}[c];[c][b]libvmaf=model=version=vmaf_v1.0.16_3d0h"
        command = [ffmpeg, "-hide_banner", "-f", "lavfi", "-i", clip, "-lavfi", graph, "-f", "null", "-"]
        log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        scores[size, name] = float(re.search(r"VMAF score: (\S+)", log)[1])
        print(f"{size}, {name}: {scores[size, name]:.1f}, warned {'covariance matrix is singular' in log}")
print("expected: about the same scores at both sizes")
if scores["480x270", "pale"] - scores["640x360", "pale"] < 10:
    sys.exit("changed: the size makes no difference")
print("still there")
PYTHON
