"""What is computed and in which order: records, configuration, the run folder, the method and its steps.

`load` opens a trained student for use from Python; it imports nothing heavy before it is called.
"""

from __future__ import annotations

import os
import typing

if typing.TYPE_CHECKING:
    from pipeline.student.scorer import Scorer

__all__ = ["load"]


def load(student: str | os.PathLike[str]) -> Scorer:
    """Open a trained student: ``load("student").score("a.mp4").score``, 0-100, higher is better.

    Args:
        student: A run folder (its latest student), a student folder, or a released checkpoint that has its anchors.

    Raises:
        UserError: There is no such student, or its files are damaged.
    """
    from pipeline.student.scorer import Scorer

    return Scorer(os.fspath(student))
