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

WIDTH, LEFT, ROW, TOP, CLOSE = 960, 40, 26, 44, 15
GPU, OTHER, LINE, INK = "#b45309", "#1d4ed8", "#94a3b8", "#334155"


def area(points, scale, base, colour, label):
    """A stepped area of node counts over seconds."""
    path, before = f"M {scale(points[0][0]):.1f} {base:.1f}", 0
    for at, count in points:
        if count != before:
            path += f" H {scale(at):.1f} V {base - count * ROW:.1f}"
            before = count
    path += f" H {scale(points[-1][0]):.1f} V {base:.1f} Z"
    return (
        f'<path d="{path}" fill="{colour}" fill-opacity="0.75"/>'
        f'<text x="{LEFT}" y="{base - 3.4 * ROW:.0f}" fill="{colour}" font-size="13">{label}</text>'
    )


def labels(ends, scale):
    """(place, names) of the ends of steps; those that are too close for labels of their own share one."""
    found = []
    for name, at in ends:
        if found and scale(at) - found[-1][0] < CLOSE:
            found[-1][1].append(name)
        else:
            found.append((scale(at), [name]))
    return found


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
    ends = [*record["steps"].items(), ("end", record["end"])]
    parts += [
        f'<line x1="{scale(at):.1f}" y1="{TOP}" x2="{scale(at):.1f}" y2="{bottom}" stroke="{LINE}" stroke-width="0.7"/>'
        for _, at in ends
    ]
    parts += [
        f'<text x="{x:.1f}" y="{bottom + 10}" font-size="11" fill="{INK}" text-anchor="end" '
        f'transform="rotate(-45 {x:.1f} {bottom + 10})">{", ".join(names)}</text>'
        for x, names in labels(ends, scale)
    ]
    for base in (first, second):
        parts += [
            f'<text x="{LEFT - 8}" y="{base - count * ROW + 4}" font-size="11" fill="{INK}" text-anchor="end">{count}</text>'
            for count in range(4)
        ]
    parts.append(
        f'<text x="{LEFT}" y="18" font-size="13" fill="{INK}">{last:.0f} s; a line marks the end of a step</text>'
    )
    height = bottom + 130
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">'
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


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
