"""The settings of a look: what is computed for each video, and everything else that decides the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from actors.indicators import INDICATORS as INDICATOR_ROWS
from actors.media.colour import AS_USUAL, Rendering
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from actors.teachers import views_of
from pipeline.settings.config import Config, student_files
from trainers.places import Place
from trainers.student.table import student_row

# The columns of a video that a look needs.
LOOK_COLUMNS = pa.schema(
    [
        pa.field("video_id", pa.string()),
        pa.field("uri", pa.string()),
        pa.field("start_s", pa.float64()),
        pa.field("duration_s", pa.float64()),
        pa.field("recipe", pa.string()),
        pa.field("still", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Look:
    """What to compute for each video, and where to store it.

    Attributes:
        observed: Folder of shards of table `Observed`; a video that is listed in it is not processed again.
        features: Folder of shards of table `Feature`, or None without a student.
        scores: Name of each teacher -> folder of its shards of table `TeacherScore`.
        digests: Name of each teacher -> its digest, the key of its scores.
        clips: Folder of the run that keeps the distorted copies, or None to keep none.
        vmaf: Measure VMAF of every distorted copy against its undistorted window.
        second_label: By the second model too.
        indicators: Folder of shards of table `Indicators`, or None to measure none.
        downloads: Folder for downloaded objects of buckets, reused by other looks, or None to keep none.
        bare: Only measure the original videos: make no copies, and keep no frames for a model.
    """

    observed: Place
    features: Place | None
    scores: Mapping[str, Place]
    digests: Mapping[str, str]
    clips: Path | None = None
    vmaf: bool = False
    second_label: bool = True
    indicators: Place | None = None
    bare: bool = False
    downloads: Path | None = None


def sample_spec(config: Config, look: Look) -> SampleSpec:
    """What a decode keeps of each window, by configuration."""
    if look.bare:
        return SampleSpec(key_frames=1, motion_frames=1, rendering=rendering(config))
    views = [*views_of(look.scores), *(student_row(config.student.name).views if look.features is not None else ())]
    return SampleSpec(
        config.teachers.key_frames,
        config.teachers.motion_frames,
        views=tuple(dict.fromkeys(views)),
        rendering=rendering(config),
    )


def rendering(config: Config) -> Rendering:
    """How HDR and interlaced material is shown, by configuration."""
    return Rendering(config.corpus.hdr, config.corpus.interlaced)


def encode_options(config: Config) -> EncodeOptions:
    """Encoder settings of the distorted copies, by configuration."""
    return EncodeOptions(
        x265_preset=config.distort.x265_preset,
        threads=config.run.threads,
        max_short_side=config.corpus.max_short_side,
        max_fps=config.corpus.max_fps,
        hold_output=config.distort.hold_output,
        timeout_s=config.pools.distort.timeout_s,
        rendering=rendering(config),
    )


def packs(config: Config) -> bool:
    """Whether the student needs whole videos; its encoder writes each to a file, without passing it through this process."""
    return student_row(config.student.name).whole_videos


def look_settings(look: Look, config: Config) -> dict[str, Any]:
    """Everything, apart from the videos, that decides the results of a look."""
    making, sample = asdict(encode_options(config)), asdict(sample_spec(config, look))
    if rendering(config) == AS_USUAL:  # a setting that came later: earlier looks stay valid
        del making["rendering"], sample["rendering"]
    for setting in ("threads", "timeout_s"):  # these change the time, not the result
        making.pop(setting)
    name = config.student.name
    version = student_row(name).version
    student: dict[str, Any] | None = None
    if look.features is not None:
        student = {"name": name, "version": version, "options": dict(config.student.options)}
        files = student_files(config)
        student |= {"files": files} if files else {}
    settings = {
        "sample": sample,
        "copies": making,
        "student": student,
        "teachers": dict(look.digests),
        "vmaf": look.vmaf,
    }
    if not look.second_label:
        settings["second_label"] = False
    return settings if look.indicators is None else {**settings, "indicators": list(INDICATOR_ROWS)}
