import pytest

from pipeline.report.hard_pairs import hard_pairs
from pipeline.run_folder.store import read_json


@pytest.fixture
def pairs(layout):
    return hard_pairs(layout, read_json(layout.calibration), 1)


def test_the_widest_gaps_come_first_and_no_video_twice(pairs):
    assert [(pair["origin"], pair["first"], pair["second"]) for pair in pairs] == [
        ("gmad", "v1", "v6"),
        ("gmad", "v0", "v7"),
        ("gmad", "v3", "unknown"),
        ("missed", "blur-1", "blur-3"),
    ]


def test_both_judges_say_what_they_think_on_one_scale(pairs):
    defender, attacker = pairs[0]["opinions"]
    assert (defender["judge"], defender["says"]) == ("niqe", "20 and 70: about equal"), "its map is 10 + 10 q"
    assert (attacker["judge"], attacker["says"]) == ("student", "49 and 44: the first is better")


def test_a_judge_whose_scores_are_gone_still_has_its_gap(pairs):
    assert [opinion["says"] for opinion in pairs[2]["opinions"]] == ["gap 0.1 points", "gap 0.5 points"]


def test_a_misjudged_pair_has_the_level_and_the_answer(pairs):
    severity, student = pairs[3]["opinions"]
    assert severity == {"judge": "gaussian_blur", "role": "teacher", "scores": None,
                        "says": "the second is inferior: level 1 against level 3"}  # fmt: skip
    assert student["says"] == "the second is better, 70 % sure"


def test_an_answer_that_an_older_version_did_not_keep_is_told(layout, tmp_path):
    from shutil import copytree

    from pipeline.run_folder.layout import RunLayout

    old = RunLayout(copytree(layout.root, tmp_path / "old"))
    old.mined_answers(1).unlink()
    student = hard_pairs(old, read_json(old.calibration), 1)[-1]["opinions"][1]
    assert student["says"] == "not kept by the version that made this run"


def test_a_round_that_mined_nothing_has_none(layout):
    assert hard_pairs(layout, {}, 2) == []


def test_a_pair_that_no_game_chose_has_what_the_student_says_of_it(layout, tmp_path):
    from shutil import copytree

    from pipeline.run_folder.layout import RunLayout
    from pipeline.run_folder.records import MINED
    from pipeline.run_folder.store import write_table

    other = RunLayout(copytree(layout.root, tmp_path / "run"))
    row = dict.fromkeys(MINED.schema.names) | {"first": "v1", "second": "v6", "origin": "gmad"}
    write_table(other.mined(1), MINED.table([row]), MINED)
    (pair,) = hard_pairs(other, read_json(other.calibration), 1)
    assert [(one["judge"], one["says"]) for one in pair["opinions"]] == [("student", "49 and 44: the first is better")]
