"""Seconds that share a decode have exactly what they have one by one; a bad one costs no other."""

import json

import numpy as np
import pytest

from actors import seconds
from actors.media.outcome import Failure
from actors.media.rows import format_recipe
from actors.media.views import SampleSpec
from actors.media.window import EncodeOptions
from actors.seconds import Answer, SecondsScorer, pack_answers, unpack_answers

SPEC = SampleSpec(key_frames=2, motion_frames=8, motion_short_side=48)
ANCHORS = np.zeros((2, 4), np.float32)


class Numbers:
    """A student whose features say which pictures it was shown."""

    def encode(self, key, luma, fps, _views):
        return np.array([key[0, 0].mean(), key[-1, 1].mean(), luma.mean(), fps], np.float32)

    def blocks_at_average(self, anchors, tests):
        return {"one": np.zeros((len(tests), len(anchors), 5), np.float32)}


class Encoder:
    student = Numbers()
    anchors = ANCHORS

    @property
    def comparer(self):
        return self

    def against_anchors(self, features):
        return np.tile(np.pad(features, ((0, 0), (0, 1)))[:, None, :], (1, len(ANCHORS), 1))


@pytest.fixture
def scorer():
    """``scorer(**options)``: the actor, closed at the end."""
    made = []

    def build(pictures=False, **options):
        made.append(SecondsScorer(SPEC, EncodeOptions(**options), Encoder(), pictures=pictures))
        return made[-1]

    yield build
    for one in made:
        one.close()


def row(path, spans):
    return {
        "video_id": "f-0",
        "uri": str(path),
        "recipe": format_recipe([("pristine", 0, 0)]),
        "spans": json.dumps(spans),
    }


def whole_seconds(count, length=1.0):
    return [(float(k), length) for k in range(count)]


def answers(actor, path, spans):
    done = actor(row(path, spans))
    assert done["status"] == "ok", done["error"]
    return unpack_answers(done, len(ANCHORS))


@pytest.mark.parametrize(
    ("rate", "options"),
    [("10", {}), ("30000/1001", {}), ("30000/1001", {"max_fps": 20.0}), ("24", {"max_short_side": 64})],
)
def test_neighbouring_seconds_share_one_copy_and_are_what_they_are_one_by_one(make, scorer, rate, options, monkeypatch):
    source = f"testsrc2=size=96x80:rate={rate}:duration=3.4"
    path = make(f"rate{rate.replace('/', '-')}.mkv", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", "-g", "7")
    spans = [(0.0, 1.0), (1.0, 1.0), (2.0, 1.4)]
    apart, together = scorer(**options), scorer(**options)
    monkeypatch.setattr(together, "_apart", None)
    shared = answers(together, path, spans)
    alone = [answers(apart, path, [span])[0] for span in spans]
    assert len({one.logits.tobytes() for one in alone}) == 3
    assert [one.logits.tolist() for one in shared] == [one.logits.tolist() for one in alone]


def test_seconds_of_held_pictures_are_windows_of_their_own(odd_files, scorer, monkeypatch):
    actor = scorer()
    spans = [(0.0, 0.5), (0.5, 0.7)]
    alone = [answers(actor, odd_files["vfr"], [span])[0].logits.tolist() for span in spans]
    monkeypatch.setattr(actor, "_from_copy", None)
    assert [one.logits.tolist() for one in answers(actor, odd_files["vfr"], spans)] == alone


def test_a_second_that_cannot_be_read_costs_no_other(numbered, scorer):
    found = answers(scorer(pictures=True), numbered, [*whole_seconds(3), (9.0, 1.0)])
    assert [one.kind for one in found] == ["", "", "", "decode"]
    assert found[3].logits is None
    assert "no frame at 9 s" in found[3].error
    assert [one.picture[:2] for one in found] == [b"\xff\xd8"] * 3 + [b""]


def test_a_copy_that_cannot_be_made_or_read_leaves_the_seconds_to_themselves(numbered, scorer, monkeypatch):
    actor = scorer()
    expected = [one.logits.tolist() for one in answers(actor, numbered, whole_seconds(3))]

    def broken(*_given):
        raise Failure("decode", "no")

    monkeypatch.setattr(actor, "_from_copy", broken)
    assert [one.logits.tolist() for one in answers(actor, numbered, whole_seconds(3))] == expected


def test_a_file_that_is_no_video_fails_second_by_second_with_its_reason(broken_files, scorer):
    found = answers(scorer(), broken_files["format.text.mp4"], whole_seconds(2))
    assert [one.kind for one in found] == ["format", "format"]


def test_a_second_that_the_student_cannot_encode_is_a_failed_one(numbered, scorer, monkeypatch):
    def refuses(*_given):
        raise ValueError("too small")

    monkeypatch.setattr(Numbers, "encode", refuses)
    found = answers(scorer(), numbered, whole_seconds(2))
    assert [one.error for one in found] == ["the student cannot encode it: too small"] * 2


def test_answers_survive_their_packing():
    rng = np.random.default_rng(0)
    first, second, block = rng.normal(size=(3, 2, 5)).astype(np.float32)
    given = [
        Answer(first, {"a": block}, b"12"),
        Answer(kind="decode", error="why"),
        Answer(second, {"a": block}, b"345"),
    ]
    found = unpack_answers(pack_answers(given), 2)
    assert [one.picture for one in found] == [b"12", b"", b"345"]
    assert (found[1].logits, found[1].kind, found[1].error) == (None, "decode", "why")
    assert (found[2].logits == second).all()
    assert (found[2].blocks["a"] == block).all()


def test_a_piece_that_holds_a_gap_is_not_shared(numbered):
    assert seconds._places(str(numbered), [(0.0, 1.0), (2.0, 1.0)], EncodeOptions()) == []
