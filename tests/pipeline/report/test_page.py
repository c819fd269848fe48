import json
import re
import shutil
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from committed import commit_evaluation
from small_run import HOSTILE, HOSTILE_FILE

from pipeline.report.data import gather
from pipeline.report.page import cards, duration, errors_table, quarantine_table, results_table, verdict, write_report
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import read_json, write_bytes, write_json

SECTIONS = ("The run at a glance", "Stages and teachers", "Hard pairs", "Worst errors", "Teachers", "Training", "Corpus",
            "Quarantine", "Time of every step", "Configuration")  # fmt: skip


class Page(HTMLParser):
    """Collects the elements of a page, what they refer to, and its words outside scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.references = []
        self.words = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "data", "action", "srcset")]

    def handle_data(self, data):
        if self.tags[-1:] not in (["script"], ["style"]):
            self.words.append(data)


@pytest.fixture(scope="session")
def page(layout):
    return Page(layout.report_html.read_text(encoding="utf-8"))


def charts_of(layout):
    text = layout.report_html.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="figures">(.*?)</script>', text)[1])


def test_the_page_shows_every_part(page):
    words = " ".join(page.words)
    for part in (*SECTIONS, "small-run", "student, stage 2", "holiday 7.mp4", "gaussian_blur level 3"):
        assert part in words
    assert "round" not in words.replace("round-", "").replace("rounds", ""), "people read of stages"
    assert page.tags.count("video") == 2 * 3 + 1, (
        "two games, the misjudged pair, and one of the video that no table knows"
    )
    assert page.tags.count("img") == 2 * 2


def test_the_page_needs_no_network(layout, page):
    outside = [
        one for one in page.references if not one.startswith(("#", "data:video/mp4;base64,", "data:image/jpeg;base64,"))
    ]
    assert outside == []
    text = layout.report_html.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert re.search(r"script-src( 'sha256-[A-Za-z0-9+/]{43}=')+;", policy)
    assert layout.report_html.stat().st_size < 8e6


def test_names_from_outside_stay_text(layout, page):
    words = " ".join(page.words)
    assert "mark" not in page.tags
    assert words.count(HOSTILE) >= 4
    assert HOSTILE_FILE in words
    text = layout.report_html.read_text(encoding="utf-8")
    assert "<mark" not in text, "not in the data of the charts either"


def test_the_data_are_plain_json(layout):
    data = read_json(layout.report_json)
    assert data == json.loads(json.dumps(data))
    assert data["run"] == "small-run"
    assert data["config"]["seed"] == 3
    assert [step["step"] for step in data["steps"]][:2] == ["ingest", "score"]
    assert [one["number"] for one in data["rounds"]] == [1, 2]
    assert data["videos"]["blur-3"]["title"] == f"{HOSTILE_FILE} at 0 s, gaussian_blur level 3"
    first, *_ = data["quarantine"]
    assert (first["kind"], first["count"]) == ("decode", 2)


def test_the_figures_of_the_charts_are_valid_for_plotly(layout):
    import plotly.graph_objects as go

    figures = charts_of(layout)
    assert {"unseen-within", "seen-srcc", "errors-unseen", "fit-0", "agreement", "training-loss", "training-lambda", "labels",
            "indicator-0", "steps"} <= set(figures)  # fmt: skip
    for key, figure in figures.items():
        # the page puts colours in the place of names with an @
        text = json.dumps(figure).replace('"@diverging"', '[[0, "#111111"], [1, "#eeeeee"]]')
        drawn = go.Figure(json.loads(re.sub(r'"@\w+"', '"#123456"', text)))
        assert len(drawn.data) > 0, key


def test_every_colour_that_a_chart_names_is_in_both_palettes(layout):
    import importlib.resources

    script = importlib.resources.files("pipeline.report").joinpath("page.js").read_text(encoding="utf-8")
    named = set(re.findall(r'"@(\w+)"', json.dumps(charts_of(layout)))) | {"before", "after", "target"}
    for palette in re.findall(r"(?:light|dark): \{(.*?)\n    \}", script, re.DOTALL):
        assert named <= set(re.findall(r"(\w+):", palette))


def test_the_glance_says_who_is_better_and_by_how_much(layout):
    data = gather(layout)
    said = verdict(data)
    assert "On unseen distortions the student of stage 2 ranks the copies of one video better than ensemble" in said
    assert "0.800 against 0.750" in said
    shown = {what: (value, remark) for value, what, remark in cards(data)}
    assert shown["SRCC, seen distortions"] == ("0.800", "best teacher: ensemble, 0.750")
    assert shown["training pairs"] == ("12", "after 2 stages")
    assert shown["rows in quarantine"] == ("8", "7 causes")
    assert shown["videos"][0] == "13"


def test_the_best_of_each_column_is_marked(layout):
    table = results_table(gather(layout))["unseen"]
    assert [row[0].text for row in table] == ["niqe", "brisque", "ensemble", "student, stage 1", "student, stage 2"]
    assert [row[1].mark for row in table] == ["", "", "", "", "best"]
    assert [row[1].text for row in table] == ["0.500", "-", "0.750", "0.700", "0.800"]
    assert " to " in table[-1][1].note


def test_worst_cells_come_first_and_every_cause_has_a_remedy(layout):
    data = gather(layout)
    errors = [row[5].order for row in errors_table(data)]
    assert len(errors) == 2 * 4
    assert errors == sorted(errors, reverse=True)
    assert all(row[4].text.endswith(".") for row in quarantine_table(data))


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.4, "59.4 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")]
)
def test_durations_are_those_that_people_say(seconds, text):
    assert duration(seconds) == text


PARTS = {
    "nothing": [],
    "a configuration": ["config"],
    "teachers": ["config", "calibration", "videos"],
    "an older run": ["metrics", "seen", "unseen", "teachers"],
    "a run without scores": ["config", "videos", "metrics", "seen", "unseen", "teachers"],
}


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
def test_the_report_of_an_unfinished_run_shows_what_there_is(parts, layout, tmp_path):
    part = RunLayout(tmp_path / "part")
    sources = {
        "config": (layout.config, part.config),
        "calibration": (layout.calibration, part.calibration),
        "videos": (layout.videos, part.videos),
        "metrics": (layout.metrics(1), part.metrics(1)),
        "teachers": (layout.benchmark_teachers, part.benchmark_teachers),
        **{suite: (layout.benchmark(suite), part.benchmark(suite)) for suite in ("seen", "unseen")},
    }
    for name in parts:
        source, target = sources[name]
        write_bytes(target, source.read_bytes())
    if "metrics" in parts:
        commit_evaluation(part, 1)
    write_report(part)
    words = " ".join(Page(part.report_html.read_text(encoding="utf-8")).words)
    assert ("No stage has been evaluated yet" in words) is ("metrics" not in parts)
    assert ("A run of one stage mines no pairs" in words) is ("metrics" in parts)
    assert ("scores of the benchmark copies were not kept" in words) is ("metrics" in parts)
    assert all(section in words for section in SECTIONS)
    assert read_json(part.report_json)["run"] == "part"


def test_a_curve_of_an_older_version_has_no_kind(layout, tmp_path):
    old = RunLayout(tmp_path / "old")
    write_json(old.calibration, {"target": "consensus", "teachers": {"niqe": {"curve": [[1.0, 80.0], [4.0, 20.0]]}}})
    write_report(old)
    assert charts_of(old)["fit-0"]["data"][1]["y"] == [80.0, 20.0]


def test_the_same_run_gives_the_same_bytes(layout, tmp_path):
    first = layout.report_html.read_bytes(), layout.report_json.read_bytes()
    shutil.rmtree(layout.thumbnails)
    write_report(layout)
    assert (layout.report_html.read_bytes(), layout.report_json.read_bytes()) == first


def test_the_second_label_has_a_table_of_its_own_and_a_run_without_it_has_none():
    def row(name, **figures):
        return {"name": name, "kind": "teacher", "suites": {"unseen": {"srcc": 0.5, **figures}}}

    old = SimpleNamespace(results=[row("niqe")])
    assert results_table(old, "_v1") == {"seen": [], "unseen": []}
    new = SimpleNamespace(results=[row("niqe", srcc_v1=0.25), row("piqe", srcc_v1=0.75)])
    cells = results_table(new, "_v1")["unseen"]
    assert [line[1].text for line in cells] == ["0.250", "0.750"]
    assert [line[1].mark for line in cells] == ["", "best"]
    assert [line[1].text for line in results_table(new)["unseen"]] == ["0.500", "0.500"]
