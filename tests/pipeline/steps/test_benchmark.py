"""The teachers and their ensemble on the proxy benchmarks."""

import numpy as np
import pytest

from actors.teachers import load_teacher
from pipeline.corpus.proxies import SUITES
from pipeline.look.look import look_settings
from pipeline.run_folder.records import SCORES
from pipeline.run_folder.store import read_json
from pipeline.steps import ensemble
from pipeline.steps.benchmark import look, step, teachers, teachers_step

NAMES = ("artefact", "exposure", "sharpness")
POOL, SOURCES, LEVELS = 40, 4, 5
TEACHERS = f"teachers.names=[{', '.join(NAMES)}]"


@pytest.fixture
def scored(tables):
    """A pool and both suites, scored by three teachers, each less exact than the one before."""
    rng = np.random.default_rng(1)
    pool = {f"v{k:02d}": quality for k, quality in enumerate(rng.uniform(20, 80, POOL))}
    tables.videos([{"video_id": name} for name in pool])
    copies = {}
    for suite in SUITES:
        rows = [
            {"video_id": f"{suite}-{source}-{level}", "source_id": f"h{source}", "mos": float(rng.uniform(20, 80))}
            | {"distortion": "h264", "level": level}
            for source in range(SOURCES)
            for level in range(1, LEVELS + 1)
        ]
        tables.benchmark(suite, rows)
        copies |= {row["video_id"]: row["mos"] for row in rows}
    for name, noise in zip(NAMES, (0.01, 0.1, 0.3), strict=True):
        for folder, qualities in ((tables.layout.scores(name), pool), (tables.layout.benchmark_scores(name), copies)):
            put(tables, folder, name, {video: value / 100 + rng.normal(0, noise) for video, value in qualities.items()})
    return tables


def put(tables, folder, name, scores):
    digest = load_teacher(name).digest()
    rows = [
        {"video_id": video, "teacher": name, "digest": digest, "score": float(value), "status": "ok"}
        for video, value in scores.items()
    ]
    tables.write(folder / "shard-00000.parquet", SCORES, rows)


def figures(tables, config):
    teachers(tables.run(config))
    return read_json(tables.layout.benchmark_teachers)["unseen"]


def test_the_ensemble_of_weighted_teachers_is_their_weighted_mean(scored, configured):
    plain = figures(scored, configured(TEACHERS))
    weighted = figures(scored, configured(TEACHERS, "teachers.weights=reliability"))
    assert weighted["ensemble"]["srcc"] > plain["ensemble"]["srcc"] + 0.02, "the exact teacher has most of the weight"
    assert {name: weighted[name] for name in NAMES} == {name: plain[name] for name in NAMES}


def inputs(tables, config):
    return teachers_step(tables.run(config)).inputs


def test_a_run_with_both_labels_has_the_inputs_of_versions_that_knew_no_other(tables, configured):
    both, first = (step(tables.run(configured(*words))) for words in ([], ["benchmark.second_label=false"]))
    assert "second_label" not in both.inputs["benchmark"].model_dump(mode="json")
    assert first.inputs["benchmark"].model_dump(mode="json")["second_label"] is False
    config = configured("benchmark.second_label=false")
    settings = [look_settings(look(tables.run(one)), one) for one in (configured(), config)]
    assert settings[1] == {**settings[0], "second_label": False}


def test_the_inputs_of_a_run_of_all_teachers_with_equal_weights_are_the_benchmarks_and_the_calibration(
    tables, configured
):
    usual = ["seen", "unseen", "calibration"]
    assert list(inputs(tables, configured())) == usual
    assert list(inputs(tables, configured("teachers.names=[niqe]", "teachers.labels=niqe"))) == usual


def test_the_teachers_that_label_no_pair_are_inputs_as_well(scored, configured):
    two, three = (
        configured(f"teachers.names=[{names}]", "teachers.labels=exposure")
        for names in ("artefact, exposure", ", ".join(NAMES))
    )
    written = []
    for config in (two, three):
        ensemble.ensemble(scored.run(config))
        written.append(scored.layout.calibration.read_bytes())
    assert written[0] == written[1], "so the calibration alone would leave a new teacher without figures"
    assert set(inputs(scored, two)["teachers"]) < set(inputs(scored, three)["teachers"])
    assert set(figures(scored, three)) == {*NAMES, "ensemble"}


def test_weights_change_the_inputs(tables, configured):
    assert inputs(tables, configured("teachers.weights=reliability"))["weights"] == "reliability"
