"""Trainings by one process of a real Ray, beside the same ones under Ray Train."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import ray.train

from trainers.checkpoint import checkpoint_name, checkpoint_names
from trainers.group import Alone
from trainers.launch import Failpoint, TrainingError, TrainJob, train
from trainers.places import place
from trainers.settings import TrainingSettings


@pytest.fixture(scope="module")
def job(tmp_path_factory, write_ordering):
    folder = tmp_path_factory.mktemp("alone")
    settings = TrainingSettings(workers=1, shares=2, epochs=3, batch_size=32, lr=0.02, checkpoint_every=10)
    places = {"output": str(folder / "student"), "storage": str(folder / "trainings")}
    return TrainJob(**write_ordering(folder), **places, name="alone", settings=settings, seed=1)


@pytest.fixture(scope="module")
def undisturbed(ray_session, job):
    assert job.alone
    return train(job), weights(job)


def weights(job):
    return (Path(job.output) / "model.safetensors").read_bytes()


def named(job, name, **changes):
    return replace(job, name=name, output=str(Path(job.output).with_name(name)), **changes)


def checkpoints(job):
    return sorted(folder.name for folder in Path(job.storage, job.name).glob("step-*"))


def test_it_gives_the_student_that_ray_train_gives(undisturbed, job):
    other = named(job, "under-ray-train")
    result = train(other, callbacks=[ray.train.UserCallback()])
    assert weights(other) == undisturbed[1]
    apart = {"seconds", "loop_seconds"}
    assert {k: v for k, v in result.items() if k not in apart} == {
        k: v for k, v in undisturbed[0].items() if k not in apart
    }
    assert checkpoints(other) == checkpoints(job) == ["step-000000050", "step-000000057"]


def test_nothing_but_the_claim_the_progress_and_two_checkpoints_is_left(undisturbed, job):
    assert sorted(file.name for file in Path(job.storage, "alone").iterdir()) == [
        "job.json",
        "progress.json",
        "step-000000050",
        "step-000000057",
    ]
    assert json.loads(Path(job.storage, "alone", "progress.json").read_text())["step"] == 57
    assert not list(Path(job.storage).glob(".*.scratch"))


def test_a_process_that_dies_is_started_again_and_changes_nothing(undisturbed, job, tmp_path):
    disturbed = named(job, "disturbed", failpoint=Failpoint(rank=0, step=35, marker=str(tmp_path / "killed")))
    result = train(disturbed)
    assert (tmp_path / "killed").exists()
    assert result["resumed_at"] == 30
    assert result["loss"] == undisturbed[0]["loss"]
    assert weights(disturbed) == undisturbed[1]


def test_one_that_dies_too_often_is_told_and_the_next_call_passes_over_a_torn_checkpoint(undisturbed, job, tmp_path):
    failpoint = Failpoint(rank=0, step=35, marker=str(tmp_path / "killed"))
    broken = named(job, "broken", max_failures=0, failpoint=failpoint)
    with pytest.raises(TrainingError, match="training 'broken' failed after 0 restarts: "):
        train(broken)
    assert checkpoints(broken) == ["step-000000020", "step-000000030"]
    shard = next(Path(broken.storage, "broken", "step-000000030").rglob("*optim_states.pt"))
    shard.write_bytes(shard.read_bytes()[:-100])
    assert train(broken)["resumed_at"] == 20
    assert weights(broken) == undisturbed[1]


@pytest.mark.parametrize(
    ("changes", "settings"), [({"gpu": True}, {}), ({"student": "llava"}, {}), ({}, {"workers": 2})]
)
def test_what_is_sharded_or_large_is_not_for_one_process(job, changes, settings):
    assert not replace(job.changed(**settings), **changes).alone


@pytest.mark.parametrize("bucket", [False, True])
def test_the_newest_two_checkpoints_are_kept_on_a_disk_and_in_a_bucket(bucket, request, tmp_path):
    where = place(f"{request.getfixturevalue('s3').bucket}/run") if bucket else tmp_path / "run"
    where.mkdir(parents=True, exist_ok=True)
    group = Alone(where)
    assert group.latest() is None
    for step in (10, 20, 20, 30):
        name = checkpoint_name(step, checkpoint_names(where))
        folder = tmp_path / f".{name}"
        folder.mkdir()
        (folder / "shard").write_text(name)
        group.report({"step": step}, folder, name)
    assert sorted(checkpoint_names(where)) == ["step-000000020-01", "step-000000030"]
    latest = group.latest()
    assert latest == where / "step-000000030"
    assert (latest / "shard").read_bytes() == b"step-000000030"
