"""Accuracy against cost of a score: fixed numbers of windows, and `score --until-std` for several deviations.

    python benchmarks/adaptive.py STUDENT VIDEO... [--svg FILE]

Every window of every file is encoded once. The answer to compare with is the score from all windows and all anchors of the
student, `anchors-more.json` included. A line gives, for the mean file: windows, comparisons with anchors, the reported
standard deviation, how far the score is from that answer (root mean square, and at most), and its SRCC with it over the files.
Position bias is told for students that do not mirror their answers. `--svg` draws the error against the comparisons.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.adaptive import AdaptiveEncoder
from actors.folder import HeaderReader
from actors.media.rows import format_recipe, unpack
from actors.sample import Sampler
from pipeline.console import Console
from pipeline.corpus.rules import PRISTINE
from pipeline.student import adaptive
from pipeline.student.adaptive import Thrift, grid, judge, order_gap, score_on, thrift_of
from pipeline.student.scoring import Model, open_model

QUANTILES = (0.75, 0.5, 0.25)  # of the deviations that three windows and the usual anchors leave: what is asked for
FIXED = (1, 3, 6)


class Everything:
    """A chooser that compares with all anchors once, and where it may be worth it in both orders."""

    def __init__(self, thrift: Thrift, orders: bool) -> None:
        self.all = [
            (k, turned) for turned in ((False, True) if orders else (False,)) for k in range(len(thrift.anchors.ids))
        ]

    def next(self, asked, _logits):
        """All at once."""
        return [] if asked else self.all


class Known:
    """An engine whose windows have been encoded."""

    def __init__(self, features: dict[tuple[str, float], np.ndarray], encoder: AdaptiveEncoder) -> None:
        self.features = features
        self.encoder = encoder

    def stream(self, rows, *_how, **_more):
        """Compare the windows of a table."""
        for row in rows:
            asked, logits = self.encoder.judged(self.features[row["uri"], row["start_s"]])
            yield [{**row, "status": "ok", "asked": json.dumps(asked), "logits": logits.tobytes()}]


def encoded(model: Model, headers: list[dict]) -> dict[tuple[str, float], np.ndarray]:
    """Features of all windows of all files."""
    sampler, student = Sampler(model.spec, model.options), model.network.comparer.student
    found = {}
    for header in headers:
        for start, length in grid(header["length_s"], model.window_s):
            row = {"video_id": "w", "uri": header["uri"], "start_s": start, "duration_s": length, "still": False}
            done = sampler({**row, "recipe": format_recipe([PRISTINE])})
            if done["status"] != "ok":
                sys.exit(done["error"])
            sample = unpack(done)
            found[header["uri"], start] = np.asarray(
                student.encode(sample.key.copy(), sample.luma.copy(), sample.fps, sample.views), np.float32
            )
        print(f"encoded {header['uri']}", file=sys.stderr, flush=True)
    sampler.close()
    return found


def drawing(lines: list[tuple[str, float, float]]) -> str:
    """Accuracy against cost: lines of (policy, comparisons, RMSE), the three kinds of policy apart."""
    width, height, left, base = 760, 380, 60, 330
    most_x, most_y = 1.08 * max(x for _, x, _ in lines), 1.15 * max(y for *_, y in lines)
    kinds = {"usual anchors": "#0072b2", "all anchors": "#b45309", "until": "#3f7d20"}
    parts = [
        f'<text x="{left + (width - left) * share}" y="{base + 18}" text-anchor="middle">{most_x * share:.0f}</text>'
        f'<text x="{left - 8}" y="{base - (base - 30) * share + 4}" text-anchor="end">{most_y * share:.1f}</text>'
        f'<path d="M {left} {base - (base - 30) * share} H {width}" stroke="#e2e8f0"/>'
        for share in (0, 0.25, 0.5, 0.75)
    ]
    for number, (kind, colour) in enumerate(kinds.items()):
        places = [
            (left + (width - left) * x / most_x, base - (base - 30) * y / most_y, name)
            for name, x, y in lines
            if kind in name
        ]
        path = " L ".join(f"{x:.1f} {y:.1f}" for x, y, _ in sorted(places))
        parts.append(f'<path d="M {path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{name}</title></circle>'
            for x, y, name in places
        ]
        title = "as many as --until-std asks for" if kind == "until" else f"1, 3 and 6 windows, {kind}"
        parts.append(f'<text x="{width - 10}" y="{24 + 18 * number}" text-anchor="end" fill="{colour}">{title}</text>')
    parts.append(
        f'<text x="{left}" y="{height - 12}">comparisons a file; upwards: RMSE from the answer of all of them, points</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" '
        f'fill="#334155"><rect width="{width}" height="{height}" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("student")
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--svg", metavar="FILE", help="draw the error against the comparisons")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = arguments()
    model = open_model(options.student)
    thrift = thrift_of(model, 10.0)
    read = HeaderReader()
    headers = [read({"video_id": f"{k:08d}", "uri": name}) for k, name in enumerate(options.videos)]
    features = encoded(model, headers)
    quiet = Console(io.StringIO())

    def scores(chooser, until: float) -> list:
        encoder = AdaptiveEncoder(chooser, thrift.anchors.features, encoder=model.network)
        one = replace(thrift, until_std=until)
        return score_on(Known(features, encoder), model, options.videos, headers, [], one, quiet)

    drawn: list[tuple[str, float, float]] = []

    def line(name: str, found: list) -> None:
        gaps = np.array([row.score for row in found]) - truth
        cost = [np.mean([getattr(row, key) for row in found]) for key in ("windows", "comparisons", "std")]
        drawn.append((name, float(cost[1]), float(np.sqrt(np.mean(gaps**2)))))
        srcc = spearmanr([row.score for row in found], truth).statistic
        print(f"| {name} | {cost[0]:.1f} | {cost[1]:.1f} | {cost[2]:.1f} | {np.sqrt(np.mean(gaps**2)):.2f} "
              f"| {np.abs(gaps).max():.2f} | {srcc:.3f} |")  # fmt: skip

    whole = Everything(thrift, orders=False)
    encoder = AdaptiveEncoder(whole, thrift.anchors.features, encoder=model.network)
    judged = {
        header["uri"]: [
            encoder.judged(features[header["uri"], start]) for start, _ in grid(header["length_s"], model.window_s)
        ]
        for header in headers
    }
    truth = np.array([
        judge(thrift.anchors, *zip(*judged[header["uri"]], strict=True)).score.mean() for header in headers
    ])  # fmt: skip
    print(f"{len(headers)} files, {len(features)} windows of {model.window_s:g} s, {len(thrift.anchors.ids)} anchors, "
          f"{len(thrift.usual)} of them usual; spread of the files {truth.std():.1f} points\n")  # fmt: skip
    print("| policy | windows | comparisons | std told | RMSE | largest error | SRCC |\n|---|---|---|---|---|---|---|")
    usual = replace(thrift, until_std=np.inf)
    for count in FIXED:
        for name, chooser in (("usual anchors", usual), ("all anchors", whole)):
            adaptive.LEAST_WINDOWS = count
            line(f"{count} windows, {name}", scores(chooser, np.inf))
    adaptive.LEAST_WINDOWS = 3
    left = [row.std for row in scores(usual, np.inf)]
    for until in (*np.quantile(left, QUANTILES), 0.9 * min(left), 0.5 * min(left)):
        line(f"until {until:.1f}", scores(replace(thrift, until_std=until), until))
    if thrift.orders:
        both = AdaptiveEncoder(Everything(thrift, orders=True), thrift.anchors.features, encoder=model.network)
        asked, logits = zip(*(both.judged(one) for one in features.values()), strict=True)
        print(
            f"\nposition bias: {order_gap(asked, logits, thrift.anchors.temperature):+.4f} for the video shown second"
        )
    else:
        print("\nposition bias: none, the student mirrors its answers exactly")
    if options.svg:
        Path(options.svg).write_text(drawing(drawn), encoding="utf-8")


if __name__ == "__main__":
    main()
