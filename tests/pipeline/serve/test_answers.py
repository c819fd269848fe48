import dataclasses
from pathlib import Path

from pipeline.serve.answers import Answers, Score, answer_of
from pipeline.serve.uploads import Upload
from pipeline.student.scoring import FileScore
from pipeline.student.seconds import Curve, Second, Stretch

FACTS = {"student": "s", "sampling": "whole file", "range": "0..100", "better": "higher", "interval": 0.68}
PATH = "/secret/0123.mp4"


def upload(digest="d"):
    return Upload(Path(PATH), "mine.mp4", digest)


def score(**more):
    figures = dict.fromkeys(("score", "low", "high", "std", "mean", "raw", "seconds", "seconds_seen"), 50.0)
    return FileScore(PATH, "ok", kind="video", **figures, **more)


def curve(count=9):
    seconds = tuple(
        Second(
            float(k), 1.0, "ok", 50.0 - k, 40.0, 60.0, 5.0, {"native": -1.0}, {"worse": 1.0}, "blur", None, bytes([k])
        )
        for k in range(count)
    )
    worst = tuple(Stretch(k, k + 1, 50.0, 49.0, float(k), "blur") for k in reversed(range(count)))
    failed = Second(9.0, 1.0, "failed", error=f"decode: {PATH}: no frame")
    return Curve(PATH, "ok", "video", 10.0, 9.0, 46.0, (*seconds, failed), worst, f"{PATH} ends early")


def test_an_answer_names_the_file_as_its_owner_does_wherever_it_is_mentioned():
    text = answer_of(upload(), score(note=f"{PATH}: short"), curve(), FACTS).model_dump_json()
    assert PATH not in text
    assert "mine.mp4: short" in text
    assert "decode: mine.mp4: no frame" in text
    assert "mine.mp4 ends early" in text


def test_a_score_has_every_column_of_the_command():
    assert set(Score.model_fields) == {field.name for field in dataclasses.fields(FileScore)} | set(FACTS)


def test_the_lowest_seconds_and_the_best_one_have_pictures_and_the_others_carry_none():
    answer = answer_of(upload(), score(), curve(), FACTS)
    shown = answer.curve.moments
    assert [moment.mark for moment in shown] == [*(f"worst stretch {k}" for k in range(1, 6)), "best"]
    assert [moment.score for moment in shown] == [42, 43, 44, 45, 46, 50]
    assert shown[0].picture == "data:image/jpeg;base64,CA=="  # byte 8
    assert "picture" not in answer.curve.seconds[0].model_dump()
    assert (len(answer.curve.seconds), len(answer.curve.worst)) == (10, 9)


def test_a_curve_without_a_score_is_no_curve():
    assert answer_of(upload(), score(), Curve(PATH, "failed", "video", 1.0), FACTS).curve is None
    assert answer_of(upload(), score(), None, FACTS).curve is None


def test_the_answers_that_were_asked_for_last_are_kept():
    kept = Answers(most=2)
    for name in "ab":
        kept.keep(answer_of(upload(name), score(), None, FACTS))
    assert kept.find("a").id == "a"
    kept.keep(answer_of(upload("c"), score(), None, FACTS))
    assert [kept.find(name) is not None for name in "abc"] == [True, False, True]


def test_an_answer_without_a_curve_is_none_where_a_curve_is_asked_for():
    kept = Answers()
    kept.keep(answer_of(upload(), score(), None, FACTS))
    assert kept.find("d") is not None
    assert kept.find("d", per_second=True) is None
