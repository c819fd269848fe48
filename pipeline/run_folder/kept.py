"""Which student of a run is the one to use: the last, or where the run ends by the stopping rule the one that the rule keeps."""

from __future__ import annotations

import yaml

from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import exists, read_bytes, read_json
from trainers.places import Place


def kept_student(layout: RunLayout) -> Place:
    """The student to use.

    A folder may hold rounds after the one at which the rule stops, where the same run was begun with a fixed number of them.

    Raises:
        UserError: No round of this run has trained a student.
    """
    last = layout.last_trained()
    if _by_rule(layout):
        told = (layout.decision(number) for number in range(1, last + 1))
        said = next((one for place in told if exists(place) and (one := read_json(place))["stop"]), None)
        if said is not None:
            return layout.student(int(said["keep"]))
    return layout.student(last)


def _by_rule(layout: RunLayout) -> bool:
    """Whether the run ends by the stopping rule."""
    config = yaml.safe_load(read_bytes(layout.config)) if exists(layout.config) else {}
    return bool(config.get("stopping", {}).get("auto"))
