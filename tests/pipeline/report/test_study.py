import json

import pytest
from browser import chromium, show
from judged_runs import judged_run

from pipeline.report.comparison import judged
from pipeline.report.study import (
    Study,
    as_json,
    charts,
    comparisons,
    decided,
    decisions_table,
    differences_table,
    figures_table,
    markdown,
    page,
)
from pipeline.run_folder.store import write_json

NOISE = {"I": 8.0, "II": 0.4, "III": 0.3, "IV": 0.3, "VI": 0.1}


@pytest.fixture
def study(tmp_path):
    """Two seeds of five rows, of which one run failed; each row sees the label better than the one before."""
    runs = {
        (row, seed): judged(judged_run(tmp_path / f"{seed}-{row}", noise, seed))
        for row, noise in NOISE.items()
        for seed in (0, 1)
        if (row, seed) != ("III", 1)
    }
    return Study(list(NOISE), [0, 1], runs, {("III", 1): "too few <pairs>"}, ["Preset demo | 20 clips."])


def test_rows_are_compared_with_the_one_that_differs_in_one_part(study):
    assert comparisons(study) == [("II", "I"), ("III", "II"), ("IV", "III"), ("VI", "IV")]


def test_the_table_has_the_mean_the_spread_and_the_interval_of_each_row(study):
    rows = {row[0].text.partition(":")[0]: row for row in figures_table(study)}
    assert list(rows) == [*NOISE, "teachers' ensemble"]
    assert [rows[name][1].text for name in NOISE] == ["2", "2", "1", "2", "2"], "finished runs"
    values = [study.runs["VI", seed].values["unseen", "within"] for seed in (0, 1)]
    assert rows["VI"][2].text == f"{sum(values) / 2:.3f}"
    assert rows["VI"][2].note.startswith("± ")
    assert " to " in rows["VI"][2].note
    assert rows["III"][2].note.count("±") == 0, "one seed has no spread"
    assert rows["teachers' ensemble"][2].text == "0.200"


def test_differences_say_on_how_many_seeds_they_are_above_zero(study):
    rows = {row[0].text: row for row in differences_table(study)}
    assert rows["II - I"][1].text == "2"
    assert rows["III - II"][1].text == "1", "only seeds that both rows have"
    assert "above 0 on 2 of 2" in rows["II - I"][2].note
    assert rows["II - I"][2].text.startswith("+")
    assert rows["II - I"][2].mark == "best", "the interval does not hold 0"


def test_the_figures_are_plain_values_for_programs(study):
    tree = json.loads(json.dumps(as_json(study), allow_nan=False))
    assert [row["name"] for row in tree["rows"]] == list(NOISE)
    assert tree["rows"][0]["unseen_within"]["values"] == [
        study.runs["I", seed].values["unseen", "within"] for seed in (0, 1)
    ]
    assert tree["failures"] == [{"row": "III", "seed": 1, "error": "too few <pairs>"}]
    assert {row["row"] for row in tree["differences"]} == {"II", "III", "IV", "VI"}


def test_the_document_says_how_it_was_made_what_the_rows_are_and_what_failed(study):
    text = markdown(study)
    assert text.startswith("# Study: what each part of the method earns\n\nPreset demo | 20 clips.\n")
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert [len(lines) for lines in tables] == [2 + 5, 2 + 6, 2 + 4]
    for lines in tables:
        assert len({line.count("|") - line.count("\\|") for line in lines}) == 1, "as many cells in each line"
    assert "| II - I | 2 | **+" in text, "its interval does not hold 0"
    assert "Row III of seed 1 did not finish: too few <pairs>" in text


def test_every_chart_names_its_rows_and_its_best(study):
    drawn = charts(study)
    assert [len(drawn[key]) for key in ("rows", "differences")] == [4, 4]
    chart = drawn["rows"][0]
    assert chart.figure["data"][1]["y"] == list(NOISE)
    assert "highest: VI with" in chart.alt
    assert "II - I" in drawn["differences"][0].alt


def test_the_stopping_rule_is_right_where_it_goes_on_and_the_next_stage_is_better(tmp_path):
    layout = judged_run(tmp_path / "a", 2.0)
    for stage, noise in ((2, 0.3), (3, 5.0)):
        judged_run(tmp_path / "a", noise, stage=stage)
    for stage, stop in ((1, False), (2, False)):
        write_json(layout.decision(stage), {"stop": stop, "why": "because <it> is", "keep": stage})
    found = decided(layout, "VI", 4, 3)
    assert [(one.row, one.seed, one.stage, one.stop) for one in found] == [("VI", 4, 1, False), ("VI", 4, 2, False)]
    assert [one.right(("unseen", "within")) for one in found] == [True, False]
    study = Study(["VI"], [4], {}, {}, (), found)
    table = decisions_table(study)
    assert [cell.text for cell in table[0][:2]] == ["row VI, seed 4, after stage 1", "go on"]
    assert table[-1][2].text == "1 of 2"
    assert "because &lt;it&gt; is" in page(study, "s")
    assert "| row VI, seed 4, after stage 2 | go on (because <it> is) |" in markdown(study)
    assert decided(judged_run(tmp_path / "b", 1.0), "VI", 4, 3) == [], "it was not measured"


def test_the_page_escapes_what_comes_from_outside(study):
    text = page(study, "a <b>study</b>")
    assert "too few &lt;pairs&gt;" in text
    assert "<b>study</b>" not in text
    assert "What each part earns" in text


def test_a_study_without_a_finished_run_has_a_page_too():
    empty = Study(["I", "II"], [0], {}, {("I", 0): "no", ("II", 0): "no"})
    assert "No row has finished yet." in page(empty, "study")
    assert as_json(empty)["rows"][0]["unseen_within"] is None


def test_a_browser_draws_every_chart_and_says_nothing(study, tmp_path):
    (tmp_path / "study.html").write_text(page(study, "study"), encoding="utf-8")
    with chromium() as browser:
        show(browser, tmp_path / "study.html")
        drawn = browser.execute_script(
            "const count = (one) => one.querySelectorAll('.scatterlayer .trace').length;"
            "return [...document.querySelectorAll('[data-figure]')].map(count)"
        )
        assert drawn == [1] * 4 + [2] * 4
        assert [entry["message"] for entry in browser.get_log("browser")] == []
