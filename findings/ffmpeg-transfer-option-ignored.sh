#!/usr/bin/env bash
# FFmpeg: -color_trc and -color_primaries are ignored where -colorspace is obeyed
#
# Expected: the three output options relabel the stream alike.
# Happens: of a source tagged bt2020nc/bt2020/smpte2084 only the matrix is relabelled; primaries and transfer of the
#   frames win, so the file says smpte170m/bt2020/smpte2084: an SDR matrix with an HDR transfer. The filter setparams
#   relabels all of them.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   source: bt2020nc/bt2020/smpte2084
#   options: smpte170m/bt2020/smpte2084
#   filter: smpte170m
#   expected: smpte170m alone for options as for filter
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


def tags(name):
    log = subprocess.run([ffmpeg, "-hide_banner", "-i", name], capture_output=True, text=True).stderr
    return re.search(r"yuv420p\(tv, ([^,)]+)", log)[1]


hdr = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv"
sdr = "setparams=color_primaries=smpte170m:color_trc=smpte170m:colorspace=smpte170m"
options = ["-color_primaries", "smpte170m", "-color_trc", "smpte170m", "-colorspace", "smpte170m"]
encode = ["-c:v", "libx264", "-preset", "ultrafast"]
make = [ffmpeg, "-y", "-v", "error"]
source = ["-f", "lavfi", "-i", "testsrc2=size=128x64:rate=5:duration=1"]
subprocess.run([*make, *source, "-vf", f"format=yuv420p,{hdr}", *encode, "source.mp4"], check=True)
subprocess.run([*make, "-i", "source.mp4", *encode, *options, "options.mp4"], check=True)
subprocess.run([*make, "-i", "source.mp4", "-vf", sdr, *encode, "filter.mp4"], check=True)
answers = {name: tags(f"{name}.mp4") for name in ("source", "options", "filter")}
for name, words in answers.items():
    print(f"{name}: {words}")
print("expected: smpte170m alone for options as for filter")
if answers["filter"] != "smpte170m":
    sys.exit("changed: setparams no longer relabels all three")
if answers["options"] == answers["filter"]:
    sys.exit("changed: the output options relabel all three")
print("still there")
PYTHON
