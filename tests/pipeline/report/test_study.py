import json

import pytest
from browser import chromium, show
from judged_runs import judged_run

from pipeline.report.comparison import judged
from pipeline.report.stops import stopped
from pipeline.report.study import (
    Study,
    as_json,
    charts,
    comparisons,
    decisions_table,
    differences_table,
    figures_table,
    markdown,
    page,
    stops_table,
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


def stopped_run(folder, noises, said):
    """A run whose students of the stages have these noises, and what the rule said after each but the last."""
    for stage, noise in enumerate(noises, 1):
        layout = judged_run(folder, noise, stage=stage)
    for stage, (stop, keep) in enumerate(said, 1):
        write_json(layout.decision(stage), {"stop": stop, "why": "because <it> is", "keep": keep})
    return stopped(layout, "VI", 4, len(noises))


WITHIN = ("unseen", "within")


def test_the_rule_is_judged_by_the_student_that_it_keeps(tmp_path):
    run = stopped_run(tmp_path, (5.0, 0.3, 5.0), [(False, 1), (True, 2)])
    assert (run.trained, run.kept) == (2, 2)
    assert run.right(WITHIN, 2), "the best student is kept"
    assert run.better(WITHIN).mean < 0
    assert not run.right(WITHIN, 1), "the second is above it beyond chance"
    assert not run.right(WITHIN, 3)
    table = stops_table(Study(["VI"], [4], {}, {}, (), [run]))
    assert [cell.text for cell in table[0][:2]] == ["row VI, seed 4", "trains 2 of 3, keeps 2"]
    ends = [(row[0].text, row[1].text, row[2].text) for row in table[1:]]
    assert ends == [
        ("right: the rule", "trains 2", "1 of 1"),
        ("right: one stage always", "trains 1", "0 of 1"),
        ("right: all stages always", "trains 3", "0 of 1"),
    ]


def test_a_rule_that_finds_harm_keeps_the_student_before(tmp_path):
    run = stopped_run(tmp_path, (0.3, 5.0, 5.0), [(False, 1), (True, 1)])
    assert (run.trained, run.kept) == (2, 1)
    assert run.right(WITHIN, run.kept)


def test_a_rule_that_never_stops_trains_and_keeps_the_last(tmp_path):
    run = stopped_run(tmp_path, (0.3, 0.3, 5.0), [(False, 1), (False, 2)])
    assert (run.trained, run.kept) == (3, 3)
    assert not run.right(WITHIN, run.kept)
    assert run.right(WITHIN, 1)
    assert run.right(WITHIN, 2), "equal students are no reason to go on"


def test_what_the_rule_said_stands_beside_what_the_next_stage_brought(tmp_path):
    run = stopped_run(tmp_path, (2.0, 0.3, 5.0), [(False, 1), (False, 2)])
    study = Study(["VI"], [4], {}, {}, (), [run])
    table = decisions_table(study)
    assert [cell.text for cell in table[0][:2]] == ["row VI, seed 4, after stage 1", "go on"]
    assert [row[2].text[0] for row in table] == ["+", "\N{MINUS SIGN}"]
    assert "because &lt;it&gt; is" in page(study, "s")
    assert "| row VI, seed 4, after stage 2 | go on (because <it> is) |" in markdown(study)
    assert "right: one stage always" in markdown(study)
    assert json.loads(json.dumps(as_json(study), allow_nan=False))["stops"][0]["kept"] == 3


def test_a_run_of_two_stages_says_nothing_of_the_rule(tmp_path):
    run = stopped_run(tmp_path, (2.0, 0.3), [(False, 1)])
    study = Study(["V"], [4], {}, {}, (), [run])
    assert len(decisions_table(study)) == 1
    assert stops_table(study) == []
    assert "Where it ends a run" not in markdown(study) + page(study, "s")


def test_a_run_in_which_the_rule_was_not_asked_says_nothing(tmp_path):
    assert stopped(judged_run(tmp_path, 1.0), "VI", 4, 3) is None
    assert stopped(judged_run(tmp_path, 1.0), "IV", 4, 1) is None
    assert stops_table(Study(["VI"], [4], {}, {})) == []


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
