"""Which rounds of a folder belong to its run, and which student is the one to use.

That is the last student, or where the run ends by the stopping rule the one that the rule keeps.
"""

from __future__ import annotations

from typing import Any

import yaml

from pipeline.console import UserError
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import exists, read_bytes, read_json
from trainers.places import Place


def counted_rounds(layout: RunLayout) -> list[int]:
    """The rounds that have a folder, ascending, up to the number of stages with which the run was begun last.

    Those after it are of an earlier start with more stages, and perhaps with other settings.
    """
    stages = _config(layout).get("stages")
    return [number for number in layout.rounds() if not isinstance(stages, int) or number <= stages]


def last_trained(layout: RunLayout) -> int:
    """The latest round that counts and has a student.

    Raises:
        UserError: No round of this run has trained a student.
    """
    for number in reversed(counted_rounds(layout)):
        if layout.manifest(f"train-{number}").is_file() and layout.student(number).is_dir():
            return number
    raise UserError(f"{layout.root}: no round of this run has trained a student yet; finish the run first")


def kept_student(layout: RunLayout) -> Place:
    """The student to use.

    A folder may hold rounds after the one at which the rule stops, where the same run was begun with a fixed number of them.

    Raises:
        UserError: No round of this run has trained a student.
    """
    last = last_trained(layout)
    if _config(layout).get("stopping", {}).get("auto"):
        told = (layout.decision(number) for number in range(1, last + 1))
        said = next((one for place in told if exists(place) and (one := read_json(place))["stop"]), None)
        if said is not None:
            return layout.student(int(said["keep"]))
    return layout.student(last)


def _config(layout: RunLayout) -> dict[str, Any]:
    """The configuration of the run; empty if there is none yet."""
    return yaml.safe_load(read_bytes(layout.config)) if exists(layout.config) else {}
