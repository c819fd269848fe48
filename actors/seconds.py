"""The pool that scores a file second by second: neighbouring seconds share one copy in the common form, and one decoder.

A second of a file shows the pictures whose times lie in it, as a window of that length would. Several in a row are brought
into the student's form by one FFmpeg process, and each is then decoded from that copy by the numbers of its pictures. This is
done only where it gives exactly what the seconds give one by one: not where pictures are held or deinterlaced, which looks
across borders, and not where pictures are missing. There, and where the copy cannot be made, every second is a window of its
own, so that one bad second costs no other.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from actors.folder import FolderEncoder, encoded
from actors.media.outcome import STORAGE, Failure
from actors.media.rows import Row, attempt, fresh, unpack
from actors.media.scan import scan
from actors.media.views import Sample, SampleSpec
from actors.media.window import EncodeOptions, Window
from actors.sample import Sampler
from trainers.levels import LEVELS

THUMBNAIL_SIDE = 180  # pixels, the shorter one
_JPEG_QUALITY = 80
Span = tuple[float, float]  # start and length, seconds; length 0 is the whole file
EMPTY: Row = {"answers": "[]", "numbers": b"", "pictures": b""}


@dataclass(frozen=True)
class Answer:
    """What is known of one second.

    Attributes:
        logits: Against the anchors, float32 `[A, 5]`; None if the second failed.
        blocks: Name of a block of features -> logits with it as in the average training video.
        picture: JPEG of its middle key frame; empty unless asked for.
        kind: Kind of the failure.
        error: One line about it; empty without one.
    """

    logits: np.ndarray | None = None
    blocks: dict[str, np.ndarray] | None = None
    picture: bytes = b""
    kind: str = ""
    error: str = ""


def pack_answers(answers: Sequence[Answer]) -> Row:
    """The columns of a row that carry the answers."""
    facts, numbers, pictures = [], [], []
    for answer in answers:
        blocks = answer.blocks or {}
        if answer.logits is not None:
            numbers += [answer.logits, *blocks.values()]
        pictures.append(answer.picture)
        facts.append(
            {
                "blocks": list(blocks) if answer.logits is not None else None,
                "picture": len(answer.picture),
                "kind": answer.kind,
                "error": answer.error,
            }
        )
    data = b"".join(np.asarray(some, np.float32).tobytes() for some in numbers)
    return {"answers": json.dumps(facts), "numbers": data, "pictures": b"".join(pictures)}


def unpack_answers(row: Row, anchors: int) -> list[Answer]:
    """The answers of a row, in the order of its seconds."""
    tables = np.frombuffer(row["numbers"], np.float32).reshape(-1, anchors, len(LEVELS))
    answers, at, place = [], 0, 0
    for facts in json.loads(row["answers"]):
        names, end = facts["blocks"], place + facts["picture"]
        picture, place = bytes(row["pictures"][place:end]), end
        if names is None:
            answers.append(Answer(picture=picture, kind=facts["kind"], error=facts["error"]))
            continue
        blocks = {name: tables[at + 1 + k] for k, name in enumerate(names)}
        answers.append(Answer(tables[at], blocks, picture))
        at += 1 + len(names)
    return answers


class SecondsScorer:
    """Ray actor: score the seconds of a row, which follow each other in one file.

    Takes `video_id`, `uri`, `recipe` (the common form) and `spans` (JSON list of `Span`); adds `answers`, `numbers`
    and `pictures` (`unpack_answers`).

    Args:
        spec: What to keep of each second.
        options: The common form.
        encoder: A student that is loaded already, or None to load it here.
        student: Its folder.
        anchors: Features `[A, D]`, lowest quality first.
        pictures: Keep a small picture of each second.
    """

    def __init__(
        self,
        spec: SampleSpec,
        options: EncodeOptions,
        encoder: FolderEncoder | None = None,
        student: str = "",
        anchors: np.ndarray | None = None,
        pictures: bool = False,
    ) -> None:
        self.spec = spec
        self.options = options
        self.sampler = Sampler(spec, options)
        self.pictures = pictures
        if encoder is None:
            assert anchors is not None
            encoder = FolderEncoder(student, anchors)
        self.encoder = encoder

    def __call__(self, row: Row) -> Row:
        """One row in, one row out."""
        return attempt(fresh(row), lambda: pack_answers(self._answers(row)), EMPTY)

    def close(self) -> None:
        """Remove the copies and end the decoding process."""
        self.sampler.close()

    def _answers(self, row: Row) -> list[Answer]:
        spans = [(float(start), float(length)) for start, length in json.loads(row["spans"])]
        together = self.sampler.decode.inputs.use(row, lambda local: self._together(local, spans))["done"]
        return together or [self._apart(row, number, span) for number, span in enumerate(spans)]

    def _apart(self, row: Row, number: int, span: Span) -> Answer:
        """One second as a window of its own."""
        done = self.sampler(self._second(row, number, span))
        if done["error_kind"] == STORAGE:
            raise Failure(STORAGE, done["error"])
        if done["status"] != "ok":
            return Answer(kind=done["error_kind"], error=done["error"])
        return self._judged(unpack(done))

    def _together(self, row: Row, spans: Sequence[Span]) -> Row:
        """The answers of all seconds from one copy in `done`; none where that would not be exact, or has failed."""
        try:
            places = _places(str(row["uri"]), spans, self.options) if len(spans) > 1 else []
        except Failure:  # each second by itself says what it is
            places = []
        if not places:
            return {"done": []}
        (begin, _), (last, length) = spans[0], spans[-1]
        made = self.sampler.synthesise(self._second(row, 0, (begin, last + length - begin)))
        if made["error_kind"] == STORAGE:
            raise Failure(STORAGE, made["error"])
        try:
            return {"done": self._from_copy(made, row, spans, places) if made["status"] == "ok" else []}
        except Failure:
            return {"done": []}
        finally:
            self.sampler.synthesise.drop(made)

    def _from_copy(self, made: Row, row: Row, spans: Sequence[Span], places: Sequence[tuple[int, int]]) -> list[Answer]:
        copy, answers = str(made["path"]), []
        facts = scan(copy)
        times = facts.timeline.times
        if len(times) != places[-1][1]:  # pictures that cannot be decoded are missing, and numbers mean nothing
            return []
        step = (float(times[-1]) - float(times[0])) / max(len(times) - 1, 1)
        for number, (span, (first, end)) in enumerate(zip(spans, places, strict=True)):
            seed = str(self._second(row, number, span)["video_id"])
            start, length = first * step, (end - first) * step
            cut = facts.cut(start, length)
            if cut is None or (cut.first, cut.end, cut.schedule) != (first, end, None):
                return []
            sample = self.sampler.decode.decoder.decode(copy, start, length, self.spec, seed)
            answers.append(self._judged(sample))
        return answers

    def _judged(self, sample: Sample) -> Answer:
        comparer = self.encoder.comparer
        try:
            row = encoded(comparer.student, sample)[None]
            logits = comparer.against_anchors(row)[0]
            usual = comparer.student.blocks_at_average(comparer.anchors, row)
        except (ValueError, RuntimeError) as problem:
            return Answer(kind="decode", error=f"the student cannot encode it: {problem}")
        blocks = {name: some[0] for name, some in usual.items()}
        return Answer(logits, blocks, _thumbnail(sample) if self.pictures else b"")

    @staticmethod
    def _second(row: Row, number: int, span: Span) -> Row:
        start, length = span
        name = f"{row['video_id']}-{number}"
        return {**row, "video_id": name, "start_s": start, "duration_s": length, "still": False}


def _places(uri: str, spans: Sequence[Span], options: EncodeOptions) -> list[tuple[int, int]]:
    """First picture of each second, and the one after its last, in a copy of all of them; empty where none is exact."""
    begin, end = spans[0][0], spans[-1][0] + spans[-1][1]
    whole = Window.open(uri, begin, end - begin, False, options)
    deinterlaced = whole.tags.is_interlaced and options.rendering.interlaced == "deinterlace"
    if deinterlaced or not whole.keep_every or whole.scan.header.is_still:
        return []
    step, places = whole.keep_every, []
    for start, length in spans:
        one = Window.open(uri, start, length, False, options)
        shift = one.cut.first - whole.cut.first
        if one.keep_every != step or one.rate != whole.rate or shift % step:
            return []
        places.append((shift // step, shift // step + -(-one.cut.count // step)))
    adjoin = all(before[1] == after[0] for before, after in itertools.pairwise(places))
    covers = places[0][0] == 0 and one.cut.end == whole.cut.end
    return places if adjoin and covers else []


def _thumbnail(sample: Sample) -> bytes:
    import cv2

    frame = sample.key[len(sample.key) // 2, 0]
    ratio = min(1.0, THUMBNAIL_SIDE / min(frame.shape[:2]))
    size = (max(1, round(frame.shape[1] * ratio)), max(1, round(frame.shape[0] * ratio)))
    small = cv2.resize(np.ascontiguousarray(frame[:, :, ::-1]), size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    picture: Any = data
    return bytes(picture)
