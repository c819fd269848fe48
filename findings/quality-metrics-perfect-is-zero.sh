#!/usr/bin/env bash
# ffmpeg-quality-metrics: a lossless copy has 0 dB, and one damaged frame counts as much as twenty-five
#
# Expected: PSNR of a lossless copy is inf (or a stated cap), and a clip with fewer damaged frames has the higher
#   mean.
# Happens: perfect frames (inf) count neither in the mean nor in the minimum nor in the maximum. Where nothing else is
#   left all three are 0.0, the worst value there is; a clip with one damaged frame of 25 gets the mean of that frame
#   alone, below a clip in which all frames are damaged.
# Versions: ffmpeg-quality-metrics 3.13.0, imageio-ffmpeg 0.8.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   ffmpeg-quality-metrics 3.13.0 FFmpeg n9.0.2-17-g2a571b6068-20260930
#   lossless copy: mean 0.0 dB, smallest 0.0, largest 0.0
#   one frame damaged: mean 30.68 dB, smallest 30.68, largest 30.68
#   all damaged: mean 30.901 dB, smallest 30.68, largest 31.15
#   expected: lossless copy above one frame damaged above all damaged
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib ffmpeg-quality-metrics==3.13.0 imageio-ffmpeg==0.8.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import imageio_ffmpeg

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
Path("bin").mkdir()
Path("bin/ffmpeg").symlink_to(ffmpeg)  # the library takes the first one on the path
os.environ["PATH"] = f"{Path.cwd()}/bin:{os.environ['PATH']}"

from ffmpeg_quality_metrics import FfmpegQualityMetrics

print("ffmpeg-quality-metrics", version("ffmpeg-quality-metrics"), "FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=1"]
box = "drawbox=w=40:h=40:c=red:t=fill"
clips = {"original": "null", "lossless copy": "null", "one frame damaged": f"{box}:enable='eq(n,5)'", "all damaged": box}
for name, change in clips.items():
    coding = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-qp", "0", "-preset", "ultrafast"]
    subprocess.run([ffmpeg, "-y", "-v", "error", *source, "-vf", change, *coding, f"{name}.mp4"], check=True)
means = {}
for name in list(clips)[1:]:
    metrics = FfmpegQualityMetrics("original.mp4", f"{name}.mp4")
    metrics.calculate(["psnr"])
    answer = metrics.get_global_stats()["psnr"]["psnr_avg"]
    means[name] = answer["average"]
    print(f"{name}: mean {answer['average']} dB, smallest {answer['min']}, largest {answer['max']}")
print("expected: lossless copy above one frame damaged above all damaged")
if means["lossless copy"] > means["one frame damaged"] > means["all damaged"]:
    sys.exit("changed: perfect frames no longer lower the mean")
print("still there")
PYTHON
