"""The versions that the image installs: those of the environment that runs this, of all that the project needs.

python -m cluster.render.pins > cluster/constraints.txt
"""

from __future__ import annotations

import importlib.metadata
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from cluster import ClusterError

EXTRA = "cluster"  # of pyproject.toml: what the image needs beside the project
_HEAD = """# Versions of everything in the image, by `python -m cluster.render.pins > cluster/constraints.txt`.
# On GPUs, PyTorch itself names the exact versions of NVIDIA's libraries that it needs.
"""


def requirements(project: Path, extra: str = EXTRA) -> list[Requirement]:
    """What `pyproject.toml` asks for, with one extra."""
    described: dict[str, Any] = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
    return [Requirement(line) for line in [*described["dependencies"], *described["optional-dependencies"][extra]]]


def pins(wanted: Iterable[Requirement]) -> dict[str, str]:
    """Name and version of all that is wanted, and of what that needs in turn, as installed here.

    Raises:
        ClusterError: Something is not installed.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = list(wanted)
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        for extra in sorted({"", *one.extras}):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            found[name], needs = _installed(name)
            waiting += [each for each in needs if each.marker is None or each.marker.evaluate({"extra": extra})]
    return dict(sorted(found.items()))


def _installed(name: str) -> tuple[str, list[Requirement]]:
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise ClusterError(f"{name} is not installed: pip install -e '.[{EXTRA}]', then ask again") from error
    # A local version (2.13.0+cpu) names one build; a constraint without it admits all builds of the release.
    return Version(distribution.version).public, [Requirement(line) for line in distribution.requires or []]


def lines(versions: dict[str, str]) -> str:
    """The text of `constraints.txt`."""
    return _HEAD + "".join(f"{name}=={version}\n" for name, version in versions.items())


if __name__ == "__main__":
    sys.stdout.write(lines(pins(requirements(Path(__file__).resolve().parents[2] / "pyproject.toml"))))
