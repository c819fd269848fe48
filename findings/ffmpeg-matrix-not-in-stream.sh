#!/usr/bin/env bash
# FFmpeg: a lossless Y4M copy of a BT.709 video scores PSNR 31 dB and VMAF 60, because Y4M cannot say which matrix it has
#
# Expected: psnr and libvmaf compare the samples of two streams that have the same pixel format, whatever their tags say.
# Happens: The two inputs of a filter agree on a colour matrix too. Where one says BT.709 and the other says nothing, FFmpeg
#   takes that for BT.601 and converts the second one, here the reference, without a word at the usual log level. Y4M, MPEG-4
#   part 2 and Theora have no matrix, VP8 only BT.601, even in a WebM that says bt709. Beside a tagged reference none of them
#   gets above 31 dB. With setparams=colorspace=bt709 on the copy the score is right.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   copy.y4m: PSNR 30.6, VMAF 60.0; with setparams PSNR inf, VMAF 98.9
#   mpeg4.avi: PSNR 30.4, VMAF 59.1; with setparams PSNR 46.3, VMAF 96.0
#   theora.ogv: PSNR 30.4, VMAF 59.5; with setparams PSNR 45.1, VMAF 97.0
#   vp8.webm: PSNR 30.5, VMAF 60.0; with setparams PSNR 50.2, VMAF 98.1
#   lossless.mkv: PSNR inf, VMAF 98.9; with setparams PSNR inf, VMAF 98.9
#   expected: the same with and without setparams in every line, and inf for copy.y4m as for lossless.mkv
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
matrix = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
source = f"mandelbrot=size=320x240:rate=25:end_scale=0.3,trim=end_frame=25,format=yuv420p,{matrix}"
subprocess.run([ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-qp", "0", "source.mp4"], check=True)


def score(copy, metric, pattern, first):
    graph = f"[0:v]{first}[copy];[copy][1:v]{metric}"
    command = [ffmpeg, "-hide_banner", "-nostats", "-i", copy, "-i", "source.mp4", "-lavfi", graph, "-f", "null", "-"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return round(float(re.search(pattern, log)[1]), 1)


copies = {
    "copy.y4m": ("-c:v", "rawvideo"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-q:v", "2"),
    "theora.ogv": ("-c:v", "libtheora", "-q:v", "10"),
    "vp8.webm": ("-c:v", "libvpx", "-crf", "4", "-b:v", "8M"),
    "lossless.mkv": ("-c:v", "ffv1"),
}
found = {}
for name, encoder in copies.items():
    pixels = ("-f", "yuv4mpegpipe") if name.endswith("y4m") else ()
    subprocess.run([ffmpeg, "-v", "error", "-i", "source.mp4", *encoder, *pixels, name], check=True)
    psnr, vmaf = (
        [score(name, metric, pattern, first) for first in ("null", "setparams=colorspace=bt709")]
        for metric, pattern in (("psnr", r"average:(\S+)"), ("libvmaf", r"VMAF score: (\S+)"))
    )
    found[name] = psnr
    print(f"{name}: PSNR {psnr[0]}, VMAF {vmaf[0]}; with setparams PSNR {psnr[1]}, VMAF {vmaf[1]}")
print("expected: the same with and without setparams in every line, and inf for copy.y4m as for lossless.mkv")
if found["lossless.mkv"] != [float("inf")] * 2 or found["copy.y4m"][1] != float("inf"):
    sys.exit("changed: the lossless copies are not lossless")
if not any(psnr[1] - psnr[0] > 3 for psnr in found.values()):
    sys.exit("changed: the matrix has no influence")
print("still there")
PYTHON
