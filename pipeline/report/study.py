"""What a study says: rows of ablations by seeds, as `study.json`, a page and a Markdown table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.method.paired import Summary
from pipeline.report.comparison import Judged, Measure, difference, of_runs
from pipeline.report.figures import Chart, Figure, framed
from pipeline.report.page import Cell, figure, filled
from pipeline.report.results import FIGURES, SUITE_TITLES
from pipeline.report.stops import LEAST, RIGHT, RULES, Stopped
from pipeline.settings.ablations import ABLATIONS

Row = dict[str, Any]

# the published ones lead: unseen distortions stand for benchmarks outside of the domain, seen ones for those within
MEASURES: tuple[Measure, ...] = (("unseen", "within"), ("unseen", "srcc"), ("seen", "within"), ("seen", "srcc"))
TEACHERS = "teachers' ensemble"


@dataclass(frozen=True, eq=False)
class Study:
    """The runs of a study that are finished, and why others are not.

    Attributes:
        rows: Names of the ablations, in order.
        seeds: In order.
        runs: (row, seed) -> the last student of that run.
        failures: (row, seed) -> one line.
        about: Sentences about the corpus and the settings that all runs share.
        stops: What the stopping rule said in each run in which it was measured, `stopped`.
    """

    rows: Sequence[str]
    seeds: Sequence[int]
    runs: Mapping[tuple[str, int], Judged]
    failures: Mapping[tuple[str, int], str]
    about: Sequence[str] = ()
    stops: Sequence[Stopped] = ()

    def of(self, row: str) -> list[Judged]:
        """The finished runs of a row, by seed."""
        return [self.runs[row, seed] for seed in self.seeds if (row, seed) in self.runs]

    def both(self, row: str, against: str) -> list[tuple[Judged, Judged]]:
        """Finished runs of two rows with the same seed: (against, row)."""
        wanted = [((against, seed), (row, seed)) for seed in self.seeds]
        return [(self.runs[a], self.runs[b]) for a, b in wanted if a in self.runs and b in self.runs]


def title(measure: Measure) -> str:
    """A figure on a suite, in words."""
    return f"{SUITE_TITLES[measure[0]]}: {FIGURES[measure[1]]}"


def head(measure: Measure) -> str:
    """The head of a column of SRCCs."""
    return f"{measure[0]}, {'within source' if measure[1] == 'within' else 'all copies'}"


def comparisons(study: Study) -> list[tuple[str, str]]:
    """(row, the row that it is compared with): the one that differs in one part alone, where it is in the study."""
    pairs = [(row, ABLATIONS[row].against) for row in study.rows]
    found = [(row, against) for row, against in pairs if against in study.rows]
    whole = [("VI", "IV")] if {"VI", "IV"} <= set(study.rows) else []  # what all later stages bring together
    return [(row, against) for row, against in found if against is not None] + whole


def as_json(study: Study) -> Row:
    """All figures, as plain values."""

    def summed(found: Summary | None) -> Row | None:
        return None if found is None else asdict(found)

    return {
        "about": list(study.about),
        "seeds": list(study.seeds),
        "rows": [
            {"name": row, "title": ABLATIONS[row].title, "meaning": ABLATIONS[row].meaning, "runs": len(study.of(row))}
            | {_key(measure): summed(of_runs(study.of(row), measure)) for measure in MEASURES}
            for row in study.rows
        ],
        "differences": [
            {"row": row, "against": against, "runs": len(study.both(row, against))}
            | {_key(measure): summed(difference(study.both(row, against), measure)) for measure in MEASURES}
            for row, against in comparisons(study)
        ],
        "stops": [
            {"row": one.row, "seed": one.seed, "stages": len(one.students), "trained": one.trained, "kept": one.kept}
            | {"said": [asdict(said) for said in one.said]}
            | {_key(measure): summed(one.better(measure)) for measure in MEASURES}
            for one in study.stops
        ],
        "failures": [{"row": row, "seed": seed, "error": why} for (row, seed), why in study.failures.items()],
    }


def _key(measure: Measure) -> str:
    return "_".join(measure)


def markdown(study: Study) -> str:
    """The study as a document: how it was made, what its rows are, and the tables of the page."""
    parts = ["# Study: what each part of the method earns", " ".join(study.about)]
    rows = [[f"{row}: {ABLATIONS[row].title}", ABLATIONS[row].meaning] for row in study.rows]
    parts.append(_table(["row", "its students learn from"], rows))
    parts.append(
        "SRCC with VMAF v0.6.1 on copies of held-out videos, with *seen* distortions of training and with *unseen* ones: mean and "
        "deviation over the seeds, and 95 % interval over draws of seeds and of source videos."
    )
    parts.append(_table(["row", "seeds", *map(head, MEASURES)], _cells(figures_table(study))))
    if comparisons(study):
        parts.append(
            "Differences of rows that differ in one part, on the same copies; in bold where the interval does not hold 0:"
        )
        parts.append(_table(["rows", "seeds", *map(head, MEASURES)], _cells(differences_table(study))))
    if study.stops:
        parts.append("What the stopping rule said, and what the next stage then brought:")
        parts.append(_table(["run", "said", *map(head, MEASURES)], _cells(decisions_table(study))))
    if stops_table(study):
        parts.append(f"Where it ends a run. {RIGHT}")
        parts.append(_table(["run", "stages", *map(head, MEASURES)], _cells(stops_table(study))))
    parts += [f"Row {row} of seed {seed} did not finish: {why}" for (row, seed), why in study.failures.items()]
    return "\n\n".join(parts) + "\n"


def _cells(table: Sequence[Sequence[Cell]]) -> list[list[str]]:
    return [
        [f"**{cell.text}**" + _note(cell) if cell.mark == "best" else cell.text + _note(cell) for cell in row]
        for row in table
    ]


def _note(cell: Cell) -> str:
    return f" ({cell.note})" if cell.note else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(one.replace("|", "\\|") for one in row) + " |" for row in cells)


def figures_table(study: Study) -> list[list[Cell]]:
    """One row for each ablation, and one for the teachers' ensemble: mean over the seeds, and the spread of them."""
    table = []
    for row in study.rows:
        found = [of_runs(study.of(row), measure) for measure in MEASURES]
        table.append([Cell(f"{row}: {ABLATIONS[row].title}"), _count(len(study.of(row))), *map(_figure, found)])
    ensembles = [_ensemble(study, measure) for measure in MEASURES]
    if any(one is not None for one in ensembles):
        cells = [Cell(figure(one), "" if one is None else one) for one in ensembles]
        table.append([Cell(TEACHERS, mark="ensemble"), Cell(""), *cells])
    return table


def _ensemble(study: Study, measure: Measure) -> float | None:
    """Of the teachers' ensemble, over the seeds; where one row labels with one teacher, the other rows tell it."""
    told: dict[int, float] = {}
    for row in study.rows:
        for seed in study.seeds:
            run = study.runs.get((row, seed))
            if run is not None and measure in run.ensemble and "teachers.labels" not in ABLATIONS[row].keys:
                told.setdefault(seed, run.ensemble[measure])
    return sum(told.values()) / len(told) if told else None


def differences_table(study: Study) -> list[list[Cell]]:
    """One row for each pair of ablations that differ in one part."""
    table = []
    for row, against in comparisons(study):
        runs = study.both(row, against)
        found = [difference(runs, measure) for measure in MEASURES]
        table.append([Cell(f"{row} - {against}"), _count(len(runs)), *map(_difference, found)])
    return table


def decisions_table(study: Study) -> list[list[Cell]]:
    """One row for each decision, with what the next stage brought."""
    table = []
    for one in study.stops:
        for said in one.said:
            name = f"row {one.row}, seed {one.seed}, after stage {said.stage}"
            brought = [one.difference(said.stage, said.stage + 1, measure) for measure in MEASURES]
            table.append(
                [Cell(name), Cell("stop" if said.stop else "go on", note=said.why), *map(_difference, brought)]
            )
    return table


def stops_table(study: Study) -> list[list[Cell]]:
    """One row for each run, with the best other student less the kept one; and how often each of three rules is right."""
    table: list[list[Cell]] = []
    runs = [one for one in study.stops if len(one.students) >= LEAST]
    if not runs:
        return table
    for one in runs:
        kept = Cell(f"trains {one.trained} of {len(one.students)}, keeps {one.kept}")
        better = [_difference(one.better(measure)) for measure in MEASURES]
        table.append([Cell(f"row {one.row}, seed {one.seed}"), kept, *better])
    for title, chosen in RULES.items():
        trained = [chosen(one)[0] for one in runs]
        cells = [_right([one.right(measure, chosen(one)[1]) for one in runs]) for measure in MEASURES]
        table.append([Cell(f"right: {title}", mark="ensemble"), Cell(f"trains {sum(trained)}"), *cells])
    return table


def _right(found: Sequence[bool | None]) -> Cell:
    known = [one for one in found if one is not None]
    return Cell(f"{sum(known)} of {len(known)}")


def _count(runs: int) -> Cell:
    return Cell(str(runs), runs)


def _figure(found: Summary | None) -> Cell:
    if found is None:
        return Cell(figure(None))
    spread = "" if found.spread is None else f"\N{PLUS-MINUS SIGN} {found.spread:.3f}"
    ends = "" if found.low is None else f"{figure(found.low)} to {figure(found.high)}"
    return Cell(figure(found.mean), found.mean, ", ".join(part for part in (spread, ends) if part))


def _difference(found: Summary | None) -> Cell:
    if found is None:
        return Cell(figure(None))
    ends = "" if found.low is None else f"{figure(found.low, '+.3f')} to {figure(found.high, '+.3f')}"
    above = sum(value > 0 for value in found.values)
    seeds = f"above 0 on {above} of {len(found.values)}" if len(found.values) > 1 else ""
    mark = "best" if found.holds_zero is False else ""
    return Cell(figure(found.mean, "+.3f"), found.mean, ", ".join(part for part in (ends, seeds) if part), mark)


def charts(study: Study) -> dict[str, list[Chart]]:
    """For each figure: the rows with every seed and the mean; and the differences with their intervals."""
    return {
        "rows": [chart for measure in MEASURES if (chart := _rows_chart(study, measure))],
        "differences": [chart for measure in MEASURES if (chart := _differences_chart(study, measure))],
    }


def _rows_chart(study: Study, measure: Measure) -> Chart | None:
    found = {row: one for row in study.rows if (one := of_runs(study.of(row), measure)) is not None}
    if not found:
        return None
    seeds = {
        "type": "scatter",
        "mode": "markers",
        "name": "one seed",
        "x": [value for one in found.values() for value in one.values],
        "y": [row for row, one in found.items() for _ in one.values],
        "marker": {"color": "@teacher", "size": 7, "symbol": "circle-open"},
        "hovertemplate": "%{y}: %{x:.3f}<extra></extra>",
    }
    means = _points("mean", "@student", "diamond", list(found), list(found.values()), ".3f")
    layout = framed(110 + 30 * len(found), FIGURES[measure[1]], yaxis={"autorange": "reversed", "type": "category"})
    ensemble = _ensemble(study, measure)
    if ensemble is not None:
        layout["shapes"] = [_line(ensemble, "@ensemble")]
    best = max(found, key=lambda row: found[row].mean)
    alt = f"{title(measure)} of {len(found)} rows; highest: {best} with {found[best].mean:.3f}; the line is the teachers' ensemble"
    return Chart(f"rows-{_key(measure)}", title(measure), alt, {"data": [seeds, means], "layout": layout})


def _differences_chart(study: Study, measure: Measure) -> Chart | None:
    pairs = {
        f"{row} - {against}": one
        for row, against in comparisons(study)
        if (one := difference(study.both(row, against), measure)) is not None
    }
    if not pairs:
        return None
    points = _points("difference", "@student", "diamond", list(pairs), list(pairs.values()), "+.3f")
    layout = framed(
        110 + 30 * len(pairs),
        f"difference of {FIGURES[measure[1]]}",
        yaxis={"autorange": "reversed", "type": "category"},
    )
    layout["shapes"] = [_line(0.0, "@zero")]
    sure = [name for name, one in pairs.items() if one.holds_zero is False]
    alt = (
        f"{title(measure)}: {len(pairs)} differences; those whose interval does not hold 0: {', '.join(sure) or 'none'}"
    )
    return Chart(f"differences-{_key(measure)}", title(measure), alt, {"data": [points], "layout": layout})


def _points(name: str, color: str, symbol: str, names: Sequence[str], found: Sequence[Summary], form: str) -> Figure:
    ends = [(one.mean if one.low is None else one.low, one.mean if one.high is None else one.high) for one in found]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [one.mean for one in found],
        "y": list(names),
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [max(high - one.mean, 0.0) for one, (_, high) in zip(found, ends, strict=True)],
            "arrayminus": [max(one.mean - low, 0.0) for one, (low, _) in zip(found, ends, strict=True)],
            "color": color,
            "thickness": 2,
            "width": 4,
        },
        "marker": {"color": color, "size": 10, "symbol": symbol},
        "customdata": [[format(low, form), format(high, form)] for low, high in ends],
        "hovertemplate": f"%{{y}}: %{{x:{form}}}<br>95 %: %{{customdata[0]}} to %{{customdata[1]}}<extra></extra>",
    }


def _line(x: float, color: str) -> Figure:
    return {
        "type": "line",
        "x0": x,
        "x1": x,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": color, "width": 2, "dash": "dot"},
    }


def page(study: Study, name: str) -> str:
    """The whole study as one page that needs no network."""
    return filled(
        "study.html.j2",
        name,
        charts(study),
        study=study,
        ablations=ABLATIONS,
        heads=[head(measure) for measure in MEASURES],
        figures_rows=figures_table(study),
        differences_rows=differences_table(study),
        decisions_rows=decisions_table(study),
        stops_rows=stops_table(study),
        right=RIGHT,
    )
