"""Reading a YAML file strictly: a key that stands twice is refused, and every value knows its line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from cluster.validation.finding import Finding, Path

MOST_BYTES = 1 << 20
MOST_VALUES = 50_000  # after aliases are followed: a small file may stand for a tree without end


@dataclass(frozen=True)
class Document:
    """One document of a file.

    Attributes:
        tree: Its mappings, lists and values.
        lines: Line of each path, from 1.
    """

    tree: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """Line of a path, or of the nearest place above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Walk:
    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self.twice: list[Finding] = []
        self.values = 0

    def down(self, node: yaml.Node, path: Path) -> None:
        self.values += 1
        if self.values > MOST_VALUES:
            raise ValueError(f"it stands for more than {MOST_VALUES:,} values")
        self.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = key.value if isinstance(key, yaml.ScalarNode) else "?"
                if name in seen:
                    line = key.start_mark.line + 1
                    self.twice.append(
                        Finding(
                            (*path, name), "this key stands twice; the first value is lost", "remove one", line=line
                        )
                    )
                seen.add(name)
                self.down(value, (*path, name))
                self.lines[(*path, name)] = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.down(value, (*path, index))


def read(text: str) -> tuple[list[Document], list[Finding]]:
    """The documents of a file, and what keeps it from being read or is lost in reading."""
    documents, findings = [], []
    try:
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            walk = _Walk()
            walk.down(node, ())
            findings += walk.twice
            constructor = yaml.constructor.SafeConstructor()
            documents.append(Document(constructor.construct_document(node), walk.lines))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        return [], [Finding((), f"no YAML: {error.problem}", "correct this line", line=line)]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = "it is nested without end" if isinstance(error, RecursionError) else str(error)
        return [], [Finding((), f"cannot be read: {reason}", "write it out in plain YAML")]
    return documents, findings
