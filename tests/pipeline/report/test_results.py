import numpy as np
import pytest

from pipeline.corpus.proxies import items
from pipeline.report.results import add_intervals, errors, result_rows
from pipeline.run_folder.store import read_json


@pytest.fixture
def metrics(layout):
    return [read_json(layout.metrics(number)) for number in (1, 2)]


def test_intervals_stand_beside_every_figure_whose_scores_are_kept(layout, metrics):
    rows = result_rows(metrics)
    facts = add_intervals(layout, rows, read_json(layout.calibration))
    assert facts["unseen"]["sources"] == 5
    assert facts["unseen"]["note"] == ""
    for row in rows:
        for key, (low, high) in row["suites"]["unseen"]["intervals"].items():
            assert -1 <= low <= high <= 1, (row["name"], key)
    widths = {row["name"]: np.ptp(row["suites"]["unseen"]["intervals"]["within"]) for row in rows}
    assert widths["student, stage 2"] < widths["brisque"], "one follows the labels, the other is noise"


def test_a_teacher_whose_lower_scores_are_better_is_turned(layout, metrics):
    rows = result_rows(metrics)
    add_intervals(layout, rows, read_json(layout.calibration))
    low, high = rows[0]["suites"]["unseen"]["intervals"]["srcc"]
    assert rows[0]["name"] == "niqe"
    assert 0.3 < low < high, "its scores fall with the labels, and its recorded figure says that this is right"


def test_the_ensemble_of_a_weighted_run_is_the_weighted_mean(layout, metrics):
    calibration = read_json(layout.calibration)

    def interval(**weights):
        rows = result_rows(metrics)
        add_intervals(layout, rows, {**calibration, **({"weights": weights} if weights else {})})
        found = {row["name"]: row["suites"]["unseen"]["intervals"]["srcc"] for row in rows}
        return found["ensemble"], found["niqe"]

    plain, niqe = interval()
    assert interval(niqe=0.5, brisque=0.5)[0] == plain
    assert interval(niqe=1 - 1e-9, brisque=1e-9)[0] == pytest.approx(niqe) != plain


def test_the_lead_is_the_last_student_less_the_best_teacher(layout, metrics):
    rows = result_rows(metrics)
    lead = add_intervals(layout, rows, read_json(layout.calibration))["seen"]["lead"]["within"]
    assert (lead["best"], lead["teacher"]) == ("ensemble", 0.75)
    assert lead["value"] == pytest.approx(0.8 - 0.75)
    assert lead["interval"][0] <= lead["interval"][1]


def test_too_few_sources_give_a_line_and_no_interval(tables, metrics):
    rows = [{"video_id": f"c{k}", "mos": float(k), "source_id": f"h{k % 2}", "level": 1} for k in range(8)]
    tables.benchmark("seen", rows)
    models = result_rows(metrics)
    facts = add_intervals(tables.layout, models, {})
    assert facts["seen"]["note"].startswith("no intervals: 2 held-out windows")
    assert all("intervals" not in row["suites"]["seen"] for row in models)


def test_scores_that_were_not_kept_are_named(tables, metrics):
    rows = [{"video_id": f"c{k}", "mos": float(k), "source_id": f"h{k % 4}", "level": 1} for k in range(16)]
    tables.benchmark("unseen", rows)
    facts = add_intervals(tables.layout, result_rows(metrics), {})
    assert facts["unseen"]["note"].endswith("niqe, brisque, ensemble, student, stage 1, student, stage 2")
    assert facts["unseen"]["lead"]["within"]["interval"] is None


def test_errors_are_those_of_the_student_on_the_scale_of_vmaf(layout):
    found = errors(layout, 2)["unseen"]
    assert [(cell["distortion"], cell["level"], cell["count"]) for cell in found["cells"]] == [
        ("mpeg2", level, 5) for level in (1, 2, 3, 4)
    ]
    assert all(cell["error"] >= abs(cell["bias"]) for cell in found["cells"])
    (worst,) = found["copies"]
    labels = {row["video_id"]: row["mos"] for row in items(layout, "unseen")}
    assert worst["vmaf"] == labels[worst["video_id"]]
    assert 0 <= worst["student"] <= 100
    assert abs(worst["student"] - worst["vmaf"]) >= max(cell["error"] for cell in found["cells"])


def test_without_the_student_s_scores_there_are_no_errors(tables):
    tables.benchmark("seen", [{"video_id": "c", "mos": 1.0, "level": 1}])
    assert errors(tables.layout, 1) == {}
