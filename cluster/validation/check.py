"""Check a cluster file of any kind."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster import ClusterError
from cluster.validation import kinds, kuberay, ray_up, security, skypilot, slurm
from cluster.validation.document import MOST_BYTES, Document, read
from cluster.validation.finding import Finding

_KNOWN = "a file of ray up, RayJob, RayCluster, SkyPilot or Slurm"


def check_file(path: Path) -> list[Finding]:
    """What is wrong with a file, errors first, then by line.

    Raises:
        ClusterError: It cannot be read, or is no cluster file.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ClusterError(f"{path}: larger than {MOST_BYTES >> 20} MiB, which no cluster file is")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise ClusterError(f"{path}: cannot be read: {reason}; give {_KNOWN}") from error
    return check_text(text, str(path))


def check_text(text: str, name: str) -> list[Finding]:
    """What is wrong with the text of a file.

    Raises:
        ClusterError: It is no cluster file.
    """
    if slurm.is_script(text):
        found = [*slurm.check(text), *_lines(text)]
    else:
        documents, found = read(text)
        if documents and not any(_kind(document.tree) for document in documents):
            raise ClusterError(f"{name}: neither of {_KNOWN.removeprefix('a file of ')}")
        for document in documents:
            found += [_placed(one, document) for one in _of(document.tree)]
        for index, finding in kinds.together([document.tree for document in documents]):
            found.append(_placed(finding, documents[index]))
    unique = {(one.line, one.path, one.what): one for one in found}
    return sorted(unique.values(), key=lambda one: (not one.error, one.line, one.path and str(one.path)))


def _kind(tree: Any) -> bool:
    return ray_up.is_launcher_file(tree) or kuberay.is_ray(tree) or skypilot.is_task(tree)


def _of(tree: Any) -> Iterator[Finding]:
    if kuberay.is_ray(tree):
        yield from kuberay.check(tree)
    elif ray_up.is_launcher_file(tree):
        yield from ray_up.check(tree)
    elif skypilot.is_task(tree):
        yield from skypilot.check(tree)
    elif isinstance(tree, dict):
        yield from kinds.check(tree)
    elif tree is not None:
        yield Finding((), "is no mapping", "correct the document")
    yield from security.secrets_in(tree)
    yield from security.examples_in(tree)


def _lines(text: str) -> Iterator[Finding]:
    """Secrets and examples of a script, line by line."""
    for number, line in enumerate(text.splitlines(), 1):
        for one in (*security.secrets_in([line]), *security.examples_in([line])):
            yield dataclasses.replace(one, path=(), line=number)


def _placed(finding: Finding, document: Document) -> Finding:
    return finding if finding.line else dataclasses.replace(finding, line=document.line(finding.path))
