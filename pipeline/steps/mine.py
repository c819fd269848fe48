"""Mine: the pairs of the next round's new videos that are hardest for the present student (CVPR 2026, section 4.3).

Real pairs: gMAD against every teacher, in both roles. Synthetic pairs: those whose severity label the student gets wrong.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from actors.mine import Game, HardPair, Miner
from cluster.engine import Row
from pipeline.corpus.members import by_family, copies, pool
from pipeline.costs.rates import compare_needs, compare_resources
from pipeline.method.labels import severity_labels
from pipeline.method.pairs import SyntheticPair, presented, synthetic_pairs
from pipeline.opinions import calibrated
from pipeline.run_folder.records import MINED, STUDENT_SCORES
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import read_table, write_table
from pipeline.student.comparison import pair_logits
from trainers.batches import read_encoded
from trainers.levels import at_least

STUDENT = "student"


def step(run: Run, number: int) -> Step:
    """The step that mines hard pairs for the student of round `number`."""
    config, layout = run.config, run.layout
    return Step(
        "mine",
        {"scores": layout.student_scores(number), "student": layout.student(number), "ensemble": layout.ensemble}
        | {"distorted": layout.distorted(number + 1), "mining": config.mining, "seed": config.seed}
        | {"severity": config.training.severity},
        [layout.mined(number)],
        lambda: mine(run, number),
        round=number,
        rows=lambda: most(run, number),
        resources=lambda _cpus: compare_resources(config),
        needs=lambda: compare_needs(config),
    )


def most(run: Run, number: int) -> Rows:
    """Largest number of pairs that round `number` can mine for the next."""
    mining = run.config.mining
    new = sum(row["round"] == number + 1 for row in pool(run.layout))
    games = 2 * len(run.config.teachers.names)
    each = min(mining.pairs, new * mining.max_uses // 2)
    missed = mining.missed
    return Rows(games * each + missed.spatial + missed.temporal + missed.streaming, at_most=True)


def mine(run: Run, number: int) -> dict[str, Any]:
    """Write `round-<k>/mined.parquet`."""
    rows = [*_games(run, number), *_missed(run, number)]
    write_table(run.layout.mined(number), MINED.table(rows), MINED)
    origins = Counter(row["origin"] for row in rows)
    return {"rows": len(rows), "what": f"{origins['gmad']} gMAD pairs, {origins['missed']} misjudged synthetic pairs"}


def _games(run: Run, number: int) -> list[Row]:
    """gMAD over the new videos of the next round; a pair from several games belongs to the first of them."""
    config, layout = run.config, run.layout
    scores = read_table(layout.student_scores(number), STUDENT_SCORES).to_pylist()
    student_scores = {row["video_id"]: row["score"] for row in scores}
    members = [row["video_id"] for row in pool(layout)]
    teachers = calibrated(run, members)  # fitted on the whole pool, so that all rounds have the same scale
    new = {row["video_id"] for row in pool(layout) if row["round"] == number + 1}
    # A video that fewer than two teachers scored has no mean, so a pair with it could not be labelled.
    usable = np.isfinite(teachers.mean) & np.array([video in new and video in student_scores for video in members])
    ids = [video for video, fits in zip(members, usable, strict=True) if fits]
    opinions = {name: teachers.mapped[usable, k] for k, name in enumerate(teachers.names)}
    opinions[STUDENT] = np.array([student_scores[video] for video in ids])
    games = [game for name in teachers.names for game in (Game(name, STUDENT), Game(STUDENT, name))]
    settings = (config.mining.pairs, config.mining.levels, config.mining.max_uses)
    answers = run.engine.calls(Miner, (ids, opinions), "play", [(game, *settings) for game in games])
    rows: dict[frozenset[int], Row] = {}
    for game, pairs in zip(games, answers, strict=True):
        for pair in pairs:
            rows.setdefault(frozenset((pair.high, pair.low)), _gmad_row(ids, game, pair, config.seed))
    return list(rows.values())


def _gmad_row(ids: list[str], game: Game, pair: HardPair, seed: int) -> Row:
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


def _missed(run: Run, number: int) -> list[Row]:
    """Severity pairs of the next round's copies whose label the student gets wrong, the most confident mistakes first.

    Wrong means, as in training, another label, or with `censored` labels, an answer below the bound.
    """
    config, layout = run.config, run.layout
    encoded = read_encoded(config.student.name, layout.features)
    rows: list[Row] = []
    for family, members in by_family(copies(layout, number + 1)).items():
        pairs = synthetic_pairs(members, None, config.seed, config.distort.include_pristine)
        first, second = [pair.first.video_id for pair in pairs], [pair.second.video_id for pair in pairs]
        logits = pair_logits(run, layout.student(number), encoded, first, second)
        labels = severity_labels([pair.first.level for pair in pairs], [pair.second.level for pair in pairs])
        answers = logits.argmax(axis=1)
        censored = config.training.severity == "censored"
        right = at_least(labels)[np.arange(len(pairs)), answers] if censored else answers == labels
        wrong = np.flatnonzero(~right)
        loss = -_log_softmax(logits)[np.arange(len(pairs)), labels]
        hardest = sorted(wrong.tolist(), key=lambda k: (-loss[k], first[k], second[k]))
        rows += [_missed_row(pairs[k]) for k in hardest[: getattr(config.mining.missed, family)]]
    return rows


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _missed_row(pair: SyntheticPair) -> Row:
    row: Row = dict.fromkeys(MINED.schema.names)
    return row | {"first": pair.first.video_id, "second": pair.second.video_id, "origin": "missed"}
