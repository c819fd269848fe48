"""Gain of a mean that weights teachers by reliability over the plain mean, on published per-video scores.

    python benchmarks/ensemble.py LABELS

LABELS is a folder with `pred_KoNViD-1k.csv`, `pred_LIVE-VQC.csv` and `pred_LSVQ_test.csv`: a column `mos` and one column
per model. The labels are used only for the figures; scale, direction and weights come from the scores. Also compares
DOVER's fused score over each set with the published column.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from pathlib import Path

import numpy as np
from scipy.stats import pearsonr, spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.networks.dover import fused_over_set
from pipeline.method.calibration import calibrate

LOWER_IS_BETTER = {"niqe"}
UGC = (
    "dover_aesthetic",
    "dover_technical",
    "bvqi_spatial_naturalness",
    "bvqi_temporal_naturalness",
    "maxvqa_O_high_quality",
)
FIVE = {
    "KoNViD-1k": UGC,
    "LIVE-VQC": UGC,
    "LSVQ_test": (
        "dover_aesthetic",
        "dover_technical",
        "dover_fused",
        "bvqi_spatial_naturalness",
        "relaxvqa_lsvqtrain",
    ),
}
SHARES = {
    "KoNViD-1k": 0.540,
    "LIVE-VQC": 0.598,
    "LSVQ_test": 0.603,
}  # of DOVER's technical view in its benchmark script
# At most one model of each row is used: the models of a row are parts or versions of the same model.
FAMILIES = (
    ("dover_aesthetic", "dover_technical", "dover_fused"),
    ("bvqi_spatial_naturalness", "bvqi_temporal_naturalness"),
    ("maxvqa_O_high_quality",),
    ("niqe",),
    ("videval_svr_crossdb",),
    ("brisque_svr_crossdb",),
)

Table = dict[str, np.ndarray]


def read(file: Path) -> Table:
    """The numeric columns; NaN for a missing score."""
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    names = [name for name in rows[0] if name not in {"dataset", "video"}]
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}


def srcc(values: np.ndarray, mos: np.ndarray) -> float:
    """SRCC over the videos that have both values."""
    both = np.isfinite(values) & np.isfinite(mos)
    return float(spearmanr(values[both], mos[both]).statistic)


def means(table: Table, names: tuple[str, ...]) -> tuple[float, float, dict[str, float]]:
    """SRCC of the plain and of the reliability-weighted mean, and the weights."""
    scores = {name: table[name] for name in names}
    rising = {name: name not in LOWER_IS_BETTER for name in names}
    plain = calibrate(scores, rising)
    weighted = calibrate(scores, rising, weights="reliability")
    return srcc(plain.mean, table["mos"]), srcc(weighted.mean, table["mos"]), weighted.weights


def fives() -> list[tuple[str, ...]]:
    """Every choice of five models from five families."""
    return [five for families in itertools.combinations(FAMILIES, 5) for five in itertools.product(*families)]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    labels = parser.parse_args().labels
    tables = {name: read(labels / f"pred_{name}.csv") for name in FIVE}
    for name, table in tables.items():
        plain, weighted, weights = means(table, FIVE[name])
        best = max(srcc(table[teacher], table["mos"]) for teacher in FIVE[name])
        print(f"{name}: plain {plain:.4f}, reliability {weighted:.4f}, best of the five {best:.4f}")
        print("  " + ", ".join(f"{teacher} {weight:.2f}" for teacher, weight in weights.items()))
    for name in ("KoNViD-1k", "LIVE-VQC"):
        gains = {five: np.subtract(*means(tables[name], five)[1::-1]) for five in fives()}
        copies = [five for five in gains if {"bvqi_spatial_naturalness", "niqe"} <= set(five)]
        for title, some in (
            ("all", list(gains)),
            ("without BVQI spatial beside NIQE", sorted(set(gains) - set(copies))),
        ):
            values = np.array([gains[five] for five in some])
            print(
                f"{name}, {title}: {len(values)} sets of five, better in {(values > 0).sum()}, "
                f"mean {values.mean():+.4f}, worst {values.min():+.4f}, best {values.max():+.4f}"
            )
    for name, table in tables.items():
        views = table["dover_technical"], table["dover_aesthetic"]
        for title, values in (
            ("computed", fused_over_set(*views)),
            (f"computed with its authors' share for this set, {SHARES[name]}", fused_over_set(*views, SHARES[name])),
            ("published", table["dover_fused"]),
        ):
            plcc = float(pearsonr(values, table["mos"]).statistic)
            print(f"{name}, dover_fused {title}: SRCC {srcc(values, table['mos']):.3f}, PLCC {plcc:.3f}")


if __name__ == "__main__":
    main()
