"""The table of distortion simulators: name, family, levels, cost and function of each.

A new distortion is one row here and one function of the same name in the row's module; the configuration, the plan, the
benchmarks and `actors.distortions.apply` derive the rest.

Suite `train` is CVPR 2026, section 4.1.3 and appendix A.3 (three families: spatial, temporal, streaming).
Suite `unseen` holds artefacts that the presets never train on: it tests whether a student generalises to new artefacts.
Suite `extra` is not from the paper and is off unless `distort.types` switches it on. The `switchable` rows of suite
`unseen` can be switched on too; the benchmark of unseen distortions then leaves them out.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:  # `plan` and `--help` read this table, and they need no media library
    from actors.distortions.maker import Effect, Encoding, Maker, Setting

Family = Literal["spatial", "temporal", "streaming"]
Suite = Literal["train", "unseen", "extra"]
FAMILIES: tuple[Family, ...] = get_args(Family)

PRISTINE = "pristine"  # the name that goes with level 0

_PAPER = "CVPR 2026, appendix A.3"
_KADID = _PAPER + "; KADID-10k"
_HERE = "chosen here"
_MIXED = f"{_PAPER}; {_HERE}"

_FRAME = "actors.distortions.frame_effects"
_CODEC = "actors.distortions.encoders"
_LOSS = "actors.distortions.packet_loss"


@dataclass(frozen=True)
class Distortion:
    """One simulator.

    Attributes:
        name: Key in `DISTORTIONS`, and the name of its function (`actors.distortions.maker.Maker`).
        family: `spatial` (also for stills), `temporal` or `streaming` (a codec or an FFmpeg filter chain).
        suite: `train`, `unseen` or `extra`.
        levels: Parameter of level 1, 2, ...; a higher level is a worse picture.
        unit: What the parameter is.
        source: Where the numbers come from.
        cpu_s: CPU seconds per second of a 960x540 window at 30 frames per second, on one core.
        module: The module that holds its function.
        switchable: Of suite `unseen`, but `distort.types` may add it to training.
        least_side: Pixels that the shorter side must have for its encoder (measured: x265 refuses less, SVT-AV1 breaks).
        x265: Encoded with the preset `distort.x265_preset`; `cpu_s` holds for the preset fast.
    """

    name: str
    family: Family
    suite: Suite
    levels: tuple[float, ...]
    unit: str
    source: str
    cpu_s: float
    module: str
    switchable: bool = False
    least_side: int = 2
    x265: bool = False

    def make(self, value: float, setting: Setting) -> Effect | Encoding:
        """Return the effect or encoding that makes a copy at the parameter `value`."""
        function: Maker = getattr(importlib.import_module(self.module), self.name)
        return function(value, setting)


# Levels of the unseen suite span VMAF from about 95 down to where each codec ends. Median VMAF v0.6.1 per level on
# 2 s of four user-made clips (960x540, 854x480, 24 to 30 fps), reference: level 0 at short side 540:
#   vp9 94 84 72 52, av1 94 86 77 60, mpeg2 96 87 74 63, mjpeg 94 86 72 54, denoise 94 82 60 42,
#   noise_h264 89 78 52 32, frame_drop 80 60 40 (depends on motion: 29 to 70 at level 3).
# x264 with 8 bits clamps CRF to 51, so level 4 of h264 is CRF 51, which is still worse than level 3.
# fmt: off
_ROWS = (
    Distortion("resize", "spatial", "train", (2, 3, 4, 8, 16), "factor down then up", _PAPER, 0.60, _FRAME),
    Distortion("gaussian_blur", "spatial", "train", (0.1, 0.5, 1, 2, 5), "sigma, pixels", _KADID, 0.52, _FRAME),
    Distortion("gaussian_noise", "spatial", "train", (0.001, 0.002, 0.003, 0.005, 0.01), "variance, [0, 1]", _KADID, 1.0, _FRAME),
    Distortion("darken", "spatial", "train", (0.05, 0.1, 0.2, 0.4, 0.8), "bend of CIELAB lightness", _KADID, 0.90, _FRAME),
    Distortion("brighten", "spatial", "train", (0.1, 0.2, 0.4, 0.7, 1.1), "bend of CIELAB lightness", _KADID, 0.82, _FRAME),
    Distortion("jitter", "temporal", "train", (0.005, 0.015, 0.04), "shift / short side", _MIXED, 0.50, _FRAME),
    Distortion("stutter", "temporal", "train", (0.1, 0.3, 0.6), "hold probability", _MIXED, 0.44, _FRAME),
    Distortion("h264", "streaming", "train", (24, 36, 48, 63), "CRF, libx264 fast", _PAPER, 0.48, _CODEC),
    Distortion("h265", "streaming", "train", (36, 40, 44, 48), "CRF, libx265", _PAPER, 0.82, _CODEC, least_side=16, x265=True),
    Distortion("vp9", "streaming", "unseen", (36, 48, 56, 63), "CRF, libvpx-vp9 realtime", _HERE, 0.35, _CODEC, switchable=True),
    Distortion("av1", "streaming", "unseen", (36, 50, 59, 63), "CRF, libsvtav1 preset 10", _HERE, 0.43, _CODEC,
               switchable=True, least_side=16),
    Distortion("mpeg2", "streaming", "unseen", (6, 12, 20, 31), "quantiser scale", _HERE, 0.19, _CODEC),
    Distortion("mjpeg", "streaming", "unseen", (8, 16, 31, 69), "quantiser scale", _HERE, 0.18, _CODEC),
    Distortion("denoise", "streaming", "unseen", (8, 14, 24, 40), "hqdn3d strength", _HERE, 0.31, _CODEC),
    Distortion("noise_h264", "streaming", "unseen", (4, 8, 16, 24), "noise strength before x264", _HERE, 0.50, _CODEC),
    Distortion("frame_drop", "temporal", "unseen", (2, 4, 6), "frames lost of every 8", _HERE, 0.42, _FRAME),
    Distortion("banding", "spatial", "extra", (12, 24, 40, 64), "grey levels per step", _HERE, 0.5, _FRAME),
    Distortion("oversharpen", "spatial", "extra", (1, 2, 4, 8), "unsharp amount, sigma 1", _HERE, 0.5, _FRAME),
    Distortion("colour_shift", "spatial", "extra", (6, 12, 24, 40), "CIELAB units of (a, b)", _HERE, 0.9, _FRAME),
    Distortion("frame_rate", "temporal", "extra", (2, 4, 8), "one frame kept of so many", _HERE, 0.42, _FRAME),
    Distortion("rebuffer", "temporal", "extra", (0.1, 0.25, 0.5), "stalled share of 2 s", _HERE, 0.42, _FRAME),
    Distortion("packet_loss", "streaming", "extra", (0.02, 0.06, 0.2), "share of lost H.264 slices", _HERE, 0.7, _LOSS),
)
# fmt: on
DISTORTIONS: dict[str, Distortion] = {row.name: row for row in _ROWS}


def suite(name: Suite) -> tuple[Distortion, ...]:
    """All simulators of one suite, in table order."""
    return tuple(row for row in DISTORTIONS.values() if row.suite == name)


def optional() -> tuple[Distortion, ...]:
    """The simulators that are off by default and that `distort.types` may switch on, in table order."""
    return tuple(row for row in DISTORTIONS.values() if row.suite == "extra" or row.switchable)


def by_family(rows: Iterable[Distortion]) -> tuple[str, ...]:
    """The names of the rows, family by family, in their order within each."""
    return tuple(row.name for row in sorted(rows, key=lambda row: FAMILIES.index(row.family)))


def family_of(name: str) -> Family:
    """The family of the simulator called `name`."""
    return DISTORTIONS[name].family
