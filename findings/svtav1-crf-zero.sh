#!/usr/bin/env bash
# FFmpeg and SVT-AV1: -crf 0 is CRF 35; a sweep from 1 to 0 falls from 56 to 34 dB, where libaom becomes lossless
#
# Expected: the lower the CRF the better the picture, so 0 is the best point of a sweep: lossless as in libaom, or close to it.
# Happens: FFmpeg hands -crf and -qp to libsvtav1 only if they are above 0, and the encoder stays at its own 35: byte for byte
#   the file of -crf 35, and no warning but the CRF 35 in the encoder's banner. SVT-AV1 itself knows 0, and codes without loss
#   where it is told so past FFmpeg's option (-svtav1-params crf=0). A rate-quality curve or a set of training clips "from CRF 0" gets its worst clip in its best place.
# Versions: imageio-ffmpeg 0.8.1; seen on 2026-12-01, Python 3.11, Linux on x86-64
# Output:
#   FFmpeg n9.0.2-17-g2a571b6068-20260930
#   libsvtav1 -crf 35: PSNR 34.4 dB, banner: CRF / 35.00
#   libsvtav1 -crf 10: PSNR 45.2 dB, banner: CRF / 10.00
#   libsvtav1 -crf 1: PSNR 56.3 dB, banner: CRF / 1.00
#   libsvtav1 -crf 0: PSNR 34.4 dB, banner: CRF / 35.00
#   libsvtav1 -qp 0: PSNR 34.4 dB, banner: CRF / 35.00
#   libsvtav1 -svtav1-params crf=0: PSNR inf dB, banner: CRF / 0.00
#   libaom-av1 -crf 35: PSNR 34.3 dB
#   libaom-av1 -crf 1: PSNR 63.2 dB
#   libaom-av1 -crf 0: PSNR inf dB
#   -crf 0, -qp 0 and -crf 35 of libsvtav1 are one file: True
#   expected: -crf 0 at least as good as -crf 1, in both encoders
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib imageio-ffmpeg==0.8.1
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import hashlib
import re
import subprocess
import sys

import imageio_ffmpeg

ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
print("FFmpeg", imageio_ffmpeg.get_ffmpeg_version())
clip = ["-f", "lavfi", "-i", "testsrc2=size=192x128:rate=10:duration=0.5,noise=alls=10,format=yuv420p"]
asked = {
    "libsvtav1": [["-crf", "35"], ["-crf", "10"], ["-crf", "1"], ["-crf", "0"], ["-qp", "0"], ["-svtav1-params", "crf=0"]],
    "libaom-av1": [["-crf", "35"], ["-crf", "1"], ["-crf", "0"]],
}
psnr, stream = {}, {}
for encoder, many in asked.items():
    speed = ["-preset", "10"] if encoder == "libsvtav1" else ["-cpu-used", "8"]
    for given in many:
        point = encoder, " ".join(given)
        code = [ffmpeg, "-v", "error", "-y", *clip, "-c:v", encoder, *speed, *given, "coded.ivf"]
        told = subprocess.run(code, check=True, capture_output=True, text=True).stderr
        said = re.search(r"rate factor\s*:\s*(.*)", told)
        with open("coded.ivf", "rb") as file:
            stream[point] = hashlib.md5(file.read()).hexdigest()
        compare = [ffmpeg, "-hide_banner", "-i", "coded.ivf", *clip, "-lavfi", "[0:v][1:v]psnr", "-f", "null", "-"]
        log = subprocess.run(compare, check=True, capture_output=True, text=True).stderr
        psnr[point] = float(re.search(r"average:(\S+)", log)[1])
        print(f"{encoder} {point[1]}: PSNR {psnr[point]:.1f} dB" + (f", banner: {' '.join(said[1].split())}" if said else ""))
zero, default = ("libsvtav1", "-crf 0"), ("libsvtav1", "-crf 35")
print("-crf 0, -qp 0 and -crf 35 of libsvtav1 are one file:", stream[zero] == stream[default] == stream["libsvtav1", "-qp 0"])
print("expected: -crf 0 at least as good as -crf 1, in both encoders")
if psnr[zero] >= psnr["libsvtav1", "-crf 1"] or stream[zero] != stream[default]:
    sys.exit("changed: 0 is a CRF like the others")
if psnr["libaom-av1", "-crf 0"] < psnr["libaom-av1", "-crf 1"] or psnr["libsvtav1", "-svtav1-params crf=0"] < 60:
    sys.exit("changed: the others do not get better at 0")
print("still there")
PYTHON
