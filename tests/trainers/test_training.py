"""Whole trainings under a real Ray: DeepSpeed ZeRO, two workers, gloo."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from trainers.launch import Failpoint, TrainingError, TrainJob, train
from trainers.passed import read_passed
from trainers.places import files_below, place
from trainers.settings import TrainingSettings
from trainers.student.table import load_student


@pytest.fixture(scope="module")
def job(tmp_path_factory, write_ordering):
    folder = tmp_path_factory.mktemp("ordering")
    paths = write_ordering(folder)
    held_out = write_ordering(folder / "held-out", pairs=150)
    return TrainJob(
        **paths,
        validation=held_out["pairs"],
        output=str(folder / "student"),
        name="base",
        storage=str(folder / "trainings"),
        settings=TrainingSettings(workers=2, epochs=6, batch_size=32, lr=0.02, checkpoint_every=25),
        seed=1,
    )


@pytest.fixture(scope="module")
def base(ray_session, job):
    """The undisturbed training that the others are compared with: its result and its weights."""
    told = []
    result = train(job, lambda step, steps, metrics: told.append((step, steps, metrics)))
    return result, _weights(job), told


def _weights(job):
    return (Path(job.output) / "model.safetensors").read_bytes()


def _variant(job, name, settings=None, **changes):
    other = job.changed(**settings or {})
    return replace(other, name=name, output=str(Path(job.output).with_name(name)), **changes)


def test_training_learns_the_ordering(base):
    result, _, _ = base
    assert result["steps"] == 114
    assert result["order_accuracy"] > 0.9
    assert result["validation_order_accuracy"] > 0.9
    assert result["train_accuracy"] > 0.5
    assert result["loss"][-1]["ce"] < result["loss"][0]["ce"]
    assert set(result["loss"][0]) == {"step", "ce", "entropy", "lambda", "loss"}


def test_how_it_stood_at_every_checkpoint_is_kept(base, job):
    result, _, _ = base
    known = {step: read_passed(Path(job.storage, job.name), job, step) for step in (24, 25, 50, 75, 100, 114)}
    assert [step for step, one in known.items() if one is not None] == [25, 50, 75, 100, 114]
    assert known[25]["step"] == 25
    assert known[25]["validation_order_accuracy"] != known[100]["validation_order_accuracy"]
    assert known[114]["validation_order_accuracy"] == result["validation_order_accuracy"]


def test_the_steps_of_an_epoch_can_be_those_of_fewer_pairs(base, job):
    result, _, _ = base
    fewer = _variant(job, "fewer", epoch_pairs=300)
    assert fewer.fingerprint() != job.fingerprint()
    assert train(fewer)["steps"] == fewer.steps(result["pairs"]) == 6 * 10 < result["steps"]


def test_one_worker_with_two_shares_gives_the_student_of_two_workers(base, job):
    two, one = base[0], train(_variant(job, "shares", {"workers": 1, "shares": 2}))
    assert one["steps"] == two["steps"]
    assert one["loss"][-1]["loss"] == pytest.approx(two["loss"][-1]["loss"], rel=1e-5)
    first, second = (load_student(folder).state_dict() for folder in (job.output, _variant(job, "shares").output))
    for name, value in first.items():
        np.testing.assert_allclose(second[name].numpy(), value.numpy(), rtol=1e-4, atol=1e-5, err_msg=name)


def test_own_pairs_lengthen_every_round_by_the_same_share(job):
    first, later = job.steps(800, 320), replace(job, epoch_pairs=800).steps(1000, 400)
    assert first == later == 6 * 35


def test_pairs_of_the_students_own_are_learnt_beside_the_given_ones_and_not_counted_as_such(base, job):
    result = train(_variant(job, "own-pairs", {"epochs": 1}, student_options={"prior": 0.3}))
    assert (result["pairs"], result["own_pairs"]) == (600, 240)
    assert result["steps"] == 27  # of 32 pairs
    assert base[0]["own_pairs"] == 0


def test_the_student_folder_stands_alone_and_nothing_else_is_left(base, job):
    student = load_student(job.output)
    assert student.description()["trained_parameters"] == student.feature_size + 2
    assert sorted(file.name for file in Path(job.output).iterdir()) == ["config.json", "model.safetensors"]
    kept = sorted(file.name for file in Path(job.storage, "base").glob("step-*"))
    assert kept == ["step-000000100", "step-000000114"]
    assert not list(Path(job.storage).glob(".base.scratch"))


def test_progress_is_told_up_to_the_last_step(base):
    _, _, told = base
    assert told[-1][:2] == (114, 114)
    assert [step for step, _, _ in told] == sorted({step for step, _, _ in told})


def test_the_same_seed_gives_the_same_bytes_and_a_killed_worker_changes_nothing(base, job, tmp_path):
    marker = tmp_path / "killed"
    disturbed = _variant(job, "disturbed", failpoint=Failpoint(rank=1, step=60, marker=str(marker)))
    result = train(disturbed)
    assert marker.exists()
    assert result["resumed_at"] in (25, 50)  # the checkpoint of step 50 may not be registered when the worker dies
    assert result["loss"] == base[0]["loss"]
    assert _weights(disturbed) == base[1]


@pytest.mark.heavy
def test_a_training_in_a_bucket_goes_on_after_a_kill_and_gives_the_same_bytes(base, job, s3, tmp_path):
    where = place(f"{s3.bucket}/run")
    for name, source in (("pairs", job.pairs), ("features", job.features)):
        for inner, _ in files_below(Path(source)):
            (where / name / inner if inner else where / name).write_bytes(Path(source) / inner)
    marker = tmp_path / "killed"
    places = {name: str(where / name) for name in ("pairs", "features")} | {"storage": str(where / "train")}
    disturbed = _variant(job, "bucket", **places, failpoint=Failpoint(rank=1, step=60, marker=str(marker)))
    disturbed = replace(disturbed, output=str(where / "student"))
    result = train(disturbed)
    assert marker.exists()
    assert result["resumed_at"] in (25, 50)
    assert (where / "student" / "model.safetensors").read_bytes() == base[1]
    assert load_student(where / "student").name == load_student(job.output).name
    kept = sorted(folder.name for folder in (where / "train" / "bucket").glob("step-*"))
    assert kept == ["step-000000100", "step-000000114"]
    again = train(disturbed)
    assert again["resumed_at"] == again["steps"] == 114


def test_a_finished_training_called_again_trains_no_step_and_sweeps_orphans(base, job):
    orphan = Path(job.storage, "base", "step-000000999")
    orphan.mkdir()
    again = train(job)
    assert not orphan.exists()
    assert again["resumed_at"] == again["steps"] == 114
    assert again["loss"] == base[0]["loss"]
    assert _weights(job) == base[1]


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(base, job):
    checkpoints = sorted(Path(job.storage, "base").glob("step-*"))
    shard = next(checkpoints[-1].rglob("zero_pp_rank_1*"))
    shard.write_bytes(shard.read_bytes()[:-100])
    again = train(job)
    assert again["resumed_at"] == 100
    assert _weights(job) == base[1]


@pytest.mark.heavy
def test_a_training_goes_on_past_the_step_of_a_torn_checkpoint(base, job, tmp_path):
    broken = _variant(
        job, "past-torn", max_failures=0, failpoint=Failpoint(rank=1, step=99, marker=str(tmp_path / "killed"))
    )
    with pytest.raises(TrainingError, match="failed after 0 restarts"):
        train(broken)
    folders = sorted(Path(job.storage, "past-torn").glob("step-*"))
    # the last two that Ray had taken in: the newest of all may have come too late for the kill
    before, torn = (int(folder.name.removeprefix("step-")) for folder in folders)
    assert (before, torn) in ((25, 50), (50, 75))
    shard = next(folders[-1].rglob("zero_pp_rank_1*"))
    shard.write_bytes(shard.read_bytes()[:-100])
    result = train(broken)
    assert result["resumed_at"] == before
    assert result["steps"] == 114
    assert _weights(broken) == base[1]
    names = sorted(folder.name for folder in Path(job.storage, "past-torn").glob("step-*"))
    assert names == ["step-000000100", "step-000000114"]


def test_another_number_of_workers_is_refused_with_the_way_out(base, job):
    with pytest.raises(TrainingError, match=r"started with 2 workers and cannot go on with 1.*initial = that folder"):
        train(job.changed(workers=1))


def test_another_configuration_under_the_same_name_is_refused(base, job):
    with pytest.raises(TrainingError, match="another configuration: give this one another name"):
        train(job.changed(lambda_=0.0))


@pytest.mark.heavy
def test_zero_3_with_one_worker_from_the_weights_of_a_student(base, job):
    third = _variant(
        job,
        "zero3",
        {"zero_stage": 3, "epochs": 1, "workers": 1, "lr": 1e-4, "lambda_": "auxiliary"},
        initial=job.output,
    )
    result = train(third)
    assert result["order_accuracy"] == pytest.approx(base[0]["order_accuracy"], abs=0.05)
    assert load_student(third.output).feature_size == load_student(job.output).feature_size


def test_a_loss_that_is_not_finite_stops_with_one_line_and_keeps_the_checkpoint(ray_session, job):
    diverging = _variant(job, "diverging", {"lr": 2e37, "checkpoint_every": 1, "lr_warmup": 0.0}, clip_norm=0.0)
    with pytest.raises(TrainingError, match=r"the loss is not finite at step .* lower the learning rate"):
        train(diverging)
    assert list(Path(job.storage, "diverging").glob("step-*"))
    assert not Path(diverging.output).exists()


def test_features_of_another_student_are_refused(ray_session, job):
    with pytest.raises(TrainingError, match=r"the features have 541 numbers per video, the student 'lite' expects 3:"):
        train(_variant(job, "misfit", student_options={"blocks": ["freeze"]}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "a/b"}, "the name 'a/b' must be a plain file name"),
        ({"student": "lit"}, "unknown student 'lit'"),
        ({"student_options": {"hiden": 4}}, "the student lite has no option 'hiden'; nearest: student.options.hidden"),
    ],
)
def test_a_wrong_job_is_refused_where_it_is_made(job, change, message):
    with pytest.raises(ValueError, match=message):
        replace(job, **change)


def test_the_claim_notices_other_pairs(base, job):
    other = Path(job.pairs).with_name("other.parquet")
    pq.write_table(pq.read_table(job.pairs).slice(0, 300), other)
    with pytest.raises(TrainingError, match="belongs to other pairs"):
        train(replace(job, pairs=str(other)))
    assert json.loads(Path(job.storage, "base", "job.json").read_text())["workers"] == 2
