"""Pair: the training set of a round. Only these rows carry information from one round to the next.

Round 1: random pairs labelled by the teachers' mean and variance, and severity pairs (CVPR 2026, section 4.1).
Later rounds: the union of all rounds so far with the mined hard pairs, and by `pairs.severity=all` with every severity pair of the
round's copies. Homogeneous pairs, all of them, only the mined ones or none (`pairs.relabel`), are relabelled by the latest
student's scores (section 4.3); severity labels stay.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from cluster.engine import Row
from pipeline.console import UserError
from pipeline.corpus.counts import counts_input, counts_of
from pipeline.corpus.facts import corpus_facts
from pipeline.corpus.members import by_family, copies, every_severity_pair, pool
from pipeline.costs.loads import compare_needs, compare_resources, severity_pairs
from pipeline.method.labels import severity_labels
from pipeline.method.logistic import CalibrationError, fit_logistic
from pipeline.method.pairs import Copy, SyntheticPair, deduplicate, pair_id, sample_pairs, synthetic_pairs
from pipeline.method.position import agreed_labels
from pipeline.opinions import Rule, label_rule
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.records import ENSEMBLE, MINED, PAIRS, STUDENT_SCORES
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Resources, Rows, Step
from pipeline.run_folder.store import read_table, write_table
from pipeline.settings.config import Config
from pipeline.steps import mine
from pipeline.student.comparison import pair_logits
from trainers.batches import read_encoded
from trainers.levels import LEVELS, level_names

HOMOGENEOUS = ("ensemble", "gmad")
RELABELLED: dict[str, tuple[str, ...]] = {"all": HOMOGENEOUS, "mined": ("gmad",), "none": ()}


def step(run: Run, number: int) -> Step:
    """The step that makes the pairs of round `number`."""
    config, layout = run.config, run.layout
    inputs: dict[str, Any] = {
        "ensemble": layout.ensemble,
        "distorted": layout.distorted(number),
        "config": config.pairs,
        "seed": config.seed,
    }
    if number == 1:
        inputs |= counts_input(config)
    else:
        if config.pairs.severity == "all":
            inputs["include pristine"] = config.distort.include_pristine
        inputs |= {"pairs before": layout.pairs(number - 1), "mined": layout.mined(number - 1)}
        inputs |= {"scores before": layout.student_scores(number - 1)}
    asks = number > 1 and config.pairs.relabel_by == "answer"
    if asks:
        inputs |= {"student before": layout.student(number - 1), "features": layout.features_of(layout.POOL)}
    return Step(
        "pair",
        inputs,
        [layout.pairs(number)],
        lambda: pair(run, number),
        round=number,
        rows=lambda: expected(run, number),
        resources=lambda _cpus: compare_resources(config) if asks else Resources(),
        needs=lambda: compare_needs(config) if asks else (),
    )


def expected(run: Run, number: int) -> Rows:
    """Expected number of pairs of a round; how many are decisive or hard depends on the models, so it may be a maximum."""
    config = run.config
    if number > 1:
        every = mine.asked(run, number - 1) if config.pairs.severity == "all" else 0
        return Rows(expected(run, number - 1).count + mine.most(run, number - 1).count + every, at_most=True)
    facts = corpus_facts(run)
    videos = facts.members.get(1, 0)
    possible = min(videos * (videos - 1) // 2, videos * config.pairs.max_uses // 2)
    wanted = counts_of(config, 1, videos).homogeneous
    # A draw that uses almost every video up may end before it has all possible pairs.
    total = min(wanted, possible) + severity_pairs(facts, config)
    return Rows(total, at_most=config.pairs.decisive or wanted > possible // 2)


def pair(run: Run, number: int) -> dict[str, Any]:
    """Write `round-<k>/pairs.parquet`."""
    config, layout = run.config, run.layout
    teachers = {
        row["video_id"]: (row["mean"], row["variance"]) for row in read_table(layout.ensemble, ENSEMBLE).to_pylist()
    }
    rule = label_rule(config, layout)
    if number == 1:
        rows = [*_random(config, layout, teachers, rule), *_severity(config, layout)]
    else:
        earlier = read_table(layout.pairs(number - 1), PAIRS).to_pylist()
        new = [_relabelled(row, teachers, rule) if row["origin"] == "gmad" else row for row in _mined(layout, number)]
        if config.pairs.severity == "all":
            every = every_severity_pair(config, layout, number)
            new = [*(severity_row(one.first, one.second, "synthetic", number) for one in every), *new]
        rows = _union(earlier, new)
        anew = RELABELLED[config.pairs.relabel]
        if anew and config.pairs.relabel_by == "answer":
            rows = _answered(run, number - 1, rows, anew)
        elif anew:
            quality = student_quality(layout, number - 1, teachers, config.pairs.student_variance)
            rows = [_relabelled(row, quality, rule) if row["origin"] in anew else row for row in rows]
        if config.pairs.decisive:
            rows = [row for row in rows if row["origin"] not in HOMOGENEOUS or _decisive(row)]
    write_table(layout.pairs(number), PAIRS.table(rows), PAIRS)
    origins = Counter(row["origin"] for row in rows)
    return {"rows": len(rows), "what": ", ".join(f"{count} {origin}" for origin, count in sorted(origins.items()))}


def student_quality(
    layout: RunLayout, number: int, teachers: dict[str, tuple[float, float]], variance_share: float
) -> dict[str, tuple[float, float]]:
    """Mean and variance of each pool video for relabelling, from the student's score.

    A logistic maps the score onto the teachers' scale so that the pool keeps its spread there. It is fitted through equal
    ranks and not through equal videos, since the teachers' errors would flatten a regression.

    Args:
        layout: The run folder.
        number: The round of the student.
        teachers: Video id -> mean and variance of the ensemble.
        variance_share: Share of the ensemble's variance that a score gets, since one model has no variance.
    """
    scores = {
        row["video_id"]: row["raw"] for row in read_table(layout.student_scores(number), STUDENT_SCORES).to_pylist()
    }
    ids = sorted(set(scores) & set(teachers))
    raw = np.array([scores[name] for name in ids])
    mean = np.array([teachers[name][0] for name in ids])
    try:
        mapped = fit_logistic(np.sort(raw), np.sort(mean), increasing=True)(raw)
    except CalibrationError as error:
        raise UserError(f"the student of round {number} cannot label the next pairs: {error}") from error
    return {name: (float(value), variance_share * teachers[name][1]) for name, value in zip(ids, mapped, strict=True)}


def _random(config: Config, layout: RunLayout, teachers: dict[str, tuple[float, float]], rule: Rule) -> list[Row]:
    members = [row["video_id"] for row in pool(layout) if row["round"] == 1]
    ids = [name for name in members if name in teachers]

    def agreed(first: str, second: str) -> bool:
        return _decisive(_relabelled(_row(first, second, "ensemble", 1), teachers, rule))

    pairs = sample_pairs(
        ids,
        counts_of(config, 1, len(members)).homogeneous,
        config.seed,
        config.pairs.max_uses,
        accept=agreed if config.pairs.decisive else None,
    )
    rows = [_row(first, second, "ensemble", 1) for first, second in pairs]
    return [_relabelled(row, teachers, rule) for row in rows]


def _severity(config: Config, layout: RunLayout) -> list[Row]:
    members = sum(row["round"] == 1 for row in pool(layout))
    pairs = _severity_pairs(config, copies(layout, 1), members)
    return [severity_row(one.first, one.second, "synthetic", 1) for one in pairs]


def _severity_pairs(config: Config, rows: list[Row], members: int) -> list[SyntheticPair]:
    """The severity pairs of round 1, in which so many videos are new, among these copies, family by family."""
    counts = counts_of(config, 1, members).synthetic
    pristine = config.distort.include_pristine
    return [
        one
        for family, members in by_family(rows).items()
        for one in synthetic_pairs(members, getattr(counts, family), config.seed, pristine)
    ]


def severity_row(first: Copy, second: Copy, origin: str, number: int) -> Row:
    """A row for two levels of one distortion, labelled by the levels."""
    label = level_names(severity_labels([first.level], [second.level]))[0]
    return _row(first.video_id, second.video_id, origin, number) | {
        "label": label,
        "distortion": first.distortion,
        "level_first": first.level,
        "level_second": second.level,
    }


def _row(first: str, second: str, origin: str, number: int) -> Row:
    row: Row = dict.fromkeys(PAIRS.schema.names)
    return row | {
        "pair_id": pair_id(first, second, origin),
        "first": first,
        "second": second,
        "origin": origin,
        "round": number,
    }


def _relabelled(row: Row, quality: dict[str, tuple[float, float]], rule: Rule) -> Row:
    if row["first"] not in quality or row["second"] not in quality:
        return row
    opinions = np.array([*quality[row["first"]], *quality[row["second"]]], np.float64)
    labels, delta, sigma = rule(*opinions[:, None])
    spread = None if sigma is None else float(sigma[0])
    return row | {"label": level_names(labels)[0], "delta": float(delta[0]), "sigma": spread}


def _answered(run: Run, number: int, rows: list[Row], anew: tuple[str, ...]) -> list[Row]:
    """The rows with the labels that the student of round `number` gives the pairs itself, where both orders agree.

    Where they do not, a pair keeps the label that it had. How much the student depends on the order is told.
    """
    encoded = read_encoded(run.config.student.name, run.layout.features)
    asked = [k for k, row in enumerate(rows) if row["origin"] in anew]
    if not asked:
        return rows
    first, second = ([rows[k][side] for k in asked] for side in ("first", "second"))
    student = run.layout.student(number)
    orders = [pair_logits(run, student, encoded, *both) for both in ((first, second), (second, first))]
    labels, agree, bias = agreed_labels(*orders)
    run.console.line(
        f"  position bias of the student of stage {number}: {bias.disagreeing:.1%} of {len(asked)} pairs have another answer in "
        f"the other order and keep their label; the second place is preferred by {bias.second:+.3f} levels"
    )
    names = level_names(labels)
    known = {k: names[place] for place, k in enumerate(asked) if agree[place]}
    return [
        row | {"label": known[k], "delta": None, "sigma": None} if k in known else row for k, row in enumerate(rows)
    ]


def _decisive(row: Row) -> bool:
    return row["label"] in (LEVELS[0], LEVELS[-1])


def _mined(layout: RunLayout, number: int) -> list[Row]:
    """The pairs that were hard for the student of the previous round, as training pairs of this round."""
    copy_of = {row["video_id"]: row for row in copies(layout, number)}
    rows = []
    for row in read_table(layout.mined(number - 1), MINED).to_pylist():
        if row["origin"] == "gmad":
            teacher = row["defender"] if row["attacker"] == "student" else row["attacker"]
            rows.append(_row(row["first"], row["second"], "gmad", number) | {"teacher": teacher})
            continue
        first, second = (
            Copy(name, copy_of[name]["source_id"], copy_of[name]["distortion"], copy_of[name]["level"])
            for name in (row["first"], row["second"])
        )
        rows.append(severity_row(first, second, "missed", number))
    return rows


def _union(earlier: list[Row], new: list[Row]) -> list[Row]:
    """All pairs, each unordered pair once; the first row of a pair stays."""
    rows = [*earlier, *new]
    return [rows[index] for index in deduplicate([(row["first"], row["second"]) for row in rows])]
