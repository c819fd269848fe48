#!/usr/bin/env bash
# libvmaf in FFmpeg: where two models agree, the log has one score instead of two
#
# Expected: libvmaf with two models writes two lines "VMAF score: ...", one for each, in the order of the models.
# Happens: FFmpeg's log leaves out a line that equals the one before and says "Last message repeated 1 times" instead. The scores are
#   cut off at 0 and 100, so two models often agree to the last digit: on copies that are very bad and on copies that are very
#   good. Whoever counts or pairs the lines takes such a copy for a failed one, or gives it the score of its neighbour.
#   `-loglevel repeat+verbose` writes both.
# Versions: imageio-ffmpeg 0.8.1 (FFmpeg n9.0.2); seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   blurred: 2 line(s) with a score, 0 line(s) repeated
#   negated: 1 line(s) with a score, 1 line(s) repeated
#   negated, with repeat: 2 line(s) with a score, 0 line(s) repeated
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib imageio-ffmpeg==0.8.1
export PYTHONPATH="$work/lib"
ffmpeg="$("$python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')"

source="testsrc2=size=320x320:rate=10:duration=0.6,format=yuv420p"
models='version=vmaf_v0.6.1\:name=old|version=vmaf_v1.0.16_3d0h\:name=new'
measure() { # measure FILTER LEVEL: lines with a score, and lines that stand for one that was left out
    "$ffmpeg" -loglevel "$2" -nostdin -f lavfi -i "$source,$1" -f lavfi -i "$source" \
        -lavfi "libvmaf=model='$models'" -f null - >log 2>&1
    echo "$(grep -c 'VMAF score' log) line(s) with a score, $(grep -c 'Last message repeated' log || true) line(s) repeated"
}

blurred="$(measure gblur=2 verbose)"
negated="$(measure negate verbose)"
repeated="$(measure negate repeat+verbose)"
echo "blurred: $blurred"
echo "negated: $negated"
echo "negated, with repeat: $repeated"
if [[ "$blurred" != 2* || "$negated" != 1* || "$repeated" != 2* ]]; then
    echo "changed: equal scores have their lines, or are not equal"
    exit 1
fi
echo "still there"
