"""The table of quality teachers: each teacher is one file and one row.

A teacher is named by its key in `TEACHERS`, or in one of three open forms: `module:Class` of a user's own package,
`table:FILE?score=COLUMN` (published scores, `actors.teachers.table`), `pyiqa:METRIC` (`actors.teachers.iqa`).
Importing this package loads no teacher: a module is imported when its teacher is first used.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from actors.media.outcome import Failure

if TYPE_CHECKING:
    from actors.teachers.base import Teacher

TEACHERS: dict[str, str] = {
    "artefact": "actors.teachers.artefact:Artefact",
    "blockdetect": "actors.teachers.filters:Blockdetect",
    "blurdetect": "actors.teachers.filters:Blurdetect",
    "brisque": "actors.teachers.brisque:Brisque",
    "cambi": "actors.teachers.filters:Cambi",
    "dover": "actors.teachers.dover:DoverTeacher",
    "exposure": "actors.teachers.exposure:Exposure",
    "fastvqa": "actors.teachers.fastvqa:FastVQATeacher",
    "minimalistic_ix": "actors.teachers.minimalistic:ModelIX",
    "minimalistic_vii": "actors.teachers.minimalistic:ModelVII",
    "niqe": "actors.teachers.niqe:Niqe",
    "piqe": "actors.teachers.piqe:Piqe",
    "qalign": "actors.teachers.qalign:QAlignTeacher",
    "sharpness": "actors.teachers.sharpness:Sharpness",
    "temporal": "actors.teachers.temporal:Temporal",
}

FORMS = "module:Class of your own package, table:FILE?score=COLUMN, pyiqa:METRIC"
_OPEN = {"table": "actors.teachers.table:table_teacher", "pyiqa": "actors.teachers.iqa:iqa_teacher"}
_REQUIRED = ("name", "title", "description", "range", "higher_is_better", "licence", "parameters", "weights")


def teacher_class(name: str) -> type[Teacher]:
    """The class of a teacher.

    Args:
        name: A key of `TEACHERS`, or one of the open `FORMS`.

    Raises:
        Failure: `usage`: the name is unknown, the module or class cannot be imported, or the class does not fulfil the
            contract of `actors.teachers.base.Teacher`.
    """
    from actors.teachers.base import Teacher

    scheme = name.partition(":")[0]
    if scheme in _OPEN:
        module, _, function = _OPEN[scheme].partition(":")
        return cast("type[Teacher]", getattr(importlib.import_module(module), function)(name))
    module_name, separator, class_name = TEACHERS.get(name, name).partition(":")
    if not (module_name and separator and class_name):
        names = ", ".join(sorted(TEACHERS))
        raise Failure("usage", f"unknown teacher {name!r}; use one of {names}, or {FORMS}")
    try:
        candidate = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        advice = "install the package it needs, or correct module:Class"
        raise Failure("usage", f"teacher {name!r} cannot be imported: {error}; {advice}") from error
    if not (isinstance(candidate, type) and issubclass(candidate, Teacher)):
        raise Failure(
            "usage", f"teacher {name!r} is not a subclass of actors.teachers.base.Teacher; derive it from that class"
        )
    missing = [field for field in _REQUIRED if not hasattr(candidate, field)]
    if missing:
        raise Failure("usage", f"teacher {name!r} lacks the class attribute {', '.join(missing)}; add it to the class")
    return candidate


def everywhere(name: str) -> str:
    """Return the name with its path, if it has one, made absolute: workers run in other folders."""
    scheme, separator, rest = name.partition(":")
    return f"{scheme}:{Path(rest).expanduser().absolute()}" if separator and scheme == "table" else name


def views_of(names: Iterable[str]) -> tuple[str, ...]:
    """The views (`actors.media.network_views`) that the named teachers need, each once."""
    return tuple(dict.fromkeys(view for name in names for view in teacher_class(name).views))


def is_network(name: str) -> bool:
    """Whether the named teacher is a published network with released weights (`actors.teachers.network`)."""
    from actors.teachers.network import NetworkTeacher

    return issubclass(teacher_class(name), NetworkTeacher)


def load_teacher(name: str, weights: str = "") -> Teacher:
    """Build a teacher from its name, ready to score.

    Args:
        name: See `teacher_class`.
        weights: File or folder of released weights, for a published network (`actors.teachers.network`).

    Raises:
        Failure: `usage`: as `teacher_class`, or the weights of the teacher are missing or altered.
    """
    kind: Any = teacher_class(name)
    return cast("Teacher", kind(weights=weights) if is_network(name) else kind())
