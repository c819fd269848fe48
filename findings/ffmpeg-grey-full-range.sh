#!/usr/bin/env bash
# FFmpeg: the luma of a video, coded without loss as a grey video, has a VMAF of 76 beside that video
#
# Expected: extractplanes=y gives the luma, and coding it without loss as yuv420p keeps it; where grey is taken for full range,
#   -color_range tv or setparams=range=tv says that it is not.
# Happens: grey is always of full range. 16..235 is squeezed into 30..218 on its way to yuv420p whatever is stated, while extractplanes
#   takes a plane as it is, so that the way there and back is no identity and every tool that works on extracted luma loses contrast.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-30, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   luma of the video: 26 to 225
#   coded as grey without loss, plainly: 38 to 209, VMAF 75.8
#   coded as grey without loss, -color_range tv: 38 to 209, VMAF 75.8
#   coded as grey without loss, setparams: 38 to 209, VMAF 75.8
#   expected: the same luma, and a VMAF near 100
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


def run(*words):
    return subprocess.run([ffmpeg, "-y", "-v", "error", *words], check=True, capture_output=True).stdout


lossless = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")
wave = "126+60*sin(X/7+N/3)*sin(Y/9)+40*sin((X+2*Y)/23)"
source = ("-f", "lavfi", "-i", f"color=gray:size=480x320:rate=10:duration=1,format=yuv420p,geq=lum='{wave}':cb=128:cr=128")
run(*source, *lossless, "video.mkv")
luma = run("-i", "video.mkv", "-vf", "extractplanes=y", "-f", "rawvideo", "-")
with open("luma.raw", "wb") as file:
    file.write(luma)
grey = ("-f", "rawvideo", "-pix_fmt", "gray", "-s", "480x320", "-r", "10")
ways = {
    "plainly": ((), "format=yuv420p"),
    "-color_range tv": (("-color_range", "tv"), "format=yuv420p"),
    "setparams": ((), "setparams=range=tv,format=yuv420p"),
}
found = {}
for name, (stated, graph) in ways.items():
    run(*stated, *grey, "-i", "luma.raw", "-vf", graph, *lossless, "copy.mkv")
    back = run("-i", "copy.mkv", "-vf", "extractplanes=y", "-f", "rawvideo", "-")
    run("-i", "copy.mkv", "-i", "video.mkv", "-lavfi", "libvmaf=log_fmt=json:log_path=log.json", "-f", "null", "-")
    with open("log.json") as file:
        vmaf = json.load(file)["pooled_metrics"]["vmaf"]["mean"]
    found[name] = min(back), max(back), round(vmaf, 1)
print(f"luma of the video: {min(luma)} to {max(luma)}")
for name, (least, most, vmaf) in found.items():
    print(f"coded as grey without loss, {name}: {least} to {most}, VMAF {vmaf}")
print("expected: the same luma, and a VMAF near 100")
if any(vmaf > 95 for _, _, vmaf in found.values()):
    sys.exit("changed: the luma is kept")
print("still there")
PYTHON
