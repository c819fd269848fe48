import itertools
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest

from trainers.job import TrainJob
from trainers.launch import train
from trainers.passed import note_passed, read_passed
from trainers.settings import TrainingSettings
from trainers.sweep import METRIC, SweepRow, concurrent_trials, fitted, halve, sweep, trial_job


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
        settings=TrainingSettings(epochs=3, batch_size=32, lr=0.02, checkpoint_every=20, workers=1),
    )


def test_trials_are_limited_by_what_the_cluster_has(job):
    assert concurrent_trials(job, {"CPU": 4}) == 2
    assert concurrent_trials(job, {"CPU": 7.5}) == 5
    with pytest.raises(ValueError, match=r"needs 1\.5 CPU, the cluster has 1 CPU"):
        concurrent_trials(job, {"CPU": 1})


def test_two_workers_and_their_trial_fit_two_cores(job):
    two = job.changed(workers=2)
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

    with pytest.raises(ValueError, match="give the job a validation table"):
        sweep(replace(job, validation=None), [0.0])


STEPS = 100


class Curves:
    """Trainings of which the order accuracy at every step is known; they are asked for one at a time, or all at once."""

    def __init__(self, curves):
        self.curves = curves
        self.rungs = []

    def __call__(self, values, until):
        self.rungs.append((until, sorted(values)))
        step = min(until, STEPS)
        return [
            SweepRow(value, f"lambda-{value}", step, STEPS, self.curves[value](step), 0.5, 1.0, 1.0, "")
            for value in values
        ]


# the last value is behind by a little at the first look, and best at the end
SLOW_START = {
    0.0: lambda step: 0.80 + 0.0001 * step,
    0.25: lambda step: 0.70 + 0.0001 * step,
    0.5: lambda step: 0.75 + 0.0001 * step,
    1.0: lambda step: 0.79 + 0.001 * step,
}


@pytest.mark.parametrize("order", list(itertools.permutations(SLOW_START)))
def test_no_order_of_the_values_changes_what_a_sweep_ends_and_finds(order):
    curves = Curves(SLOW_START)
    rows = halve(order, 10, curves)
    assert [row.lambda_ for row in rows] == [1.0, 0.0, 0.5, 0.25]
    assert curves.rungs == [(10, [0.0, 0.25, 0.5, 1.0]), (20, [0.0, 1.0]), (100, [1.0])]
    assert [row.stopped_at for row in rows] == [100, 20, 10, 10]


def test_a_training_that_is_shorter_than_the_grace_ends_no_value():
    curves = Curves(SLOW_START)
    rows = halve(list(SLOW_START), 200, curves)
    assert len(curves.rungs) == 1
    assert all(row.complete for row in rows)


def test_a_trial_that_fails_stands_last_and_takes_no_place_of_another():
    curves = Curves(SLOW_START)

    def rung(values, until):
        rows = curves(values, until)
        return [replace(row, error="out of memory") if row.lambda_ == 0.0 else row for row in rows]

    rows = halve(list(SLOW_START), 10, rung)
    assert [row.lambda_ for row in rows] == [1.0, 0.5, 0.25, 0.0]
    assert [row.stopped_at for row in rows][:2] == [100, 20]
    assert rows[-1].error == "out of memory"


class Trainings:
    """In place of Ray: trainings with known curves that keep, as real ones do, how they stood at every checkpoint."""

    def __init__(self, monkeypatch, curves):
        self.curves, self.at, self.asked, self.broken = curves, {}, [], set()
        monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 4})
        monkeypatch.setattr("trainers.sweep._trials", self.trials)

    def trials(self, job, values, until, _at_once):
        self.asked.append((until, sorted(values)))
        return [self.row(job, value, until) for value in values]

    def row(self, job, value, until):
        trial = trial_job(job, value)
        if value in self.broken:
            return SweepRow(value, trial.output, 0, 0, nan, nan, nan, nan, "out of memory")
        end = min(until, STEPS)
        (Path(job.storage) / trial.name).mkdir(parents=True, exist_ok=True)
        for step in range(self.at.get(value, 0) + 1, end + 1):
            if step % job.settings.checkpoint_every == 0 or step == end:
                note_passed(Path(job.storage) / trial.name, trial, step, self.metrics(value, step))
        self.at[value] = max(self.at.get(value, 0), end)
        return SweepRow(
            value, trial.output, self.at[value], STEPS, self.curves[value](self.at[value]), 0.5, 1.0, 1.0, ""
        )

    def metrics(self, value, step):
        order = self.curves[value](step)
        return {"step": step, "steps": STEPS, METRIC: order, "validation_accuracy": 0.5, "ce": 1.0, "entropy": 1.0}


@pytest.fixture
def small(tmp_path):
    """A job of which nothing is read."""
    places = {name: str(tmp_path / name) for name in ("pairs", "features", "output", "validation", "storage")}
    return TrainJob(**places, name="sweep", settings=TrainingSettings(checkpoint_every=5, workers=1))


def test_figures_are_those_of_the_job_they_were_kept_for(tmp_path, small):
    note_passed(tmp_path, small, 10, {"ce": 1.0})
    note_passed(tmp_path, small, 20, {"ce": 2.0})
    assert [read_passed(tmp_path, small, step) for step in (10, 20, 30)] == [{"ce": 1.0}, {"ce": 2.0}, None]
    assert read_passed(tmp_path, replace(small, seed=1), 10) is None


def test_a_sweep_after_one_of_other_values_decides_as_if_it_were_the_first(monkeypatch, small):
    trainings = Trainings(monkeypatch, SLOW_START)
    first = sweep(small, [0.0, 0.25])
    assert [(row.lambda_, row.stopped_at) for row in first] == [(0.0, STEPS), (0.25, 10)]
    trainings.asked.clear()
    after = sweep(small, [0.0, 0.25, 0.5, 1.0])
    assert trainings.asked == [(10, [0.5, 1.0]), (20, [1.0]), (STEPS, [1.0])], "what is trained is not trained again"
    Trainings(monkeypatch, SLOW_START)
    assert after == sweep(replace(small, storage=f"{small.storage}-fresh"), [0.0, 0.25, 0.5, 1.0])
    assert [(row.lambda_, row.stopped_at) for row in after] == [(1.0, 100), (0.0, 20), (0.5, 10), (0.25, 10)]


def test_what_failed_is_tried_again_and_then_decided_as_if_it_never_had(monkeypatch, small):
    trainings = Trainings(monkeypatch, SLOW_START)
    trainings.broken = {1.0}
    rows = sweep(small, list(SLOW_START))
    assert (rows[0].lambda_, rows[-1].error) == (0.0, "out of memory")
    trainings.broken = set()
    assert [(row.lambda_, row.stopped_at) for row in sweep(small, list(SLOW_START))] == [
        (1.0, 100),
        (0.0, 20),
        (0.5, 10),
        (0.25, 10),
    ]


def test_a_complete_training_is_asked_again_since_another_sweep_may_have_taken_its_folder(monkeypatch, small):
    trainings = Trainings(monkeypatch, SLOW_START)
    first = sweep(small, [0.0])
    trainings.asked.clear()
    assert sweep(small, [0.0]) == first
    assert trainings.asked == [(STEPS, [0.0])]


def test_a_training_that_is_further_than_is_known_of_it_is_refused_with_the_folder_to_delete(monkeypatch, small):
    trainings = Trainings(monkeypatch, SLOW_START)
    trainings.at[0.0] = 50  # by a version that kept no figures
    with pytest.raises(
        ValueError, match=r"lambda 0\.0 is at step 50.* at step 10 .*: delete .*sweep-lambda-0\.0 to train"
    ):
        sweep(small, [0.0, 0.5])


@pytest.mark.heavy  # beside the sweep of a whole command
def test_a_sweep_compares_the_weights_and_runs_again_without_training(ray_session, job):
    rows = sweep(job, [0.0, "adaptive"], grace_steps=1000)
    assert {row.lambda_ for row in rows} == {0.0, "adaptive"}
    assert [row.error for row in rows] == ["", ""]
    assert all(row.stopped_at == row.steps == 57 for row in rows)
    assert all(row.validation_order_accuracy > 0.9 for row in rows)
    assert rows[0].validation_order_accuracy >= rows[1].validation_order_accuracy
    weights = {row.output: (Path(row.output) / "model.safetensors").read_bytes() for row in rows}
    again = sweep(job, [0.0, "adaptive"], grace_steps=1000)
    assert {row.output: (Path(row.output) / "model.safetensors").read_bytes() for row in again} == weights


@pytest.mark.heavy
def test_a_sweep_that_ends_a_value_early_decides_the_same_again_and_trains_the_other_as_if_it_were_alone(
    ray_session, job
):
    halved = replace(job, name="halved", output=f"{job.output}-halved")
    rows = sweep(halved, [1.0, 0.0], grace_steps=10)
    assert [(row.lambda_, row.stopped_at) for row in rows] == [(0.0, 57), (1.0, 10)]
    assert not Path(rows[1].output).exists()
    assert sweep(halved, [1.0, 0.0], grace_steps=10) == rows
    alone = replace(job.changed(lambda_=0.0), name="alone", output=f"{job.output}-alone")
    train(alone)
    weights = [(Path(folder) / "model.safetensors").read_bytes() for folder in (rows[0].output, alone.output)]
    assert weights[0] == weights[1]
