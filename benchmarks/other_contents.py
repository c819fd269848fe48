"""Students of finished runs on the benchmark of another run: contents that they have not been trained on, and other videos.

    python benchmarks/other_contents.py RUN... --on OTHER [--draws 200]

RUN and OTHER are run folders of a student that is trained on feature vectors (lite), with the same blocks of features. The
student of every RUN scores the copies of OTHER's benchmarks from the features in OTHER, and stands beside OTHER's teachers. A
cell is the SRCC over all copies and the mean SRCC within a source, with the interval that holds 95 % of them over draws of the
sources with replacement; each by VMAF v0.6.1, and by v1.0.16 on the copies that it can measure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from stages import Measure, drawn, overall, raw_scores, within

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.corpus.proxies import SUITES, items
from pipeline.opinions import raw_scores as teachers_scores
from pipeline.opinions import signed, teacher_digests
from pipeline.run_folder.kept import kept_student
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import read_json
from pipeline.settings.config import load
from trainers.batches import read_features

LABELS = (("VMAF v0.6.1", "mos"), ("VMAF v1.0.16", "vmaf_v1"))


def interval(
    measure: Measure, scores: np.ndarray, labels: np.ndarray, sources: np.ndarray, draws: int
) -> tuple[float, float]:
    """Interval that holds 95 % of a measure over draws of the sources; the same draws for whatever is measured."""
    found = [measure(scores[rows], labels[rows], names) for rows, names in drawn(sources, draws)]
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)


def judges(runs: Sequence[str], other: RunLayout, videos: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Names and scores of the teachers and of the students, higher is better, NaN where one has none."""
    config = load(file=other.config)
    digests = teacher_digests(config)
    folders = {name: other.benchmark_scores(name) for name in digests}
    yield from signed(config, teachers_scores(folders, digests, videos)).items()
    features = read_features(other.benchmark_features)
    for run in runs:
        yield f"student of {run}", raw_scores(kept_student(RunLayout.at(run)), features, videos)


def cells(scores: np.ndarray, rows: Sequence[dict[str, Any]], column: str, draws: int) -> Iterator[str]:
    """Overall and within, each with its interval."""
    some = [k for k, row in enumerate(rows) if row[column] is not None and np.isfinite(scores[k])]
    labels = np.array([rows[k][column] for k in some], np.float64)
    sources = np.array([rows[k]["source_id"] for k in some])
    for measure in (overall, within):
        value = measure(scores[some], labels, sources)
        low, high = interval(measure, scores[some], labels, sources, draws)
        yield f"{value:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Print a table for each suite and label."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--on", required=True, metavar="OTHER", help="the run whose benchmarks are used")
    parser.add_argument("--draws", type=int, default=200)
    options = parser.parse_args()
    other = RunLayout.at(options.on)
    ensemble = read_json(other.benchmark_teachers)
    for suite in SUITES:
        rows = items(other, suite)
        found = dict(judges(options.runs, other, [row["video_id"] for row in rows]))
        for label, column in LABELS:
            some = [row for row in rows if row[column] is not None]
            sources = len({row["source_id"] for row in some})
            print(
                f"\n{suite}, {label}: {len(some)} copies of {sources} contents\n\n| | overall | within a source |\n|---|---|---|"
            )
            for name, scores in found.items():
                print(f"| {name} | {' | '.join(cells(scores, rows, column, options.draws))} |", flush=True)
            mean = ensemble[suite]["ensemble"]
            both = (mean["srcc"], mean["within"]) if column == "mos" else (mean["srcc_v1"], mean["within_v1"])
            print("| mean of the calibrated teachers | {:.3f} | {:.3f} |".format(*both))


if __name__ == "__main__":
    main()
