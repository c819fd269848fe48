#!/usr/bin/env bash
# libvmaf: a clip compared with itself scores 97.4 if nothing moves and 99.9 if something does
#
# Expected: the score of an identical copy is one ceiling, near 100, for every clip.
# Happens: vmaf_v0.6.1 and its NEG twin use the motion of the reference as a feature of quality, so that an identical
#   copy of a flat or a static clip gets 97.43 and one of a moving clip 99.95. Scores of screen recordings and of
#   films end at different ceilings; a threshold such as 98 can never be reached by a static one.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   flat clip against itself: {'vmaf_v0.6.1': 97.428043, 'vmaf_v0.6.1neg': 97.428043}
#   static clip against itself: {'vmaf_v0.6.1': 97.42837, 'vmaf_v0.6.1neg': 97.425053}
#   moving clip against itself: {'vmaf_v0.6.1': 99.947783, 'vmaf_v0.6.1neg': 99.947642}
#   expected: one ceiling for all three
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
moving = "testsrc2=size=320x240:rate=25:duration=2"
clips = {
    "flat": "color=gray:size=320x240:rate=25:duration=2",
    "static": f"{moving},select='eq(n,0)',loop=49:1:0,setpts=N/25/TB",
    "moving": moving,
}
scores = {}
for name, source in clips.items():
    make = [ffmpeg, "-y", "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-c:v", "ffv1"]
    subprocess.run([*make, "clip.mkv"], check=True)
    for model in ("vmaf_v0.6.1", "vmaf_v0.6.1neg"):
        graph = f"libvmaf=model=version={model}"
        command = [ffmpeg, "-hide_banner", "-i", "clip.mkv", "-i", "clip.mkv", "-lavfi", graph, "-f", "null", "-"]
        log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
        scores[name, model] = float(re.search(r"VMAF score: (\S+)", log)[1])
    print(f"{name} clip against itself:", {model: scores[name, model] for model in ("vmaf_v0.6.1", "vmaf_v0.6.1neg")})
print("expected: one ceiling for all three")
if scores["moving", "vmaf_v0.6.1"] - scores["static", "vmaf_v0.6.1"] < 1:
    sys.exit("changed: static and moving clips have the same ceiling")
print("still there")
PYTHON
