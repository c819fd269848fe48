"""Measures that FFmpeg and libvmaf have inside as teachers: banding, blockiness and the width of edges.

Sources: CAMBI, Tandon et al., "CAMBI: contrast-aware multiscale banding index", PCS 2021; `blockdetect`, after Bovik and Liu,
"DCT-domain blind measurement of blocking artifacts", ICASSP 2001, with periods searched; `blurdetect`, after Marziliano et al., "A
no-reference perceptual blur metric", ICIP 2002.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import ffmpeg as graph
import numpy as np
from numpy.typing import NDArray

from actors.media import ffmpeg
from actors.media.outcome import Failure
from actors.media.views import Sample
from actors.teachers.base import Teacher
from trainers.scenes.planes import luma, pad_to

TIMEOUT_S = 120.0
RATE = 25.0  # of the frames in the pipe; nothing depends on it
# CAMBI has no score for 180x180 and one for 216x216 and 320x60: small frames are reflected up to a size of which it has one.
SHORT, LONG = 180, 320
# CAMBI looks for steps of 2^2 levels of ten bits by default, one of eight bits, and takes coarser bands for edges
# (findings/cambi-coarse-banding.sh).
LOG_CONTRAST = 5
RADIUS = 50  # pixels to each side of an edge that blurdetect looks at, its default


class FilterTeacher(Teacher):
    """A measure of luma that FFmpeg computes frame by frame: its mean over the key frames."""

    higher_is_better = False
    licence = "Apache-2.0 (own code around FFmpeg)"
    parameters = 0
    weights = "none"
    without: ClassVar[float]  # the score of a frame of which the measure has none
    together: ClassVar[bool] = True  # one process measures all frames

    @abstractmethod
    def measured(self, frames: Any) -> Any:
        """The ffmpeg-python node that measures a node of frames."""

    @abstractmethod
    def read(self, output: str) -> list[float]:
        """One number a frame from what the process writes to standard output; NaN where there is none."""

    def score(self, sample: Sample) -> float:
        """Mean over the key frames; repeated frames (stills) are measured once."""
        frames, counts = _different(sample.key[:, 0])
        planes = np.stack([_limited(frame) for frame in frames])
        pieces = [planes] if self.together else np.split(planes, len(planes))
        values = [value for piece in pieces for value in self.read(self._run(piece))]
        if len(values) != len(frames):
            raise Failure("crash", f"teacher {self.name!r}: FFmpeg measured {len(values)} of {len(frames)} frames")
        known = [self.without if math.isnan(value) else value for value in values]
        total = math.fsum(value * count for value, count in zip(known, counts, strict=True))
        return self.bounded(total / sum(counts))

    def _run(self, planes: NDArray[np.uint8]) -> str:
        height, width = planes.shape[1:]
        shown = ffmpeg.raw_source(width, height, RATE, "gray").filter("format", "yuv420p")
        node = graph.output(self.measured(shown), "pipe:1", format="null")
        with ffmpeg.Process(
            ffmpeg.arguments(node), timeout_s=TIMEOUT_S, kind="crash", stdin=True, stdout=True
        ) as child:
            # The answer is a few lines, so it waits in the pipe until all frames are written.
            try:
                cast("Any", child.process.stdin).write(planes.data)
                cast("Any", child.process.stdin).close()
            except BrokenPipeError:
                child.check()
                raise Failure("crash", f"teacher {self.name!r}: FFmpeg stopped reading frames") from None
            answer: bytes = cast("Any", child.process.stdout).read()
            child.check()
        return answer.decode("utf-8", "replace")


class Cambi(FilterTeacher):
    """Banding: how visible the steps of smooth areas are, at five scales."""

    name = "cambi"
    title = "CAMBI: banding"
    description = (
        f"Contrast-aware multiscale banding index (Tandon 2021), steps of up to 2^{LOG_CONTRAST} levels of ten bits"
    )
    range = (0.0, 100.0)
    without = 0.0

    def settings(self) -> Mapping[str, float | int | str]:
        """The largest contrast of a step, and the least size."""
        return {"max_log_contrast": LOG_CONTRAST, "short": SHORT, "long": LONG}

    def measured(self, frames: Any) -> Any:
        """libvmaf with this feature alone, on the frames as both of its inputs."""
        both = frames.filter_multi_output("split")
        feature = f"name=cambi:max_log_contrast={LOG_CONTRAST}"
        options = {"model": "", "feature": feature, "log_fmt": "csv", "log_path": "/dev/stdout"}
        return graph.filter([both[0], both[1]], "libvmaf", **options)

    def read(self, output: str) -> list[float]:
        """The column of libvmaf's table."""
        head, *rows = output.splitlines() or [""]
        column = next((k for k, name in enumerate(head.split(",")) if name.startswith("cambi")), None)
        return [] if column is None else [float(row.split(",")[column]) for row in rows]


class _MetadataTeacher(FilterTeacher):
    """A filter that writes its measure into the metadata of a frame."""

    @property
    @abstractmethod
    def filter(self) -> tuple[str, Mapping[str, int]]:
        """Name and options of the filter."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Key of its measure."""

    def settings(self) -> Mapping[str, float | int | str]:
        """The options of the filter, and the least size."""
        return {**self.filter[1], "short": SHORT, "long": LONG}

    def measured(self, frames: Any) -> Any:
        """The filter, and one that prints what it found."""
        name, options = self.filter
        return frames.filter(name, **options).filter("metadata", mode="print", file="-")

    def read(self, output: str) -> list[float]:
        """The values of the key in order."""
        start = f"{self.key}="
        return [float(line.removeprefix(start)) for line in output.splitlines() if line.startswith(start)]


class Blockdetect(_MetadataTeacher):
    """Blocks: how far steps on the strongest regular grid exceed those beside it.

    The grid begins at the first pixel (findings/ffmpeg-blockdetect-crop.sh).
    """

    name = "blockdetect"
    title = "FFmpeg's blockdetect: blocks"
    description = "Steps on the strongest grid of 3 to 24 pixels over those beside it (FFmpeg; Bovik 2001)"
    range = (0.0, 1000.0)
    without = 1.0
    # What it says of a frame is about all frames so far (findings/ffmpeg-blockdetect-history.sh).
    together = False
    filter = ("blockdetect", {"period_min": 3, "period_max": 24})
    key = "lavfi.block"


class Blurdetect(_MetadataTeacher):
    """Blur: the mean width of edges in pixels; a frame without edges counts as the most blurred one."""

    name = "blurdetect"
    title = "FFmpeg's blurdetect: width of edges"
    description = "Mean width of edges in pixels (FFmpeg; Marziliano 2002)"
    range = (0.0, float(RADIUS))
    without = float(RADIUS)
    filter = ("blurdetect", {"radius": RADIUS})
    key = "lavfi.blur"


def _different(frames: NDArray[np.uint8]) -> tuple[list[NDArray[np.uint8]], Sequence[int]]:
    """Frames [S, H, W, 3] without repetitions in a row, and how often each is shown."""
    kept: list[NDArray[np.uint8]] = []
    counts: list[int] = []
    for frame in frames:
        if kept and np.array_equal(frame, kept[-1]):
            counts[-1] += 1
        else:
            kept.append(frame)
            counts.append(1)
    return kept, counts


def _limited(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma 16..235 of an RGB frame [H, W, 3], as a coder has it: in 0..255 its steps of one level would be of one and of two."""
    height, width = frame.shape[:2]
    least = (LONG, SHORT) if height > width else (SHORT, LONG)
    plane = pad_to(luma(frame), *least)
    limited: NDArray[np.uint8] = np.rint(plane * np.float32(219 / 255) + np.float32(16)).astype(np.uint8)
    return limited
