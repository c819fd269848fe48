"""Does the development suite foretell the benchmark? Variants of the small student on both, and how their figures are correlated.

    python benchmarks/encoder/foretells.py CACHE --folds 3 --train CLIP... --network FILE --runs RUN...

Arguments before `--runs` are those of `protocol.py`. RUN is a finished run folder of the small student. A variant is trained on the
pairs of round 1 of every run, and tested on the run's benchmark of unseen distortions; and on the development suite as the other
heads are. This looks at the benchmark: choose nothing by its columns.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from development_copies import Window
from development_heads import PRESET, figures, test_rows, train
from protocol import Encoded, Head, arguments, built, cell, measured, prepared, qualities, with_prior

from pipeline.corpus.proxies import items
from pipeline.run_folder.layout import RunLayout
from trainers.batches import read_features, read_pairs
from trainers.student.lite.degradation import GRAPH, Degradation
from trainers.student.lite.features import BLOCKS

NETWORK = "degradation"


def variants() -> Iterator[Head]:
    """Students that differ from the program's in one part."""
    detail = ("native", "half", "quarter")
    whole = Head("the program's", tuple(block.name for block in BLOCKS), content=True)
    yield whole
    for name in (NETWORK, "native", "half", "freeze", "shake", "naturalness"):
        yield replace(whole, title=f"without {name}", names=tuple(one for one in whole.names if one != name))
    yield replace(whole, title="blocks of detail alone", names=detail)
    yield replace(whole, title="without the blocks of detail", names=(NETWORK, "freeze", "shake"), content=False)
    yield replace(whole, title="without the content map", content=False)
    yield replace(whole, title="twice the network's weight", weights={NETWORK: 1.5})
    yield replace(whole, title="pairs across contents", prior=NETWORK)
    yield replace(whole, title="no dropout", dropout=0.0)
    yield replace(whole, title="dropout .8", dropout=0.8)
    yield replace(whole, title="a quarter of the epochs", training={"epochs": PRESET.training.epochs // 4})
    yield replace(whole, title="four times the epochs", training={"epochs": PRESET.training.epochs * 4})
    yield replace(whole, title="no confidence loss", training={"lambda": 0.0})
    yield replace(whole, title="five-way severity labels", training={"severity": "level"})
    yield replace(whole, title="full weight of tone curves", training={"type_weights": {}})


kept = functools.cache(read_features)  # all variants look at the same


def on_benchmark(layout: RunLayout, chosen: Head) -> tuple[float, float]:
    """Within and overall of a variant that learns the pairs of a run's first round, on its unseen distortions."""
    settings, seed = PRESET.training.changed(**chosen.training), 0
    pool, copies = kept(layout.features), kept(layout.benchmark_features)
    pairs = read_pairs(layout.pairs(1), pool, settings.origin_weights, settings.type_weights)

    def parts(matrix: np.ndarray) -> dict[str, np.ndarray]:
        ends = np.cumsum([block.size for block in BLOCKS])[:-1]
        return dict(zip([block.name for block in BLOCKS], np.split(matrix, ends, axis=1), strict=True))

    groups = {block.name: [(size, block.weight) for size in block.groups] for block in BLOCKS}
    head, matrix = built(chosen, parts(pool.matrix), groups)
    if chosen.prior:
        pairs = with_prior(
            pairs, Degradation(GRAPH.weights()).opinion(parts(pool.matrix)[NETWORK].astype(np.float64)), seed
        )
    train(head, matrix, pairs, settings, seed)
    rows = [row for row in items(layout, "unseen") if row["video_id"] in copies.row_of]
    seen = parts(copies.take([row["video_id"] for row in rows]))
    quality = qualities(head, np.concatenate([seen[name] for name in chosen.names], axis=1))
    return figures(quality, [{"vmaf": row["mos"], "content": row["source_id"]} for row in rows])


def on_suite(data: Encoded, parts: list[tuple[list[str], list[str]]], chosen: Head) -> np.ndarray:
    """Means of within and overall on the development suite."""
    found = [measured(data, chosen, names, test_rows(data.clips, test), k) for k, (names, test) in enumerate(parts)]
    return np.mean(found, axis=0)


def main() -> None:
    """Print both for every variant, then the correlations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    parser.add_argument("--runs", nargs="+", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data, parts = prepared(options, Window(options.seconds, options.short_side, 30.0))
    layouts = [RunLayout(run) for run in options.runs]
    suite, benchmark = [], []
    print("| | suite | benchmark |\n|---|---|---|")
    for chosen in variants():
        suite.append(on_suite(data, parts, chosen))
        benchmark.append(np.mean([on_benchmark(layout, chosen) for layout in layouts], axis=0))
        print(f"| {chosen.title} | {cell(suite[-1])} | {cell(benchmark[-1])} |", flush=True)
    for name, column in (("within a source", 0), ("overall", 1)):
        pair = [np.array(found)[:, column] for found in (suite, benchmark)]
        print(
            f"{name}: SRCC {spearmanr(*pair).statistic:.2f}, Pearson {np.corrcoef(*pair)[0, 1]:.2f} of {len(suite)} variants"
        )


if __name__ == "__main__":
    main()
