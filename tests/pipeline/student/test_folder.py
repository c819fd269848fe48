import json

import numpy as np
import pytest

from pipeline.console import UserError
from pipeline.student.folder import (
    ANCHORS_FEATURES,
    ANCHORS_JSON,
    Anchors,
    read_anchors,
    read_processor,
    student_digest,
    write_anchors,
    write_processor,
)


@pytest.fixture
def anchors():
    """Three anchors of rising quality, each of which beats the one below it."""
    matrix = np.array([[0.5, 0.2, 0.1], [0.8, 0.5, 0.3], [0.9, 0.7, 0.5]])
    features = np.arange(6, dtype=np.float64).reshape(3, 2)
    return Anchors(features, matrix, np.array([20.0, 50.0, 80.0]), ("a", "b", "c"), 2.5)


def test_anchors_survive_the_disk_and_score_the_same(anchors, tmp_path):
    write_anchors(tmp_path, anchors)
    stored = read_anchors(tmp_path)
    assert (stored.ids, stored.temperature, stored.features.dtype) == (("a", "b", "c"), 2.5, np.float32)
    np.testing.assert_array_equal(stored.features, anchors.features)
    logits = np.random.default_rng(0).normal(size=(4, 3, 5))
    for name, values in vars(anchors.score(logits)).items():
        np.testing.assert_array_equal(getattr(stored.score(logits), name), values)


def test_the_scale_that_is_written_is_the_map_from_estimates_to_scores(anchors, tmp_path):
    write_anchors(tmp_path, anchors)
    scale = json.loads((tmp_path / ANCHORS_JSON).read_text())["scale"]
    scores = anchors.score(np.random.default_rng(1).normal(size=(4, 3, 5)))
    np.testing.assert_allclose(scale["slope"] * scores.raw + scale["intercept"], scores.score)
    assert scale["slope"] > 0


def test_a_video_that_beats_all_anchors_scores_above_one_that_loses(anchors):
    logits = np.stack([np.tile(np.arange(5.0)[::-1], (3, 1)), np.tile(np.arange(5.0), (3, 1))])
    scores = anchors.score(logits)
    for values in (scores.raw, scores.score, scores.mean, scores.low, scores.high):
        assert values[1] > values[0]
    assert (scores.std > 0).all()
    assert (scores.low < scores.mean).all()
    assert (scores.mean < scores.high).all()


@pytest.mark.parametrize("name", [ANCHORS_JSON, ANCHORS_FEATURES])
def test_a_folder_without_one_of_its_files_is_named_in_one_line(anchors, tmp_path, name):
    write_anchors(tmp_path, anchors)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=r"this folder has no anchors; name a run folder") as caught:
        read_anchors(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_sampling_survives_the_disk(tmp_path):
    settings = {"key_frames": 2, "window_s": 0.4, "max_fps": None, "hdr": "tonemap"}
    write_processor(tmp_path, settings)
    assert read_processor(tmp_path) == settings


def test_the_digest_of_a_student_follows_links_to_its_weights(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "student").mkdir()
    for name in ("one", "two"):
        (tmp_path / "blobs" / name).write_text(name)
    link = tmp_path / "student" / "model.safetensors"
    link.symlink_to(tmp_path / "blobs" / "one")
    first = student_digest(tmp_path / "student")
    link.unlink()
    link.symlink_to(tmp_path / "blobs" / "two")
    assert student_digest(tmp_path / "student") != first
    link.unlink()
    link.write_text("one")
    assert student_digest(tmp_path / "student") == first, "the place of the bytes does not matter"
