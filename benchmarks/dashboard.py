"""The dashboard of a real run: Prometheus scrapes it every second, and draws each panel of `cluster/grafana.json`.

    python benchmarks/dashboard.py OUT.png [options of run.py...]

needs `prometheus`, `chromium`, and `cwebp` for a name that ends with `.webp` (Debian has them); Grafana itself is not needed. The
run starts its own Ray, with the options given; without any it is the demo. Exit code 1 if a panel stays empty that a machine
without a GPU can fill.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from dashboard import PROGRAM, prometheus

PANELS = json.loads((ROOT / "cluster" / "grafana.json").read_text("utf-8"))["panels"]
ACROSS, WIDTH, ROW = 3, 1500, 270
NEEDS_MORE = {"Failures by kind", "Share of the GPUs in use"}  # a run without failures, a machine without a GPU


def free_port() -> int:
    """A port of loopback that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def followed(words: list[str], folder: Path) -> tuple[int, list[list[tuple[str, dict[str, Any]]]]]:
    """Run to the end; exit code, and for each panel the series with their names."""
    from ray.cluster_utils import Cluster

    # Every ten seconds is too seldom for a run of minutes.
    os.environ["RAY_metrics_report_interval_ms"] = "1000"  # noqa: SIM112 - Ray's own name
    port = free_port()
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": os.cpu_count(), "metrics_export_port": port})
    try:
        with prometheus(port, folder) as ask:
            first = time.time()
            run = subprocess.run(
                [sys.executable, str(ROOT / "run.py"), *words, "--address", nodes.address], check=False
            )
            span = (first, time.time() + 2, 1)
            time.sleep(3)
            return run.returncode, [
                [
                    (named(target["legendFormat"], one), one)
                    for target in panel["targets"]
                    for one in ask(target["expr"], span)
                ]
                for panel in PANELS
            ]
    finally:
        nodes.shutdown()


def named(legend: str, series: dict[str, Any]) -> str:
    """The name of a series, as Grafana fills in the legend."""
    return re.sub(r"{{(\w+)}}", lambda found: str(series["metric"].get(found[1], "")), legend)


def drawing(answers: list[list[tuple[str, dict[str, Any]]]]) -> go.Figure:
    """All panels in the order of the dashboard."""
    rows = -(-len(PANELS) // ACROSS)
    titles = [
        panel["title"] if found else f"{panel['title']}: nothing" for panel, found in zip(PANELS, answers, strict=True)
    ]
    figure = make_subplots(rows, ACROSS, subplot_titles=titles, vertical_spacing=0.09, horizontal_spacing=0.05)
    first = min(float(one["values"][0][0]) for found in answers for _, one in found)
    for number, (panel, found) in enumerate(zip(PANELS, answers, strict=True)):
        row, column = number // ACROSS + 1, number % ACROSS + 1
        legend = "legend" if number == 0 else f"legend{number + 1}"
        for name, series in found:
            at, values = zip(*series["values"], strict=True)
            lines = {"x": [float(second) - first for second in at], "y": [float(value) for value in values]}
            shown = {"mode": "lines+markers", "marker_size": 3, "showlegend": bool(name), "legend": legend}
            figure.add_scatter(**lines, **shown, name=name, row=row, col=column)
        place = figure.get_subplot(row, column)
        corner = {"x": place.xaxis.domain[1] - 0.085, "y": place.yaxis.domain[1], "font": {"size": 9}}
        figure.update_layout({legend: {**corner, "bgcolor": "rgba(255,255,255,0.6)", "tracegroupgap": 0}})
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
        figure.update_yaxes(
            tickformat=".0%" if unit == "percentunit" else None, rangemode="tozero", row=row, col=column
        )
    figure.update_layout(
        template="plotly_white", width=WIDTH, height=ROW * rows, margin={"l": 50, "r": 20, "t": 40, "b": 30}
    )
    return figure


def main() -> int:
    """Run, draw, and look at what stayed empty."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", metavar="OUT.png")
    options, words = parser.parse_known_args()
    if PROGRAM is None:
        parser.error("prometheus is not installed: apt-get install prometheus")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code, answers = followed(["--out", str(folder / "run"), *words], folder)
        figure = drawing(answers)
        page, picture = folder / "page.html", folder / "page.png"
        figure.write_html(page, include_plotlyjs=True, config={"staticPlot": True})
        height = figure.layout.height
        chromium = [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--virtual-time-budget=8000",
        ]
        more = [f"--user-data-dir={folder / 'chromium'}", f"--window-size={WIDTH + 20},{height + 20}"]
        subprocess.run([*chromium, *more, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True)
        if options.picture.endswith(".webp"):
            subprocess.run(["cwebp", "-quiet", "-q", "70", str(picture), "-o", options.picture], check=True)
        else:
            Path(options.picture).write_bytes(picture.read_bytes())
    empty = [panel["title"] for panel, found in zip(PANELS, answers, strict=True) if not found]
    print(f"exit code {code}; empty panels: {', '.join(empty) or 'none'}")
    return int(code != 0 or not set(empty) <= NEEDS_MORE)


if __name__ == "__main__":
    sys.exit(main())
