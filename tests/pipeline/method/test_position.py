import numpy as np
import pytest

from pipeline.method.position import agreed_labels

RANDOM = np.random.default_rng(0)


def test_a_student_that_mirrors_its_answers_has_no_bias():
    logits = RANDOM.normal(size=(50, 5))
    labels, agree, bias = agreed_labels(logits, logits[:, ::-1])
    assert (labels == logits.argmax(axis=1)).all()
    assert agree.all()
    assert (bias.disagreeing, bias.second) == (0, pytest.approx(0))


def test_a_student_that_always_prefers_the_second_place_agrees_with_itself_nowhere():
    always = np.tile([0.0, 0, 0, 0, 20], (4, 1))
    labels, agree, bias = agreed_labels(always, always)
    assert labels.tolist() == [4] * 4
    assert not agree.any()
    assert bias.disagreeing == 1
    assert bias.second == pytest.approx(2, abs=1e-6)


def test_pairs_agree_one_by_one():
    here = np.eye(5)[[4, 3, 2, 0]]
    there = np.eye(5)[[0, 2, 2, 4]]
    labels, agree, bias = agreed_labels(here, there)
    assert agree.tolist() == [True, False, True, True]
    assert labels.tolist() == [4, 3, 2, 0]
    assert bias.disagreeing == 0.25


@pytest.mark.parametrize("shapes", [((0, 5), (0, 5)), ((2, 5), (3, 5)), ((2, 4), (2, 4))])
def test_answers_of_other_shapes_are_refused(shapes):
    with pytest.raises(ValueError, match="both orders"):
        agreed_labels(*(np.zeros(shape) for shape in shapes))
