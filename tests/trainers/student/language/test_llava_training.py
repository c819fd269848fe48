"""The LLaVA student under Ray Train and DeepSpeed: two CPU workers, ZeRO-2 and ZeRO-3, killed and resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drill import can_resume
from safetensors.numpy import load_file

from trainers.launch import Failpoint, TrainJob, train
from trainers.levels import LEVELS
from trainers.settings import TrainingSettings
from trainers.student.language.packing import pack

TINY = {
    "shrunk": True,
    "text": {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    "vision": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2},
}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Images (one frame, no motion) and videos of one and two frames: lengths differ within a batch."""
    folder = tmp_path_factory.mktemp("llava")
    rng = np.random.default_rng(0)
    frames, motions = (1, 1, 2, 2, 1, 2), (1, 8, 8, 9, 8, 10)
    ids = [f"video{k}" for k in range(6)]
    vectors = [
        pack(rng.integers(0, 256, (t, 384, 384, 3), np.uint8), rng.random((m, 256)) * (m > 1))
        for t, m in zip(frames, motions, strict=True)
    ]
    (folder / "features").mkdir()
    table = pa.table({"video_id": ids, "features": vectors})
    pq.write_table(table, folder / "features" / "0.parquet", row_group_size=1)
    first, second = rng.integers(0, 6, 10), rng.integers(1, 6, 10)
    pairs = {"first": [ids[k] for k in first], "second": [ids[k] for k in (first + second) % 6]}
    pairs |= {"label": [LEVELS[k] for k in rng.integers(0, 5, 10)], "origin": ["ensemble", "synthetic"] * 5}
    pq.write_table(pa.table(pairs), folder / "pairs.parquet")
    return TrainJob(
        pairs=str(folder / "pairs.parquet"),
        features=str(folder / "features"),
        output=str(folder / "zero-2"),
        name="zero-2",
        storage=str(folder / "trainings"),
        student="llava",
        student_options=TINY,
        settings=TrainingSettings(workers=2, epochs=2, batch_size=4, lr=1e-3, weight_decay=0.0, checkpoint_every=2),
    )


@pytest.fixture(scope="module")
def zero_2(ray_session, job):
    """The undisturbed training that the others are compared with: its result and its weights."""
    return train(job), _weights(job)


def _weights(job):
    return load_file(Path(job.output) / "model.safetensors")


def test_zero_2_trains_the_published_parts_and_leaves_the_language_model(zero_2, job):
    from trainers.student.table import build_student

    result, weights = zero_2
    assert result["steps"] == 6
    assert 0 <= result["padding_share"] < 0.5
    build_student("llava", TINY).save(Path(job.output).with_name("start"))
    start = load_file(Path(job.output).with_name("start") / "model.safetensors")
    changed = {key for key, value in weights.items() if not np.array_equal(value, start[key])}
    trained = ("vision_tower.", "multi_modal_projector.", "motion_projector.")
    # an attention's key bias has no gradient but rounding noise, which AdamW still turns into a step
    expected = {key for key in start if key.startswith(trained) and "post_layernorm" not in key}
    assert {key for key in changed if not key.endswith("k_proj.bias")} == {
        key for key in expected if not key.endswith("k_proj.bias")
    }


@pytest.mark.heavy
def test_zero_3_killed_in_the_middle_gives_the_same_training(zero_2, job, tmp_path):
    marker = tmp_path / "killed"
    third = replace(
        job.changed(zero_stage=3),
        name="zero-3",
        output=str(Path(job.output).with_name("zero-3")),
        failpoint=Failpoint(rank=1, step=3, marker=str(marker)),
    )
    result = train(third)
    assert marker.exists()
    assert result["resumed_at"] in (0, 2)
    for ours, theirs in zip(result["loss"], zero_2[0]["loss"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-6)
    weights = _weights(third)
    assert weights.keys() == zero_2[1].keys()
    start = job.settings.lr * 6  # six steps of AdamW move a weight by no more
    for key, value in weights.items():
        if not key.endswith("k_proj.bias"):
            np.testing.assert_allclose(value, zero_2[1][key], rtol=0, atol=0.02 * start, err_msg=key)


@pytest.mark.heavy
@pytest.mark.parametrize("stage", [2, 3])
def test_steps_whose_loss_is_not_finite_are_skipped_when_asked(ray_session, job, stage):
    folder = Path(job.output).with_name(f"spoilt-{stage}")
    (folder / "features").mkdir(parents=True)
    table = pq.read_table(job.features).to_pydict()
    spoilt = np.array(table["features"][-1], np.float32)
    spoilt[2:258] = 3e38
    table["features"][-1] = spoilt
    pq.write_table(pa.table(table), folder / "features" / "0.parquet", row_group_size=1)
    pair = pq.read_table(job.pairs).to_pylist()[0]
    ids = [f"video{k}" for k in range(6)]
    # of four steps of two pairs, those with the spoilt video are left out
    named = [(0, 1), (2, 5), (3, 4), (1, 2), (4, 0), (5, 1), (2, 3), (0, 3)]
    pairs = [{**pair, "first": ids[a], "second": ids[b]} for a, b in named]
    pq.write_table(pa.Table.from_pylist(pairs), folder / "pairs.parquet")
    again = replace(job, name=f"skip-{stage}", output=str(folder / "student"), features=str(folder / "features"))
    again = replace(again, pairs=str(folder / "pairs.parquet"))
    again = again.changed(epochs=1, batch_size=2, zero_stage=stage, not_finite="skip")
    result = train(again)
    assert result["steps"] == 4
    assert result["skipped_steps"] in (1, 2)
    assert all(np.isfinite(record["loss"]) for record in result["loss"])
    assert all(np.isfinite(value).all() for value in _weights(again).values())


def test_another_student_trains_by_the_same_loop(ray_session, job):
    from trainers.student.table import build_student

    output = Path(job.output).with_name("qwen")
    other = replace(job, name="qwen", student="qwen3_vl", student_options={"shrunk": True}, output=str(output))
    result = train(other.changed(zero_stage=3, epochs=1, checkpoint_every=3))
    assert result["steps"] == 3
    assert all(np.isfinite(record["loss"]) for record in result["loss"])
    build_student("qwen3_vl", {"shrunk": True}).save(output.with_name("qwen-start"))
    start = load_file(output.with_name("qwen-start") / "model.safetensors")
    changed = {key for key, value in _weights(other).items() if not np.array_equal(value, start[key])}
    assert changed == {key for key in start if key.startswith("model.visual.")}


@pytest.mark.e2e
@pytest.mark.heavy  # beside the killed driver's
def test_zero_2_killed_in_the_middle_gives_the_same_bytes(zero_2, job, tmp_path):
    marker = tmp_path / "killed"
    again = replace(
        job,
        name="again",
        output=str(Path(job.output).with_name("again")),
        failpoint=Failpoint(rank=0, step=5, marker=str(marker)),
    )
    result = train(again)
    assert marker.exists()
    assert result["resumed_at"] in (2, 4)
    assert result["loss"] == zero_2[0]["loss"]
    for key, value in _weights(again).items():
        np.testing.assert_array_equal(value, zero_2[1][key], err_msg=key)


@pytest.fixture
def drill(job, tmp_path):
    """``drill(name, *options)`` starts `drill.py` on the job under another name and gives the job and its process."""
    project = Path(__file__).parents[4]
    folders = [tempfile.mkdtemp(prefix="ray")]  # short: Ray's sockets lie there

    def start(name, *options):
        again = replace(job.changed(checkpoint_every=1), name=name, output=str(Path(job.output).with_name(name)))
        fields = {**vars(again), "settings": again.settings.model_dump()}
        (tmp_path / "job.json").write_text(json.dumps(fields))
        line = [
            sys.executable,
            str(project / "tests/support/drill.py"),
            tmp_path / "job.json",
            tmp_path / "result.json",
        ]
        path = os.pathsep.join([str(project), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path, "RAY_TMPDIR": folders[0]}
        with (tmp_path / "said.txt").open("ab") as said:
            process = subprocess.Popen(
                [*line, *options], env=environment, stdout=said, stderr=said, start_new_session=True
            )
        return again, process

    yield start
    shutil.rmtree(folders[0], ignore_errors=True)


def _same_training(undisturbed, again, process, folder):
    assert process.wait(timeout=240) == 0, (folder / "said.txt").read_text()[-3000:]
    result = json.loads((folder / "result.json").read_text())
    assert 0 < result["resumed_at"] < 6
    # every step once, and with it every pair once per epoch: the pairs of a step are a function of its number
    assert [record["step"] for record in result["loss"]] == [1, 2, 3, 4, 5, 6]
    assert result["loss"] == undisturbed[0]["loss"]
    for key, value in _weights(again).items():
        np.testing.assert_array_equal(value, undisturbed[1][key], err_msg=key)


@pytest.mark.e2e
@pytest.mark.heavy  # beside the killed driver's
def test_a_preempted_node_gives_the_same_bytes(zero_2, drill, tmp_path):
    again, process = drill("preempted", "preempt")
    _same_training(zero_2, again, process, tmp_path)


@pytest.mark.heavy
@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_a_killed_driver_gives_the_same_bytes(zero_2, drill, tmp_path):
    # The workers outlive their driver for a moment, in which they may end the six steps: then the kill came too late.
    for name in ("orphaned", "orphaned-again", "orphaned-at-last"):
        (tmp_path / "result.json").unlink(missing_ok=True)
        again, process = drill(name)
        while not can_resume(again):
            assert process.poll() is None, (tmp_path / "said.txt").read_text()[-3000:]
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "result.json").exists()
        again, process = drill(name)
        assert process.wait(timeout=240) == 0, (tmp_path / "said.txt").read_text()[-3000:]
        if json.loads((tmp_path / "result.json").read_text())["resumed_at"] < 6:
            break
    _same_training(zero_2, again, process, tmp_path)
