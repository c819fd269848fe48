"""The ensemble of the teachers' scores in a run: human scores as the target, and warnings about teachers that do not fit."""

import numpy as np
import pytest

from actors.teachers import load_teacher
from pipeline.console import UserError
from pipeline.run_folder.records import ENSEMBLE, SCORES
from pipeline.run_folder.store import read_json, read_table
from pipeline.steps.ensemble import ensemble, step

NAMES = ("artefact", "exposure", "sharpness")
COUNT = 40
TEACHERS = f"teachers.names=[{', '.join(NAMES)}]"


@pytest.fixture
def quality(tables):
    """A pool of rated videos; each teacher measures the quality in its own range and with its own error."""
    rng = np.random.default_rng(1)
    values = rng.uniform(20, 80, COUNT)
    tables.videos([{"video_id": f"v{k:02d}", "uri": f"/pool/part/v{k:02d}.mp4"} for k in range(COUNT)])
    for spread, name in enumerate(NAMES, 1):
        put(tables, name, values / 100 + rng.normal(0, 0.03 * spread, COUNT))
    return values


def put(tables, name, values):
    digest = load_teacher(name).digest()
    rows = [
        {"video_id": f"v{k:02d}", "teacher": name, "digest": digest, "score": float(value), "status": "ok"}
        for k, value in enumerate(values)
    ]
    tables.write(tables.layout.scores(name) / "shard-00000.parquet", SCORES, rows)


def mos_file_of(tmp_path, values):
    file = tmp_path / "mos.csv"
    file.write_text("video,mos\n" + "".join(f"part/v{k:02d}.mp4,{value}\n" for k, value in enumerate(values)))
    return file


def console_text(tables):
    return " ".join(tables.stream.getvalue().split())


def means(tables):
    return np.array(read_table(tables.layout.ensemble, ENSEMBLE)["mean"].to_pylist())


def test_without_human_scores_the_scale_is_that_of_the_consensus(tables, configured, quality):
    ensemble(tables.run(configured(TEACHERS)))
    assert read_json(tables.layout.calibration)["target"] == "consensus"
    assert np.corrcoef(means(tables), quality)[0, 1] > 0.95
    assert abs(means(tables).mean() - 50) < 1


def test_human_scores_set_the_scale(tables, configured, quality, tmp_path):
    said = ensemble(tables.run(configured(TEACHERS, f"teachers.mos={mos_file_of(tmp_path, quality[:30])}")))["what"]
    assert read_json(tables.layout.calibration)["target"] == "given"
    assert np.abs(means(tables) - quality).mean() < 5
    assert "human scores of 30 of 40 windows" in said
    assert "warning: teachers.mos" not in console_text(tables)


def test_human_scores_of_another_range_become_points(tables, configured, quality, tmp_path):
    file = mos_file_of(tmp_path, 1 + quality / 25)
    with pytest.raises(UserError, match=r"teachers\.mos .*mos\.csv: all scores lie in .*such as FILE\?range=1\.\.5"):
        ensemble(tables.run(configured(TEACHERS, f"teachers.mos={file}")))
    run = tables.run(configured(TEACHERS, f"teachers.mos={file}?range=1..5"))
    ensemble(run)
    assert np.abs(means(tables) - quality).mean() < 5
    assert step(run).inputs["mos range"] == [1.0, 5.0]


def test_rows_that_cannot_be_used_are_counted_and_said(tables, configured, quality, tmp_path):
    file = mos_file_of(tmp_path, ["none", *quality[1:]])
    file.write_text(file.read_text() + "part/v02.mp4,50\n")
    said = ensemble(tables.run(configured(TEACHERS, f"teachers.mos={file}")))["what"]
    assert "human scores of 38 of 40 windows" in said
    text = console_text(tables)
    assert "teachers.mos: 2 windows count as unrated" in text
    assert "mos of /pool/part/v00.mp4 is not a finite number" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no such file"),
        ("video,mos\nelsewhere.mp4,30\n", "it rates 0 of 40 pool videos,"),
        (
            "video,mos\npart/v01.mp4,none\n",
            r"rates 0 of 40 pool videos \(1 more have no usable row, the first: .*v01\.mp4",
        ),
        ("video,mos\npart/v01.mp4,-3\n", r"1 of 1 scores lie outside 0\.\.100, the first is -3 of part/v01\.mp4"),
        ("video,rating\nv01.mp4,3\n", "has no column mos"),
    ],
)
def test_unusable_human_scores_stop_the_run(tables, configured, quality, tmp_path, content, words):
    file = tmp_path / "mos.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(UserError, match=words) as caught:
        ensemble(tables.run(configured(TEACHERS, f"teachers.mos={file}")))
    assert "\n" not in str(caught.value)


def test_a_constant_teacher_is_left_out_and_said(tables, configured, quality):
    put(tables, "exposure", np.full(COUNT, 0.5))
    ensemble(tables.run(configured(TEACHERS)))
    assert read_json(tables.layout.calibration)["excluded"] == {"exposure": "the same score (0.5) for every video"}
    assert "exposure is left out" in console_text(tables)


def test_one_teacher_that_is_left_stops_the_run(tables, configured, quality):
    for name in NAMES[:2]:
        put(tables, name, np.full(COUNT, 0.5))
    with pytest.raises(UserError, match=r"1 usable teacher.*artefact: the same score.*exposure: the same score"):
        ensemble(tables.run(configured(TEACHERS)))


def test_a_bad_fit_is_said(tables, configured, quality, tmp_path):
    noise = quality[np.random.default_rng(8).permutation(COUNT)]
    put(tables, "sharpness", noise if np.corrcoef(noise, quality)[0, 1] > 0 else -noise)
    ensemble(tables.run(configured(TEACHERS, f"teachers.mos={mos_file_of(tmp_path, quality)}")))
    assert "sharpness fits the human scores badly" in console_text(tables)


def test_reliability_weights_are_written_down(tables, configured, quality):
    ensemble(tables.run(configured(TEACHERS, "teachers.weights=reliability")))
    weights = read_json(tables.layout.calibration)["weights"]
    assert weights["artefact"] > weights["sharpness"]
    assert sum(weights.values()) == pytest.approx(1)


def test_one_teacher_can_label_alone_while_the_others_are_only_measured(tables, configured, quality):
    said = ensemble(tables.run(configured(TEACHERS, "teachers.labels=exposure")))["what"]
    assert said == "teacher exposure alone, on a scale of its own percentiles"
    table = read_table(tables.layout.ensemble, ENSEMBLE)
    assert set(table["variance"].to_pylist()) == {0.0}
    assert set(table["n_teachers"].to_pylist()) == {1}
    assert list(read_json(tables.layout.calibration)["teachers"]) == ["exposure"]


def test_a_run_with_one_teacher_labels_by_it(tables, configured, quality):
    ensemble(tables.run(configured("teachers.names=[sharpness]")))
    assert read_table(tables.layout.ensemble, ENSEMBLE).num_rows == COUNT


def test_other_labels_than_the_ensembles_change_the_inputs_of_the_step(tables, configured):
    usual = step(tables.run(configured(TEACHERS))).inputs
    single = step(tables.run(configured(TEACHERS, "teachers.labels=niqe", "teachers.names=[niqe, exposure]"))).inputs
    assert [key for key in usual if key.startswith("scores")] == [f"scores {name}" for name in NAMES]
    assert [key for key in single if key.startswith("scores")] == ["scores niqe"]
