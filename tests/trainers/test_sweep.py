from dataclasses import replace

import pytest

from trainers.job import TrainJob
from trainers.sweep import concurrent_trials, fitted, sweep, trial_job


@pytest.fixture
def job(tmp_path, write_ordering):
    paths = write_ordering(tmp_path)
    held_out = write_ordering(tmp_path / "held-out", pairs=150)
    return TrainJob(
        **paths,
        validation=held_out["pairs"],
        output=str(tmp_path / "students"),
        name="sweep",
        storage=str(tmp_path / "trainings"),
        epochs=3,
        batch_size=32,
        learning_rate=0.02,
        checkpoint_every=20,
        workers=1,
    )


def test_trials_are_limited_by_what_the_cluster_has(job):
    assert concurrent_trials(job, {"CPU": 4}) == 2
    assert concurrent_trials(job, {"CPU": 7.5}) == 5
    with pytest.raises(ValueError, match=r"needs 1\.5 CPU, the cluster has 1 CPU"):
        concurrent_trials(job, {"CPU": 1})


def test_two_workers_and_their_trial_fit_two_cores(job):
    two = replace(job, workers=2)
    with pytest.raises(ValueError, match=r"needs 2\.5 CPU"):
        concurrent_trials(two, {"CPU": 2})
    assert concurrent_trials(fitted(two, {"CPU": 2}), {"CPU": 2}) == 1
    assert fitted(two, {"CPU": 2}).fingerprint() == two.fingerprint()
    assert fitted(two, {"CPU": 8}) == two
    assert fitted(two, {"CPU": 1}) == two, "too small: the refusal says what is needed"


def test_every_trial_has_its_own_name_and_folder(job):
    trials = [trial_job(job, value) for value in (0.0, 0.5, "adaptive")]
    assert len({trial.name for trial in trials}) == len({trial.output for trial in trials}) == 3


def test_a_sweep_needs_held_out_pairs(job):
    from dataclasses import replace

    with pytest.raises(ValueError, match="give the job a validation table"):
        sweep(replace(job, validation=None), [0.0])


@pytest.mark.heavy  # beside the sweep of a whole command
def test_a_sweep_compares_the_weights_and_runs_again_without_training(ray_session, job):
    from pathlib import Path

    rows = sweep(job, [0.0, "adaptive"], grace_steps=1000)
    assert {row.confidence for row in rows} == {0.0, "adaptive"}
    assert [row.error for row in rows] == ["", ""]
    assert all(row.stopped_at == row.steps == 57 for row in rows)
    assert all(row.validation_order_accuracy > 0.9 for row in rows)
    assert rows[0].validation_order_accuracy >= rows[1].validation_order_accuracy
    weights = {row.output: (Path(row.output) / "model.safetensors").read_bytes() for row in rows}
    again = sweep(job, [0.0, "adaptive"], grace_steps=1000)
    assert {row.output: (Path(row.output) / "model.safetensors").read_bytes() for row in again} == weights
