"""One thing that is wrong with a file, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        path: Keys and positions that lead to it.
        what: What is wrong.
        mend: What to do.
        error: Whether the cluster would not start, would cost money for nothing, or would be open; else a note.
        source: Whose rule it is, where it is not this project's.
        line: Of the file, from 1; 0 before it is known.
    """

    path: Path
    what: str
    mend: str = ""
    error: bool = True
    source: str = ""
    line: int = 0

    def text(self, file: str) -> str:
        """One line for the user."""
        where = f"{file}:{self.line}" if self.line else file
        place = f" {dotted(self.path)}:" if self.path else ""
        parts = [f"{self.what}; {self.mend}" if self.mend else self.what, f"[{self.source}]" if self.source else ""]
        return f"{'error' if self.error else 'note'}: {where}:{place} {' '.join(part for part in parts if part)}"


Check = Callable[[Any], Iterator[Finding]]


def dotted(path: Path) -> str:
    """A path as a user reads it: `spec.containers[0].image`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def at(tree: Any, *path: str | int) -> Any:
    """The value at a path, or None where the tree ends before."""
    for step in path:
        if isinstance(tree, dict):
            tree = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree


def mapping(tree: Any, *path: str | int) -> dict[str, Any]:
    """The mapping at a path; empty where there is none."""
    found = at(tree, *path)
    return found if isinstance(found, dict) else {}


def sequence(tree: Any, *path: str | int) -> Sequence[Any]:
    """The list at a path; empty where there is none."""
    found = at(tree, *path)
    return found if isinstance(found, list) else ()


def scalars(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All values that are no mappings and no lists, with their paths."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from scalars(value, (*path, key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from scalars(value, (*path, index))
    else:
        yield path, tree
