"""The sections of the configuration: frozen objects, validated where they are read, with the defaults of every key.

Lists that are "per round" repeat their last entry for all later rounds.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from actors.distortions.table import by_family, optional, suite
from actors.media.colour import AS_USUAL, Hdr, Interlaced
from actors.media.inputs import masked
from actors.teachers import TEACHERS, everywhere
from pipeline.method.stopping import DISAGREEMENT, MISJUDGED, SURE
from trainers.settings import NonNegativeReal, Part, Positive, PositiveReal, Share
from trainers.student.table import DEFAULT, STUDENTS, student_row

SEEN = by_family(suite("train"))
UNSEEN = tuple(row.name for row in suite("unseen"))
SECOND = by_family(optional())
ENSEMBLE = "ensemble"
DEFAULT_TEACHERS = ("artefact", "brisque", "exposure", "niqe", "piqe", "sharpness", "temporal")

X265Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]
Count = Annotated[int, Field(ge=0)]


def all_known(names: tuple[str, ...], known: Sequence[str]) -> tuple[str, ...]:
    """Return `names` if each is known and none comes twice; pydantic shows the ValueError beside the key."""
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is not known here; {nearest(name, known)}")
    if len(set(names)) != len(names):
        raise ValueError("a name is given twice")
    return names


def nearest(name: str, known: Sequence[str]) -> str:
    """Say which known names the unknown `name` may have meant."""
    last = name.rsplit(".", 1)[-1]
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    ends = {key: key.rsplit(".", 1)[-1] for key in known if key not in close}
    close += [key for key, end in ends.items() if difflib.get_close_matches(last, [end], cutoff=0.75)]
    if close:
        return f"nearest: {', '.join(close[:3])}"
    tops = sorted({key.split(".", 1)[0] for key in known})
    return f"known: {', '.join(tops)}"


class FamilyCounts(Part):
    """One number for each family of distortions."""

    spatial: Count = 0
    temporal: Count = 0
    streaming: Count = 0


class CorpusConfig(Part):
    """Which videos, and which windows of them. Without `videos` the run makes its own clips."""

    LATER: ClassVar[tuple[str, ...]] = ("hdr", "interlaced")
    videos: str | None = None
    window_s: NonNegativeReal = 5.0  # 0: the whole file
    windows_per_clip: Positive = 1
    max_short_side: Annotated[int, Field(ge=64)] | None = None
    max_fps: PositiveReal | None = None
    hdr: Hdr = AS_USUAL.hdr  # PQ and HLG: tone-mapped to standard range, or refused
    interlaced: Interlaced = AS_USUAL.interlaced  # deinterlaced, or both fields woven into one picture
    degraded_copies: Count = 0  # of each training window, by seeded chains of simulators
    heldout_share: Annotated[float, Field(gt=0, lt=1)] = 0.25
    limit: Positive | None = None
    made_clips: Annotated[int, Field(ge=4)] = 18
    made_width: Annotated[int, Field(ge=64, multiple_of=2)] = 320
    made_height: Annotated[int, Field(ge=64, multiple_of=2)] = 240
    made_seconds: PositiveReal = 2.0
    made_fps: PositiveReal = 24.0

    @field_validator("videos")
    @classmethod
    def _no_secret(cls, videos: str | None) -> str | None:
        if videos is not None and masked(videos) != videos:  # the configuration is written into the run folder
            raise ValueError("credentials belong into the environment, not into a uri")
        return videos


class ShapingConfig(Part):
    """Balance: keep windows whose indicators have the histograms of a target (CVPR 2026, section 3.2). Off without `keep`."""

    measure: bool = True  # the nine indicators of every pool video, in the decode that the teachers share
    keep: Positive | None = None  # training windows to keep of all that ingest cuts
    # uniform, a JSON file of histograms, or the indicators.parquet of a run on the reference corpus
    target: Annotated[str, Field(min_length=1)] = "uniform"
    bins: Annotated[int, Field(ge=2, le=50)] = 10  # of each histogram; a JSON file has its own
    exact_up_to: Count = 100  # videos; larger pools are chosen from by the relaxation


class TeachersConfig(Part):
    """The weak teachers and what they are shown of a window."""

    LATER: ClassVar[tuple[str, ...]] = ("labels",)
    names: Annotated[tuple[str, ...], Field(min_length=1)] = DEFAULT_TEACHERS
    labels: str = ENSEMBLE  # whose opinion labels pairs: all teachers', or that of the one that is named
    weights: Literal["uniform", "reliability"] = "uniform"  # of teachers in the mean; published: uniform
    mos: Annotated[str, Field(min_length=1)] | None = (
        None  # table of human scores of pool videos, the target of the maps: 0-100, or FILE?range=1..5
    )
    key_frames: Positive = 3
    motion_frames: Positive = 48

    @field_validator("names")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        own = tuple(name for name in names if ":" in name)  # the open forms
        all_known(names, (*TEACHERS, *own))
        return tuple(everywhere(name) for name in names)

    @model_validator(mode="after")
    def _labels_by_one_of_them(self) -> Self:
        if self.labels != ENSEMBLE:
            all_known((everywhere(self.labels),), (ENSEMBLE, *self.names))
        return self

    @property
    def voices(self) -> tuple[str, ...]:
        """The teachers whose opinions label pairs: all of them, or the one that `labels` names."""
        return self.names if self.labels == ENSEMBLE else (everywhere(self.labels),)


class DistortConfig(Part):
    """Synthetic distortions: which types, of how many sources in each round."""

    types: Mapping[str, bool] = Field(default_factory=lambda: dict.fromkeys(SEEN, True))
    sources: Annotated[tuple[FamilyCounts, ...], Field(min_length=1)] = (
        FamilyCounts(spatial=6, temporal=3, streaming=4),
    )
    x265_preset: X265Preset = "veryslow"
    hold_output: bool = (
        True  # stutter repeats the frame that was shown, a freeze; false: the original frame before, as printed
    )
    still_spatial: bool = True  # spatial types on one key frame, not the whole clip (arXiv v3, appendix C.2.1)
    keep: bool = False  # the distorted files; their recipes make them again
    include_pristine: bool = False  # the undistorted source as level 0 in synthetic pairs

    @field_validator("types")
    @classmethod
    def _known(cls, types: Mapping[str, bool]) -> Mapping[str, bool]:
        all_known(tuple(types), SEEN + SECOND)
        return {**dict.fromkeys(SEEN, True), **types}

    @property
    def enabled(self) -> tuple[str, ...]:
        """The types that are switched on, in the order of the table."""
        return tuple(name for name in SEEN + SECOND if self.types.get(name))


class PairsConfig(Part):
    """How many pairs each round makes, and how they are labelled (CVPR 2026, section 4.1)."""

    LATER: ClassVar[tuple[str, ...]] = ("relabel_by", "severity")
    homogeneous: Annotated[tuple[Count, ...], Field(min_length=1)] = (60,)
    synthetic: Annotated[tuple[FamilyCounts, ...], Field(min_length=1)] = (
        FamilyCounts(spatial=60, temporal=18, streaming=24),
    )
    # severity pairs of a later round's copies: those that the student before misjudges, or all of them, weighed as in round 1
    severity: Literal["misjudged", "all"] = "misjudged"
    max_uses: Positive = 5
    decisive: bool = (
        False  # only homogeneous pairs that are labelled superior or inferior: more than two deviations apart
    )
    sigma_floor: PositiveReal = 1e-3  # keeps the label table defined where all teachers agree exactly
    # which homogeneous pairs of the union the latest student labels anew: all, those that were mined, or none
    relabel: Literal["all", "mined", "none"] = "all"
    # by what: its scores as the ensemble's would, or its own answer to the pair where both orders agree
    relabel_by: Literal["scores", "answer"] = "scores"
    student_variance: PositiveReal = 1.0  # of a relabelled score, as a share of the ensemble's variance of that video

    @field_validator("homogeneous", "synthetic")
    @classmethod
    def _of_round_1(cls, entries: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(entries) > 1:
            raise ValueError(
                "only the first round draws pairs, so give one entry; later rounds mine theirs (mining.pairs, mining.missed), "
                "or take all severity pairs of their copies (pairs.severity=all)"
            )
        return entries


class MiningConfig(Part):
    """Hard pairs of the later rounds: gMAD against every teacher, and synthetic pairs that the student misjudges.

    The other ways to `select` choose as many of each kind as the published one would (`pipeline.steps.select`).
    """

    LATER: ClassVar[tuple[str, ...]] = ("select", "videos")
    videos: Literal["new", "all"] = "new"  # real pairs are of videos that are new in the round, or of all until then
    select: Literal["gmad", "random", "loss", "low_confidence", "disagreement"] = "gmad"
    levels: Positive = 10  # the levels of equal quality, xi in CVPR 2026, equation 1
    pairs: Count = 40  # for each teacher and each direction
    max_uses: Positive = 5
    missed: FamilyCounts = FamilyCounts(spatial=10, temporal=5, streaming=5)


class StoppingConfig(Part):
    """When the rounds end: with `auto`, where what is mined no longer teaches (`pipeline.method.stopping`)."""

    auto: bool = False  # stages is then the most rounds; `--stages auto`
    measure: bool = False  # measure and tell the decision although the number of rounds is fixed
    misjudged: Share = MISJUDGED
    disagreement: Share = DISAGREEMENT
    sure: NonNegativeReal = SURE  # standard errors


class StudentConfig(Part):
    """The student network and the options of its builder."""

    name: str = DEFAULT
    options: Mapping[
        str, Any
    ] = {}  # as they were given: the table of students types them, and fills in what is not named

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        return all_known((name,), tuple(STUDENTS))[0]

    @model_validator(mode="after")
    def _options_of_the_student(self) -> Self:
        student_row(self.name).parse(self.options)
        return self


class ScoringConfig(Part):
    """From comparisons with the anchors to a score; temperatures divide the five logits (arXiv v3, appendix C.3)."""

    anchors: Annotated[int, Field(ge=2)] = 5
    test_temperature: PositiveReal = 5.0
    anchor_temperature: PositiveReal = 1.0


class BenchmarkConfig(Part):
    """The proxy benchmarks: distorted copies of held-out windows with VMAF as the score."""

    LATER: ClassVar[tuple[str, ...]] = ("second_label",)

    levels: Positive = 3  # of each type, spread over those that the type has
    windows_per_clip: Positive = 1
    keep: bool = False  # the distorted files
    second_label: bool = True  # VMAF v1.0.16 beside v0.6.1, which is more than half of what measuring a copy takes
    seen: Annotated[tuple[str, ...], Field(min_length=1)] = SEEN
    unseen: Annotated[tuple[str, ...], Field(min_length=1)] = UNSEEN

    @field_validator("seen")
    @classmethod
    def _known_seen(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return all_known(names, SEEN + SECOND)

    @field_validator("unseen")
    @classmethod
    def _known_unseen(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return all_known(names, tuple(dict.fromkeys(UNSEEN + SECOND)))


class PoolConfig(Part):
    """What one actor of a stage may use; how many there are follows from the cluster (`cluster.pools`)."""

    gpus: Annotated[float, Field(ge=0, le=1)] = 0.0  # of each actor
    timeout_s: PositiveReal = 120.0  # for one row

    @field_validator("gpus")
    @classmethod
    def _divides_one(cls, gpus: float) -> float:
        return part_of_a_gpu(gpus)


def part_of_a_gpu(gpus: float) -> float:
    """The share itself, if actors with it fill a GPU.

    Raises:
        ValueError: They do not.
    """
    if gpus not in (0, 0.25, 0.5, 1):
        raise ValueError("use 0, 0.25, 0.5 or 1: an autoscaler never starts a node for other fractions of a GPU")
    return gpus


class ScorePoolConfig(PoolConfig):
    """What one actor of the teachers may use."""

    gpus_of: Mapping[str, float] = {}  # teachers that take another share than `gpus`: small networks share a GPU
    batch: Annotated[int, Field(ge=1, le=64)] = 4  # videos in one call of a network on a GPU; a CPU takes one at a time

    @field_validator("gpus_of")
    @classmethod
    def _divide_one(cls, shares: Mapping[str, float]) -> Mapping[str, float]:
        return {name: part_of_a_gpu(share) for name, share in shares.items()}

    def share_of(self, teacher: str) -> float:
        """GPUs of each actor of a teacher."""
        return self.gpus_of.get(teacher, self.gpus)


class PoolsConfig(Part):
    """The actor pools: teachers (and the decoding before them), distortion, the student's encoder, its comparisons."""

    score: ScorePoolConfig = ScorePoolConfig()
    distort: PoolConfig = PoolConfig(timeout_s=600.0)
    encode: PoolConfig = PoolConfig()
    compare: PoolConfig = PoolConfig()


class ErrorsConfig(Part):
    """The error budget: a run with a larger share of failed rows stops before it trains on what is left."""

    budget: Share = 0.2


class RunConfig(Part):
    """How this machine is used; nothing here changes a result."""

    threads: Positive = 1  # of each FFmpeg process and of each worker's linear algebra
    weights: str = "weights"  # folder of the released weights of the published teachers (docs/teachers.md)
    train_on_gpus: bool = False  # one GPU for each training worker
    max_cpus: Positive | None = None  # of a cluster that grows: as many where it does not say itself, and no more
    max_gpus: Positive | None = None
    downloads_gib: NonNegativeReal = 20.0  # of objects of a bucket that a node keeps until the run ends
