"""Mine: the pairs of the next round's new videos that are hardest for the present student (CVPR 2026, section 4.3).

Real pairs: gMAD against every teacher, in both roles. Synthetic pairs: those whose severity label the student misses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from actors.mine import Found, Game, Miner
from cluster.fanout import actors, comparers, ordered, pool_size
from cluster.stream import Row
from pipeline.console import Console
from pipeline.method.labels import severity_labels
from pipeline.method.pairs import Copy, SyntheticPair, presented, synthetic_pairs
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import MINED, STUDENT_SCORES
from pipeline.run_folder.store import read_table, write_table
from pipeline.settings.config import Config
from pipeline.steps.pair import copies
from pipeline.steps.score import calibrated, pool
from pipeline.student.folder import read_anchors
from trainers.batches import Features, read_encoded
from trainers.levels import LEVELS, at_least
from trainers.videos import VideoStore

STUDENT = "student"


def mine(config: Config, layout: RunLayout, console: Console, number: int) -> dict[str, Any]:
    """Write `round-<k>/mined.parquet`: what the student of round k leaves to learn for round k + 1."""
    rows = [*_games(config, layout, number), *_missed(config, layout, number)]
    write_table(layout.mined(number), MINED.table(rows), MINED)
    origins = Counter(row["origin"] for row in rows)
    return {"rows": len(rows), "what": f"{origins['gmad']} gMAD pairs, {origins['missed']} misjudged synthetic pairs"}


def _games(config: Config, layout: RunLayout, number: int) -> list[Row]:
    """gMAD over the videos that are new in the next round; each unordered pair once, the first game that finds it keeps it."""
    judged = {
        row["video_id"]: row["score"] for row in read_table(layout.student_scores(number), STUDENT_SCORES).to_pylist()
    }
    members = [row["video_id"] for row in pool(layout)]
    teachers = calibrated(config, layout, members)  # fitted on the whole pool, so that every round has one scale
    new = {row["video_id"] for row in pool(layout) if row["round"] == number + 1}
    # A video that fewer than two teachers scored has no mean, so a pair with it could not be labelled.
    keep = np.isfinite(teachers.mean) & np.array([video in new and video in judged for video in members])
    ids = [video for video, kept in zip(members, keep, strict=True) if kept]
    scores = {name: teachers.mapped[keep, k] for k, name in enumerate(teachers.names)}
    scores[STUDENT] = np.array([judged[video] for video in ids])
    games = [game for name in teachers.names for game in (Game(name, STUDENT), Game(STUDENT, name))]
    settings = (config.mining.pairs, config.mining.levels, config.mining.max_uses)
    with actors(Miner, (ids, scores), pool_size(len(games))) as miners:
        answers = ordered(miners, lambda actor, game: actor.play.remote(game, *settings), games)
    rows, known = [], set()
    for game, found in zip(games, answers, strict=True):
        for pair in found:
            key = frozenset((pair.high, pair.low))
            if key not in known:
                known.add(key)
                rows.append(_gmad_row(ids, game, pair, config.seed))
    return rows


def _gmad_row(ids: list[str], game: Game, pair: Found, seed: int) -> Row:
    first, second = presented((ids[pair.high], ids[pair.low]), seed)
    return {
        "first": first,
        "second": second,
        "origin": "gmad",
        "defender": game.defender,
        "attacker": game.attacker,
        "level": pair.level,
        "attacker_gap": pair.attacker_gap,
        "defender_gap": pair.defender_gap,
    }


def _missed(config: Config, layout: RunLayout, number: int) -> list[Row]:
    """Severity pairs of the next round's copies whose label the student gets wrong, the surest mistakes first.

    Wrong as the training means it: five-way, or, where labels are read as bounds, on the wrong side of the bound.
    """
    made = copies(layout, number + 1)
    encoded = read_encoded(config.student.name, layout.features)
    rows: list[Row] = []
    for family in ("spatial", "temporal", "streaming"):
        members = [
            Copy(row["video_id"], row["source_id"], row["distortion"], row["level"])
            for row in made
            if row["family"] == family
        ]
        pairs = synthetic_pairs(members, None, config.seed, config.distort.include_pristine)
        logits = _judged(config, layout.student(number), encoded, pairs)
        labels = severity_labels([p.first.level for p in pairs], [p.second.level for p in pairs])
        said = logits.argmax(axis=1)
        right = (
            at_least(labels)[np.arange(len(pairs)), said] if config.training.severity == "censored" else said == labels
        )
        wrong = np.flatnonzero(~right)
        loss = -_log_softmax(logits)[np.arange(len(pairs)), labels]
        hardest = sorted(wrong.tolist(), key=lambda k: (-loss[k], pairs[k].first.video_id, pairs[k].second.video_id))
        rows += [_missed_row(pairs[k]) for k in hardest[: getattr(config.mining.missed, family)]]
    return rows


def _judged(config: Config, folder: Path, encoded: Features | VideoStore, pairs: Sequence[SyntheticPair]) -> np.ndarray:
    """Logits ``[P, 5]`` of synthetic pairs by the student in ``folder``."""
    if not pairs:
        return np.zeros((0, len(LEVELS)), np.float32)
    chunks = []
    for k in range(0, len(pairs), encoded.at_once):
        part = pairs[k : k + encoded.at_once]
        first, second = [pair.first.video_id for pair in part], [pair.second.video_id for pair in part]
        chunks.append((encoded.take(first), encoded.take(second)))
    with comparers(config.pools.compare.gpus, folder, read_anchors(folder).features, len(chunks)) as students:
        return np.concatenate(ordered(students, lambda actor, chunk: actor.pairs.remote(*chunk), chunks))


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _missed_row(pair: SyntheticPair) -> Row:
    row: Row = dict.fromkeys(MINED.schema.names)
    return row | {"first": pair.first.video_id, "second": pair.second.video_id, "origin": "missed"}
