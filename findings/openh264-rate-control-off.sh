#!/usr/bin/env bash
# FFmpeg and OpenH264: with rate control off, no option chooses the quality
#
# Expected: with the bit rate control off the coder works at a constant quantiser, which -qmin and -qmax (or -q:v) choose, as they do
#   with the control on.
# Happens: the file is the same, byte for byte, for quantisers 10 to 50. A ladder of qualities made so has one step. In mode "quality" the same
#   options do choose it.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-30, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   rate control off, bytes: {10: 108996, 20: 108996, 30: 108996, 40: 108996, 50: 108996, '-q:v 40': 108996}
#   rate control quality, bytes: {10: 247197, 20: 159102, 30: 82762, 40: 34683, 50: 24742, '-q:v 40': 239399}
#   expected: another size for every quantiser
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib imageio-ffmpeg==0.8.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import subprocess
import sys

import imageio_ffmpeg

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())


def coded(*words):
    command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=2"]
    command += ["-pix_fmt", "yuv420p", "-c:v", "libopenh264", "-threads", "1", *words, "-f", "h264", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


sizes = {}
for mode in ("off", "quality"):
    made = {q: coded("-rc_mode", mode, "-qmin", str(q), "-qmax", str(q + 1)) for q in (10, 20, 30, 40, 50)}
    made["-q:v 40"] = coded("-rc_mode", mode, "-q:v", "40")
    sizes[mode] = len(set(made.values()))
    print(f"rate control {mode}, bytes:", {q: len(data) for q, data in made.items()})
print("expected: another size for every quantiser")
if sizes["off"] > 1:
    sys.exit("changed: the quantiser is obeyed with rate control off")
if sizes["quality"] < 5:
    sys.exit("changed: the quantiser is not obeyed in mode quality either")
print("still there")
PYTHON
