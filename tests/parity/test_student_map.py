"""The score of the student from its comparisons, against the released solver and the exact optimum."""

import numpy as np
import pytest
from parity_kit import cases, official_output, official_solve, record

from pipeline.method.scale import (
    TEST_TEMPERATURE,
    anchor_matrix,
    anchor_pairs,
    preference,
    score_tests,
    with_tests,
)
from pipeline.method.thurstone import solve_map
from trainers.levels import LEVELS

FILE = ("student", "map_solver.json")
RECORD = record(*FILE)
START = RECORD["official_procedure"]["start_values"]
TOLERANCE = RECORD["tolerance"]
END_TO_END = RECORD["end_to_end_from_label_logits"]


def _cases():
    return [
        pytest.param(case, id=f"{origin}-{k}-{case.get('name', '')}") for k, (origin, case) in enumerate(cases(*FILE))
    ]


def _logits(pair):
    return [pair["label_logits"][level] for level in LEVELS]


def _check_official(case):
    assert case["official"]
    for run in case["official"]:
        scores = official_solve(case["matrix"], START, run["iterations"])
        np.testing.assert_allclose(scores, run["scores_raw"], rtol=0, atol=TOLERANCE["official_raw_scores"])
        np.testing.assert_allclose(official_output(scores), run["output"], rtol=0, atol=TOLERANCE["official_output"])


def _check_optimum(case):
    for link, key in (("phi", "optimum_phi"), ("logistic", "optimum_sigmoid")):
        scores = solve_map(case["matrix"], link)
        np.testing.assert_allclose(scores, case[key]["scores"], rtol=0, atol=TOLERANCE["optimum"])
        np.testing.assert_allclose(official_output(scores), case[key]["test_0_100"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("case", _cases())
def test_student_map_released_solver(case):
    _check_official(case)


@pytest.mark.parametrize("case", _cases())
def test_student_map_exact_optimum(case):
    _check_optimum(case)


@pytest.mark.parametrize("case", _cases())
def test_student_map_score_of_the_test_video(case):
    matrix = np.array(case["matrix"])
    raw = score_tests(matrix[:5, :5], matrix[5:, :5])
    np.testing.assert_allclose(raw, case["optimum_phi"]["scores"][5:], rtol=0, atol=TOLERANCE["optimum"])


def test_student_map_from_label_logits():
    assert [(pair["first"] - 1, pair["second"] - 1) for pair in END_TO_END["anchor_pairs"]] == list(anchor_pairs())
    anchors = [_logits(pair) for pair in END_TO_END["anchor_pairs"]]
    tests = [_logits(pair) for pair in END_TO_END["test_pairs"]]
    beats = preference(tests, TEST_TEMPERATURE)
    expected = [pair["p_second_beats_first"] for pair in END_TO_END["anchor_pairs"]]
    np.testing.assert_allclose(preference(anchors), expected, rtol=0, atol=1e-7)
    expected = [pair["p_second_beats_first_T5"] for pair in END_TO_END["test_pairs"]]
    np.testing.assert_allclose(beats, expected, rtol=0, atol=1e-7)
    np.testing.assert_allclose(preference(tests), [p["p_at_T1"] for p in END_TO_END["test_pairs"]], rtol=0, atol=1e-7)
    matrix = with_tests(anchor_matrix(anchors), beats[None, :])[0]
    np.testing.assert_allclose(matrix, END_TO_END["matrix"], rtol=0, atol=1e-7)


def test_student_map_end_to_end_optimum_and_released_solver():
    _check_official(END_TO_END)
    _check_optimum(END_TO_END)
