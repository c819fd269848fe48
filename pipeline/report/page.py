"""The report of a run: `report.html` to read and `report.json` to compute with, both from committed files only.

| part of the report | file of the run folder |
|---|---|
| configuration | `config.yaml` |
| steps with rows and seconds | `manifests/*.json` |
| loss, labels, SRCC of student and teachers, one set a round | `round-<k>/metrics.json` |
| calibration curves, agreement of each teacher | `calibration.json` |
| agreement of the teachers with each other | `scores/<teacher>/*.parquet` |
| histograms of the indicators before and after shaping, and their target | `shaping.json` |
| hard pairs | `round-<k>/mined.parquet`, and `round-<k>/thumbnails.json` where there is one |
| quarantine by cause | `quarantine.parquet` |

Parts whose file does not exist yet are left out, so that an unfinished run has a report too.
"""

from __future__ import annotations

import importlib.resources
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import jinja2
import yaml

from actors.indicators import INDICATORS
from pipeline.method.metrics import MetricError, srcc
from pipeline.report.charts import (
    SERIES_COLOURS,
    Bar,
    Series,
    bar_chart,
    histogram_chart,
    line_chart,
    matrix_chart,
    stacked_chart,
)
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import read_manifests
from pipeline.run_folder.records import MINED, OK, QUARANTINE, SCORES
from pipeline.run_folder.store import exists, read_bytes, read_json, read_shards, read_table, write_bytes, write_json

LABEL_COLOURS = {
    "inferior": "#b2182b",
    "worse": "#ef8a62",
    "similar": "#cbd5e1",
    "better": "#67a9cf",
    "superior": "#2166ac",
}
SUITE_TITLES = {"seen": "Seen distortions", "unseen": "Unseen distortions"}
FIGURES = {"srcc": "SRCC", "plcc": "PLCC", "within": "SRCC within source", "pair_accuracy": "pair accuracy"}
SHAPING_COLOURS = {"before": "#cbd5e1", "after": SERIES_COLOURS[0], "target": "#1f2937"}
_TEACHER, _ENSEMBLE, _STUDENT = "#a8b3c2", "#64748b", SERIES_COLOURS[0]
_CURVE_POINTS = 200  # of a loss curve; more would be invisible
_HARD_PAIRS = 8  # of each round
_PICTURE = re.compile(r"^data:image/(jpeg|png|webp);base64,[A-Za-z0-9+/=]+$")


@dataclass(frozen=True)
class RoundData:
    """One round, from `round-<k>/metrics.json`.

    Attributes:
        number: Counted from 1.
        train: The report of the training; `loss` is the list of its records (step, ce, entropy, lambda, loss).
        labels: Origin of pairs -> label -> count.
        benchmarks: Suite ("seen", "unseen") -> `teachers` (name -> figures), `student` (figures), `count`, and
            `student_by_distortion`; figures are `srcc`, `plcc`, `within`, `pair_accuracy`.
        hard_pairs: Rows of table `Mined`, the largest gaps first.
    """

    number: int
    train: dict[str, Any]
    labels: dict[str, dict[str, int]]
    benchmarks: dict[str, dict[str, Any]]
    hard_pairs: list[dict[str, Any]]


@dataclass(frozen=True)
class ReportData:
    """All contents of the report, as plain JSON values.

    Attributes:
        run: Name of the run folder.
        config: The configuration; empty if there is none yet.
        steps: `step`, `what`, `rows`, `seconds` of every committed step, in order.
        rounds: The rounds that have metrics.
        calibration: The contents of `calibration.json`; empty if there is none yet.
        agreement: `names`, and `srcc` as a square list of lists with None for undefined values.
        shaping: The contents of `shaping.json`; empty if the corpus was not shaped.
        quarantine: `step`, `kind`, `count` and one `example` for each cause, the most frequent first.
    """

    run: str
    config: dict[str, Any] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    rounds: list[RoundData] = field(default_factory=list)
    calibration: dict[str, Any] = field(default_factory=dict)
    agreement: dict[str, Any] = field(default_factory=lambda: {"names": [], "srcc": []})
    shaping: dict[str, Any] = field(default_factory=dict)
    quarantine: list[dict[str, Any]] = field(default_factory=list)


def write_report(layout: RunLayout) -> None:
    """Write `report.json` and `report.html` of a run folder."""
    data = gather(layout)
    write_json(layout.report_json, asdict(data))
    pictures = {one.number: _pictures(layout, one.number) for one in data.rounds}
    write_bytes(layout.report_html, render(data, pictures).encode())


def gather(layout: RunLayout) -> ReportData:
    """Read the contents of the report from a run folder."""
    config = yaml.safe_load(read_bytes(layout.config)) if exists(layout.config) else {}
    calibration = read_json(layout.calibration) if exists(layout.calibration) else {}
    steps = [
        {"step": one.step, "what": one.summary.get("what", ""), "rows": one.rows, "seconds": one.seconds}
        for one in read_manifests(layout)
        if one.step != "report"
    ]
    rounds = [_round(layout, number) for number in layout.rounds() if exists(layout.metrics(number))]
    return ReportData(
        run=layout.root.name,
        config=config,
        steps=steps,
        rounds=rounds,
        calibration=calibration,
        agreement=_agreement(layout, calibration),
        shaping=_shaping(layout, config),
        quarantine=_quarantine(layout),
    )


def _round(layout: RunLayout, number: int) -> RoundData:
    metrics = read_json(layout.metrics(number))
    hard_pairs = read_table(layout.mined(number), MINED).to_pylist() if exists(layout.mined(number)) else []
    hard_pairs.sort(key=lambda row: (-abs(row["attacker_gap"] or 0.0), row["first"], row["second"]))
    return RoundData(number, metrics["train"], metrics["labels"], metrics["benchmarks"], hard_pairs[:_HARD_PAIRS])


def _shaping(layout: RunLayout, config: Mapping[str, Any]) -> dict[str, Any]:
    """The shaping of this run; an older `shaping.json` in the same folder is ignored."""
    shaping = config.get("shaping", {}).get("keep") is not None
    return read_json(layout.shaping) if shaping and exists(layout.shaping) else {}


def _agreement(layout: RunLayout, calibration: Mapping[str, Any]) -> dict[str, Any]:
    """SRCC between the scores of every two teachers, signed so that higher is better."""
    teachers = calibration.get("teachers", {})
    scores = {name: _scores(layout, name, teacher["curve"]) for name, teacher in teachers.items()}
    names = list(scores)
    table = [[_srcc(scores[first], scores[second]) for second in names] for first in names]
    return {"names": names, "srcc": table}


def _scores(layout: RunLayout, teacher: str, curve: Sequence[Sequence[float]]) -> dict[str, float]:
    rows = [row for row in read_shards(layout.scores(teacher), SCORES).to_pylist() if row["status"] == OK]
    if not rows:
        return {}
    # A folder may still hold scores of earlier weights or settings; the digest with the most scores is the run's.
    digest, _ = Counter(row["digest"] for row in rows).most_common(1)[0]
    sign = 1.0 if curve[-1][1] >= curve[0][1] else -1.0
    return {row["video_id"]: sign * row["score"] for row in rows if row["digest"] == digest}


def _srcc(first: Mapping[str, float], second: Mapping[str, float]) -> float | None:
    common = sorted(first.keys() & second.keys())
    try:
        value = srcc([first[video] for video in common], [second[video] for video in common])
    except MetricError:  # too few videos, or a teacher with the same score for all
        return None
    return value if math.isfinite(value) else None


def _quarantine(layout: RunLayout) -> list[dict[str, Any]]:
    if not exists(layout.quarantine):
        return []
    rows = read_table(layout.quarantine, QUARANTINE).to_pylist()
    counts = Counter((row["step"], row["error_kind"]) for row in rows)
    examples = {(row["step"], row["error_kind"]): row for row in reversed(rows)}
    return [
        {"step": step, "kind": kind, "count": count, "example": examples[step, kind]["error"]}
        for (step, kind), count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    ]


def _pictures(layout: RunLayout, number: int) -> dict[str, str]:
    """Thumbnails by video id; only data URIs of pictures, since a browser would download any other URI."""
    path = layout.thumbnails(number)
    uris = read_json(path) if exists(path) else {}
    return {video: uri for video, uri in uris.items() if isinstance(uri, str) and _PICTURE.match(uri)}


def render(data: ReportData, pictures: Mapping[int, Mapping[str, str]]) -> str:
    """Return the page, with all external text escaped.

    Args:
        data: The contents of the report.
        pictures: Round -> video id -> thumbnail as a data URI.
    """
    source = importlib.resources.files("pipeline.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure"] = lambda value: "-" if value is None else f"{value:.3f}"
    last = data.rounds[-1] if data.rounds else None
    return environment.from_string(source).render(
        data=data,
        last=last,
        pictures=pictures,
        headline=headline(data),
        suites=[suite for suite in SUITE_TITLES if last is not None and suite in last.benchmarks],
        suite_titles=SUITE_TITLES,
        figures=FIGURES,
        results=results(data),
        label_colours=LABEL_COLOURS,
        shaping_colours=SHAPING_COLOURS,
        charts=_charts(data),
        config_text=yaml.safe_dump(data.config, sort_keys=False, allow_unicode=True) if data.config else "",
    )


def headline(data: ReportData) -> list[tuple[str, str, str]]:
    """Return the figures at the top of the page: value, name and remark."""
    if not data.rounds:
        return []
    last = data.rounds[-1]
    cards = []
    for suite, title in SUITE_TITLES.items():
        if suite in last.benchmarks:
            benchmark = last.benchmarks[suite]
            student = benchmark["student"]["srcc"]
            srccs = {name: one["srcc"] for name, one in benchmark["teachers"].items() if one["srcc"] is not None}
            best = max(srccs, key=lambda name: srccs[name]) if srccs else None
            remark = f"best teacher: {best}, {srccs[best]:.3f}" if best is not None else ""
            cards.append(
                ("-" if student is None else f"{student:.3f}", f"SRCC of the student, {title.lower()}", remark)
            )
    pairs = sum(sum(counts.values()) for counts in last.labels.values())
    cards.append((f"{pairs:,}", "training pairs", f"in {last.number} round{'s' if last.number > 1 else ''}"))
    failures = sum(cause["count"] for cause in data.quarantine)
    cards.append(
        (
            f"{failures:,}",
            "rows in quarantine",
            f"{len(data.quarantine)} causes" if failures else "every input was used",
        )
    )
    return cards


def results(data: ReportData) -> list[dict[str, Any]]:
    """Return the rows of the table of results: every teacher, their ensemble, and the student after each round."""
    if not data.rounds:
        return []
    last = data.rounds[-1]
    names = list(dict.fromkeys(name for benchmark in last.benchmarks.values() for name in benchmark["teachers"]))
    rows = [
        {
            "name": name,
            "kind": "ensemble" if name == "ensemble" else "teacher",
            "suites": {suite: benchmark["teachers"].get(name, {}) for suite, benchmark in last.benchmarks.items()},
        }
        for name in names
    ]
    for one in data.rounds:
        suites = {suite: benchmark["student"] for suite, benchmark in one.benchmarks.items()}
        rows.append({"name": f"student, round {one.number}", "kind": "student", "suites": suites})
    for suite in last.benchmarks:
        for key in FIGURES:
            values = [row["suites"].get(suite, {}).get(key) for row in rows]
            best = max((value for value in values if value is not None), default=None)
            for row, value in zip(rows, values, strict=True):
                row.setdefault("best", {})[suite, key] = value is not None and value == best
    return rows


def _charts(data: ReportData) -> dict[str, Any]:
    colours = {"teacher": _TEACHER, "ensemble": _ENSEMBLE, "student": _STUDENT}
    table = results(data)
    bars = {
        suite: bar_chart(
            [Bar(row["name"], row["suites"].get(suite, {}).get("srcc"), colours[row["kind"]]) for row in table], title
        )
        for suite, title in SUITE_TITLES.items()
    }
    curves = [
        Series(name, [(x, y) for x, y in _unit(teacher["curve"])])
        for name, teacher in data.calibration.get("teachers", {}).items()
    ]
    losses = [Series(f"round {one.number}", _thin(one.train.get("loss", []))) for one in data.rounds]
    return {
        "shaping": [_histogram(name, one) for name, one in data.shaping.get("indicators", {}).items()],
        "bars": bars,
        "loss": line_chart(losses, "step", "loss"),
        "labels": {one.number: stacked_chart(one.labels, LABEL_COLOURS, "labels") for one in data.rounds},
        "agreement": matrix_chart(data.agreement["names"], data.agreement["srcc"], "SRCC between teachers"),
        "calibration": line_chart(curves, "raw score, from its lowest to its highest", "common scale"),
    }


def _histogram(name: str, one: Mapping[str, Sequence[float]]) -> Any:
    filled = {SHAPING_COLOURS[part]: one[part] for part in ("before", "after")}
    unit = INDICATORS[name].unit.partition(",")[0] if name in INDICATORS else ""
    return histogram_chart(one["edges"], filled, {SHAPING_COLOURS["target"]: one["shares"]}, f"{name}, {unit}")


def _unit(curve: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Scale the raw scores of a curve to [0, 1], so that teachers with different ranges share one axis."""
    low, high = curve[0][0], curve[-1][0]
    return [((x - low) / (high - low) if high > low else 0.5, y) for x, y in curve]


def _thin(records: Sequence[Mapping[str, float]]) -> list[tuple[float, float]]:
    """Average neighbouring records of a long loss curve."""
    size = max(1, math.ceil(len(records) / _CURVE_POINTS))
    groups = [records[start : start + size] for start in range(0, len(records), size)]
    return [(group[-1]["step"], sum(one["loss"] for one in group) / len(group)) for group in groups]
