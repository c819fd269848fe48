"""Process many videos in one pass: distort if required, decode once, score by every teacher, encode, store the results.

The pool, the distorted copies and the benchmarks all go through this module. Only numbers are stored: a distorted file can
be deleted afterwards, since its recipe can make it again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cluster.engine import PIXEL_ROWS, Row
from cluster.metrics import add
from pipeline.console import Console
from pipeline.journal import current_step
from pipeline.look.chain import pools
from pipeline.look.look import LOOK_COLUMNS, Look, look_settings, packs
from pipeline.run_folder.layout import settings_mark
from pipeline.run_folder.records import FEATURES, INDICATORS, OBSERVED, OK, SCORES, Table
from pipeline.run_folder.run import Run
from pipeline.run_folder.store import ShardWriter, compact, read_keys, read_shards
from pipeline.settings.config import Config, fingerprint
from trainers.places import Place, remove
from trainers.videos import gather

_ROWS_PER_SHARD = 64  # the most rows that a killed run loses


def observe(run: Run, videos: Sequence[Row], look: Look, title: str) -> pa.Table:
    """Process every video that has not been processed yet, and return the table `Observed` of all videos.

    Args:
        run: The run, with its configuration and engine.
        videos: Rows with the columns of `LOOK_COLUMNS`.
        look: What to compute and where to store it.
        title: Text of the progress bar.
    """
    config = run.config
    asked = {str(row["video_id"]): _asked(row) for row in videos}
    _adopt(look, config, asked)
    old_ids = set(read_shards(look.observed, OBSERVED)["video_id"].to_pylist())
    todo = [{name: row[name] for name in LOOK_COLUMNS.names} for row in videos if row["video_id"] not in old_ids]
    todo.sort(key=lambda row: (row["uri"], row["start_s"], row["recipe"]))  # neighbours share intermediate files
    sink = _Sink(look, packs(config), asked)
    said: set[str] = set()
    with run.console.track(len(todo), title) as progress:
        table = pa.Table.from_pylist(todo, schema=LOOK_COLUMNS)
        for rows in run.engine.stream(table, pools(config, look), progress.advance, most_rows=PIXEL_ROWS):
            sink.add(rows)
            _tell(rows, run.console)
            for note in sorted(_notes(rows, look) - said):
                run.console.warn(note)
                said.add(note)
    sink.flush()
    for folder, kind in _folders(look):
        if kind is not FEATURES or not packs(config):
            compact(folder, kind)
    ids = {str(row["video_id"]) for row in videos}
    table = read_shards(look.observed, OBSERVED)
    if look.features is not None and packs(config):
        gather(look.features, set(table.filter(pc.equal(table["status"], OK))["video_id"].to_pylist()))
    return table.filter(pa.array([name in ids for name in table["video_id"].to_pylist()], pa.bool_()))


def _tell(rows: Sequence[Row], console: Console) -> None:
    """Tell those who watch the run how many videos are done, and what became of them."""
    results = Counter(OK if row["status"] == OK else str(row["error_kind"]) for row in rows)
    for result, count in results.items():
        add("w2s_videos", count, step=current_step(), result=result)
    for row in rows:
        if row["status"] != OK:
            console.note(
                "video failed", video=row["video_id"], uri=row.get("uri"), kind=row["error_kind"], text=row["error"]
            )


def _notes(rows: Sequence[Row], look: Look) -> set[str]:
    """What teachers say about their work, such as that a GPU was too small."""
    return {note for row in rows for name in look.scores if (note := row.get(f"note_{name}"))}


def _folders(look: Look) -> list[tuple[Place, Table[Any]]]:
    tables: list[tuple[Place, Table[Any]]] = [
        (look.observed, OBSERVED),
        *((folder, SCORES) for folder in look.scores.values()),
    ]
    tables += [(look.indicators, INDICATORS)] if look.indicators is not None else []
    return tables if look.features is None else [*tables, (look.features, FEATURES)]


def _asked(row: Row) -> str:
    """Digest of what is looked at of a file: the same id may stand for another copy after a change of the seed."""
    return fingerprint([row[name] for name in ("start_s", "duration_s", "recipe", "still")])


def _adopt(look: Look, config: Config, asked: Mapping[str, str]) -> None:
    """Delete results that were computed with other settings than the present ones, or of other copies under the same ids."""
    settings = fingerprint(look_settings(look, config))
    mark = settings_mark(look.observed)
    if mark.is_file() and mark.read_text(encoding="ascii") == settings and not _others(look, asked):
        return
    for folder, _ in _folders(look):
        remove(folder)
    look.observed.mkdir(parents=True)
    if look.features is not None:
        look.features.mkdir(parents=True)
    mark.write_text(settings, encoding="ascii")


def _others(look: Look, asked: Mapping[str, str]) -> bool:
    """Whether a stored result is of another copy than the one that is asked for; versions before did not note it."""
    before = read_shards(look.observed, OBSERVED)
    known = zip(before["video_id"].to_pylist(), before["asked"].to_pylist(), strict=True)
    return any(digest is not None and asked.get(video, digest) != digest for video, digest in known)


class _Sink:
    """Collects finished rows and commits them shard by shard: features and scores first, then the rows of `Observed`.

    Packed videos do not pass through this process: their encoder has written them.
    """

    def __init__(self, look: Look, packed: bool, asked: Mapping[str, str]) -> None:
        self.look = look
        self.asked = asked
        self.rows: list[Row] = []
        self.writers = {folder: ShardWriter(folder, kind) for folder, kind in _folders(look)}
        self.features = None if packed else look.features
        # A run killed between two shards leaves features without a row in `Observed`; they must not be written twice.
        self.known = set(read_keys(self.features, FEATURES)["video_id"].to_pylist()) if self.features else set()

    def add(self, rows: Iterable[Row]) -> None:
        self.rows.extend(rows)
        if len(self.rows) >= _ROWS_PER_SHARD:
            self.flush()

    def flush(self) -> None:
        if not self.rows:
            return
        ok = [row for row in self.rows if row["status"] == OK]
        new = [row for row in ok if row["video_id"] not in self.known]
        if self.features is not None and new:
            self.writers[self.features].append(feature_table(new))
            self.known.update(row["video_id"] for row in new)
        if self.look.indicators is not None:
            shard = INDICATORS.table([{name: row[name] for name in INDICATORS.schema.names} for row in ok])
            self.writers[self.look.indicators].append(shard)
        for teacher, folder in self.look.scores.items():
            shard = SCORES.table([_score_row(row, teacher, self.look.digests[teacher]) for row in self.rows])
            self.writers[folder].append(shard)
        self.writers[self.look.observed].append(OBSERVED.table([self._observed(row) for row in self.rows]))
        self.rows = []

    def _observed(self, row: Row) -> Row:
        return {**_observed_row(row), "asked": self.asked[row["video_id"]]}


def feature_table(rows: Sequence[Row]) -> pa.Table:
    """Table `Feature` from rows whose column `features` holds the bytes of a float32 vector."""
    vectors = [np.frombuffer(row["features"], np.float32) for row in rows]
    offsets = np.cumsum([0, *(vector.size for vector in vectors)]).astype(np.int32)
    values = pa.array(np.concatenate(vectors) if vectors else np.zeros(0, np.float32), pa.float32())
    lists = pa.ListArray.from_arrays(pa.array(offsets), values)
    return pa.Table.from_arrays(
        [pa.array([row["video_id"] for row in rows], pa.string()), lists], schema=FEATURES.schema
    )


def _score_row(row: Row, teacher: str, digest: str) -> Row:
    score = row.get(f"score_{teacher}")
    fine = row["status"] == OK and score is not None and math.isfinite(score)
    return {
        "video_id": row["video_id"],
        "teacher": teacher,
        "digest": digest,
        "score": float(score) if fine and score is not None else None,
        "status": OK if fine else "failed",
        "error_kind": None if fine else (row["error_kind"] or "teacher"),
        "error": None if fine else (row.get(f"error_{teacher}") or row["error"]),
    }


def _observed_row(row: Row) -> Row:
    return {
        "video_id": row["video_id"],
        "width": row.get("width") or None,
        "height": row.get("height") or None,
        **{name: _finite(row.get(name)) for name in ("vmaf", "vmaf_v1")},
        "vmaf_v1_note": row.get("vmaf_v1_note") or None,
        "status": row["status"],
        "error_kind": row["error_kind"] or None,
        "error": row["error"] or None,
    }


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
