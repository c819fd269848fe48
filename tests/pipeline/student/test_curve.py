import json

import numpy as np
import pytest

from actors.seconds import Answer, pack_answers
from pipeline.console import Console
from pipeline.student import seconds, workplace
from pipeline.student.curve import curves, pieces, spans
from pipeline.student.scoring import open_model
from pipeline.student.seconds import curve_of
from trainers.student.table import load_judge

HEADER = {"video_id": "00000000", "uri": "a.mp4", "status": "ok", "length_s": 6.0, "note": ""}


def level(value):
    """Logits against five anchors that say the same of each: from 0, always inferior, to 1, always superior."""
    answer = np.zeros(5)
    answer[[0, 4]] = 8 * (0.5 - value), 8 * (value - 0.5)
    return np.tile(answer, (5, 1)).astype(np.float32)


def rows(answers, first=0):
    places = [(float(first + k), 1.0) for k in range(len(answers))]
    return {"video_id": f"00000000-{first:05d}", "status": "ok", "spans": json.dumps(places), **pack_answers(answers)}


def test_every_second_of_a_short_file_is_judged_and_the_last_one_takes_the_rest():
    assert spans(0.0) == spans(1.4) == [(0.0, 0.0)]
    assert spans(3.4) == [(0.0, 1.0), (1.0, 1.0), (2.0, pytest.approx(1.4))]
    assert spans(3.6)[-1] == (3.0, pytest.approx(0.6))


def test_the_seconds_of_a_long_file_are_spread_evenly_over_it():
    places = spans(5400.0, most=600)
    starts = [start for start, _ in places]
    assert (len(places), starts[0], starts[-1]) == (600, 0.0, 5399.0)
    assert set(np.diff(starts)) <= {9.0, 10.0}
    assert spans(700.0, most=600)[-1] == (699.0, 1.0)


def test_pieces_hold_seconds_that_follow_each_other(monkeypatch):
    assert [len(piece) for piece in pieces(spans(20.0))] == [8, 8, 4]
    assert [len(piece) for piece in pieces(spans(40.0, most=10))] == [1] * 10
    assert [second for piece in pieces(spans(20.3)) for second in piece] == spans(20.3)


def test_a_curve_has_a_row_for_every_second_and_the_bad_ones_too(trained):
    model = open_model(str(trained))
    good = [Answer(level(value), {}) for value in (0.9, 0.9, 0.2)]
    lost = {"video_id": "00000000-00004", "status": "failed", "error_kind": "crash", "error": "died",
            "spans": json.dumps([[4.0, 1.0], [5.0, 1.0]])}  # fmt: skip
    found = curve_of("a.mp4", HEADER, [rows([*good, Answer(kind="decode", error="no frame")]), lost], model)
    assert [second.status for second in found.seconds] == ["ok", "ok", "ok", "failed", "failed", "failed"]
    assert [second.error for second in found.seconds[3:]] == ["decode: no frame", "crash: died", "crash: died"]
    assert (found.status, found.seen_s, found.coverage) == ("ok", 3.0, "3.0 of 6.0 s, 3 seconds failed")
    expected = model.anchors.score(np.stack([one.logits for one in good]))
    for k, second in enumerate(found.seconds[:3]):
        for name in ("score", "low", "high", "std"):
            assert getattr(second, name) == pytest.approx(getattr(expected, name)[k])
    (worst,) = found.worst
    assert (worst.start_s, worst.end_s, worst.lowest_s, worst.lowest) == (2.0, 3.0, 2.0, found.seconds[2].score)


def test_a_student_without_blocks_tells_its_answers(trained):
    answers = [Answer(level(value), {}) for value in (0.9, 0.9, 0.2, 0.9)]
    found = curve_of("a.mp4", HEADER, [rows(answers)], open_model(str(trained)))
    assert [second.reason for second in found.seconds[:2]] == ["", ""]
    assert found.seconds[2].reason.startswith("answer inferior +")
    assert sum(found.seconds[2].levels.values()) == pytest.approx(1)
    assert found.seconds[2].pulls == {}


def test_a_block_that_pulls_a_second_down_is_named_with_its_points(trained):
    model = open_model(str(trained))
    usual = {"native": level(0.8), "freeze": level(0.8)}
    bad = {
        "native": level(0.3),
        "freeze": level(0.8),
    }  # without what is odd of its pictures' pace it were as the others
    answers = [Answer(level(0.8), usual), Answer(level(0.8), usual), Answer(level(0.3), bad)]
    found = curve_of("a.mp4", {**HEADER, "length_s": 3.0}, [rows(answers)], model)
    low = found.seconds[2]
    assert low.pulls["native"] == pytest.approx(0)
    assert low.pulls["freeze"] == pytest.approx(low.score - found.seconds[0].score)
    assert low.reason == f"held pictures {low.pulls['freeze']:+.1f}"


def test_a_file_that_cannot_be_opened_and_one_without_a_good_second_have_failed(trained):
    model = open_model(str(trained))
    gone = curve_of("a", {**HEADER, "status": "failed", "error_kind": "missing", "error": "gone"}, [], model)
    assert (gone.status, gone.error, gone.seconds) == ("failed", "missing: gone", ())
    bad = curve_of("a", HEADER, [rows([Answer(kind="decode", error="no")] * 2)], model)
    assert (bad.status, bad.error, bad.median, bad.worst) == ("failed", "decode: no", None, ())


def test_files_are_judged_here_and_a_curve_of_one_window_is_the_score_of_that_window(trained, clip, make, tmp_path):
    from dataclasses import replace

    from pipeline.student.scoring import score_files

    model = open_model(str(trained))
    still = make("still.png", "-i", str(clip), "-frames:v", "1")
    files = [str(clip), str(tmp_path / "gone.mp4"), str(still)]
    first, gone, picture = curves(model, files, Console(), pictures=True)
    (whole,) = score_files(replace(model, window_s=0.0), [str(clip)], Console())
    assert [second.score for second in first.seconds] == [whole.score]
    assert set(first.seconds[0].pulls) == set(seconds.BLOCKS)
    assert first.seconds[0].length_s == pytest.approx(1.2)
    assert first.seconds[0].picture.startswith(b"\xff\xd8")
    assert (gone.status, gone.error.split(":")[0]) == ("failed", "missing")
    assert (picture.kind, picture.coverage, len(picture.seconds)) == ("still", "a still picture", 1)


def test_a_block_as_in_the_average_video_takes_its_part_out_of_the_quality(trained):
    student = load_judge(str(trained))
    model = open_model(str(trained))
    tests = np.random.default_rng(5).normal(size=(3, student.size)).astype(np.float32)
    blocks = student.blocks_at_average(model.anchors.features, tests)
    assert list(blocks) == list(seconds.BLOCKS)
    quality = student.quality(tests)
    parts = [quality - student.quality(tests, place) for place in student.places.values()]
    # the head is linear: what the blocks add to the average video's quality is the quality
    assert np.sum(parts, axis=0) == pytest.approx(quality, abs=1e-4)
    assert all(logits.shape == (3, 5, 5) for logits in blocks.values())


def test_more_pieces_than_pay_off_here_are_judged_by_processes_with_the_same_curves(trained, clip, monkeypatch):
    (alone,) = curves(open_model(str(trained)), [str(clip)], Console())
    monkeypatch.setattr(workplace, "ALONE", 1)
    assert curves(open_model(str(trained)), [str(clip), str(clip)], Console()) == [alone, alone]
