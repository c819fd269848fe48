"""Files of known colours, and what a decoder and a copy make of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from actors.distortions.apply import apply
from actors.media import colour, ffmpeg
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions

ONE = SampleSpec(key_frames=1, motion_frames=1)
ROWS, COLUMNS, SIDE = 4, 8, 16  # patches of one colour, pixels
SIZE = f"{COLUMNS * SIDE}x{ROWS * SIDE}"
LUMA = {"bt709": (0.2126, 0.0722), "smpte170m": (0.299, 0.114), "bt2020nc": (0.2627, 0.0593)}  # Kr, Kb
CASES = Path(__file__).resolve().parents[3] / "shared" / "cases"
X264 = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
X265 = ("-c:v", "libx265", "-x265-params", "lossless=1:log-level=none", "-preset", "ultrafast")


def frame_of(decoder, path, rendering=colour.AS_USUAL):
    spec = SampleSpec(key_frames=1, motion_frames=1, rendering=rendering)
    return decoder.decode(path, spec=spec).key[0, 0].astype(int)


def copy_of(path, rendering=colour.AS_USUAL):
    """The pristine reference of a whole file."""
    target = path.with_name(f"{path.stem}-{rendering.interlaced}-copy.mkv")
    apply("", 0, path, 0.0, 0.0, target, 0, options=EncodeOptions(rendering=rendering))
    return target


def run_ffmpeg(*args, data=None):
    command = [ffmpeg.binary(), "-y", "-hide_banner", "-loglevel", "error", *args]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def header_of(path):
    done = subprocess.run(
        [ffmpeg.binary(), "-hide_banner", "-i", str(path)], capture_output=True, text=True, check=False
    )
    return next(line for line in done.stderr.splitlines() if "Video:" in line)


def planes_of(pixels, seed=3):
    """Y', Cb and Cr of the patches: black, white, greys, and colours that RGB can hold."""
    scale = 2 ** (bits_of(pixels) - 8)
    rng = np.random.default_rng(seed)
    luma = rng.integers(60 * scale, 190 * scale, (ROWS, COLUMNS))
    chroma = [rng.integers(104 * scale, 152 * scale, (ROWS, COLUMNS)) for _ in range(2)]
    luma[0, :4] = np.array([16, 235, 128, 64]) * scale
    for plane in chroma:
        plane[0, :4] = 128 * scale
    return [luma, *chroma]


def bits_of(pixels):
    return 10 if "10" in pixels else 12 if "12" in pixels else 8


def rgb_of(planes, matrix, bits, full):
    """R'G'B' 0 to 255 of Y'CbCr code values (ITU-R BT.601, BT.709, BT.2020; quantisation as BT.2100, table 9)."""
    kr, kb = LUMA[matrix]
    top, scale = 2**bits - 1, 2 ** (bits - 8)
    y = planes[0] / top if full else (planes[0] - 16 * scale) / (219 * scale)
    cb, cr = ((plane - 128 * scale) / (top if full else 224 * scale) for plane in planes[1:])
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return 255 * np.clip(np.stack([red, green, blue], -1), 0, 1)


def write_clip(path, pixels, planes, codec, *tags):
    """A file of four frames whose planes decode to exactly these patches; ``tags`` describe what is fed."""
    across, down = {"420": (2, 2), "422": (2, 1)}.get(pixels[3:6], (1, 1))
    kind = np.uint8 if bits_of(pixels) == 8 else np.dtype("<u2")
    sizes = [(SIDE, SIDE), *[(SIDE // down, SIDE // across)] * 2]
    parts = planes[:1] if pixels.startswith("gray") else planes
    raw = b"".join(
        np.kron(plane, np.ones(size)).astype(kind).tobytes() for plane, size in zip(parts, sizes, strict=False)
    )
    fed = ("-f", "rawvideo", "-pix_fmt", pixels, "-s", SIZE, "-r", "10", *tags)
    run_ffmpeg(*fed, "-i", "-", *codec, str(path), data=raw * 4)
    return path


def centres_of(frame):
    return frame[SIDE // 2 :: SIDE, SIDE // 2 :: SIDE]
