"""All rows that one step passes to another: frozen dataclasses, and the Arrow schemas derived from them.

A column is defined once, as a field of its dataclass: `str`, `int`, `float` and `bool` become `string`, `int64`, `float64`
and `bool`, `tuple[float, ...]` becomes `list<float32>`, and with `| None` a cell may be empty. Each table has a unique key,
and rows are stored in its order, so that the same work gives the same bytes with any number of workers.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import pyarrow as pa

from actors.indicators import INDICATORS as _INDICATORS

_ARROW: dict[object, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    tuple[float, ...]: pa.list_(pa.float32()),
}

OK = "ok"
FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """Base of all kinds of rows. `KEY` names the columns that identify a row."""

    KEY: ClassVar[tuple[str, ...]] = ()


R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Table(Generic[R]):
    """A kind of table: its row class, its Arrow schema and its key."""

    row: type[R]
    schema: pa.Schema
    key: tuple[str, ...]

    @property
    def optional(self) -> frozenset[str]:
        """Columns with a default: versions that did not know them wrote tables without them."""
        fields = dataclasses.fields(self.row)
        return frozenset(field.name for field in fields if field.default is not dataclasses.MISSING)

    @property
    def name(self) -> str:
        """The row class's name, for messages."""
        return self.row.__name__

    def table(self, rows: Iterable[R | Mapping[str, Any]]) -> pa.Table:
        """Make an Arrow table from rows or from dictionaries with the columns of a row; optional ones may be left out.

        Raises:
            ValueError: A column is missing or unknown.
        """
        dicts = [row if isinstance(row, Mapping) else _as_dict(row) for row in rows]
        expected = set(self.schema.names)
        for columns in dicts:
            if not expected - self.optional <= set(columns) <= expected:
                differences = ", ".join(sorted((set(columns) | self.optional) ^ expected))
                raise ValueError(f"{self.name}: columns differ from the schema at: {differences}")
        return pa.Table.from_pylist(dicts, schema=self.schema)


def _as_dict(row: Record) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}


def table_of(row: type[R]) -> Table[R]:
    """Derive the table of a row class."""
    hints = typing.get_type_hints(row)
    fields = []
    for field in dataclasses.fields(row):
        kind = hints[field.name]
        optional = isinstance(kind, types.UnionType) and type(None) in typing.get_args(kind)
        if optional:
            (kind,) = (arg for arg in typing.get_args(kind) if arg is not type(None))
        fields.append(pa.field(field.name, _ARROW[kind], nullable=optional))
    return Table(row, pa.schema(fields), row.KEY)


@dataclass(frozen=True)
class Video(Record):
    """A window of a video file, the unit of scoring. `duration_s` 0: to the end of the file."""

    KEY: ClassVar[tuple[str, ...]] = ("video_id",)
    video_id: str
    uri: str
    start_s: float
    duration_s: float
    content_id: str  # the same for all windows of files with the same bytes; for a rendered clip, from its settings
    split: str  # "train" | "heldout"
    round: int  # round in which a training window enters the pool, counted from 1; 0 for other windows
    copy: int  # 0: the window itself; 1, 2, ...: a copy degraded by `recipe`
    recipe: str  # JSON list of [distortion, level, seed]
    width: int | None
    height: int | None
    fps: float | None
    codec: str | None
    bytes: int | None
    status: str
    error_kind: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class TeacherScore(Record):
    """One teacher's raw score of one video, in its own range and direction; `digest` covers weights and settings."""

    KEY: ClassVar[tuple[str, ...]] = ("video_id", "teacher", "digest")
    video_id: str
    teacher: str
    digest: str
    score: float | None
    status: str
    error_kind: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class EnsembleScore(Record):
    """Mean and variance of the teachers' scores on the common scale (CVPR 2026, section 4.1.2)."""

    KEY: ClassVar[tuple[str, ...]] = ("video_id",)
    video_id: str
    mean: float
    variance: float
    n_teachers: int


@dataclass(frozen=True)
class Distorted(Record):
    """A synthetically distorted copy of a source window. `level` counts from 1; 0 is the undistorted source."""

    KEY: ClassVar[tuple[str, ...]] = ("video_id",)
    video_id: str
    source_id: str
    uri: str
    start_s: float
    duration_s: float
    recipe: str  # JSON list of [distortion, level, seed]; `uri`, the window and this recipe reproduce the copy
    distortion: str
    family: str  # "spatial" | "temporal" | "streaming"
    level: int
    still: bool
    seed: int
    status: str
    error_kind: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Pair(Record):
    """A training pair. `label` compares the second video with the first; `delta` is second minus first."""

    KEY: ClassVar[tuple[str, ...]] = ("pair_id",)
    pair_id: str
    first: str
    second: str
    origin: str  # "ensemble" | "synthetic" | "gmad" | "missed"
    label: str  # "inferior" | "worse" | "similar" | "better" | "superior"
    delta: float | None
    sigma: float | None
    teacher: str | None
    distortion: str | None
    level_first: int | None
    level_second: int | None
    round: int


@dataclass(frozen=True)
class Preference(Record):
    """The student's probabilities of the five labels for an ordered pair, in the order of the columns."""

    KEY: ClassVar[tuple[str, ...]] = ("first", "second")
    first: str
    second: str
    inferior: float
    worse: float
    similar: float
    better: float
    superior: float


@dataclass(frozen=True)
class StudentScore(Record):
    """A student's score of one video: MAP estimate `raw`, the reported 0-100 `score`, and on that scale its posterior's
    standard deviation, mean and 68 % interval; the last three are empty in runs of versions that did not compute them."""

    KEY: ClassVar[tuple[str, ...]] = ("video_id", "round")
    video_id: str
    round: int
    raw: float
    std: float
    score: float
    mean: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Mined(Record):
    """A hard pair: from gMAD (the `defender` rates both videos equal, the `attacker` does not), or a misjudged pair of copies."""

    KEY: ClassVar[tuple[str, ...]] = ("first", "second")
    first: str
    second: str
    origin: str  # "gmad" | "missed"
    defender: str | None
    attacker: str | None
    level: int | None  # of equal quality, counted from 0
    attacker_gap: float | None
    defender_gap: float | None


@dataclass(frozen=True)
class Feature(Record):
    """The output of the student's frozen part for one video."""

    KEY: ClassVar[tuple[str, ...]] = ("video_id",)
    video_id: str
    features: tuple[float, ...]


@dataclass(frozen=True)
class Observed(Record):
    """The result of a look at one video, besides scores and features; VMAF v0.6.1 and v1.0.16 only for distorted copies with a
    measurement. The second is empty in runs of versions that did not measure it, and, with a note, where it has no score.
    `asked` is a digest of window and recipe: the id of a copy does not tell the seed that drew them."""

    KEY: ClassVar[tuple[str, ...]] = ("video_id",)
    video_id: str
    width: int | None
    height: int | None
    vmaf: float | None
    status: str
    error_kind: str | None = None
    error: str | None = None
    vmaf_v1: float | None = None
    vmaf_v1_note: str | None = None
    asked: str | None = None


# One column for each row of the table of indicators, so that a new indicator gets its column automatically.
Indicators = dataclasses.make_dataclass(
    "Indicators",
    [("video_id", str), *((name, float) for name in _INDICATORS)],
    bases=(Record,),
    namespace={"KEY": ("video_id",), "__doc__": "The indicators of one video (`actors.indicators`)."},
    frozen=True,
)


@dataclass(frozen=True)
class BenchmarkItem(Record):
    """A video of a benchmark with its subjective score, or with VMAF v0.6.1 and v1.0.16 for a proxy benchmark."""

    KEY: ClassVar[tuple[str, ...]] = ("video_id",)
    video_id: str
    source_id: str
    uri: str
    start_s: float
    duration_s: float
    recipe: str | None
    distortion: str | None
    level: int | None
    mos: float | None
    status: str
    error_kind: str | None = None
    error: str | None = None
    vmaf_v1: float | None = None
    vmaf_v1_note: str | None = None


@dataclass(frozen=True)
class Quarantine(Record):
    """An input that could not be used, with the step at which it failed and the reason."""

    KEY: ClassVar[tuple[str, ...]] = ("step", "item")
    step: str
    item: str
    uri: str
    error_kind: str
    error: str


VIDEOS = table_of(Video)
SCORES = table_of(TeacherScore)
ENSEMBLE = table_of(EnsembleScore)
DISTORTED = table_of(Distorted)
PAIRS = table_of(Pair)
PREFERENCES = table_of(Preference)
STUDENT_SCORES = table_of(StudentScore)
MINED = table_of(Mined)
FEATURES = table_of(Feature)
OBSERVED = table_of(Observed)
INDICATORS: Table[Record] = table_of(Indicators)
BENCHMARK = table_of(BenchmarkItem)
QUARANTINE = table_of(Quarantine)
