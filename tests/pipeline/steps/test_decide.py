import numpy as np
import pytest

from actors.compare import Comparer
from cluster.in_process import InProcess
from pipeline.look.observe import feature_table
from pipeline.run_folder.records import FEATURES
from pipeline.run_folder.store import append_shard, read_json
from pipeline.steps import decide
from pipeline.student.folder import Anchors, write_anchors


class Judge:
    """A student that orders the levels of some sources rightly, and of the others wrongly; features are (source, level)."""

    def __init__(self, student, anchors):
        self.right = {"round-1": (0,), "round-2": (0, 1)}[student.split("/")[-2]]

    def pairs(self, first, second):
        known = np.isin(first[:, 0].astype(int), self.right)
        says = 2 + np.clip(first[:, 1] - second[:, 1], -2, 2) * np.where(known, 1, -1)
        return -((np.arange(5) - says[:, None]) ** 2)


class Judged(InProcess):
    """An engine whose students are `Judge`s."""

    def calls(self, kind, *how):
        return super().calls(Judge if kind is Comparer else kind, *how)


@pytest.fixture
def run(tables, copies):
    """Two students, six new videos of each of rounds 2 and 3, and new copies of three sources for both rounds."""
    tables.engine = Judged()
    anchors = Anchors(np.zeros((5, 2), np.float32), np.full((5, 5), 0.5), np.arange(5.0), tuple("abcde"), 5.0)
    names = [f"n{number}{k}" for number in (2, 3) for k in range(6)]
    tables.videos([{"video_id": name, "round": int(name[1])} for name in names])
    tables.ensemble({name: (float(name[2]), 1.0) for name in names})
    for number in (1, 2):
        write_anchors(tables.layout.student(number), anchors)
        made = [row for source in "abc" for row in copies(source, "h264", "streaming", (1, 2, 3))]
        made = [{**row, "video_id": f"{row['video_id']}-{number}"} for row in made]
        tables.distorted(number + 1, made)
        rows = [
            {
                "video_id": row["video_id"],
                "features": np.array(["abc".index(row["source_id"]), row["level"]], np.float32).tobytes(),
            }
            for row in made
        ]
        append_shard(tables.layout.features_of(f"distorted-{number + 1}"), feature_table(rows), FEATURES)
    tables.student_scores(1, {name: float(name[2]) for name in names})
    tables.student_scores(2, {name: -float(name[2]) for name in names})
    return tables


def test_after_the_first_round_there_is_no_student_to_compare_with(run, configured):
    found = decide.signals(run.run(configured()), 1)
    assert (found.asked, found.videos) == (9, 6)
    assert found.misjudged == pytest.approx(2 / 3), "it is right about one source of three"
    assert (found.gain, found.agreement) == (None, None)
    assert found.disagreement == pytest.approx(0), "it orders the new videos as the teachers do"


def test_both_students_answer_the_same_new_pairs(run, configured):
    found = decide.signals(run.run(configured()), 2)
    assert found.misjudged == pytest.approx(1 / 3)
    assert found.gain.value == pytest.approx(1 / 3), "the second one is right about one source more"
    assert found.gain.error > 0
    assert found.disagreement == pytest.approx(2)
    assert found.agreement == pytest.approx(-1)


def test_the_decision_is_written_with_its_numbers(run, configured):
    said = decide.decision(run.run(configured("stopping.sure=0.5")), 2)["what"]
    written = read_json(run.layout.decision(2))
    assert written["stop"] is False
    assert written["keep"] == 2
    assert written["signals"]["gain"]["value"] == pytest.approx(1 / 3)
    assert said == f"go on after stage 2: {written['why']}"
    assert decide.last_round(configured("stages=auto:3"), run.layout) == 3


def test_three_sources_do_not_show_that_a_stage_teaches(run, configured):
    decide.decision(run.run(configured()), 2)
    written = read_json(run.layout.decision(2))
    assert (written["stop"], written["keep"]) == (True, 1), "the gain is within two of its errors"


def test_no_new_videos_and_copies_end_the_rounds(run, configured):
    run.videos([{"video_id": "old"}])
    run.distorted(3, [])
    decide.decision(run.run(configured()), 2)
    assert read_json(run.layout.decision(2))["stop"] is True
    assert decide.last_round(configured("stages=auto:3"), run.layout) == 2
    assert decide.last_round(configured("stages=3"), run.layout) == 3, "a fixed number of rounds is fixed"


def test_copies_of_one_source_leave_the_gain_unknown(run, configured, copies):
    run.distorted(
        3, [{**row, "video_id": f"{row['video_id']}-2"} for row in copies("a", "h264", "streaming", (1, 2, 3))]
    )
    assert decide.signals(run.run(configured()), 2).gain is None
    said = decide.decision(run.run(configured()), 2)["what"]
    assert said.startswith("go on after stage 2: ")
    assert "cannot be measured: the severity pairs of the new copies are of one source" in said


def test_without_copies_the_gain_is_unknown_and_the_reason_is_told(run, configured):
    run.distorted(3, [])
    decide.decision(run.run(configured()), 2)
    written = read_json(run.layout.decision(2))
    assert (written["stop"], written["keep"]) == (False, 2)
    assert written["why"].endswith("cannot be measured: there are no severity pairs of new copies")


def test_after_the_first_round_it_is_said_that_there_is_no_earlier_student(run, configured):
    assert "there is no earlier student" in decide.decision(run.run(configured()), 1)["what"]
