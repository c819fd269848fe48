"""What the report of a run says, gathered from its committed files: `report.json` as plain values.

| part of the report | file of the run folder |
|---|---|
| configuration | `config.yaml` |
| steps with rows and seconds | `manifests/*.json` |
| loss, labels, figures of student and teachers, one set a round | `round-<k>/metrics.json` |
| intervals of these figures, and the worst errors | `benchmarks/scores/<teacher>/*.parquet`, `round-<k>/benchmark-scores.parquet` |
| fits and agreement of the teachers | `calibration.json`, `scores/<teacher>/*.parquet` |
| histograms of the indicators | `shaping.json`, else `indicators.parquet` |
| what was decided after each round | `round-<k>/decision.json` |
| hard pairs and what each judge says | `round-<k>/mined.parquet`, `mined-answers.parquet`, `scores.parquet` |
| quarantine by cause | `quarantine.parquet` |

Parts whose file does not exist yet are left out, so that an unfinished run has a report too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import yaml

from actors.indicators import INDICATORS as INDICATOR_ROWS
from pipeline.console import UserError
from pipeline.corpus.members import pool
from pipeline.method.calibration import POOR_SRCC, consensus
from pipeline.method.metrics import MetricError, srcc
from pipeline.method.resampling import MIN_SOURCES
from pipeline.opinions import human_scores
from pipeline.report.evaluated import evaluated
from pipeline.report.hard_pairs import hard_pairs
from pipeline.report.results import add_intervals, errors, result_rows
from pipeline.report.scores import Scores, raw_scores
from pipeline.report.videos import find, unknown
from pipeline.run_folder.kept import counted_rounds
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import read_manifests
from pipeline.run_folder.records import INDICATORS, OK, QUARANTINE, VIDEOS
from pipeline.run_folder.store import exists, read_bytes, read_json, read_table
from pipeline.settings.config import Config, load
from pipeline.settings.trees import ConfigError

Row = dict[str, Any]

_FEW_SOURCES = 10
_BINS = 12  # of a histogram of the pool
_POINTS = 300  # of a teacher's fit; more would hide the curve


@dataclass(frozen=True)
class RoundData:
    """One round, from `round-<k>/metrics.json`.

    Attributes:
        number: Counted from 1.
        train: The report of the training; `loss` is the list of its records (step, ce, entropy, lambda, loss).
        labels: Origin of pairs -> label -> count.
        benchmarks: Suite ("seen", "unseen") -> `teachers` (name -> figures), `student` (figures), `count`, and
            `student_by_distortion`; figures are `srcc`, `plcc`, `within`, `pair_accuracy`.
        hard_pairs: The chosen rows of `pipeline.report.hard_pairs`.
    """

    number: int
    train: Row
    labels: dict[str, dict[str, int]]
    benchmarks: dict[str, Row]
    hard_pairs: list[Row]


@dataclass(frozen=True)
class ReportData:
    """All contents of the report, as plain JSON values.

    Attributes:
        run: Name of the run folder.
        config: The configuration; empty if there is none yet.
        corpus: Counts: `files`, `windows`, `copies`, `heldout`, `unusable`; empty before ingest.
        steps: `step`, `what`, `rows`, `seconds` of every committed step, in order.
        rounds: The rounds whose metrics are of the benchmark and the student that are there now.
        decisions: The contents of `decision.json` of every round that has one.
        results: Figures with intervals of every teacher and of the student of each stage (`results.result_rows`).
        suites: Suite -> sources, a note on the intervals, and the lead of the last student (`results.add_intervals`).
        errors: Suite -> where the last student is most wrong (`results.errors`).
        videos: Id -> name for people, of every video that is mentioned (`videos.Video.as_json`).
        calibration: The contents of `calibration.json`; empty if there is none yet.
        fits: Teacher -> points `[raw score, target]` behind its curve; empty where the target is not at hand.
        agreement: `names`, and `srcc` as a square list of lists with None for undefined values.
        shaping: The contents of `shaping.json`; empty if the corpus was not shaped.
        indicators: Indicator -> `edges` and `shares` of the pool; empty if it was not measured.
        quarantine: `step`, `kind`, `count` and one `example` for each cause, the most frequent first.
        warnings: Sentences.
    """

    run: str
    config: Row = field(default_factory=dict)
    corpus: dict[str, int] = field(default_factory=dict)
    steps: list[Row] = field(default_factory=list)
    rounds: list[RoundData] = field(default_factory=list)
    decisions: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)
    suites: dict[str, Row] = field(default_factory=dict)
    errors: dict[str, Row] = field(default_factory=dict)
    videos: dict[str, Row] = field(default_factory=dict)
    calibration: Row = field(default_factory=dict)
    fits: dict[str, list[list[float]]] = field(default_factory=dict)
    agreement: Row = field(default_factory=lambda: {"names": [], "srcc": []})
    shaping: Row = field(default_factory=dict)
    indicators: dict[str, Row] = field(default_factory=dict)
    quarantine: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def gather(layout: RunLayout) -> ReportData:
    """Read the contents of the report from a run folder."""
    config = yaml.safe_load(read_bytes(layout.config)) if exists(layout.config) else {}
    calibration = read_json(layout.calibration) if exists(layout.calibration) else {}
    measured = [number for number in counted_rounds(layout) if exists(layout.metrics(number))]
    numbers = [number for number in measured if evaluated(layout, number)]
    metrics = [read_json(layout.metrics(number)) for number in numbers]
    rounds = [
        RoundData(number, one["train"], one["labels"], one["benchmarks"], hard_pairs(layout, calibration, number))
        for number, one in zip(numbers, metrics, strict=True)
    ]
    results = result_rows(metrics)
    suites = add_intervals(layout, results, calibration)
    wrong = errors(layout, numbers[-1]) if numbers else {}
    scores = {name: raw_scores(layout.scores(name)) for name in calibration.get("teachers", {})}
    quarantine = _quarantine(layout)
    return ReportData(
        run=layout.root.name,
        config=config,
        corpus=_corpus(layout),
        steps=_steps(layout),
        rounds=rounds,
        decisions=[read_json(layout.decision(one)) for one in counted_rounds(layout) if exists(layout.decision(one))],
        results=results,
        suites=suites,
        errors=wrong,
        videos={name: video.as_json() for name, video in mentioned(layout, rounds, wrong).items()},
        calibration=calibration,
        fits=_fits(layout, calibration, scores),
        agreement=_agreement(calibration, scores),
        shaping=_shaping(layout, config),
        indicators=_indicators(layout),
        quarantine=quarantine,
        warnings=[
            *_outdated(sorted(set(measured) - set(numbers))),
            *_teacher_warnings(calibration),
            *_result_warnings(suites, results),
        ],
    )


def mentioned(layout: RunLayout, rounds: Sequence[RoundData], wrong: Mapping[str, Row]) -> dict[str, Any]:
    """The videos that the report names, by id."""
    pairs = chain.from_iterable(one.hard_pairs for one in rounds)
    ids = {video for pair in pairs for video in (pair["first"], pair["second"])}
    for suite in wrong.values():
        ids |= {copy[name] for copy in suite["copies"] for name in ("video_id", "source_id")}
        ids |= {cell["worst"] for cell in suite["cells"]}
    found = find(layout, ids)
    return {video: found.get(video) or unknown(video) for video in sorted(ids)}


def _corpus(layout: RunLayout) -> dict[str, int]:
    if not exists(layout.videos):
        return {}
    rows = read_table(layout.videos, VIDEOS).to_pylist()
    usable = [row for row in rows if row["status"] == OK]
    train = [row for row in usable if row["split"] == "train"]
    return {
        "files": len({row["uri"] for row in rows}),
        "windows": sum(row["copy"] == 0 for row in train),
        "copies": sum(row["copy"] > 0 for row in train),
        "heldout": len(usable) - len(train),
        "unusable": len(rows) - len(usable),
    }


def _steps(layout: RunLayout) -> list[Row]:
    return [
        {"step": one.step, "what": one.summary.get("what", ""), "rows": one.rows, "seconds": one.seconds}
        for one in read_manifests(layout)
        if one.step != "report"
    ]


def read_config(layout: RunLayout) -> Config | None:
    """The configuration of a run, or None where this version cannot read it."""
    try:
        return load(file=layout.config)
    except ConfigError:
        return None


def _fits(
    layout: RunLayout, calibration: Mapping[str, Any], scores: Mapping[str, Scores]
) -> dict[str, list[list[float]]]:
    """What each teacher says beside the target of its map, of an even choice of the pool's videos."""
    if not exists(layout.videos) or not scores:
        return {}
    members = {row["video_id"] for row in pool(layout)}
    ids = sorted(members & {video for raw in scores.values() for video in raw})
    if calibration.get("target") == "given":
        target = _human(layout, ids)
    else:
        table = {name: [raw.get(one, np.nan) for one in ids] for name, raw in scores.items()}
        target = consensus(table, _rising(calibration)) if ids else None
    if target is None:
        return {}
    known = {one: float(value) for one, value in zip(ids, target, strict=True) if np.isfinite(value)}
    chosen = list(known)[:: max(1, len(known) // _POINTS)]
    return {name: [[raw[one], known[one]] for one in chosen if one in raw] for name, raw in scores.items()}


def _human(layout: RunLayout, ids: Sequence[str]) -> np.ndarray | None:
    config = read_config(layout)
    try:
        return human_scores(config, layout, ids) if config is not None else None
    except UserError:  # the table of human scores has moved: the curves are still there
        return None


def _rising(calibration: Mapping[str, Any]) -> dict[str, bool]:
    """Whether higher is better, for each teacher, by its curve."""
    return {name: one["curve"][-1][1] >= one["curve"][0][1] for name, one in calibration.get("teachers", {}).items()}


def _shaping(layout: RunLayout, config: Mapping[str, Any]) -> Row:
    """The shaping of this run; an older `shaping.json` in the same folder is ignored."""
    is_shaped = config.get("shaping", {}).get("keep") is not None
    return read_json(layout.shaping) if is_shaped and exists(layout.shaping) else {}


def _indicators(layout: RunLayout) -> dict[str, Row]:
    if not exists(layout.indicators):
        return {}
    table = read_table(layout.indicators, INDICATORS)
    found = {}
    for name in INDICATOR_ROWS:
        values = np.asarray(table[name].to_numpy(), np.float64)
        values = values[np.isfinite(values)]
        if values.size:
            counts, edges = np.histogram(values, _BINS)
            found[name] = {"edges": edges.tolist(), "shares": (counts / values.size).tolist()}
    return found


def _agreement(calibration: Mapping[str, Any], scores: Mapping[str, Scores]) -> Row:
    """SRCC between the scores of every two teachers, signed so that higher is better."""
    rising = _rising(calibration)
    signed = {
        name: {video: value if rising[name] else -value for video, value in raw.items()} for name, raw in scores.items()
    }
    table = [[_srcc(signed[first], signed[second]) for second in signed] for first in signed]
    return {"names": list(signed), "srcc": table}


def _srcc(first: Mapping[str, float], second: Mapping[str, float]) -> float | None:
    common = sorted(first.keys() & second.keys())
    try:
        return srcc([first[video] for video in common], [second[video] for video in common])
    except MetricError:  # too few videos, or a teacher with the same score for all
        return None


def _quarantine(layout: RunLayout) -> list[Row]:
    if not exists(layout.quarantine):
        return []
    rows = read_table(layout.quarantine, QUARANTINE).to_pylist()
    counts = Counter((row["step"], row["error_kind"]) for row in rows)
    examples = {(row["step"], row["error_kind"]): row for row in reversed(rows)}
    return [
        {"step": step, "kind": kind, "count": count, "example": examples[step, kind]["error"]}
        for (step, kind), count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    ]


def _outdated(numbers: Sequence[int]) -> list[str]:
    return [
        f"Stage {number} is left out: it has not been evaluated since the benchmark or its student was made again."
        for number in numbers
    ]


def _teacher_warnings(calibration: Mapping[str, Any]) -> list[str]:
    found = [f"Teacher {name} is left out: {reason}." for name, reason in calibration.get("excluded", {}).items()]
    for name, one in calibration.get("teachers", {}).items():
        if one.get("kind") == "linear":
            found.append(f"Teacher {name} is mapped by a line in place of the logistic: {one.get('reason', '')}.")
        elif (one.get("srcc") or 0.0) < POOR_SRCC and "srcc" in one:
            found.append(
                f"Teacher {name} hardly follows the others: SRCC {one['srcc']:.2f} of its map with the target."
            )
    return found


def _result_warnings(suites: Mapping[str, Row], results: Sequence[Row]) -> list[str]:
    found = []
    for suite, facts in suites.items():
        lead = facts["lead"].get("srcc")
        if lead and lead["value"] <= 0:
            found.append(
                f"On {suite} distortions {lead['best']} ranks all copies better than the student of stage {results[-1]['stage']}."
            )
        if facts["note"]:
            found.append(f"On {suite} distortions: {facts['note']}.")
    fewest = min((facts["sources"] for facts in suites.values()), default=_FEW_SOURCES)
    if MIN_SOURCES <= fewest < _FEW_SOURCES:
        found.append(f"The benchmarks are copies of only {fewest} windows, so their intervals are rough.")
    return found
