"""Look at many videos once: distort if asked, decode once, score by every teacher, encode for the student, keep the numbers.

All that the method needs to see of a video passes through here - the pool, the distorted copies and the benchmarks -
and only numbers come out: no distorted file has to outlive the look at it, since its recipe makes it again.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from actors.indicators import INDICATORS as INDICATOR_ROWS
from actors.media.colour import AS_USUAL, Rendering
from actors.media.downloads import Keep
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from actors.sample import Decode, Synthesise
from actors.score import NOT_WRITTEN, BatchedTeacherScorer, DropSample, StudentEncoder, TeacherScorer
from actors.teachers import is_network, teacher_class, views_of
from cluster.pools import Pool
from cluster.stream import PIXEL_ROWS, Row, stream
from pipeline.console import Console, UserError
from pipeline.run_folder.records import FEATURES, INDICATORS, OBSERVED, OK, SCORES, Table
from pipeline.run_folder.store import append_shard, compact, read_shards
from pipeline.settings.config import Config, fingerprint
from pipeline.settings.sections import ScorePoolConfig
from trainers.student.table import ENCODER_VERSIONS, SEQUENCE_STUDENTS, VIEWS_TAKEN

_ROWS_PER_SHARD = 64  # what a killed run loses at most
_MARK = ".settings"
_NETWORK_GIB = 2.2  # resident beside its weights: torch, one video's views and the activations of the largest network
_NETWORK_WEIGHT = 5.0  # cost of a published network, that of a teacher without weights being 1 (`cluster.pools.Pool`)

SHOWN = pa.schema(
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
    """What to take from each video, and where the numbers go.

    Attributes:
        observed: Folder of shards of table `Observed`; a video that is in it is not looked at again.
        features: Folder of shards of table `Feature`, or None for no student.
        scores: Folder of each teacher's shards of table `TeacherScore`.
        digests: Digest of each teacher, the key of its scores.
        clips: Run-owned folder for distorted copies.
        vmaf: Measure VMAF of every distorted copy against its undistorted window.
        keep: Keep the distorted copies in `clips`.
        indicators: Folder of shards of table `Indicators`, or None to measure none.
        downloads: Folder of the objects of buckets that are kept for other looks, or None to keep none.
        bare: The videos are taken as they are and only measured: no copy is made, and no frame is kept for a model.
    """

    observed: Path
    features: Path | None
    scores: Mapping[str, Path]
    digests: Mapping[str, str]
    clips: Path
    vmaf: bool = False
    keep: bool = False
    indicators: Path | None = None
    bare: bool = False
    downloads: Path | None = None


def sample_spec(config: Config, look: Look) -> SampleSpec:
    """What one decode of a look keeps of a window, by configuration."""
    if look.bare:
        return SampleSpec(key_frames=1, motion_frames=1, rendering=rendering(config))
    views = [*views_of(look.scores), *(VIEWS_TAKEN.get(config.student.name, ()) if look.features is not None else ())]
    return SampleSpec(
        config.teachers.key_frames,
        config.teachers.motion_frames,
        views=tuple(dict.fromkeys(views)),
        rendering=rendering(config),
    )


def rendering(config: Config) -> Rendering:
    """How HDR and interlaced material is shown, by configuration."""
    return Rendering(config.corpus.hdr, config.corpus.interlaced)


def weights_folder(config: Config) -> str:
    """Where released weights are looked for: an absolute path, because workers run in folders of their own."""
    return str(Path(config.run.weights).expanduser().absolute())


def encode_options(config: Config) -> EncodeOptions:
    """How distorted copies are made, by configuration."""
    return EncodeOptions(
        x265_preset=config.distort.x265_preset,
        threads=config.run.threads,
        max_short_side=config.corpus.max_short_side,
        max_fps=config.corpus.max_fps,
        hold_output=config.distort.hold_output,
        timeout_s=config.pools.distort.timeout_s,
        rendering=rendering(config),
    )


def downloads(config: Config, folder: Path | None) -> Keep | None:
    """Where and how much of the objects of buckets is kept, by configuration."""
    return Keep(str(folder), int(config.run.downloads_gib * 2**30)) if folder is not None else None


def pools(config: Config, look: Look) -> list[Pool]:
    """The chain of actor pools: synthesise, decode, the teachers', the student's encoder."""
    kept = downloads(config, look.downloads)
    making = {
        "downloads": kept,
        "options": encode_options(config),
        "folder": str(look.clips),
        "measure_vmaf": look.vmaf,
    }
    decoding = {
        "downloads": kept,
        "spec": sample_spec(config, look),
        "keep": look.keep,
        "timeout_s": config.pools.score.timeout_s,
    }
    chain = [] if look.bare else [Pool(Synthesise, making, weight=5.0)]
    chain.append(Pool(Decode, {**decoding, "measure": look.indicators is not None}))
    chain += score_pools(list(look.scores), weights_folder(config), config.pools.score)
    if look.features is not None:
        options = {"student": config.student.name, "options": dict(config.student.options)}
        if packs(config):
            options["folder"] = str(look.features)
        chain.append(Pool(StudentEncoder, options, gpus=config.pools.encode.gpus, weight=2.0))
    return [*chain, Pool(DropSample, weight=0.1)]


def score_pools(names: Sequence[str], weights: str, how: ScorePoolConfig) -> list[Pool]:
    """The pools of the named teachers.

    On a GPU each teacher has a pool of its own, so that no GPU holds more than one network, and a network takes several videos
    in a call. On CPUs one pool holds them all and an actor takes a video through every teacher in one thread: all CPUs work from
    the first video to the last, where of pools in a row the slowest keeps the others waiting; and a score does not depend on
    how many threads computed it.

    Args:
        names: Of the teachers.
        weights: Folder of released weights.
        how: GPUs of each actor, and videos in a call.
    """
    groups = [[name] for name in names] if how.gpus else [list(names)] if names else []
    batch = how.batch if how.gpus else 1
    return [
        Pool(
            BatchedTeacherScorer if batch > 1 else TeacherScorer,
            {"names": group, "weights": weights},
            gpus=how.gpus,
            weight=sum(_NETWORK_WEIGHT if is_network(name) else 1.0 for name in group),
            batch=batch,
            memory_gib=0.0 if how.gpus else _networks_gib(group),
        )
        for group in groups
    ]


def _networks_gib(names: Sequence[str]) -> float:
    """Memory of an actor with the published networks among the named teachers, GiB: their float32 weights and the work."""
    parameters = sum(teacher_class(name).parameters for name in names if is_network(name))
    return 4 * parameters / 2**30 + _NETWORK_GIB if parameters else 0.0


def packs(config: Config) -> bool:
    """Whether the student takes whole videos, which its encoder writes one by one and which never pass this process."""
    return config.student.name in SEQUENCE_STUDENTS


def observe(videos: Sequence[Row], look: Look, config: Config, console: Console, title: str) -> pa.Table:
    """Look at every video that has not been looked at, and return the table `Observed` of all of them.

    Args:
        videos: Rows with the columns of `SHOWN`.
        look: What to take and where to put it.
        title: What the progress bar says.
    """
    _adopt(look, config)
    done = set(read_shards(look.observed, OBSERVED)["video_id"].to_pylist())
    todo = [{name: row[name] for name in SHOWN.names} for row in videos if row["video_id"] not in done]
    todo.sort(key=lambda row: (row["uri"], row["start_s"], row["recipe"]))  # neighbours share intermediate files
    look.clips.mkdir(parents=True, exist_ok=True)
    sink = _Sink(look, packs(config))
    with console.track(len(todo), title) as progress:
        table = pa.Table.from_pylist(todo, schema=SHOWN)
        for rows in stream(table, pools(config, look), progress.advance, most_rows=PIXEL_ROWS):
            sink.add(rows)
    sink.flush()
    if not look.keep:
        shutil.rmtree(look.clips, ignore_errors=True)
    for folder, kind in _folders(look):
        if kind is not FEATURES or not packs(config):
            compact(folder, kind)
    wanted = {str(row["video_id"]) for row in videos}
    table = read_shards(look.observed, OBSERVED)
    if look.features is not None and packs(config):
        _drop_failed(look.features, table)
    return table.filter(pa.array([name in wanted for name in table["video_id"].to_pylist()], pa.bool_()))


def _folders(look: Look) -> list[tuple[Path, Table[Any]]]:
    tables: list[tuple[Path, Table[Any]]] = [
        (look.observed, OBSERVED),
        *((folder, SCORES) for folder in look.scores.values()),
    ]
    tables += [(look.indicators, INDICATORS)] if look.indicators is not None else []
    return tables if look.features is None else [*tables, (look.features, FEATURES)]


def _drop_failed(folder: Path, seen: pa.Table) -> None:
    """Remove the packed videos of rows that were lost on the way after they had been written."""
    rows = zip(seen["video_id"].to_pylist(), seen["status"].to_pylist(), strict=True)
    for video in (name for name, status in rows if status != OK):
        (folder / f"{video}.parquet").unlink(missing_ok=True)


def _adopt(look: Look, config: Config) -> None:
    """Make sure that what the folders hold was seen with the present settings; numbers of other settings are removed."""
    settings = fingerprint(look_settings(look, config))
    mark = look.observed / _MARK
    if mark.is_file() and mark.read_text(encoding="ascii") == settings:
        return
    for folder, _ in _folders(look):
        shutil.rmtree(folder, ignore_errors=True)
    look.observed.mkdir(parents=True)
    if look.features is not None:
        look.features.mkdir(parents=True)
    mark.write_text(settings, encoding="ascii")


def look_settings(look: Look, config: Config) -> dict[str, Any]:
    """Everything besides the videos that decides the numbers of a look."""
    making, sample = asdict(encode_options(config)), asdict(sample_spec(config, look))
    if rendering(config) == AS_USUAL:  # a setting that came later: what was seen before it stays valid
        del making["rendering"], sample["rendering"]
    for setting in ("threads", "timeout_s"):  # these change the time, not the result
        making.pop(setting)
    name = config.student.name
    version = ENCODER_VERSIONS.get(name, 0)
    student = (
        {"name": name, "version": version, "options": dict(config.student.options)}
        if look.features is not None
        else None
    )
    settings = {
        "sample": sample,
        "copies": making,
        "student": student,
        "teachers": dict(look.digests),
        "vmaf": look.vmaf,
    }
    return settings if look.indicators is None else {**settings, "indicators": list(INDICATOR_ROWS)}


class _Sink:
    """Collects finished rows and commits them shard by shard: features and scores first, then the mark that they are there.

    Packed videos are no matter of this process: their encoder has written them.
    """

    def __init__(self, look: Look, packed: bool) -> None:
        self.look = look
        self.rows: list[Row] = []
        self.features = None if packed else look.features
        # A run that was killed between two shards has features that no mark names; they must not be written twice.
        self.known = set(read_shards(self.features, FEATURES)["video_id"].to_pylist()) if self.features else set()

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if row["error_kind"] == NOT_WRITTEN:
                raise UserError(f"{row['error']}; make room or mend the disk, and run the same command again")
            self.rows.append(row)
        if len(self.rows) >= _ROWS_PER_SHARD:
            self.flush()

    def flush(self) -> None:
        if not self.rows:
            return
        ok = [row for row in self.rows if row["status"] == "ok"]
        new = [row for row in ok if row["video_id"] not in self.known]
        if self.features is not None and new:
            append_shard(self.features, feature_table(new), FEATURES)
            self.known.update(row["video_id"] for row in new)
        if self.look.indicators is not None:
            shard = INDICATORS.table([{name: row[name] for name in INDICATORS.schema.names} for row in ok])
            append_shard(self.look.indicators, shard, INDICATORS)
        for teacher, folder in self.look.scores.items():
            shard = SCORES.table([_score_row(row, teacher, self.look.digests[teacher]) for row in self.rows])
            append_shard(folder, shard, SCORES)
        append_shard(self.look.observed, OBSERVED.table([_observed_row(row) for row in self.rows]), OBSERVED)
        self.rows = []


def feature_table(rows: Sequence[Row]) -> pa.Table:
    """Table `Feature` from rows whose column ``features`` holds the bytes of a float32 vector."""
    vectors = [np.frombuffer(row["features"], np.float32) for row in rows]
    offsets = np.cumsum([0, *(vector.size for vector in vectors)]).astype(np.int32)
    values = pa.array(np.concatenate(vectors) if vectors else np.zeros(0, np.float32), pa.float32())
    lists = pa.ListArray.from_arrays(pa.array(offsets), values)
    return pa.Table.from_arrays(
        [pa.array([row["video_id"] for row in rows], pa.string()), lists], schema=FEATURES.schema
    )


def _score_row(row: Row, teacher: str, digest: str) -> Row:
    score = row.get(f"score_{teacher}")
    fine = row["status"] == "ok" and score is not None and math.isfinite(score)
    return {
        "video_id": row["video_id"],
        "teacher": teacher,
        "digest": digest,
        "score": float(score) if fine and score is not None else None,
        "status": "ok" if fine else "failed",
        "error_kind": None if fine else (row["error_kind"] or "teacher"),
        "error": None if fine else (row.get(f"error_{teacher}") or row["error"]),
    }


def _observed_row(row: Row) -> Row:
    vmaf = row.get("vmaf")
    return {
        "video_id": row["video_id"],
        "width": row.get("width") or None,
        "height": row.get("height") or None,
        "vmaf": float(vmaf) if vmaf is not None and math.isfinite(vmaf) else None,
        "status": row["status"],
        "error_kind": row["error_kind"] or None,
        "error": row["error"] or None,
    }
