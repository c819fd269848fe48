"""The table of distortion simulators: what each one is called, which family it is of, and what its levels are.

Suite ``train`` is CVPR 2026, section 4.1.3 and appendix A.3 (three families: spatial, temporal, streaming).
Suite ``unseen`` holds artefacts that the presets never train on: it tests whether a student generalises beyond the first.
Suite ``extra`` is beyond the paper and off unless `distort.types` switches it on; VP9 and AV1 of suite ``unseen`` can be
switched on with it, and are then left out of the benchmark that they would no longer be unseen in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Family = Literal["spatial", "temporal", "streaming"]
Suite = Literal["train", "unseen", "extra"]
FAMILIES: tuple[Family, ...] = get_args(Family)

PRISTINE = "pristine"  # the name that goes with level 0

_PAPER = "CVPR 2026, appendix A.3"
_KADID = _PAPER + "; KADID-10k"
_HERE = "chosen here"


@dataclass(frozen=True)
class Distortion:
    """One simulator.

    Attributes:
        name: Key in `DISTORTIONS`.
        family: ``spatial`` (also for stills), ``temporal`` or ``streaming`` (a codec or an FFmpeg filter chain).
        suite: ``train``, ``unseen`` or ``extra``.
        levels: Parameter of level 1, 2, ...; a higher level is a worse picture.
        unit: What the parameter is.
        source: Where the numbers come from.
    """

    name: str
    family: Family
    suite: Suite
    levels: tuple[float, ...]
    unit: str
    source: str


_ROWS = (
    Distortion("resize", "spatial", "train", (2, 3, 4, 8, 16), "factor down then up", _PAPER),
    Distortion("gaussian_blur", "spatial", "train", (0.1, 0.5, 1, 2, 5), "sigma, pixels", _KADID),
    Distortion("gaussian_noise", "spatial", "train", (0.001, 0.002, 0.003, 0.005, 0.01), "variance, [0, 1]", _KADID),
    Distortion("darken", "spatial", "train", (0.05, 0.1, 0.2, 0.4, 0.8), "bend of CIELAB lightness", _KADID),
    Distortion("brighten", "spatial", "train", (0.1, 0.2, 0.4, 0.7, 1.1), "bend of CIELAB lightness", _KADID),
    Distortion("jitter", "temporal", "train", (0.005, 0.015, 0.04), "shift / short side", f"{_PAPER}; {_HERE}"),
    Distortion("stutter", "temporal", "train", (0.1, 0.3, 0.6), "hold probability", f"{_PAPER}; {_HERE}"),
    # x264 with 8 bits clamps CRF to 51, so level 4 is CRF 51; as the 4th severity it orders all the same.
    Distortion("h264", "streaming", "train", (24, 36, 48, 63), "CRF, libx264 fast", _PAPER),
    Distortion("h265", "streaming", "train", (36, 40, 44, 48), "CRF, libx265", _PAPER),
    # Levels of the unseen suite span VMAF from about 95 down to where each codec ends. Median VMAF v0.6.1 per level on
    # 2 s of four user-made clips (960x540, 854x480, 24 to 30 fps), reference: level 0 at short side 540:
    #   vp9 94 84 72 52, av1 94 86 77 60, mpeg2 96 87 74 63, mjpeg 94 86 72 54, denoise 94 82 60 42,
    #   noise_h264 89 78 52 32, frame_drop 80 60 40 (depends on motion: 29 to 70 at level 3).
    Distortion("vp9", "streaming", "unseen", (36, 48, 56, 63), "CRF, libvpx-vp9 realtime", _HERE),
    Distortion("av1", "streaming", "unseen", (36, 50, 59, 63), "CRF, libsvtav1 preset 10", _HERE),
    Distortion("mpeg2", "streaming", "unseen", (6, 12, 20, 31), "quantiser scale", _HERE),
    Distortion("mjpeg", "streaming", "unseen", (8, 16, 31, 69), "quantiser scale", _HERE),
    Distortion("denoise", "streaming", "unseen", (8, 14, 24, 40), "hqdn3d strength", _HERE),
    Distortion("noise_h264", "streaming", "unseen", (4, 8, 16, 24), "noise strength before x264", _HERE),
    Distortion("frame_drop", "temporal", "unseen", (2, 4, 6), "frames lost of every 8", _HERE),
    Distortion("banding", "spatial", "extra", (12, 24, 40, 64), "grey levels per step", _HERE),
    Distortion("oversharpen", "spatial", "extra", (1, 2, 4, 8), "unsharp amount, sigma 1", _HERE),
    Distortion("colour_shift", "spatial", "extra", (6, 12, 24, 40), "CIELAB units of (a, b)", _HERE),
    Distortion("frame_rate", "temporal", "extra", (2, 4, 8), "one frame kept of so many", _HERE),
    Distortion("rebuffer", "temporal", "extra", (0.1, 0.25, 0.5), "stalled share of 2 s", _HERE),
    Distortion("packet_loss", "streaming", "extra", (0.02, 0.06, 0.2), "share of lost H.264 slices", _HERE),
)
DISTORTIONS: dict[str, Distortion] = {row.name: row for row in _ROWS}


def suite(name: Suite) -> tuple[Distortion, ...]:
    """All simulators of one suite, in table order."""
    return tuple(row for row in _ROWS if row.suite == name)
