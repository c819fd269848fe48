"""Cases of a folder named by ``PARITY_CASES`` are taken up by every parity test, and a wrong number in them is noticed."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from parity_kit import cases, record

ROOT = Path(__file__).parents[2]
KEYS = {
    ("teachers", "fastvqa.json"): ["cases"],
    ("teachers", "dover.json"): ["cases"],
    ("teachers", "minimalisticvqa.json"): ["cases"],
    ("teachers", "qalign.json"): ["cases"],
    ("teachers", "preprocessing.json"): ["clips", "frame_indices", "fastvqa", "dover", "minimalisticvqa", "qalign"],
    ("student", "student.json"): ["results", "loss_unit", "preprocess"],
    ("student", "slowfast.json"): ["results"],
    ("student", "map_solver.json"): ["cases"],
}


@pytest.fixture
def folder(tmp_path):
    for path, keys in KEYS.items():
        file = tmp_path.joinpath(*path)
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({key: record(*path)[key] for key in keys}))
    return tmp_path


def test_cases_of_the_folder_are_collected_for_every_network(folder):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "tests/parity",
            "--collect-only",
            "-k",
            "given",
        ],
        cwd=ROOT,
        env=os.environ | {"PARITY_CASES": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    for test in (
        "test_fastvqa_whole_case[given-",
        "test_fastvqa_fragments[given-",
        "test_dover_whole_case[given-",
        "test_dover_whole_frames[given-",
        "test_minimalistic_whole_case[given-",
        "test_minimalistic_frames_and_slowfast_clips[given-",
        "test_slowfast_case_in_float32[given-",
        "test_slowfast_fast_feature[given-tensor_clip-seed1]",
        "test_qalign_case_in_float32[given-",
        "test_qalign_squares[given-",
        "test_student_pair_of_videos[given-small-seed1]",
        "test_student_loss_equals_the_recorded_numbers[given-",
        "test_student_image_preprocessing[given-",
        "test_student_map_exact_optimum[given-",
    ):
        assert test in done.stdout


def test_cases_of_the_folder_follow_the_recorded_ones(folder, monkeypatch):
    path = ("teachers", "qalign.json")
    monkeypatch.delenv("PARITY_CASES", raising=False)
    alone = cases(*path)
    monkeypatch.setenv("PARITY_CASES", str(folder))
    both = cases(*path)
    assert both[: len(alone)] == alone
    assert [origin for origin, _ in both[len(alone) :]] == ["given"] * len(alone)
    (folder / "teachers" / "qalign.json").unlink()
    assert cases(*path) == alone


def test_a_wrong_number_is_noticed():
    from test_qalign import RECORD, test_qalign_case_in_float32

    case = copy.deepcopy(RECORD["cases"][0])
    case["outputs"]["image"]["score_0_1"][0] += 1e-4
    with pytest.raises(AssertionError):
        test_qalign_case_in_float32(case)


def test_a_folder_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PARITY_CASES", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="PARITY_CASES: there is no folder"):
        cases("teachers", "qalign.json")
