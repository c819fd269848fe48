"""Nodes against steps: a whole run on a cluster that grows from a head without GPUs and shrinks again.

python benchmarks/growing.py OUT.svg [--json RECORD.json]: the cluster is Ray's autoscaler over real processes of this
machine (`tests/support/autoscaling.py`), its GPUs are counted only. Minutes on two cores.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from autoscaling import AutoscalingCluster, follow
from growing_run import CLUSTER, write_config

WIDTH, LEFT, ROW, TOP = 960, 40, 26, 44
GPU, OTHER, LINE = "#b45309", "#1d4ed8", "#94a3b8"


def area(points, scale, base, colour, label):
    """A stepped area of node counts over seconds."""
    if not points:
        return ""
    path = f"M {scale(points[0][0]):.1f} {base:.1f}"
    for (at, count), (then, _) in zip(points, [*points[1:], points[-1]], strict=True):
        y = base - count * ROW
        path += f" L {scale(at):.1f} {y:.1f} L {scale(then):.1f} {y:.1f}"
    path += f" L {scale(points[-1][0]):.1f} {base:.1f} Z"
    return (
        f'<path d="{path}" fill="{colour}" fill-opacity="0.75"/>'
        f'<text x="{LEFT}" y="{base - 3.4 * ROW:.0f}" fill="{colour}" font-size="13">{label}</text>'
    )


def drawing(record):
    """The picture of a record of `autoscaling.follow`."""
    last = record["counts"][-1][0]

    def scale(seconds):
        return LEFT + (WIDTH - LEFT - 10) * seconds / last

    first, second = TOP + 4 * ROW, TOP + 9 * ROW
    parts = [
        area([(at, gpus) for at, gpus, _ in record["counts"]], scale, first, GPU, "nodes with a GPU (0 to 3)"),
        area(
            [(at, others) for at, _, others in record["counts"]],
            scale,
            second,
            OTHER,
            "head and nodes with CPUs (1 to 3)",
        ),
    ]
    bottom = second + 12
    for name, at in [*record["steps"].items(), ("end", record["end"])]:
        x = scale(at)
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="{LINE}" stroke-width="0.7"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 6}" font-size="11" fill="#334155" text-anchor="end" '
            f'transform="rotate(-50 {x:.1f} {bottom + 6})">{name}</text>'
        )
    for base in (first, second):
        parts += [
            f'<text x="{LEFT - 8}" y="{base - count * ROW + 4}" font-size="11" fill="#334155" text-anchor="end">{count}</text>'
            for count in range(4)
        ]
    parts.append(
        f'<text x="{LEFT}" y="18" font-size="13" fill="#334155">{last:.0f} s; a line marks the end of a step</text>'
    )
    height = bottom + 90
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">{"".join(parts)}</svg>'


def main():
    """Run, and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", metavar="OUT.svg")
    parser.add_argument("--json", metavar="FILE", help="also write what was recorded")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder) / "growing.yaml")
        command = [sys.executable, str(ROOT / "run.py"), "--config", str(config), "--out", str(Path(folder) / "run")]
        with AutoscalingCluster(**CLUSTER) as cluster:
            record = follow(command, cluster)
    print("\n".join(record["lines"]))
    if options.json:
        Path(options.json).write_text(json.dumps(record), encoding="utf-8")
    Path(options.picture).write_text(drawing(record), encoding="utf-8")
    return record["code"]


if __name__ == "__main__":
    sys.exit(main())
