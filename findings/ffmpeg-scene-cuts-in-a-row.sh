#!/usr/bin/env bash
# FFmpeg: of cuts that follow one another frame by frame, scdet and the scene score see the first; the others score 0
#
# Expected: the score of a frame says how much it differs from the frame before it, so that a clip in which every frame is
#   another picture has a cut at every frame.
# Happens: the score is the smaller one of this difference and its change since the frame before. Where the last frame was a
#   cut of the same strength, the change is 0, and so is the score, although the difference ("mafd") is as large as before. The
#   way back from a flash of one frame is no cut, and whoever thins out a clip to find its scenes sooner gets fewer cuts.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   shots of two frames: 6 cuts, 6 with mafd > 10, 6 found by scdet, 6 by select
#     scores 0 0 42 0 42 0 42 0 42 0 42 0 42 0
#   every other frame of it: 12 cuts, 12 with mafd > 10, 1 found by scdet, 1 by select
#     scores 0 42 0 0 0 0 0 0 0 0 0 0 0 0
#   one flash: 2 cuts, 2 with mafd > 10, 1 found by scdet, 1 by select
#     scores 0 0 0 0 0 0 42 0 0 0 0 0 0 0
#   expected: as many found as there are cuts, in all three
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
FRAMES = 13
# Which of two pictures each frame shows.
clips = {
    "shots of two frames": [k // 2 % 2 for k in range(FRAMES)],
    "every other frame of it": [k % 2 for k in range(FRAMES)],
    "one flash": [int(k == 6) for k in range(FRAMES)],
}
sources = ["-f", "lavfi", "-i", "testsrc2=size=160x96:rate=10:duration=2,loop=-1:1,format=yuv420p"]
found = {}
for name, shown in clips.items():
    second = "+".join(f"eq(n,{k})" for k, picture in enumerate(shown) if picture)
    graph = f"negate=enable='{second}',scdet=threshold=10,metadata=print:file=-"
    command = [ffmpeg, "-v", "error", *sources, "-vf", graph, "-frames:v", str(FRAMES), "-f", "null", "-"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    score, differs = ([float(x) for x in re.findall(rf"lavfi\.scd\.{key}=(\S+)", told)] for key in ("score", "mafd"))
    chosen = [ffmpeg, "-hide_banner", *sources, "-vf", f"trim=end_frame={FRAMES},negate=enable='{second}',select='gt(scene,0.1)',showinfo"]
    log = subprocess.run([*chosen, "-f", "null", "-"], check=True, capture_output=True, text=True).stderr
    cuts = sum(a != b for a, b in zip(shown, shown[1:], strict=False))
    found[name] = cuts, sum(x > 10 for x in differs), sum(x > 10 for x in score), len(re.findall(r" pts_time:", log))
    print(f"{name}: {cuts} cuts, {found[name][1]} with mafd > 10, {found[name][2]} found by scdet, {found[name][3]} by select")
    print("  scores", *(f"{x:.0f}" for x in score))
print("expected: as many found as there are cuts, in all three")
if found["shots of two frames"] != (6, 6, 6, 6):
    sys.exit("changed: cuts with a frame between them are not all found")
if found["every other frame of it"] != (12, 12, 1, 1) or found["one flash"] != (2, 2, 1, 1):
    sys.exit("changed: cuts in a row are found")
print("still there")
PYTHON
