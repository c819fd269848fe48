"""Which student of a run is the one to use: the last, or its predecessor where the last stage was not shown to teach."""

from __future__ import annotations

from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import exists, read_json
from trainers.places import Place


def kept_student(layout: RunLayout) -> Place:
    """The student to use.

    Raises:
        UserError: No round of this run has trained a student.
    """
    number = layout.last_trained()
    if exists(layout.decision(number)):
        number = int(read_json(layout.decision(number))["keep"])
    return layout.student(number)
