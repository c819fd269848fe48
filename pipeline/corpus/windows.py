"""Windows of files: where they are cut, which are held out, and the rows that they become."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.engine import Row
from pipeline.corpus.members import HELDOUT, TRAIN
from pipeline.corpus.rules import heldout_contents, pool_recipe, pool_rounds, short_id
from pipeline.run_folder.records import OK
from pipeline.settings.config import Config
from pipeline.settings.sections import CorpusConfig


def windows(duration_s: float, config: CorpusConfig) -> Iterator[tuple[float, float]]:
    """(start, length) in seconds of the windows of a file, evenly spread and not overlapping; length 0 is the whole file."""
    if config.window_s <= 0 or duration_s <= config.window_s:
        yield 0.0, 0.0
        return
    count = min(config.windows_per_clip, int(duration_s // config.window_s))
    gap = (duration_s - count * config.window_s) / (count + 1)
    for index in range(count):
        yield round(gap + index * (gap + config.window_s), 3), config.window_s


def windows_of(files: list[Row], config: Config) -> list[Row]:
    """Rows of table `Video`: the windows of every usable file, their degraded copies, and the unusable files."""
    usable = [row for row in files if row["status"] == OK]
    heldout = heldout_contents([row["content_id"] for row in usable], config.corpus.heldout_share, config.seed)
    rows = [_video(row, 0.0, 0.0, TRAIN, "", 0, 0) for row in files if row["status"] != OK]
    base: list[Row] = []
    for row in usable:
        split = HELDOUT if row["content_id"] in heldout else TRAIN
        base += [
            _video(row, start, length, split, "", 0, 0) for start, length in windows(row["duration_s"], config.corpus)
        ]
    rounds = pool_rounds([row["video_id"] for row in base if row["split"] == TRAIN], config.seed)
    for row in base:
        if row["split"] == HELDOUT:
            rows.append({**row, "recipe": pool_recipe(row["video_id"], 0, config.seed)})
            continue
        for copy in range(1 + config.corpus.degraded_copies):
            name = row["video_id"] if copy == 0 else short_id(row["video_id"], "copy", copy)
            recipe = pool_recipe(row["video_id"], copy, config.seed)
            rows.append({**row, "video_id": name, "recipe": recipe, "copy": copy, "round": rounds[row["video_id"]]})
    return rows


def _video(row: Row, start: float, length: float, split: str, recipe: str, copy: int, number: int) -> Row:
    ok = row["status"] == OK
    return {
        "video_id": short_id(row["content_id"], start, length) if ok else row["video_id"],
        "uri": row["uri"],
        "start_s": start,
        "duration_s": length,
        "content_id": row["content_id"],
        "split": split,
        "round": number,
        "copy": copy,
        "recipe": recipe,
        "width": row["width"] or None,
        "height": row["height"] or None,
        "fps": row["fps"] or None,
        "codec": row["codec"] or None,
        "bytes": row["bytes"] or None,
        "status": row["status"],
        "error_kind": row["error_kind"] or None,
        "error": row["error"] or None,
    }
