"""The development suite: by which the features and the training of the small student are chosen, and not by the benchmarks.

    python benchmarks/development.py VIDEO... --cache FOLDER [--folds 3] [--splits 12] [--processes 2] [--only TEXT]

Test copies have fourteen distortions of neither proxy benchmark at two levels (`development_copies`), VMAF v0.6.1 is their label.
A head is trained on severity pairs of some clips and tested on the others: on each of the folds, and on random quarters (the
splits). Printed are means over both (within a source / overall), and by how much a variant differs from the program as it is over
the splits, with the number of splits in which it is better. Making the copies takes most of the time; they are kept in FOLDER, a
clip that is complete there is not made again, and whatever is complete is used with `--made-only`.
"""

from __future__ import annotations

import argparse
import math
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from development_copies import Window, folders_of, make_all
from development_heads import VARIANTS, Clips, Variant, measure, read, test_rows

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pipeline.corpus.rules import heldout_contents, shuffled

HELDOUT = 0.25
Parts = list[tuple[list[str], list[str]]]  # contents to train on, contents to test on


def parts(contents: list[str], folds: int, splits: int) -> tuple[Parts, Parts]:
    """The folds and the random splits, by names and seeds alone."""
    order = shuffled(contents, 0, "folds")
    tests = [order[k::folds] for k in range(folds)]
    tests += [sorted(heldout_contents(contents, HELDOUT, seed)) for seed in range(splits)]
    both = [([name for name in order if name not in set(test)], test) for test in tests]
    return both[:folds], both[folds:]


def run(clips: Clips, variant: Variant, every: Parts) -> np.ndarray:
    """Within and overall of a variant [len(every), 2]; the number of a part is the seed of its training."""
    torch.set_num_threads(1)
    return np.array([measure(clips, variant, *part, seed) for seed, part in enumerate(every)])


def cell(values: np.ndarray) -> str:
    """Means of within and overall."""
    return " / ".join(f"{value:.3f}" for value in values.mean(axis=0))


def against(values: np.ndarray, chosen: np.ndarray) -> str:
    """Mean difference from the chosen one, and in how many parts it is better: within, overall."""
    gaps = values - chosen
    return ", ".join(f"{gap.mean():+.3f} ({int((gap > 0).sum())} of {len(gap)})" for gap in gaps.T)


def main() -> None:
    """Make what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps what was computed of the copies")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--splits", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each clip")
    parser.add_argument("--short-side", type=int, default=540, help="pixels, at most")
    parser.add_argument("--fps", type=float, default=30.0, help="at most")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="", help="variants whose title has this text, beside the program as it is")
    parser.add_argument("--made-only", action="store_true", help="make no copies; use the clips that are complete")
    options = parser.parse_args()
    window = Window(options.seconds, options.short_side, options.fps)
    folders = folders_of(options.videos, window, options.cache)
    if not options.made_only:
        make_all(options.videos, folders, window, options.processes)
    clips = read([folder for folder in folders if (folder / "rows.json").exists()])
    folds, splits = parts(clips.contents, options.folds, options.splits)
    tests = test_rows(clips, clips.contents)
    print(
        f"{len(clips.contents)} clips, {len(tests)} test copies; {len(folds)} folds, {len(splits)} splits", flush=True
    )
    print("| | folds | splits | splits less the first row: within, overall |\n|---|---|---|---|")
    chosen = np.full((len(splits), 2), math.nan)
    with ProcessPoolExecutor(options.processes) as pool:
        wanted = [variant for variant in VARIANTS if variant is VARIANTS[0] or options.only in variant.title]
        futures = [pool.submit(run, clips, variant, folds + splits) for variant in wanted]
        for variant, future in zip(wanted, futures, strict=True):
            values = future.result()
            mine = values[len(folds) :]
            chosen = mine if variant is VARIANTS[0] else chosen
            gap = "" if variant is VARIANTS[0] else against(mine, chosen)
            print(f"| {variant.title} | {cell(values[: len(folds)])} | {cell(mine)} | {gap} |", flush=True)


if __name__ == "__main__":
    main()
