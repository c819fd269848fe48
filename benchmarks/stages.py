"""Gain of the last round of finished runs over the first one on unseen distortions, with confidence intervals.

    python benchmarks/stages.py RUN... [--draws 2000]

RUN is a run folder of a student that is trained on feature vectors (lite). Both students score the run's unseen benchmark
again, from the features in the run folder. An interval holds 95 % of the differences over draws of the benchmark's sources
with replacement, with the same draw for both students. *Centred* is the SRCC over all copies after subtracting the mean of
each source from scores and labels; *content spread* is the deviation of the sources' mean scores over that of the copies
around them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.corpus.proxies import items
from pipeline.method.metrics import srcc, within_source_srcc
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import read_json
from pipeline.student.folder import read_anchors
from trainers.batches import Features, read_features
from trainers.places import Place
from trainers.student.table import load_student

Measure = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def raw_scores(folder: Place, features: Features, videos: list[str]) -> np.ndarray:
    """Raw scores `[N]` by the student and the anchors of a student folder."""
    anchors = read_anchors(folder)
    return anchors.raw(load_student(folder).against_anchors(anchors.features, features.take(videos)))


def overall(scores: np.ndarray, labels: np.ndarray, _: np.ndarray) -> float:
    """SRCC over all copies."""
    return srcc(scores, labels)


def within(scores: np.ndarray, labels: np.ndarray, sources: np.ndarray) -> float:
    """Mean SRCC within a source."""
    return within_source_srcc(scores, labels, sources.tolist()).value


def centred(values: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Values `[N]` minus the mean of their source."""
    own = values.astype(np.float64)
    for source in np.unique(sources):
        own[sources == source] -= own[sources == source].mean()
    return own


def drawn(sources: np.ndarray, draws: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and their sources of draws of the sources with replacement; the same ones for whatever is measured."""
    random = np.random.default_rng(0)
    members = [np.flatnonzero(sources == source) for source in np.unique(sources)]
    for _ in range(draws):
        draw = [members[k] for k in random.integers(0, len(members), len(members))]
        # a source drawn twice counts twice
        yield np.concatenate(draw), np.repeat(np.arange(len(draw)), [len(part) for part in draw])


def interval(
    measure: Measure, both: tuple[np.ndarray, np.ndarray], labels: np.ndarray, sources: np.ndarray, draws: int
) -> tuple[float, float]:
    """Interval that holds 95 % of the differences second - first."""
    differences = []
    for rows, names in drawn(sources, draws):
        first, second = (measure(scores[rows], labels[rows], names) for scores in both)
        differences.append(second - first)
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)


def main() -> None:
    """Print the figures of each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--draws", type=int, default=2000)
    options = parser.parse_args()
    for run in options.runs:
        layout = RunLayout.at(run)
        rows = items(layout, "unseen")
        features = read_features(layout.benchmark_features)
        videos = [row["video_id"] for row in rows]
        labels = np.array([row["mos"] for row in rows], np.float64)
        sources = np.array([row["source_id"] for row in rows])
        last = max(int(folder.name.removeprefix("round-")) for folder in layout.root.glob("round-*"))
        both = raw_scores(layout.student(1), features, videos), raw_scores(layout.student(last), features, videos)
        print(f"{run}: {len(rows)} copies of {len(np.unique(sources))} sources, stage 1 against stage {last}")
        for name, measure in (("overall", overall), ("within", within)):
            first, second = (measure(scores, labels, sources) for scores in both)
            low, high = interval(measure, both, labels, sources, options.draws)
            print(f"  {name:8} {first:.3f} -> {second:.3f}  {second - first:+.3f} [{low:+.3f}, {high:+.3f}]")
        figures = read_json(layout.benchmark_teachers)["unseen"]
        teachers = {
            name: row["srcc"] for name, row in figures.items() if name != "ensemble" and row["srcc"] is not None
        }
        best = max(teachers, key=teachers.__getitem__)
        own = centred(labels, sources)
        for stage, scores in zip((1, last), both, strict=True):
            apart = centred(scores, sources)
            print(
                f"  stage {stage}: centred {srcc(apart, own):.3f}, content spread {(scores - apart).std() / apart.std():.2f}"
            )
        print(f"  best teacher overall: {best} {teachers[best]:.3f}")


if __name__ == "__main__":
    main()
