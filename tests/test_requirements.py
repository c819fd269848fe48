"""Lower bounds of `pyproject.toml` that were found wrong by experiment."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1]


def test_no_transformers_is_allowed_that_lacks_what_the_students_call():
    listed = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (transformers,) = (wanted for wanted in map(Requirement, listed) if wanted.name == "transformers")
    # 5.20 to 5.22 have no `activation_checkpointing_enable`
    assert not list(transformers.specifier.filter(["5.20.0", "5.21.0", "5.22.0", "5.22.9"]))
    assert transformers.specifier.contains("5.23.0")
