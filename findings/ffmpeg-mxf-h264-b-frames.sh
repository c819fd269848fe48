#!/usr/bin/env bash
# FFmpeg: H.264 with B-frames comes back from MXF with wrong times, and PSNR falls from 38 to 30 dB
#
# Expected: The same encoder with the same options gives the same pictures at the same times in MP4 and in MXF, which is a
#   container for studios and has an index of the order of pictures.
# Happens: All pictures are there in their order, but with other times: after the first one two places are empty, and the last
#   ones share one. At a constant rate 26 of 25 come out, and a filter that pairs two inputs by time pairs the wrong ones.
#   Without B-frames, and as MPEG-2 with B-frames, MXF is right.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   H.264 in MP4: 25 pictures at [0, 1, 2, 3]...[22, 23, 24], 25 at a constant rate; PSNR 38.5 paired by time, 38.5 by
#       number
#   H.264 in MXF: 25 pictures at [0, 3, 4, 5]...[24, 24, 24], 26 at a constant rate; PSNR 29.8 paired by time, 38.5 by
#       number
#   H.264 without B-frames in MXF: 25 pictures at [0, 1, 2, 3]...[22, 23, 24], 25 at a constant rate; PSNR 39.2 paired by
#       time, 39.2 by number
#   MPEG-2 with B-frames in MXF: 25 pictures at [0, 1, 2, 3]...[22, 23, 24], 25 at a constant rate; PSNR 43.6 paired by
#       time, 43.6 by number
#   expected: 25 pictures and one PSNR in each line
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
    return subprocess.run([ffmpeg, "-y", "-hide_banner", "-nostats", *words], check=True, capture_output=True, text=True)


source = "mandelbrot=size=192x128:rate=25:end_scale=0.3,trim=end_frame=25,format=yuv420p"
run("-f", "lavfi", "-i", source, "-c:v", "ffv1", "source.mkv")


def times(name, *mode):
    rows = run("-v", "error", "-i", name, *mode, "-f", "framehash", "-").stdout.splitlines()
    return [int(row.split(",")[2]) for row in rows if not row.startswith("#")]


def psnr(name, before):
    log = run("-i", name, "-i", "source.mkv", "-lavfi", f"[0:v]{before}[a];[1:v]{before}[b];[a][b]psnr", "-f", "null", "-").stderr
    return round(float(re.search(r"average:(\S+)", log)[1]), 1)


found = {}
encodings = (
    ("H.264 in MP4", "a.mp4", ("libx264",)),
    ("H.264 in MXF", "b.mxf", ("libx264",)),
    ("H.264 without B-frames in MXF", "c.mxf", ("libx264", "-bf", "0")),
    ("MPEG-2 with B-frames in MXF", "d.mxf", ("mpeg2video", "-bf", "2", "-q:v", "3")),
)
for title, name, encoder in encodings:
    run("-v", "error", "-i", "source.mkv", "-c:v", *encoder, name)
    stored = times(name, "-fps_mode", "passthrough")
    found[title] = len(stored), len(times(name, "-fps_mode", "cfr")), psnr(name, "null"), psnr(name, "setpts=N/25/TB")
    print(
        f"{title}: {found[title][0]} pictures at {stored[:4]}...{stored[-3:]}, {found[title][1]} at a constant rate;"
        f" PSNR {found[title][2]} paired by time, {found[title][3]} by number"
    )
print("expected: 25 pictures and one PSNR in each line")
if any(answer[0] != 25 for answer in found.values()):
    sys.exit("changed: a picture is missing in a file")
stored, constant, by_time, by_number = found["H.264 in MXF"]
if constant == 25 and by_number - by_time < 1:
    sys.exit("changed: the times in MXF are right")
print("still there")
PYTHON
