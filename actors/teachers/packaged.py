"""Data files of installed packages, which some teachers read."""

from __future__ import annotations

from pathlib import Path

from actors.media.outcome import Failure


def packaged_file(teacher: str, package: str, distribution: str, *parts: str) -> Path:
    """Path of a data file inside an installed package, located without importing the package.

    Raises:
        Failure: `usage`: the package is not installed or does not contain the file.
    """
    from importlib.util import find_spec

    spec = find_spec(package)
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root).joinpath(*parts)
        if path.is_file():
            return path
    name = "/".join((package, *parts))
    raise Failure("usage", f"teacher {teacher!r} needs {name}; install it with: pip install {distribution}")
