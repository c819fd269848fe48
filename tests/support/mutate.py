"""A valid cluster file with one thing made wrong."""

import copy
from pathlib import Path

import yaml

from cluster.validation.check import check_text

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
REMOVED = object()


def documents(name):
    """The documents of a committed file."""
    return list(yaml.safe_load_all((CLUSTER / name).read_text(encoding="utf-8")))


def mutated(name, *changes, document=0):
    """Text of a committed file with values at dotted paths replaced, added or `REMOVED`."""
    trees = copy.deepcopy(documents(name))
    for path, value in changes:
        *above, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        place = trees[document]
        for step in above:
            place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]
        if value is REMOVED:
            del place[last]
        elif isinstance(place, list) and last == len(place):
            place.append(value)
        else:
            place[last] = value
    return yaml.safe_dump_all(trees, sort_keys=False)


def errors(text):
    """The errors of a text, as lines."""
    return [one.text("file") for one in check_text(text, "file") if one.error]


def notes(text):
    """The notes of a text, as lines, without those on examples."""
    lines = [one.text("file") for one in check_text(text, "file") if not one.error]
    return [line for line in lines if "is an example" not in line]
