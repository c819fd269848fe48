"""gMAD's pairs on human scores: how far apart they really are, and how often attacker and defender are right.

    python benchmarks/mined_mos.py LABELS [--student MODEL] [--share 0.085] [--levels 10] [--resamples 1000]

LABELS is a folder with `pred_KoNViD-1k.csv`, `pred_LIVE-VQC.csv` and `pred_LSVQ_test.csv`: a column `mos` and one column per
model. Each model in turn (or the one that is named) is the student, the others are its teachers, as the pipeline treats them:
calibrated to their consensus, mined by `actors.mine`, both roles. Human scores are used for the figures only.

Beside the mined pairs stand *random* ones, and *equally confident* ones: random pairs that the same attacker holds just as far
apart, but whose videos lie anywhere on the defender's scale. A tolerance of one level of the human scale tells who is right: the
attacker (further apart than that, in its order), the defender (nearer) or neither (further apart in the other order). Brackets
hold 95 % over draws of the videos, the pairs stay.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyarrow import csv

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.mine import Game, Miner
from pipeline.method.calibration import calibrate
from pipeline.method.labels import ensemble_labels
from pipeline.method.metrics import srcc
from pipeline.method.pairs import deduplicate
from pipeline.method.resampling import draws, interval
from pipeline.method.verdicts import nearest, pair_means, verdicts

STUDENT = "student"
LOWER_IS_BETTER = {"niqe"}
# One model of each kind: the parts of a model are no second opinion. `*_crossdb` was fitted on other data sets.
CROSS = (
    "dover_fused",
    "maxvqa_O_high_quality",
    "bvqi_spatial_naturalness",
    "bvqi_temporal_naturalness",
    "videval_svr_crossdb",
    "brisque_svr_crossdb",
    "niqe",
)
MODELS = {
    "KoNViD-1k": CROSS,
    "LIVE-VQC": CROSS,
    "LSVQ_test": ("dover_fused", "relaxvqa_lsvqtrain", "bvqi_spatial_naturalness"),
}
OFFERED = 200_000  # random pairs among which equally confident ones are sought
MEASURES = ("order", "gap", "attacker", "defender", "neither")
Pairs = tuple[np.ndarray, np.ndarray]  # indices of the videos that the attacker prefers, and of the others


@dataclass(frozen=True, eq=False)
class Setup:
    """One data set with one student: scores [V] by player on the common scale, human scores, the ensemble, the draws."""

    scores: dict[str, np.ndarray]
    human: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    random: Pairs
    drawn: np.ndarray

    @property
    def teachers(self) -> list[str]:
        """All players but the student."""
        return [name for name in self.scores if name != STUDENT]


def set_up(file: Path, names: tuple[str, ...], student: str, resamples: int) -> Setup:
    """Read a table and calibrate the teachers; videos without one of the scores are left out."""
    table = csv.read_csv(file)
    columns = {name: table[name].to_numpy().astype(np.float64) for name in ("mos", *names)}
    usable = np.isfinite(np.stack(list(columns.values()))).all(axis=0)
    columns = {name: values[usable] for name, values in columns.items()}
    teachers = [name for name in names if name != student]
    found = calibrate(
        {name: columns[name] for name in teachers}, {name: name not in LOWER_IS_BETTER for name in teachers}
    )
    scores = {name: found.mapped[:, k] for k, name in enumerate(found.names)}
    scores[STUDENT] = -columns[student] if student in LOWER_IS_BETTER else columns[student]
    count = int(usable.sum())
    first, second = np.random.default_rng(0).integers(count, size=(2, OFFERED))
    other = first != second
    pairs = first[other], second[other]
    return Setup(scores, columns["mos"], found.mean, found.variance, pairs, draws(count, 0, resamples))


def ordered(pairs: Pairs, scores: np.ndarray) -> Pairs:
    """The same pairs with the video of the higher score first."""
    first, second = pairs
    turned = scores[first] < scores[second]
    return np.where(turned, second, first), np.where(turned, first, second)


def joined(parts: list[Pairs]) -> Pairs:
    """All pairs of several games."""
    high, low = (np.concatenate(side) for side in zip(*parts, strict=True))
    return high, low


def role(setup: Setup, attacks: bool, count: int, levels: int) -> dict[str, Pairs]:
    """Mined, random and equally confident pairs of all games in which the student attacks, or defends."""
    miner = Miner(np.arange(setup.human.size), setup.scores)
    kinds: dict[str, list[Pairs]] = {"mined": [], "random": [], "confident": []}
    for teacher in setup.teachers:
        game = Game(teacher, STUDENT) if attacks else Game(STUDENT, teacher)
        found = miner.play(game, count, levels, 5)
        attacker = setup.scores[game.attacker]
        high, low = ordered(setup.random, attacker)
        chosen = nearest(found.gap, attacker[high] - attacker[low])
        kinds["mined"].append((found.high, found.low))
        kinds["random"].append((high[: found.gap.size * 5], low[: found.gap.size * 5]))
        kinds["confident"].append((high[chosen], low[chosen]))
    return {kind: joined(parts) for kind, parts in kinds.items()}


def measured(setup: Setup, pairs: Pairs, levels: int) -> dict[str, np.ndarray]:
    """Each of `MEASURES` for every pair; the gap in deviations of the human scores."""
    found = verdicts(*pairs, setup.human, float(np.ptp(setup.human)) / levels)
    return {
        "order": found.order,
        "gap": found.gap / setup.human.std(),
        "attacker": found.attacker.astype(np.float64),
        "defender": found.defender.astype(np.float64),
        "neither": (~found.attacker & ~found.defender).astype(np.float64),
    }


def text(value: float, values: np.ndarray) -> str:
    """A figure with its interval."""
    ends = interval(values)
    return f"{value:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else f"{value:.3f} [-]"


def verdict_rows(setup: Setup, share: float, levels: int) -> None:
    """Print who is right, for both roles and all kinds of pairs, and the differences of the mined from the others."""
    count = round(share * setup.human.size)
    for attacks in (False, True):
        kinds = role(setup, attacks, count, levels)
        print(f"  {'the student attacks' if attacks else 'teachers attack'}, {kinds['mined'][0].size} pairs")
        values = {kind: measured(setup, pairs, levels) for kind, pairs in kinds.items()}
        drawn = {
            kind: {name: pair_means(values[kind][name], *pairs, setup.drawn) for name in MEASURES}
            for kind, pairs in kinds.items()
        }
        for kind in kinds:
            figures = (f"{name} {text(values[kind][name].mean(), drawn[kind][name])}" for name in MEASURES)
            print(f"    {kind:10} " + "  ".join(figures))
        for kind in ("random", "confident"):
            gaps = (
                f"{name} {text(values['mined'][name].mean() - values[kind][name].mean(), drawn['mined'][name] - drawn[kind][name])}"
                for name in MEASURES
            )
            print(f"    mined less {kind:10} " + "  ".join(gaps))


def label_rows(setup: Setup, share: float, levels: int) -> None:
    """Print how often the ensemble and the student order the pairs of all games rightly, by the ensemble's confidence.

    Equally confident pairs here are random ones with the same number of deviations between the ensemble's two means.
    """
    count = round(share * setup.human.size)
    every = joined([role(setup, attacks, count, levels)["mined"] for attacks in (False, True)])
    once = deduplicate(list(zip(*(side.tolist() for side in every), strict=True)))
    mined = every[0][once], every[1][once]

    def deviations(pairs: Pairs) -> np.ndarray:
        first, second = ((setup.mean[side], setup.variance[side]) for side in pairs)
        _, delta, sigma = ensemble_labels(*first, *second)
        return np.abs(delta) / sigma

    alike = nearest(deviations(mined), deviations(setup.random))
    kinds = {
        "mined": mined,
        "random": tuple(side[: 5 * len(once)] for side in setup.random),
        "confident": tuple(side[alike] for side in setup.random),
    }
    print(f"  labels of the {len(once)} different pairs")
    for kind, pairs in kinds.items():
        cells = [f"decisive {float((deviations(pairs) > 2).mean()):.3f}"]
        for name, judge in (("ensemble", setup.mean), ("student", setup.scores[STUDENT])):
            sides = ordered(pairs, judge)
            order = verdicts(*sides, setup.human, 0.0).order
            cells.append(f"{name}'s order right {text(order.mean(), pair_means(order, *sides, setup.drawn))}")
        print(f"    {kind:10} " + "  ".join(cells))


def main() -> None:
    """Print the figures of every data set and student."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--student", help="default: each model in turn")
    parser.add_argument(
        "--share", type=float, default=0.085, help="pairs of a game for each video; published: 8,500 of 100,000"
    )
    parser.add_argument("--levels", type=int, default=10)
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    for name, models in MODELS.items():
        for student in models if options.student is None else [options.student]:
            if student not in models:
                continue
            setup = set_up(options.labels / f"pred_{name}.csv", models, student, options.resamples)
            own, others = (srcc(scores, setup.human) for scores in (setup.scores[STUDENT], setup.mean))
            print(
                f"{name}, {setup.human.size} videos, student {student} (SRCC {own:.3f}, its teachers' mean {others:.3f})"
            )
            verdict_rows(setup, options.share, options.levels)
            label_rows(setup, options.share, options.levels)


if __name__ == "__main__":
    main()
