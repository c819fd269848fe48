#!/usr/bin/env bash
# Pillow 13 resizes a tall picture to other pixels than Pillow 12: up to 17 levels, in 63 % of them
#
# Expected: a resize with the same filter gives the same pixels in every release, give or take a level.
# Happens: Pillow 12 resizes across first and then down, Pillow 13 down first for some shapes, such as 1080x1920 to
#   384x384. Between the passes values are rounded and clipped to 8 bits, so the order shows at sharp edges. Networks
#   that were trained on pictures of the one release see others. Some sizes do not change at all.
# Versions: pillow 13.0.0, numpy 2.4.6, pillow 12.1.0; seen on 2026-11-29, Python 3.11, Linux on x86-64
# Output:
#   Pillow 12.1.0 to (384, 384): as two steps by hand, across first
#   Pillow 12.1.0 to (512, 288): as two steps by hand, across first
#   Pillow 12.1.0 to (224, 224): as two steps by hand, across first
#   Pillow 13.0.0 to (384, 384): as two steps by hand, down first
#   Pillow 13.0.0 to (512, 288): as two steps by hand, down first
#   Pillow 13.0.0 to (224, 224): as two steps by hand, across first
#   1080x1920 to a width of 384: 63.3% of the pixels differ, by up to 17 levels
#   1080x1920 to a width of 512: 64.5% of the pixels differ, by up to 13 levels
#   1080x1920 to a width of 224: 0.0% of the pixels differ, by up to 0 levels
#   expected: at most 1 level
#   still there
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
python="${PYTHON:-python3}"
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target lib pillow==13.0.0 numpy==2.4.6
"$python" -m pip install -qq --no-compile --disable-pip-version-check --target old --no-deps pillow==12.1.0
export PYTHONPATH="$work/lib"

"$python" - <<'PYTHON'
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

SHRINK = """
import sys, numpy, PIL
from PIL import Image
y, x = numpy.mgrid[0:1920, 0:1080]
picture = (((x // 7 + y // 5) * (x // 11 + 3 * (y // 3)) % 5 > 2) * 255).astype(numpy.uint8)  # black and white bars
for size in ((384, 384), (512, 288), (224, 224)):
    image = Image.fromarray(picture)
    across_first = image.resize((size[0], 1920), Image.BICUBIC).resize(size, Image.BICUBIC)
    down_first = image.resize((1080, size[1]), Image.BICUBIC).resize(size, Image.BICUBIC)
    at_once, *by_hand = (numpy.asarray(i) for i in (image.resize(size, Image.BICUBIC), across_first, down_first))
    same = [name for name, i in zip(("across first", "down first"), by_hand) if (i == at_once).all()]
    print(f"Pillow {PIL.__version__} to {size}: as two steps by hand, {' and '.join(same)}")
    numpy.save(f"{sys.argv[1]}-{size[0]}.npy", at_once)
"""
folder = Path.cwd()
for release, path in (("12", f"{folder}/old:{folder}/lib"), ("13", f"{folder}/lib")):
    subprocess.run([sys.executable, "-c", SHRINK, release], check=True, env=os.environ | {"PYTHONPATH": path})
changed = {}
for width in (384, 512, 224):
    before, after = (np.load(f"{release}-{width}.npy").astype(int) for release in ("12", "13"))
    difference = np.abs(after - before)
    changed[width] = int(difference.max())
    print(f"1080x1920 to a width of {width}: {(difference > 0).mean():.1%} of the pixels differ, by up to {changed[width]} levels")
print("expected: at most 1 level")
if changed[384] <= 1:
    sys.exit("changed: both releases give the same pixels")
print("still there")
PYTHON
