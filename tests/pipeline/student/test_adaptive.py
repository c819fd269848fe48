import io
import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from pipeline.console import Console
from pipeline.corpus.windows import windows
from pipeline.method.scale import LEVEL_WEIGHTS
from pipeline.settings.sections import CorpusConfig
from pipeline.student.adaptive import Thrift, grid, judge, order_gap, score_on, score_until, thrift_of
from pipeline.student.folder import Anchors, write_anchors
from pipeline.student.scoring import open_model

QUALITIES = np.linspace(-1.2, 1.2, 9)


def answer(p):
    """Logits that say P(window beats anchor) = p at temperature 1, by the two outer levels."""
    p = np.clip(np.asarray(p, np.float64), 1e-6, 1 - 1e-6)
    logits = np.full((*p.shape, len(LEVEL_WEIGHTS)), -40.0)
    logits[..., 0], logits[..., 4] = np.log(1 - p), np.log(p)
    return logits.astype(np.float32)


def against(quality, asked, bias=0.0):
    """Answers of a student to whom a window of this quality seems better by `bias` when it is shown second."""
    shown = np.array([-bias if turned else bias for _, turned in asked])
    return answer(norm.cdf(quality + shown - QUALITIES[[k for k, _ in asked]]))


@pytest.fixture(scope="module")
def anchors():
    """Nine anchors at equal distances, of which every second one is a usual one."""
    matrix = norm.cdf(QUALITIES[:, None] - QUALITIES[None, :])
    return Anchors(np.zeros((9, 2), np.float32), matrix, np.linspace(10.0, 90.0, 9), tuple("abcdefghi"), 1.0)


@pytest.fixture
def thrift(anchors):
    """``thrift(until_std, orders)``."""
    return lambda until, orders=False: Thrift(anchors, (0, 2, 4, 6, 8), until, orders)


def run(chooser, quality, bias=0.0):
    asked, logits = [], np.zeros((0, 5), np.float32)
    while some := chooser.next(asked, logits):
        logits = np.concatenate([logits, against(quality, some, bias)])
        asked = asked + some
    return asked, logits


def test_a_window_that_is_sure_enough_costs_the_usual_comparisons(thrift):
    asked, _ = run(thrift(99.0), 0.3)
    assert asked == [(k, False) for k in (0, 2, 4, 6, 8)]


def test_a_window_that_is_not_sure_enough_is_compared_with_all_other_anchors(anchors, thrift):
    asked, logits = run(thrift(0.01), -0.85)
    assert asked[5:] == [(k, False) for k in (1, 3, 5, 7)]
    stds = [judge(anchors, [asked[:n]], [logits[:n]]).std[0] for n in (5, 9)]
    assert stds[0] > stds[1]
    for until, count in ((stds[0] + 0.01, 5), (stds[0] - 0.01, 9)):
        assert len(run(thrift(until), -0.85)[0]) == count


def test_the_other_order_is_asked_for_last_and_only_of_students_that_may_answer_otherwise(thrift):
    asked, _ = run(thrift(0.01, orders=True), 0.0)
    assert asked[9:] == [(k, True) for k in range(9)]


def test_position_bias_is_told_and_both_orders_cancel_it(anchors, thrift):
    asked, logits = run(thrift(0.01, orders=True), 0.0, bias=0.3)
    gap = order_gap([asked], [logits], 1.0)
    assert gap == pytest.approx(np.mean(norm.cdf(0.3 - QUALITIES) - norm.cdf(-0.3 - QUALITIES)), abs=1e-3)
    assert order_gap([asked[:9]], [logits[:9]], 1.0) is None
    one, both = (judge(anchors, [asked[:n]], [logits[:n]]).score[0] for n in (9, 18))
    fair = judge(anchors, [asked[:9]], [run(thrift(0.01), 0.0)[1]]).score[0]
    assert abs(both - fair) < abs(one - fair)


def test_windows_that_were_compared_differently_are_judged_together(anchors):
    asked = [[(0, False), (4, False)], [(k, False) for k in range(9)]]
    logits = [against(0.5, some) for some in asked]
    both = judge(anchors, asked, logits)
    for n in range(2):
        one = judge(anchors, asked[n : n + 1], logits[n : n + 1])
        assert (both.score[n], both.std[n]) == (pytest.approx(one.score[0]), pytest.approx(one.std[0]))


def test_the_first_windows_are_always_spread_over_the_file():
    assert grid(0.0, 1.0) == grid(1.0, 1.0) == grid(9.0, 0.0) == [(0.0, 0.0)]
    starts = [start for start, _ in grid(20.0, 1.0)]
    assert len(set(starts)) == 20
    for count in (3, 6, 12):
        gaps = np.diff([0.0, *sorted(starts[:count]), 20.0])
        assert gaps.max() <= 2.3 * 20 / count
    assert len(grid(7200.0, 1.0)) == 30


@pytest.mark.parametrize("length", [0.4, 1.6, 1.601, 2.73, 3.199, 3.2, 5.0])
def test_a_file_begins_with_the_windows_that_training_cuts(length):
    cut = windows(length, CorpusConfig(window_s=1.6, windows_per_clip=3))
    assert sorted(grid(length, 1.6)) == list(cut)


class Answers:
    """An engine whose student sees qualities that are given for each instant."""

    def __init__(self, chooser, quality):
        self.chooser, self.quality, self.seen = chooser, quality, []

    def stream(self, rows, *_how, **_more):
        for row in rows:
            self.seen.append(row["start_s"])
            asked, logits = run(self.chooser, self.quality(row["start_s"]))
            yield [{**row, "status": "ok", "asked": json.dumps(asked), "logits": logits.tobytes()}]


@pytest.fixture
def scored(trained, thrift):
    """``scored(until, quality)``: the score of a file of 60 s and the engine that scored it."""

    def work(until, quality):
        chooser = thrift(until)
        engine = Answers(chooser, quality)
        model = replace(open_model(str(trained)), window_s=2.0)
        header = {"video_id": "00000000", "uri": "a", "status": "ok", "length_s": 60.0, "note": ""}
        return score_on(engine, model, ["a"], [header], [], chooser, Console(io.StringIO()))[0], engine

    return work


def test_a_file_whose_windows_differ_gets_more_of_them_and_a_steady_one_does_not(scored):
    steady, engine = scored(5.0, lambda _start: 0.2)
    assert (steady.windows, steady.comparisons) == (3, 27), "more windows would not help, more anchors do"
    varied, engine = scored(5.0, lambda start: 1.2 * np.sin(start))
    assert varied.windows == len(set(engine.seen)) == 30
    sure, _ = scored(60.0, lambda start: 1.2 * np.sin(start))
    assert sure.windows == 3
    assert sure.std > varied.std
    assert varied.low < varied.mean < varied.high
    assert varied.seconds_seen == pytest.approx(60.0)


def test_a_file_with_a_damaged_window_has_failed(trained, thrift):
    class Broken(Answers):
        def stream(self, rows, *_how, **_more):
            for row in rows:
                yield [
                    {
                        **row,
                        "status": "failed",
                        "error_kind": "decode",
                        "error": "no frame",
                        "asked": "[]",
                        "logits": b"",
                    }
                ]

    header = {"video_id": "00000000", "uri": "a", "status": "ok", "length_s": 60.0, "note": ""}
    model = replace(open_model(str(trained)), window_s=2.0)
    (found,) = score_on(Broken(None, None), model, ["a"], [header], [], thrift(5.0), Console(io.StringIO()))
    assert (found.status, found.error) == ("failed", "decode: no frame")


def test_files_are_scored_here_with_the_anchors_that_the_folder_has(copied_student, clip, tmp_path):
    model = open_model(str(copied_student))
    few = thrift_of(model, 1.0)
    assert (few.usual, few.orders) == ((0, 1, 2, 3, 4), False)
    found, gone = score_until(model, [str(clip), str(tmp_path / "gone.mp4")], 1.0, Console(io.StringIO()))
    assert (found.windows, found.comparisons, gone.status) == (2, 10, "failed")
    own = model.anchors
    order = [0, 1, 2, 3, 4, 4]
    matrix = own.matrix[np.ix_(order, order)]
    more = Anchors(own.features[order], matrix, np.array([10.0, 30, 50, 70, 90, 95]), (*own.ids, "f"), 5.0)
    write_anchors(copied_student, more, more=True)
    found, _ = score_until(model, [str(clip), str(tmp_path / "gone.mp4")], 1.0, Console(io.StringIO()))
    assert found.comparisons == 12


@pytest.fixture
def copied_student(trained, tmp_path):
    import shutil
    from pathlib import Path

    return Path(shutil.copytree(trained, tmp_path / "student"))
