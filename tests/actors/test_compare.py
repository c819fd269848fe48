import numpy as np
import pytest

from actors.compare import Comparer

ANCHORS = 5


@pytest.fixture(scope="module")
def student_folder(tmp_path_factory):
    """A saved student with a seeded head, and its D."""
    import torch

    from trainers.student.table import build_student

    torch.manual_seed(3)
    student = build_student("lite", {"blocks": ["half"]})
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50, student.feature_size)).astype(np.float32)
    student.prepare(features, features[1:] - features[:-1], np.ones(len(features) - 1))
    with torch.no_grad():
        for parameter in student.trained_module().parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    folder = tmp_path_factory.mktemp("student")
    student.save(folder)
    return folder, student.feature_size


@pytest.fixture(scope="module")
def features(student_folder):
    """Features of five anchors and seven videos, float32 `[12, D]`."""
    return np.random.default_rng(1).normal(size=(12, student_folder[1])).astype(np.float32)


@pytest.fixture(scope="module")
def comparer(student_folder, features):
    return Comparer(str(student_folder[0]), features[:ANCHORS])


def test_anchors_come_first_and_the_video_second(comparer, features):
    videos = features[ANCHORS:]
    logits = comparer.against_anchors(videos)
    assert logits.shape == (len(videos), ANCHORS, 5)
    for k, video in enumerate(videos):
        for a in range(ANCHORS):
            alone = comparer.pairs(features[a : a + 1], video[None])[0]
            np.testing.assert_allclose(logits[k, a], alone, atol=1e-5)


def test_exchanging_the_videos_mirrors_the_labels(comparer, features):
    forward, backward = comparer.pairs(features[:6], features[6:]), comparer.pairs(features[6:], features[:6])
    np.testing.assert_allclose(forward, backward[:, ::-1], atol=1e-5)
    assert np.ptp(forward, axis=1).min() > 1e-3


def test_chunks_change_nothing(comparer, student_folder, features, monkeypatch):
    from trainers.student.table import load_student

    learning = load_student(student_folder[0])
    whole, torchs = comparer.pairs(features[:6], features[6:]), learning.compare_all(features[:6], features[6:])
    monkeypatch.setattr("trainers.student.lite.judge._ROWS", 4)
    monkeypatch.setattr(type(learning), "pairs_at_once", 4)
    np.testing.assert_array_equal(comparer.pairs(features[:6], features[6:]), whole)
    np.testing.assert_allclose(learning.compare_all(features[:6], features[6:]), torchs, atol=1e-6)
    np.testing.assert_allclose(whole, torchs, atol=1e-4)


def test_no_pairs_give_no_rows(comparer, features):
    assert comparer.pairs(features[:0], features[:0]).shape == (0, 5)
    assert comparer.against_anchors(features[:0]).shape == (0, ANCHORS, 5)
