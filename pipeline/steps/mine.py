"""Mine: the pairs of the next round's new videos that are hardest for the present student (CVPR 2026, section 4.3).

Real pairs: gMAD against every teacher, in both roles. Synthetic pairs: those whose severity label the student gets wrong.
`mining.select` names another choice of as many pairs (`pipeline.steps.select`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from actors.gmad import Disagreement
from actors.mine import Game, Miner
from cluster.engine import Row
from cluster.metrics import add
from pipeline.corpus.counts import Counts, counts_input, counts_of
from pipeline.corpus.facts import corpus_facts
from pipeline.corpus.members import TRAIN, by_family, copies, usable
from pipeline.costs.loads import compare_load, compare_needs, compare_resources, copies_of
from pipeline.method.hardness import hardest, loss
from pipeline.method.labels import severity_labels
from pipeline.method.pairs import SyntheticPair, presented, synthetic_pairs
from pipeline.opinions import aligned, calibrated
from pipeline.run_folder.records import MINED, PREFERENCES, STUDENT_SCORES
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Rows, Step
from pipeline.run_folder.store import read_table, write_table
from pipeline.settings.config import Config
from pipeline.steps import select
from pipeline.steps.judge import preferences
from pipeline.student.comparison import pair_logits
from trainers.batches import read_encoded
from trainers.levels import at_least

STUDENT = "student"
GMAD = "gmad"  # `mining.select` as published


def step(run: Run, number: int) -> Step:
    """The step that mines hard pairs for the student of round `number`."""
    config, layout = run.config, run.layout
    inputs: dict[str, Any] = {"scores": layout.student_scores(number), "student": layout.student(number)}
    inputs |= {"ensemble": layout.ensemble, "distorted": layout.distorted(number + 1), "mining": config.mining}
    inputs |= {"seed": config.seed, "severity": config.training.severity, **counts_input(config)}
    if config.mining.select != GMAD:
        inputs |= {"features": layout.features_of(layout.POOL), "floor of sigma": config.pairs.sigma_floor}
    return Step(
        "mine",
        inputs,
        [layout.mined(number), layout.mined_answers(number)],
        lambda: mine(run, number),
        round=number,
        rows=lambda: most(run, number),
        resources=lambda _cpus: compare_resources(config),
        needs=lambda: compare_needs(config),
        load=lambda: compare_load(config, corpus_facts(run), 0, asked(run, number)),
    )


def asked(run: Run, number: int) -> int:
    """Severity pairs of the next round's copies, which the student of round `number` answers."""
    made = copies_of(corpus_facts(run), run.config, number + 1)
    return sum(sources * each * (each - 1) // 2 for sources, each in made.values())


def most(run: Run, number: int) -> Rows:
    """Largest number of pairs that round `number` can mine for the next."""
    mining = run.config.mining
    members = corpus_facts(run).members
    rounds = [number + 1] if mining.videos == "new" else range(1, number + 2)
    new = sum(members.get(one, 0) for one in rounds)
    games = 2 * len(run.config.teachers.voices)
    counts = counts_of(run.config, number + 1, members.get(number + 1, 0))
    each = min(counts.mined, new * mining.max_uses // 2)
    missed = counts.missed
    return Rows(games * each + missed.spatial + missed.temporal + missed.streaming, at_most=True)


def mine(run: Run, number: int) -> dict[str, Any]:
    """Write `round-<k>/mined.parquet` and `mined-answers.parquet`."""
    hard, missed = games(run, number), MINED.table(_missed(run, number))
    write_table(run.layout.mined(number), pa.concat_tables([hard, missed]), MINED)
    add("w2s_pairs_mined", hard.num_rows, origin="gmad")
    add("w2s_pairs_mined", missed.num_rows, origin="missed")
    what = f"{hard.num_rows} gMAD pairs, {missed.num_rows} misjudged synthetic pairs"
    if run.config.mining.select != GMAD:
        how = run.config.mining.select.replace("_", " ")
        what = f"{hard.num_rows} real and {missed.num_rows} synthetic pairs, chosen by {how} in place of hard ones"
    return {"rows": hard.num_rows + missed.num_rows, "what": what}


def games(run: Run, number: int) -> pa.Table:
    """gMAD over the new videos of the next round; a pair from several games belongs to the first of them.

    With another `mining.select`, as many pairs that it chooses.
    """
    config, layout = run.config, run.layout
    videos = usable(layout, TRAIN)
    members: list[str] = videos["video_id"].to_pylist()
    student_scores = aligned(read_table(layout.student_scores(number), STUDENT_SCORES), members)
    teachers = calibrated(run, members)  # fitted on the whole pool, so that all rounds have the same scale
    # A video that fewer than two teachers scored has no mean, so a pair with it could not be labelled.
    fits = np.isfinite(teachers.mean) & np.isfinite(student_scores)
    of_round = pc.equal if config.mining.videos == "new" else pc.less_equal
    fits &= of_round(videos["round"], number + 1).to_numpy()
    opinions = {name: teachers.mapped[fits, k] for k, name in enumerate(teachers.names)}
    opinions[STUDENT] = student_scores[fits]
    roles = [game for name in teachers.names for game in (Game(name, STUDENT), Game(STUDENT, name))]
    settings = (_counts(run, number).mined, config.mining.levels, config.mining.max_uses)
    places = np.flatnonzero(fits)  # the pool is ordered by id, and integers compare faster than names
    answers = run.engine.calls(Miner, (places, opinions), "play", [(game, *settings) for game in roles])
    names = [members[place] for place in places]
    table = _table(names, roles, answers, config.seed)
    return table if config.mining.select == GMAD else select.real_pairs(run, number, names, teachers.some(fits), table)


def _table(ids: list[str], games: Sequence[Game], answers: Sequence[Disagreement], seed: int) -> pa.Table:
    """Table `Mined` of the pairs of all games, each pair once."""
    high, low = (np.concatenate([getattr(answer, side) for answer in answers]) for side in ("high", "low"))
    first = np.sort(np.unique(np.minimum(high, low) * len(ids) + np.maximum(high, low), return_index=True)[1])
    game = np.repeat(np.arange(len(games)), [answer.high.size for answer in answers])[first]
    shown = [presented((ids[a], ids[b]), seed) for a, b in zip(high[first].tolist(), low[first].tolist(), strict=True)]
    columns: dict[str, Any] = {
        "first": [pair[0] for pair in shown],
        "second": [pair[1] for pair in shown],
        "origin": ["gmad"] * first.size,
        "defender": [games[k].defender for k in game.tolist()],
        "attacker": [games[k].attacker for k in game.tolist()],
        "level": np.concatenate([answer.level for answer in answers])[first],
        "attacker_gap": np.concatenate([answer.gap for answer in answers])[first],
        "defender_gap": np.concatenate([answer.defender_gap for answer in answers])[first],
    }
    return pa.table(columns, schema=MINED.schema)


def _missed(run: Run, number: int) -> list[Row]:
    """Severity pairs of the next round's copies whose label the student gets wrong, the most confident mistakes first.

    With another `mining.select` that is about copies, as many pairs that it chooses.
    """
    config, layout = run.config, run.layout
    encoded = read_encoded(config.student.name, layout.features)
    rows: list[Row] = []
    answered = [PREFERENCES.schema.empty_table()]
    most_missed = _counts(run, number).missed
    for family, members in by_family(copies(layout, number + 1)).items():
        pairs = synthetic_pairs(members, None, config.seed, config.distort.include_pristine)
        first, second = [pair.first.video_id for pair in pairs], [pair.second.video_id for pair in pairs]
        logits = pair_logits(run, layout.student(number), encoded, first, second)
        wrong, labels = misjudged(config, pairs, logits)
        how_wrong = np.where(wrong, loss(logits, labels), -np.inf)
        count = min(getattr(most_missed, family), int(wrong.sum()))
        chosen = hardest(how_wrong, list(zip(first, second, strict=True)), count)
        if config.mining.select in select.OF_COPIES:
            chosen = select.copy_pairs(config.mining.select, config.seed, pairs, labels, logits, count)
        rows += [_missed_row(pairs[k]) for k in chosen]
        answered.append(preferences([first[k] for k in chosen], [second[k] for k in chosen], logits[chosen]))
    write_table(layout.mined_answers(number), pa.concat_tables(answered), PREFERENCES)
    return rows


def _counts(run: Run, number: int) -> Counts:
    """The numbers of the round for which the student of round `number` mines."""
    new = pc.sum(pc.equal(usable(run.layout, TRAIN)["round"], number + 1)).as_py() or 0
    return counts_of(run.config, number + 1, int(new))


def misjudged(config: Config, pairs: Sequence[SyntheticPair], logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which severity pairs a student gets wrong, as in training: another label, or with `censored` labels, one below the bound.

    Args:
        config: The configuration.
        pairs: P pairs.
        logits: The student's answers `[P, 5]`.

    Returns:
        Whether each is wrong, and the labels, `[P]`.
    """
    labels = severity_labels([pair.first.level for pair in pairs], [pair.second.level for pair in pairs])
    answers = logits.argmax(axis=1)
    censored = config.training.severity == "censored"
    right = at_least(labels)[np.arange(len(pairs)), answers] if censored else answers == labels
    return ~right, labels


def _missed_row(pair: SyntheticPair) -> Row:
    row: Row = dict.fromkeys(MINED.schema.names)
    return row | {"first": pair.first.video_id, "second": pair.second.video_id, "origin": "missed"}
