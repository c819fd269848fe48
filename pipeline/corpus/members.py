"""The videos of a run: the training pool, the held-out contents, and the distorted copies of a round."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from actors.distortions.table import FAMILIES
from pipeline.method.pairs import Copy, SyntheticPair, synthetic_pairs
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import DISTORTED, OK, VIDEOS
from pipeline.run_folder.store import read_table
from pipeline.settings.config import Config

TRAIN, HELDOUT = "train", "heldout"


def usable(layout: RunLayout, split: str) -> pa.Table:
    """The usable rows of table `Video` of one split (`TRAIN` or `HELDOUT`), ordered by id."""
    table = read_table(layout.videos, VIDEOS)
    return table.filter(pc.and_(pc.equal(table["status"], OK), pc.equal(table["split"], split)))


def pool(layout: RunLayout) -> list[dict[str, Any]]:
    """The usable training videos (windows and degraded copies) with the columns of a look, ordered by id."""
    return [{**row, "still": False} for row in usable(layout, TRAIN).to_pylist()]


def copies(layout: RunLayout, number: int) -> list[dict[str, Any]]:
    """The usable distorted copies of one round."""
    return [row for row in read_table(layout.distorted(number), DISTORTED).to_pylist() if row["status"] == OK]


def by_family(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[Copy]]:
    """Distorted copies (rows with video_id, source_id, distortion, level, family) by family, in the order of the table."""
    families: dict[str, list[Copy]] = {family: [] for family in FAMILIES}
    for row in rows:
        families[row["family"]].append(Copy(row["video_id"], row["source_id"], row["distortion"], row["level"]))
    return families


def every_severity_pair(config: Config, layout: RunLayout, number: int) -> list[SyntheticPair]:
    """All pairs of two levels of one distortion among the usable copies of one round, family by family."""
    return [
        pair
        for members in by_family(copies(layout, number)).values()
        for pair in synthetic_pairs(members, None, config.seed, config.distort.include_pristine)
    ]
