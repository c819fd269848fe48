"""The copies of the development suite: made, labelled and encoded once for each clip, and kept in a folder.

The test copies have fourteen distortions of neither proxy benchmark, each at two levels; the training copies have the simulators
of training, at all levels. A folder of a clip that is complete is not made again; other clips, another window or another
version of what stands here make another one.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from encoder.efficientnet import FoldedPyramid, normalise, pretrained

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.distortions.apply import apply
from actors.distortions.maker import Effect, Encoding, Frame, Setting
from actors.distortions.table import DISTORTIONS, PRISTINE, Distortion, Family, suite
from actors.media import ffmpeg
from actors.media.decode import Decoder
from actors.media.files import atomic
from actors.media.outcome import Failure
from actors.media.scan import scan
from actors.media.views import Sample, SampleSpec
from actors.media.vmaf import vmaf
from actors.media.window import EncodeOptions
from pipeline.corpus.rules import short_id
from trainers.student.lite.features import DEVIATION_FLOOR, padded, shrunk, tiles
from trainers.student.lite.freeze import freeze

VERSION = 1
DEPTH = 9  # blocks of the network; the student looks at the first four
LAYERS: tuple[int | str, ...] = ("stem", *range(DEPTH))
ORDERS = (2, 8, math.inf)
SIZES = (1, 2, 4)  # by which pictures are shrunk
SPEC = SampleSpec(key_frames=2, motion_frames=48)
PRISTINE_STILL = "pristine-still"


def coder(name: str, value: float, options: dict[str, Any] | None = None) -> Encoding:
    """An encoder of FFmpeg at a constant quantiser scale."""
    return Encoding({"vcodec": name, "q:v": f"{value:g}", "g": 30, "threads": 1, **(options or {})})


def filtered(name: str, **options: Any) -> Encoding:
    """A filter of FFmpeg, stored without loss."""
    return Encoding(ffmpeg.lossless(1), lambda stream: stream.filter(name, **options))


def mpeg4(value: float, _: Setting) -> Encoding:
    """MPEG-4 part 2."""
    return coder("mpeg4", value)


def flv(value: float, _: Setting) -> Encoding:
    """Sorenson Spark."""
    return coder("flv", value)


def wmv(value: float, _: Setting) -> Encoding:
    """Windows Media Video 8."""
    return coder("wmv2", value)


def jpeg2000(value: float, _: Setting) -> Encoding:
    """JPEG 2000, every frame by itself."""
    return coder("jpeg2000", value, {"strict": "experimental"})


def theora(value: float, _: Setting) -> Encoding:
    """Theora, of which a higher number is better."""
    return coder("libtheora", value)


def vp8(value: float, _: Setting) -> Encoding:
    """VP8 at one quantiser for all frames."""
    fixed = {"qmin": int(value), "qmax": int(value), "crf": int(value), "b:v": "50M"}
    return Encoding({"vcodec": "libvpx", **fixed, "deadline": "realtime", "cpu-used": 4, "threads": 1})


def median(radius: float, _: Setting) -> Encoding:
    """The median around every pixel."""
    return filtered("median", radius=int(radius))


def bilateral(sigma: float, _: Setting) -> Encoding:
    """Bilateral smoothing."""
    return filtered("bilateral", sigmaS=sigma, sigmaR=0.15)


def wavelet(threshold: float, _: Setting) -> Encoding:
    """Wavelet denoising."""
    return filtered("vaguedenoiser", threshold=threshold)


def adaptive_temporal(threshold: float, _: Setting) -> Encoding:
    """Adaptive temporal averaging."""
    most = {f"{plane}a": threshold for plane in range(3)}
    return filtered("atadenoise", s=9, **most, **{f"{plane}b": 5 * threshold for plane in range(3)})


def temporal_mean(frames: float, _: Setting) -> Encoding:
    """The mean of so many frames."""
    return filtered("tmix", frames=int(frames))


def held(share: float, setting: Setting) -> Effect:
    """The last `share` of every half second is held, in one piece."""
    period = max(2, round(setting.rate / 2))
    moving = max(1, period - round(Fraction(share) * period))
    number = 0
    shown: list[Frame] = []

    def effect(frame: Frame) -> Frame:
        nonlocal number
        if number % period < moving:
            shown[:] = [frame]
        number += 1
        return shown[0]

    return effect


def grain_mpeg4(strength: float, setting: Setting) -> Encoding:
    """Noise before MPEG-4, which is the coarser the stronger the noise."""
    noise = {"all_seed": setting.seed % 2**31, "alls": f"{strength:g}", "allf": "t"}
    return Encoding(coder("mpeg4", strength / 2).codec, lambda stream: stream.filter("noise", **noise))


def small_h264(factor: float, setting: Setting) -> Encoding:
    """x264 at a smaller size, shown at the original one."""
    width, height = (max(2, round(side / factor / 2) * 2) for side in (setting.width, setting.height))
    codec = {"vcodec": "libx264", "preset": "fast", "crf": 26, "threads": 1}
    return Encoding(
        codec,
        lambda stream: stream.filter("scale", width, height).filter("scale", setting.width, setting.height),
    )


def _row(name: str, family: Family, levels: tuple[float, ...], unit: str) -> Distortion:
    return Distortion(name, family, "extra", levels, unit, "chosen here", 0.5, Path(__file__).stem, least_side=16)


SUITE = (
    _row("mpeg4", "streaming", (8, 24), "quantiser scale"),
    _row("flv", "streaming", (12, 31), "quantiser scale"),
    _row("wmv", "streaming", (12, 31), "quantiser scale"),
    _row("jpeg2000", "streaming", (120, 500), "quantiser scale"),
    _row("theora", "streaming", (5, 1), "quality"),
    _row("vp8", "streaming", (36, 60), "quantiser"),
    _row("median", "streaming", (2, 5), "radius"),
    _row("bilateral", "streaming", (3, 10), "sigma of the distance"),
    _row("wavelet", "streaming", (15, 50), "threshold"),
    _row("adaptive_temporal", "streaming", (0.05, 0.2), "threshold"),
    _row("temporal_mean", "temporal", (2, 3), "frames"),
    _row("held", "temporal", (0.3, 0.7), "share of half a second"),
    _row("grain_mpeg4", "streaming", (12, 32), "noise strength"),
    _row("small_h264", "streaming", (2, 4), "factor"),
)
# A distortion is a row and a function of its name in the row's module: these are known to `apply` in this program alone.
DISTORTIONS.update({row.name: row for row in SUITE})


@dataclass(frozen=True)
class Window:
    """What is taken of every clip."""

    seconds: float
    short_side: int
    fps: float
    x265_preset: str = "veryfast"

    @property
    def options(self) -> EncodeOptions:
        """How its copies are made."""
        return EncodeOptions(x265_preset=self.x265_preset, max_short_side=self.short_side, max_fps=self.fps)


@dataclass(frozen=True)
class Job:
    """One copy: `use` is "test", "train" or, for the undistorted clip, "both"."""

    use: str
    distortion: str
    level: int
    still: bool
    seed: int


def jobs(clip: str) -> Iterator[Job]:
    """All copies of a clip; one seed for all levels, so that a higher level affects the same frames, only more."""
    yield Job("both", PRISTINE, 0, still=False, seed=0)
    yield Job("train", PRISTINE_STILL, 0, still=True, seed=0)
    for use, rows in (("test", SUITE), ("train", suite("train"))):
        for row in rows:
            seed = int(short_id(0, clip, row.name), 16) % 2**31
            for level in range(1, len(row.levels) + 1):
                yield Job(use, row.name, level, use == "train" and row.family == "spatial", seed)


@functools.lru_cache(maxsize=1)
def network() -> FoldedPyramid:
    """The encoder of the student, with its ImageNet weights, to greater depth."""
    torch.set_num_threads(1)
    return FoldedPyramid(pretrained(), DEPTH)


@torch.inference_mode()
def log_deviations(images: list[np.ndarray]) -> np.ndarray:
    """The statistic of `trainers.student.lite.features` of all LAYERS at all ORDERS; an infinite one is the largest departure.

    Returns float32 [orders, channels of LAYERS].
    """
    pieces = [
        network()(normalise(torch.from_numpy(np.require(padded(image), requirements=["C", "W"]))[None]))
        for image in images
    ]
    parts = []
    for maps in zip(*pieces, strict=True):
        flat = torch.cat([activation[0].flatten(1) for activation in maps], dim=1).double()
        departure = (flat - flat.mean(dim=1, keepdim=True)).abs()
        sizes = [
            departure.amax(dim=1) if math.isinf(order) else departure.pow(order).mean(dim=1).pow(1 / order)
            for order in ORDERS
        ]
        parts.append(torch.stack([torch.log(size + DEVIATION_FLOOR) for size in sizes]))
    return torch.cat(parts, dim=1).float().numpy()


def deviations(sample: Sample) -> np.ndarray:
    """Log deviations float32 [sizes, orders, channels of LAYERS] of the pictures that the student's blocks look at."""
    parts = []
    for size in SIZES:
        frames = sample.key[:, 0] if size > 1 else sample.key[len(sample.key) // 2, :1]
        pieces = [piece for frame in frames for piece in tiles(shrunk(frame, size))]
        parts.append(log_deviations(pieces))
    return np.stack(parts)


def statistics(sample: Sample) -> dict[str, np.ndarray]:
    """What the variants of the small student's head are made of."""
    return {"deviations": deviations(sample), "freeze": freeze(sample.luma)}


@dataclass(frozen=True)
class Keeping:
    """What is kept of the copies: what `observe` says of a decoded sample, for those that have one of `uses`."""

    observe: Callable[[Sample], dict[str, np.ndarray]] = statistics
    uses: tuple[str, ...] = ("both", "test", "train")
    spec: SampleSpec = SPEC


ALL = Keeping()


def make(clip: Path, window: Window, folder: Path, keeping: Keeping = ALL) -> None:
    """Make, label and look at the copies of one clip, and keep what came of them in `folder`."""
    if (folder / "rows.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    length = scan(str(clip)).length_s
    start, seconds = max(0.0, (length - window.seconds) / 2), min(window.seconds, length)
    rows: list[dict[str, Any]] = []
    found: dict[str, list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory(prefix="w2s-development-") as scratch, Decoder(timeout_s=600) as decoder:
        reference = Path(scratch) / "reference.mkv"
        apply(PRISTINE, 0, clip, start, seconds, reference, 0, options=window.options)
        for job in (job for job in jobs(folder.name) if job.use in keeping.uses):
            copy = Path(scratch) / ("copy.png" if job.still else "copy.mkv")
            row: dict[str, Any] = {**asdict(job), "vmaf": None, "error": ""}
            rows.append(row)
            try:
                apply(
                    job.distortion,
                    job.level,
                    clip,
                    start,
                    seconds,
                    copy,
                    job.seed,
                    still=job.still,
                    options=window.options,
                )
                if job.use == "test":
                    row["vmaf"] = vmaf(reference, copy)
                sample = decoder.decode(str(copy), 0.0, 0.0, keeping.spec)
            except Failure as failure:
                row["error"] = failure.message
                continue
            for name, values in keeping.observe(sample).items():
                found.setdefault(name, []).append(values)
                row["place"] = len(found[name]) - 1
    np.savez(folder / "features.npz", **{name: np.stack(values) for name, values in found.items()})
    with atomic(folder / "rows.json") as partial:
        Path(partial).write_text(json.dumps(rows), encoding="utf-8")


def folders_of(clips: Sequence[Path], window: Window, cache: Path) -> list[Path]:
    """The folder of each clip, named by its bytes, the window and the version of the suite."""
    suite_rows = [[row.name, row.levels] for row in (*SUITE, *suite("train"))]
    key = json.dumps([VERSION, asdict(window), suite_rows]).encode()
    return [cache / hashlib.sha256(key + clip.read_bytes()).hexdigest()[:16] for clip in clips]


def make_all(
    clips: Sequence[Path], folders: Sequence[Path], window: Window, processes: int, keeping: Keeping = ALL
) -> None:
    """Make what is missing of all clips; one that cannot be opened is told and left out."""
    with ProcessPoolExecutor(processes) as pool:
        futures = [
            pool.submit(make, clip, window, folder, keeping) for clip, folder in zip(clips, folders, strict=True)
        ]
        for number, (clip, future) in enumerate(zip(clips, futures, strict=True), 1):
            try:
                future.result()
                outcome = clip.name
            except Failure as failure:
                outcome = f"left out: {failure.message}"
            print(f"{number} of {len(clips)}: {outcome}", file=sys.stderr, flush=True)
