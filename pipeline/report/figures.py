"""The charts of the report as Plotly figures: plain dictionaries, which the page draws in the colours of its mode.

A colour is written as a name with `@` in front, such as `@student`, which the page looks up in its light or dark palette
(`page.js`). Plotly reads some markup in its texts, so every text that comes from outside goes through `_text`.
"""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.indicators import INDICATORS
from pipeline.report.data import ReportData
from pipeline.report.results import FIGURES, SUITE_TITLES
from trainers.levels import LEVELS

Figure = dict[str, Any]
Row = dict[str, Any]

_CURVE_POINTS = 200  # of a loss curve; more would be invisible
_MARKERS = {"teacher": "circle", "ensemble": "square", "student": "diamond"}


@dataclass(frozen=True)
class Chart:
    """A chart and the words around it.

    Attributes:
        key: Its id on the page.
        title: Heading.
        alt: What it shows, for those who do not see it.
        figure: `data` and `layout`.
    """

    key: str
    title: str
    alt: str
    figure: Figure


def charts(data: ReportData) -> dict[str, list[Chart]]:
    """The charts of each section of the page; empty where there is nothing to draw."""
    return {
        "results": _results(data),
        "errors": _errors(data),
        "fits": _fits(data),
        "agreement": _agreement(data),
        "training": _training(data),
        "labels": _labels(data),
        "stopping": _stopping(data),
        "indicators": _shaped(data) or _pool(data),
        "steps": _steps(data),
    }


def _text(value: object) -> str:
    return html.escape(str(value), quote=False)


def framed(height: int, x: str = "", y: str = "", **more: Any) -> Figure:
    """The layout of a chart: its height in pixels, the titles of its axes, and what else Plotly knows."""
    titles = {"xaxis": x, "yaxis": y}
    axes: Figure = {name: {"title": {"text": _text(title)}, "automargin": True} for name, title in titles.items()}
    for name in axes:
        axes[name] |= more.pop(name, {})
    return {"height": height, **axes, "showlegend": False, **more}


def _results(data: ReportData) -> list[Chart]:
    """For each suite and figure: every model as a point with its interval, the best at the top."""
    found: list[Chart] = []
    for suite, title in SUITE_TITLES.items():
        for key in ("within", "srcc"):
            rows = [row for row in data.results if row["suites"].get(suite, {}).get(key) is not None]
            if rows:
                found.append(_forest(f"{suite}-{key}", f"{title}: {FIGURES[key]}", suite, key, rows))
    return found


def _forest(name: str, title: str, suite: str, key: str, rows: Sequence[Row]) -> Chart:
    order = sorted(rows, key=lambda row: row["suites"][suite][key])
    traces = []
    for kind, symbol in _MARKERS.items():
        some = [row for row in order if row["kind"] == kind]
        values = [row["suites"][suite][key] for row in some]
        ends = [
            row["suites"][suite].get("intervals", {}).get(key) or [value, value]
            for row, value in zip(some, values, strict=True)
        ]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": kind,
                "x": values,
                "y": [_text(row["name"]) for row in some],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [max(high - value, 0.0) for (_, high), value in zip(ends, values, strict=True)],
                    "arrayminus": [max(value - low, 0.0) for (low, _), value in zip(ends, values, strict=True)],
                    "color": f"@{kind}",
                    "thickness": 2,
                    "width": 4,
                },
                "marker": {"color": f"@{kind}", "size": 10, "symbol": symbol},
                "customdata": [[f"{low:.3f}", f"{high:.3f}"] for low, high in ends],
                "hovertemplate": "%{y}: %{x:.3f}<br>95 %: %{customdata[0]} to %{customdata[1]}<extra></extra>",
            }
        )
    names = [_text(row["name"]) for row in order]
    layout = framed(90 + 27 * len(order), yaxis={"categoryorder": "array", "categoryarray": names})
    best = order[-1]
    alt = f"{title} of {len(order)} models; highest: {best['name']} with {best['suites'][suite][key]:.3f}"
    return Chart(name, title, alt, {"data": traces, "layout": layout})


def _errors(data: ReportData) -> list[Chart]:
    """For each suite: the mean error of the last student by distortion and level."""
    found: list[Chart] = []
    for suite, one in data.errors.items():
        cells = {(cell["distortion"], cell["level"]): cell for cell in one["cells"]}
        names = sorted({name for name, _ in cells}, reverse=True)
        levels = sorted({level for _, level in cells})
        bias = [[cells[name, level]["bias"] if (name, level) in cells else None for level in levels] for name in names]
        reach = max(abs(value) for row in bias for value in row if value is not None)
        heat = {
            "type": "heatmap",
            "x": [f"level {level}" for level in levels],
            "y": [_text(name) for name in names],
            "z": bias,
            "zmin": -max(reach, 1.0),
            "zmax": max(reach, 1.0),
            "colorscale": "@diverging",
            "texttemplate": "%{z:+.0f}",
            "textfont": {"color": "@ink"},
            "hovertemplate": "%{y}, %{x}: %{z:+.1f} VMAF v0.6.1 points<extra></extra>",
            "hoverongaps": False,
            "xgap": 2,
            "ygap": 2,
            "colorbar": {"thickness": 10, "outlinewidth": 0},
        }
        alt = f"Mean error of the student by distortion and level, {SUITE_TITLES[suite].lower()}; the table has the numbers"
        found.append(
            Chart(f"errors-{suite}", SUITE_TITLES[suite], alt, {"data": [heat], "layout": framed(90 + 32 * len(names))})
        )
    return found


def _fits(data: ReportData) -> list[Chart]:
    """For each teacher: its raw scores beside the target of its map, and the curve that maps the one to the other."""
    found: list[Chart] = []
    for name, one in data.calibration.get("teachers", {}).items():
        points = data.fits.get(name, [])
        cloud = {
            "type": "scatter",
            "mode": "markers",
            "name": "videos",
            "x": [x for x, _ in points],
            "y": [y for _, y in points],
            "marker": {"color": "@teacher", "size": 5, "opacity": 0.55},
            "hovertemplate": "raw %{x:.3g}, target %{y:.1f}<extra></extra>",
        }
        curve = {
            "type": "scatter",
            "mode": "lines",
            "name": "map",
            "x": [x for x, _ in one["curve"]],
            "y": [y for _, y in one["curve"]],
            "line": {"color": "@student", "width": 2.5},
            "hovertemplate": "raw %{x:.3g} becomes %{y:.1f}<extra></extra>",
        }
        kind = {"logistic": "logistic", "linear": "line"}.get(one.get("kind", ""), "curve")
        title = f"{name}: {kind}" + (f", error {one['rmse']:.1f} points" if "rmse" in one else "")
        alt = f"Raw scores of teacher {name} against the target, with the {kind} that maps them"
        layout = framed(230, "raw score", "common scale")
        found.append(Chart(f"fit-{len(found)}", title, alt, {"data": [cloud, curve], "layout": layout}))
    return found


def _agreement(data: ReportData) -> list[Chart]:
    names = [_text(name) for name in data.agreement["names"]]
    if not names:
        return []
    heat = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": data.agreement["srcc"],
        "zmin": -1,
        "zmax": 1,
        "colorscale": "@diverging",
        "texttemplate": "%{z:.2f}",
        "textfont": {"color": "@ink"},
        "hovertemplate": "%{x} and %{y}: SRCC %{z:.3f}<extra></extra>",
        "xgap": 2,
        "ygap": 2,
        "showscale": False,
    }
    layout = framed(120 + 32 * len(names), xaxis={"tickangle": -45}, yaxis={"autorange": "reversed"})
    alt = f"SRCC between every two of {len(names)} teachers on the training windows"
    return [
        Chart("agreement", "SRCC between teachers on the training windows", alt, {"data": [heat], "layout": layout})
    ]


def _training(data: ReportData) -> list[Chart]:
    found: list[Chart] = []
    for key, title, axis in (("loss", "Loss", "loss"), ("lambda", "Weight λ of the confidence loss", "λ")):
        lines = []
        for one in data.rounds:
            points = _thin(one.train.get("loss", []), key)
            if points:
                stage = (one.number - 1) % 3 + 1
                lines.append(
                    {
                        "type": "scatter",
                        "mode": "lines",
                        "name": f"stage {one.number}",
                        "x": [x for x, _ in points],
                        "y": [y for _, y in points],
                        "line": {"color": f"@stage{stage}", "width": 2, "dash": ("solid", "dash", "dot")[stage - 1]},
                        "hovertemplate": f"stage {one.number}, step %{{x}}: %{{y:.3f}}<extra></extra>",
                    }
                )
        if lines:
            legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
            layout = framed(280, "step", axis, legend=legend) | {"showlegend": True}
            alt = f"{title} over the steps of {len(lines)} stages"
            found.append(Chart(f"training-{key}", title, alt, {"data": lines, "layout": layout}))
    return found


def _thin(records: Sequence[Mapping[str, float]], key: str) -> list[tuple[float, float]]:
    """Average neighbouring records of a long curve."""
    known = [record for record in records if key in record]
    size = max(1, math.ceil(len(known) / _CURVE_POINTS))
    groups = [known[start : start + size] for start in range(0, len(known), size)]
    return [(group[-1]["step"], sum(one[key] for one in group) / len(group)) for group in groups]


def _stopping(data: ReportData) -> list[Chart]:
    """The numbers that decide whether another round is wasted, by round."""
    signals = {one["round"]: one["signals"] for one in data.decisions}
    names = {
        "misjudged": ("new severity pairs misjudged", "@stage1", "solid"),
        "disagreement": ("1 - SRCC with the teachers", "@stage2", "dash"),
        "agreement": ("SRCC with the student before", "@stage3", "dot"),
    }
    lines = []
    for key, (title, color, dash) in names.items():
        known = {f"after stage {number}": one[key] for number, one in signals.items() if one[key] is not None}
        if known:
            lines.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": title,
                    "x": list(known),
                    "y": list(known.values()),
                    "line": {"color": color, "width": 2, "dash": dash},
                    "marker": {"color": color, "size": 9},
                    "hovertemplate": f"%{{x}}: {title} %{{y:.3f}}<extra></extra>",
                }
            )
    if not lines:
        return []
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    layout = framed(300, "", "share or SRCC", legend=legend, xaxis={"type": "category"}) | {"showlegend": True}
    alt = f"{len(lines)} numbers on new videos and copies after {len(signals)} stages, which decide whether there is another"
    return [Chart("stopping", "What new videos and copies say of each student", alt, {"data": lines, "layout": layout})]


def _labels(data: ReportData) -> list[Chart]:
    names = [f"stage {one.number}, {origin}" for one in data.rounds for origin in one.labels]
    counts = [labels for one in data.rounds for labels in one.labels.values()]
    if not names:
        return []
    totals = [max(sum(labels.values()), 1) for labels in counts]
    bars = [
        {
            "type": "bar",
            "orientation": "h",
            "name": level,
            "y": [_text(name) for name in names],
            "x": [100 * labels.get(level, 0) / total for labels, total in zip(counts, totals, strict=True)],
            "customdata": [[labels.get(level, 0), sum(labels.values())] for labels in counts],
            "marker": {"color": f"@{level}"},
            "hovertemplate": f"%{{y}}: %{{customdata[0]}} of %{{customdata[1]}} {level}<extra></extra>",
        }
        for level in LEVELS
    ]
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"}
    layout = framed(110 + 30 * len(names), "per cent", barmode="stack", legend=legend, yaxis={"autorange": "reversed"})
    alt = f"Shares of the five labels in {len(names)} groups of pairs, by stage and origin"
    figure = {"data": bars, "layout": layout | {"showlegend": True}}
    return [Chart("labels", "Labels by stage and origin of the pairs", alt, figure)]


def _shaped(data: ReportData) -> list[Chart]:
    """For each indicator: the candidates, the chosen windows and the target."""
    found: list[Chart] = []
    for name, one in data.shaping.get("indicators", {}).items():
        middles, edges = _middles(one["edges"]), one["edges"]
        bars = [
            {
                "type": "bar",
                "name": part,
                "x": middles,
                "y": one[part],
                "marker": {"color": f"@{part}"},
                "hovertemplate": f"{part}, %{{x:.3g}}: %{{y:.3f}}<extra></extra>",
            }
            for part in ("before", "after")
        ]
        step = {
            "type": "scatter",
            "mode": "lines",
            "name": "target",
            "x": edges,
            "y": [*one["shares"], one["shares"][-1]],
            "line": {"color": "@target", "width": 2, "shape": "hv"},
            "hovertemplate": "target: %{y:.3f}<extra></extra>",
        }
        alt = f"Histogram of {name} before and after shaping, with the target"
        layout = framed(210, _unit(name), "share", barmode="group", bargap=0.1)
        found.append(Chart(f"indicator-{len(found)}", name, alt, {"data": [*bars, step], "layout": layout}))
    return found


def _pool(data: ReportData) -> list[Chart]:
    """For each indicator: the windows of the pool."""
    found: list[Chart] = []
    for name, one in data.indicators.items():
        bars = {
            "type": "bar",
            "x": _middles(one["edges"]),
            "y": one["shares"],
            "marker": {"color": "@after"},
            "hovertemplate": "%{x:.3g}: %{y:.3f}<extra></extra>",
        }
        alt = f"Histogram of {name} over the training windows"
        layout = framed(200, _unit(name), "share", bargap=0.08)
        found.append(Chart(f"indicator-{len(found)}", name, alt, {"data": [bars], "layout": layout}))
    return found


def _middles(edges: Sequence[float]) -> list[float]:
    return [(low + high) / 2 for low, high in itertools.pairwise(edges)]


def _unit(name: str) -> str:
    return INDICATORS[name].unit.partition(",")[0] if name in INDICATORS else ""


def _steps(data: ReportData) -> list[Chart]:
    if not data.steps:
        return []
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [_text(step["step"]) for step in data.steps],
        "x": [step["seconds"] for step in data.steps],
        "marker": {"color": "@student"},
        "hovertemplate": "%{y}: %{x:.1f} s<extra></extra>",
    }
    layout = framed(90 + 22 * len(data.steps), "seconds", yaxis={"autorange": "reversed"}, bargap=0.25)
    alt = f"Wall-clock seconds of {len(data.steps)} steps; the table has the numbers"
    return [Chart("steps", "Wall-clock time of every step", alt, {"data": [bars], "layout": layout})]
