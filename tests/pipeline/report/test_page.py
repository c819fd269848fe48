import json
import re
from html.parser import HTMLParser

import pytest

from pipeline.console import Console
from pipeline.report.page import gather, headline, results, write_report
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Steps
from pipeline.run_folder.records import MINED, QUARANTINE, SCORES, Mined, Quarantine, TeacherScore
from pipeline.run_folder.step import Step
from pipeline.run_folder.store import append_shard, read_json, write_bytes, write_json, write_table
from pipeline.settings.config import load

HOSTILE = "<mark>5 < 6</mark>"
PICTURE = "data:image/png;base64,iVBORw0KGgo="


def figures(value):
    return dict.fromkeys(("srcc", "plcc", "within", "pair_accuracy"), value)


def metrics(number):
    student = 0.6 + 0.1 * number
    benchmarks = {
        suite: {
            "count": 28,
            "teachers": {"niqe": figures(0.5), "brisque": figures(None), "ensemble": figures(0.75)},
            "student": figures(student),
            "student_by_distortion": {"h264": 0.5},
        }
        for suite in ("seen", "unseen")
    }
    loss = [
        {"step": step + 1, "ce": 1.0, "entropy": 1.0, "lambda": 0.5, "loss": 2.0 - step / 1000} for step in range(1000)
    ]
    labels = {"synthetic": {"better": 3, "worse": 4}, "ensemble": {"similar": 5}}
    return {"round": number, "train": {"loss": loss}, "labels": labels, "benchmarks": benchmarks}


@pytest.fixture
def layout(tmp_path):
    """A finished run of two rounds, with a hostile name in every text that comes from outside."""
    run = RunLayout(tmp_path / "demo-run")
    write_bytes(run.config, load(seed=3).to_yaml().encode())
    videos = ["a", "b", "c", "d"]
    for teacher, values in (("niqe", [4.0, 3.0, 2.0, 1.0]), ("brisque", [1.0, 2.0, 3.0, 4.0])):
        rows = [TeacherScore(video, teacher, "new", value, "ok") for video, value in zip(videos, values, strict=True)]
        rows += [TeacherScore("a", teacher, "old", 99.0, "ok"), TeacherScore("e", teacher, "new", None, "failed")]
        append_shard(run.scores(teacher), SCORES.table(rows), SCORES)
    curves = {"niqe": [[1.0, 80.0], [4.0, 20.0]], "brisque": [[1.0, 20.0], [4.0, 80.0]]}
    teachers = {name: {"curve": curve} for name, curve in curves.items()}
    write_json(run.calibration, {"target": "consensus", "excluded": {"piqe": HOSTILE}, "teachers": teachers})
    for number in (1, 2):
        write_json(run.metrics(number), metrics(number))
    mined = [
        Mined(HOSTILE, "b", "gmad", "student", "niqe", 1, 5.0, 0.1),
        Mined("c", "d", "gmad", "niqe", "student", 1, -9.0, 0.1),
        Mined("c", "e", "missed", None, None, None, None, None),
    ]
    write_table(run.mined(1), MINED.table(mined), MINED)
    write_json(run.thumbnails(1), {"c": PICTURE, "d": PICTURE, "b": "https://example.org/x.png"})
    causes = [
        Quarantine("ingest", str(k), HOSTILE, "decode" if k else "empty", f"{HOSTILE} is damaged") for k in range(3)
    ]
    write_table(run.quarantine, QUARANTINE.table(causes), QUARANTINE)
    steps = Steps(run, Console())
    steps.run(Step("ingest", {}, [run.config], lambda: {"rows": 4, "what": HOSTILE}, [run.config]))
    steps.run(Step("report", {}, [run.quarantine], dict, [run.quarantine]))
    return run


class Page(HTMLParser):
    """Counts the elements of a page and collects what they refer to."""

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
        self.words.append(data)


def test_the_page_shows_every_part_and_needs_no_network(layout):
    write_report(layout)
    text = layout.report_html.read_text(encoding="utf-8")
    page = Page(text)
    words = " ".join(page.words)
    for part in (
        "Results",
        "SRCC of the student",
        "Training",
        "Teachers",
        "Hard pairs",
        "Quarantine",
        "Steps",
        "demo-run",
    ):
        assert part in words
    assert page.tags.count("svg") == 2 + 1 + 2 + 2
    assert page.references == [PICTURE, PICTURE]
    assert "mark" not in page.tags
    assert words.count(HOSTILE) >= 4
    assert not re.search(r"url\(|@import", text)


def test_the_data_are_plain_json(layout):
    write_report(layout)
    data = read_json(layout.report_json)
    assert data == json.loads(json.dumps(data))
    assert data["run"] == "demo-run"
    assert data["config"]["seed"] == 3
    assert [step["step"] for step in data["steps"]] == ["ingest"]
    assert [one["number"] for one in data["rounds"]] == [1, 2]
    first, *_ = data["quarantine"]
    assert (first["kind"], first["count"]) == ("decode", 2)


def test_teachers_agree_once_each_is_turned_so_that_higher_is_better(layout):
    agreement = gather(layout).agreement
    assert agreement["names"] == ["niqe", "brisque"]
    assert agreement["srcc"] == [[pytest.approx(1.0)] * 2] * 2


def test_the_hardest_pairs_come_first(layout):
    first, second = gather(layout).rounds
    assert [pair["second"] for pair in first.hard_pairs] == ["d", "b", "e"]
    assert second.hard_pairs == []


def test_the_headline_is_the_last_student_beside_the_best_teacher(layout):
    cards = headline(gather(layout))
    assert cards[0] == ("0.800", "SRCC of the student, seen distortions", "best teacher: ensemble, 0.750")
    assert cards[2] == ("12", "training pairs", "in 2 rounds")
    assert cards[3] == ("3", "rows in quarantine", "2 causes")


def test_the_best_of_each_column_is_marked(layout):
    rows = results(gather(layout))
    assert [row["name"] for row in rows] == ["niqe", "brisque", "ensemble", "student, round 1", "student, round 2"]
    assert [row["best"]["unseen", "srcc"] for row in rows] == [False, False, False, False, True]


@pytest.mark.parametrize("parts", [[], ["config"], ["config", "calibration"], ["metrics"]])
def test_the_report_of_an_unfinished_run_shows_what_there_is(parts, layout, tmp_path):
    part = RunLayout(tmp_path / "part")
    sources = {
        "config": (layout.config, part.config),
        "calibration": (layout.calibration, part.calibration),
        "metrics": (layout.metrics(1), part.metrics(1)),
    }
    for name in parts:
        source, target = sources[name]
        write_bytes(target, source.read_bytes())
    write_report(part)
    words = " ".join(Page(part.report_html.read_text(encoding="utf-8")).words)
    assert ("No round has been evaluated yet" in words) is ("metrics" not in parts)
    assert read_json(part.report_json)["run"] == "part"


def test_the_same_run_gives_the_same_bytes(layout):
    write_report(layout)
    first = layout.report_html.read_bytes(), layout.report_json.read_bytes()
    write_report(layout)
    assert (layout.report_html.read_bytes(), layout.report_json.read_bytes()) == first
