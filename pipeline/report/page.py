"""The report of a run: `report.html` to read, one file that needs no network, and `report.json` to compute with."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import jinja2
import yaml
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from pipeline.corpus.proxies import SECOND_LABEL
from pipeline.report.data import ReportData, gather, read_config
from pipeline.report.figures import Chart, charts
from pipeline.report.quarantine import ELSE, MENDING
from pipeline.report.results import FIGURES, SUITE_TITLES, best_teacher
from pipeline.report.thumbnails import Key, Kind, Thumbnail, thumbnails
from pipeline.report.videos import Video, find, unknown
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import write_bytes, write_json

Row = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: what it says, what it is sorted by, and a remark under it."""

    text: str
    order: str | float = ""
    note: str = ""
    mark: str = ""


def write_report(layout: RunLayout) -> None:
    """Write `report.json` and `report.html` of a run folder."""
    data = gather(layout)
    write_json(layout.report_json, asdict(data))
    write_bytes(layout.report_html, render(data, pictures(layout, data)).encode())


def pictures(layout: RunLayout, data: ReportData) -> dict[Key, Thumbnail]:
    """The thumbnails of the hard pairs, as clips, and of the worst errors, as pictures."""
    wanted = list(_wanted(data))
    videos = find(layout, (video for video, _ in wanted))
    chosen: list[tuple[Video, Kind]] = [(videos.get(video) or unknown(video), kind) for video, kind in wanted]
    return thumbnails(layout, read_config(layout), chosen)


def _wanted(data: ReportData) -> Iterator[Key]:
    for one in data.rounds:
        for pair in one.hard_pairs:
            yield pair["first"], "clip"
            yield pair["second"], "clip"
    for suite in data.errors.values():
        for copy in suite["copies"]:
            yield copy["source_id"], "picture"
            yield copy["video_id"], "picture"


def render(data: ReportData, shown: Mapping[Key, Thumbnail]) -> str:
    """Return the page, with all external text escaped.

    Args:
        data: The contents of the report.
        shown: The thumbnails, `pictures`.
    """
    drawn = charts(data)
    last = data.rounds[-1] if data.rounds else None
    return filled(
        "page.html.j2",
        data.run,
        drawn,
        data=data,
        last=last,
        name=lambda video: data.videos.get(video) or unknown(video).as_json(),
        shown=lambda video, kind: shown.get((video, kind)) or Thumbnail(reason="not among the thumbnails"),
        verdict=verdict(data),
        cards=cards(data),
        suites=[suite for suite in SUITE_TITLES if last is not None and suite in last.benchmarks],
        titles=SUITE_TITLES,
        results=results_table(data),
        results_second=results_table(data, SECOND_LABEL),
        errors=errors_table(data),
        quarantine=quarantine_table(data),
        steps=steps_table(data),
        config_text=yaml.safe_dump(data.config, sort_keys=False, allow_unicode=True) if data.config else "",
    )


def charts_page(title: str, heading: str, drawn: Sequence[Chart]) -> str:
    """Return a page that holds some charts only."""
    return filled("charts.html.j2", title, {"all": drawn}, heading=heading)


def filled(template: str, title: str, drawn: Mapping[str, Sequence[Chart]], **parts: object) -> str:
    """A page with its style, its scripts and its charts in one file."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_part),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "sort_keys": True, "separators": (",", ":")}
    scripts = [Markup(get_plotlyjs()), Markup(_part("page.js"))]  # noqa: S704 - the project's own and a library's
    return environment.get_template(template).render(
        title=title,
        style=Markup(_part("page.css")),  # noqa: S704 - the project's own
        scripts=scripts,
        hashes=[f"'sha256-{_digest(script)}'" for script in scripts],
        charts=drawn,
        figures={chart.key: chart.figure for group in drawn.values() for chart in group},
        **parts,
    )


def _part(name: str) -> str:
    return importlib.resources.files("pipeline.report").joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's policy knows a script by: it runs these and no other."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


def figure(value: float | None, form: str = ".3f") -> str:
    """A figure as the page writes it: three places unless said otherwise, a real minus sign, and a dash for none."""
    return "-" if value is None else f"{value:{form}}".replace("-", "\N{MINUS SIGN}")


def duration(seconds: float) -> str:
    """Seconds as people say them: 12.3 s, 4 min 5 s, 2 h 3 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def verdict(data: ReportData) -> str:
    """One sentence: the last student beside the best teacher within a source, on the hardest suite that there is."""
    for suite in reversed(SUITE_TITLES):
        lead = data.suites.get(suite, {}).get("lead", {}).get("within")
        if lead:
            student, kind = f"student of stage {data.results[-1]['stage']}", SUITE_TITLES[suite].lower()
            better = "better" if lead["value"] > 0 else "worse"
            if lead["interval"] is None:
                sure = ""
            elif lead["interval"][0] <= 0 <= lead["interval"][1]:
                sure = " The interval of the difference holds 0, so this may be chance."
            else:
                sure = " The interval of the difference does not hold 0."
            between = f", 95 % interval {_signed(*lead['interval'])}" if lead["interval"] else ""
            return (
                f"On {kind} the {student} ranks the copies of one video {better} than {lead['best']}, the best teacher: "
                f"{figure(lead['teacher'] + lead['value'])} against {figure(lead['teacher'])} "
                f"(difference {_signed(lead['value'])}{between}).{sure}"
            )
    return ""


def _signed(*values: float) -> str:
    return " to ".join(figure(value, "+.3f") for value in values)


def cards(data: ReportData) -> list[tuple[str, str, str]]:
    """The figures at the top of the page: value, name and remark."""
    found = []
    last = data.rounds[-1] if data.rounds else None
    for suite, title in SUITE_TITLES.items() if last else ():
        if suite in data.results[-1]["suites"]:
            for key in ("within", "srcc"):
                value, best = data.results[-1]["suites"][suite].get(key), best_teacher(data.results, suite, key)
                figures = {row["name"]: row["suites"].get(suite, {}).get(key) for row in data.results}
                remark = f"best teacher: {best}, {figure(figures[best])}" if best is not None else ""
                found.append((figure(value), f"{FIGURES[key]}, {title.lower()}", remark))
    if data.corpus:
        one = data.corpus
        parts = f"{one['windows']:,} training windows, {one['copies']:,} copies, {one['heldout']:,} held out"
        found.append((f"{one['files']:,}", "videos", parts))
    if last is not None:
        pairs = sum(sum(counts.values()) for counts in last.labels.values())
        found.append((f"{pairs:,}", "training pairs", f"after {last.number} stage{'s' if last.number > 1 else ''}"))
    if data.steps:
        longest = max(data.steps, key=lambda step: step["seconds"])
        total = sum(step["seconds"] for step in data.steps)
        found.append(
            (duration(total), "wall-clock time", f"longest: {longest['step']}, {duration(longest['seconds'])}")
        )
    if data.corpus or data.rounds:
        failures = sum(cause["count"] for cause in data.quarantine)
        remark = (
            f"{len(data.quarantine)} cause{'s' if len(data.quarantine) > 1 else ''}"
            if failures
            else "every input was used"
        )
        found.append((f"{failures:,}", "rows in quarantine", remark))
    return found


def results_table(data: ReportData, label: str = "") -> dict[str, list[list[Cell]]]:
    """For each suite: one row for each model with every figure and its interval, the best of each column marked.

    Args:
        data: The report's data.
        label: End of the figures' names: empty for VMAF v0.6.1, `SECOND_LABEL` for v1.0.16, which earlier runs have not.
    """
    keys = [f"{key}{label}" for key in FIGURES]
    tables = {}
    for suite in SUITE_TITLES:
        rows = [row for row in data.results if keys[0] in row["suites"].get(suite, {})]
        best = {key: _best(rows, suite, key) for key in keys}
        tables[suite] = [
            [Cell(row["name"], mark=row["kind"]), *(_result(row["suites"][suite], key, best[key]) for key in keys)]
            for row in rows
        ]
    return tables


def _best(rows: Sequence[Row], suite: str, key: str) -> float | None:
    return max((value for row in rows if (value := row["suites"][suite].get(key)) is not None), default=None)


def _result(figures: Row, key: str, best: float | None) -> Cell:
    value, both = figures.get(key), figures.get("intervals", {}).get(key)
    note = f"{figure(both[0])} to {figure(both[1])}" if both else ""
    mark = "best" if value is not None and value == best else ""
    return Cell(figure(value), "" if value is None else value, note, mark)


def errors_table(data: ReportData) -> list[list[Cell]]:
    """One row for each suite, distortion and level: how far the last student is from VMAF, and on which copy most."""
    cells = [(suite, cell) for suite, one in data.errors.items() for cell in one["cells"]]
    return [
        [
            Cell(cell["distortion"]),
            Cell(suite),
            Cell(str(cell["level"]), cell["level"]),
            Cell(str(cell["count"]), cell["count"]),
            Cell(figure(cell["bias"], "+.1f"), cell["bias"]),
            Cell(f"{cell['error']:.1f}", cell["error"]),
            Cell(data.videos[cell["worst"]]["title"], note=cell["worst"]),
        ]
        for suite, cell in sorted(cells, key=lambda both: -both[1]["error"])
    ]


def quarantine_table(data: ReportData) -> list[list[Cell]]:
    """One row for each cause, with the way to mend it."""
    return [
        [
            Cell(cause["step"]),
            Cell(cause["kind"]),
            Cell(f"{cause['count']:,}", cause["count"]),
            Cell(cause["example"]),
            Cell(MENDING.get(cause["kind"], ELSE)),
        ]
        for cause in data.quarantine
    ]


def steps_table(data: ReportData) -> list[list[Cell]]:
    """One row for each step, in order: rows, time, share of the time, and time of a row."""
    total = sum(step["seconds"] for step in data.steps) or 1.0
    return [[Cell(step["step"], place), *_cost(step, total)] for place, step in enumerate(data.steps)]


def _cost(step: Row, total: float) -> Sequence[Cell]:
    rows, seconds = step["rows"], step["seconds"]
    each = 1000 * seconds / rows if rows else None
    return (
        Cell(str(step["what"])),
        Cell("" if rows is None else f"{rows:,}", "" if rows is None else rows),
        Cell(f"{seconds:.1f}", seconds),
        Cell(f"{100 * seconds / total:.1f}", seconds),
        Cell("" if each is None else f"{each:,.1f}", "" if each is None else each),
    )
