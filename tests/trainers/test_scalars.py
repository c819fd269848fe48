import sys

import pytest

from trainers.scalars import FOLDER, scalars


def curves(folder):
    """Name -> [(step, value)] as TensorBoard reads them."""
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    reader = event_accumulator.EventAccumulator(str(folder))
    reader.Reload()
    return {name: [(one.step, one.value) for one in reader.Scalars(name)] for name in reader.Tags()["scalars"]}


def test_tensorboard_opens_what_a_training_wrote(tmp_path):
    pytest.importorskip("tensorboard")
    with scalars(tmp_path / "student", 0, 0) as writer:
        for step in (1, 2, 3):
            writer.add(step, {"loss": 1 / step, "lambda": 0.5})
    found = curves(tmp_path / FOLDER)
    assert found["training/loss"] == [(1, pytest.approx(1)), (2, pytest.approx(0.5)), (3, pytest.approx(1 / 3))]
    assert [value for _, value in found["training/lambda"]] == [0.5] * 3


def test_a_resumed_training_replaces_the_points_after_its_checkpoint(tmp_path):
    pytest.importorskip("tensorboard")
    for start, value in ((0, 1.0), (2, 9.0)):
        with scalars(tmp_path / "student", 0, start) as writer:
            for step in range(start + 1, 5):
                writer.add(step, {"loss": value})
    found = curves(tmp_path / FOLDER)["training/loss"]
    assert found[-2:] == [(3, 9.0), (4, 9.0)]
    assert (3, 1.0) not in found


def test_a_new_training_begins_its_curves_anew(tmp_path):
    pytest.importorskip("tensorboard")
    for value in (1.0, 2.0):
        with scalars(tmp_path / "student", 0, 0) as writer:
            writer.add(1, {"loss": value})
    assert curves(tmp_path / FOLDER)["training/loss"] == [(1, 2.0)]


def test_other_ranks_buckets_and_machines_without_tensorboard_write_nothing(tmp_path, monkeypatch):
    with scalars(tmp_path / "student", 1, 0) as writer:
        writer.add(1, {"loss": 1.0})
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with scalars(tmp_path / "student", 0, 0) as writer:
        writer.add(1, {"loss": 1.0})
    assert list(tmp_path.iterdir()) == []
