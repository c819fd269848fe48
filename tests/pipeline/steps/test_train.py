"""The training step up to its training, which needs Ray (tests/trainers, tests/e2e)."""

import pytest

from cluster.in_process import InProcess
from pipeline.console import MACHINE, UserError
from pipeline.look.look import Look, look_settings
from pipeline.run_folder.records import PAIRS
from pipeline.run_folder.store import write_table
from pipeline.settings.config import fingerprint
from pipeline.steps import train
from trainers.job import TrainingError


class Untrained(InProcess):
    """An engine that counts the trainings that it is asked for."""

    jobs = 0

    def train(self, job, on_progress=None):
        self.jobs += 1
        raise AssertionError(job.name)


def test_more_anchors_than_videos_are_refused_before_the_training(tables, configured):
    tables.engine = Untrained()
    names = [f"v{k}" for k in range(8)]
    tables.videos([{"video_id": name} for name in names])
    tables.ensemble({name: (10.0 * k, 1.0) for k, name in enumerate(names)})
    with pytest.raises(
        UserError, match=r"^scoring\.anchors: 9 anchors need as many videos .*, not 8; ask for fewer"
    ) as caught:
        train.train(tables.run(configured("scoring.anchors=9")), 1, "identity")
    assert "\n" not in str(caught.value)
    assert tables.engine.jobs == 0


class Diverging(InProcess):
    def train(self, job, on_progress=None):
        raise TrainingError("the loss is not finite at step 3: lower the learning rate")


def test_a_training_that_cannot_go_on_is_one_line_and_no_internal_error(tables, configured):
    tables.engine = Diverging()
    names = [f"v{k}" for k in range(8)]
    tables.videos([{"video_id": name} for name in names])
    tables.ensemble({name: (10.0 * k, 1.0) for k, name in enumerate(names)})
    run = tables.run(configured())
    pair = dict.fromkeys(PAIRS.schema.names) | {"pair_id": "p", "first": "v0", "second": "v7", "round": 1}
    write_table(run.layout.pairs(1), PAIRS.table([pair | {"origin": "ensemble", "label": "better"}]), PAIRS)
    with pytest.raises(UserError, match="not finite at step 3: lower the learning rate") as caught:
        train.train(run, 1, "identity")
    assert caught.value.exit_code == MACHINE


def test_the_job_of_a_training_names_the_files_of_its_round_and_nothing_of_another(tables, configured):
    config = configured("student.options.blocks=[half]", "run.train_on_gpus=true", "seed=7")
    job, layout = train.job_of(config, tables.layout, 2, "identity"), tables.layout
    assert (job.pairs, job.output, job.features) == (str(layout.pairs(2)), str(layout.student(2)), str(layout.features))
    assert (job.student, dict(job.student_options), job.seed, job.gpu) == ("lite", {"blocks": ["half"]}, 7, True)
    assert job.settings == config.training
    others = {train.job_of(config, layout, number, text).name for number, text in ((1, "identity"), (2, "other"))}
    assert job.name not in others, "no training resumes the checkpoint of another"
    assert len(others) == 2


def test_a_later_training_goes_on_from_the_student_before_only_if_it_is_told_to(tables, configured):
    layout = tables.layout
    usual, onward = configured(), configured("training.start=student")
    assert [train.job_of(usual, layout, number, "i").initial for number in (1, 2)] == [None, None]
    assert [train.job_of(onward, layout, number, "i").initial for number in (1, 2)] == [None, str(layout.student(1))]
    inputs = [set(train.step(tables.run(config), 2).inputs) for config in (usual, onward)]
    assert inputs[1] - inputs[0] == {"student before"}


@pytest.mark.parametrize(
    "entry", ["corpus.max_fps=60", "corpus.max_short_side=720", "corpus.interlaced=weave", "corpus.hdr=refuse"]
)
def test_what_is_written_beside_the_student_decides_the_training_too(tables, configured, entry):
    """With the same features a student was kept whose folder named another sampling for the videos that it is to score."""
    inputs = [
        train.step(tables.run(configured("corpus.max_fps=null", "corpus.max_short_side=null", *more)), 1).inputs
        for more in ([], [entry])
    ]
    assert "how videos are shown" not in inputs[0]
    assert len(inputs[1]["how videos are shown"]) == 1


def test_other_bytes_of_a_checkpoint_are_another_training_and_another_look(tables, configured, tmp_path):
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    config = configured("student.name=llava", f"student.options.checkpoint={folder}")
    request = Look(tmp_path / "observed", tmp_path / "features", {}, {})

    def identity():
        inputs = train.step(tables.run(config), 1).inputs
        return fingerprint({name: inputs[name] for name in inputs if name.startswith("student")}), fingerprint(
            look_settings(request, config)
        )

    (folder / "model.safetensors").write_bytes(b"first")
    first = identity()
    assert identity() == first
    (folder / "model.safetensors").write_bytes(b"others")
    assert all(now != before for now, before in zip(identity(), first, strict=True))
