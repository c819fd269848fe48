#!/usr/bin/env bash
# FFmpeg: in the concat filter a part of one frame takes no time; of 25 joined pictures two are left
#
# Expected: parts that have the rate 25 and one frame each last 1/25 s each, so that 25 pictures make a second of video.
# Happens: the filter takes the length of a part from the distance between its frames, not from the durations that the frames
#   carry. One frame has no distance: the next part starts at the same timestamp. All 25 frames leave the filter with the
#   time 0, the output keeps two of them, and the exit status is 0. Parts of two frames are right. A one-frame part between
#   longer ones (a flash, a cut-out frame) makes everything behind it one frame early: a filter that pairs by time then compares
#   shifted pictures.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   25 parts, 25 frames: 25 leave concat, the last at 0 s, 2 written
#   25 parts, 50 frames: 50 leave concat, the last at 1.96 s, 50 written
#   1 parts, 50 frames: 50 leave concat, the last at 1.96 s, 50 written
#   50 frames in three parts against the same 50 frames: PSNR inf dB with 2 frames in the middle, 18.6 dB with 1
#   expected: 25 of 25 written, the last at 0.96 s; inf dB both times
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
SOURCE = "testsrc2=size=96x64:rate=25:duration=2,noise=alls=20:allf=t,format=yuv420p"
subprocess.run([ffmpeg, "-v", "error", "-f", "lavfi", "-i", SOURCE, "-frames:v", "50", "frame%02d.png"], check=True)


def joined(lengths):
    """The graph that joins parts of so many frames each (inputs in their order), and its inputs."""
    inputs, first = [], 1
    for length in lengths:
        inputs += ["-framerate", "25", "-start_number", str(first), "-t", str(length / 25), "-i", "frame%02d.png"]
        first += length
    return inputs, "".join(f"[{part}:v]" for part in range(len(lengths))) + f"concat=n={len(lengths)}"


def run(lengths):
    inputs, graph = joined(lengths)
    command = [ffmpeg, "-hide_banner", *inputs, "-filter_complex", f"{graph},showinfo", "-f", "framemd5", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    times = [float(time) for time in re.findall(r" pts_time:(\S+)", done.stderr)]
    written = sum(not line.startswith("#") for line in done.stdout.splitlines())
    print(f"{len(lengths)} parts, {sum(lengths)} frames: {len(times)} leave concat, the last at {times[-1]:g} s, {written} written")
    return len(times), written


singles, pairs, one = run([1] * 25), run([2] * 25), run([50])


def psnr(lengths):
    inputs, graph = joined(lengths)
    whole = ["-framerate", "25", "-i", "frame%02d.png"]
    measure = f"{graph}[joined];[joined][{len(lengths)}:v]psnr"
    command = [ffmpeg, "-hide_banner", *inputs, *whole, "-filter_complex", measure, "-f", "null", "-"]
    log = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return float(re.search(r"average:(\S+)", log)[1])


flash, longer = psnr([10, 1, 39]), psnr([10, 2, 38])
print(f"50 frames in three parts against the same 50 frames: PSNR {longer} dB with 2 frames in the middle, {flash:.1f} dB with 1")
print("expected: 25 of 25 written, the last at 0.96 s; inf dB both times")
if singles != (25, 2) or pairs != (50, 50) or one != (50, 50):
    sys.exit("changed: other numbers of frames")
if flash > 60 or longer != float("inf"):
    sys.exit("changed: the part of one frame is as long as it should be")
print("still there")
PYTHON
