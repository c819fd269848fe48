"""The resume rule: a step is done when its manifest is there, its inputs are the same and its outputs are unchanged.

A step writes its outputs first and its manifest last, in one atomic rename. So a killed run leaves either a finished
step or an unfinished one, and the same command does only what is missing. A mark beside the manifests says which inputs
an unfinished step was working on: partial outputs are continued when the inputs are the same, and removed when not.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.console import Console
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.store import TEMPORARY, StoreError, read_json, write_json
from pipeline.settings.config import fingerprint

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Manifest:
    """A committed step.

    Attributes:
        step: The step's name.
        fingerprint: Fingerprint of `inputs`.
        inputs: Name of each input -> its fingerprint.
        outputs: Path below the run folder -> digest of the contents.
        seconds: Wall-clock time that the step took.
        rows: Rows that it gave, if it gives rows.
        summary: What the step says about itself; plain JSON.
    """

    step: str
    fingerprint: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    seconds: float
    rows: int | None = None
    summary: dict[str, Any] = field(default_factory=dict)


def digest(path: Path) -> str:
    """Return 16 hexadecimal digits of the contents of a file, or of the sorted names and contents below a folder.

    Temporary files of unfinished writes and symbolic links are no contents.

    Raises:
        FileNotFoundError: There is nothing at `path`.
    """
    hasher = hashlib.sha256()
    if path.is_dir():
        for name, inner in sorted(_files(path)):
            hasher.update(f"{name}\0{inner.stat().st_size}\0".encode(errors="surrogateescape"))
            _update(hasher, inner)
    else:
        _update(hasher, path)
    return hasher.hexdigest()[:16]


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and not TEMPORARY.match(path.name):
            yield path.relative_to(folder).as_posix(), path


def _update(hasher: hashlib._Hash, path: Path) -> None:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            hasher.update(chunk)


def read_manifests(layout: RunLayout) -> list[Manifest]:
    """Read all committed steps, in the order in which they were committed.

    Raises:
        StoreError: A manifest is damaged.
    """
    files = sorted(layout.manifests.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [_read(path) for path in files]


def _read(path: Path) -> Manifest:
    try:
        return Manifest(**read_json(path))
    except TypeError:
        raise StoreError(f"{path}: this is no manifest; delete it and run the same command again") from None


class Steps:
    """Runs the steps of one run folder, skipping those that are done.

    Args:
        layout: The run folder; the caller holds its lock.
        console: Where each step prints its line.
        before_work: Called once, before the first step that has to run: a finished run needs no cluster.
    """

    def __init__(self, layout: RunLayout, console: Console, before_work: Callable[[], object] | None = None) -> None:
        self._layout = layout
        self._console = console
        self._before_work = before_work
        self._kept: list[str] = []
        self._worked: list[str] = []

    @property
    def worked(self) -> tuple[str, ...]:
        """Names of the steps that ran, in order."""
        return tuple(self._worked)

    @property
    def kept(self) -> tuple[str, ...]:
        """Names of the steps that were skipped, in order."""
        return tuple(self._kept)

    def run_step(
        self,
        name: str,
        inputs: Mapping[str, Any],
        outputs: Sequence[Path],
        work: Callable[[], Mapping[str, Any]],
        *,
        keep: Sequence[Path] = (),
    ) -> bool:
        """Run one step unless it is done; return whether it ran.

        Args:
            name: The step's name, unique in the run.
            inputs: All that decides the outputs: JSON values, parts of the configuration, or paths (their contents).
            outputs: The files and folders below the run folder that the step makes.
            work: Makes the outputs. Returns what the step says about itself as plain JSON; of it `rows` (a count) and
                `what` (a few words) are printed.
            keep: Outputs that stay when the inputs have changed, because their rows carry their own key and the step
                adds only what is missing.

        Raises:
            RuntimeError: The step returned without making one of its outputs.
        """
        prints = {key: input_fingerprint(value) for key, value in inputs.items()}
        whole = fingerprint(prints)
        reason = self._reason(name, prints, whole, outputs)
        if reason is None:
            self._kept.append(name)
            if self._worked:
                self._console.line(f"kept  {name}")
            return False
        self._announce(name, reason)
        self._prepare(name, whole, [path for path in outputs if path not in keep])
        if self._before_work is not None:
            ready, self._before_work = self._before_work, None
            ready()
        start = self._console.clock()
        summary = dict(work())
        seconds = round(self._console.clock() - start, 3)
        manifest = self._commit(name, prints, whole, outputs, seconds, summary)
        self._worked.append(name)
        self._console.step(name, str(summary.get("what", "")), rows=manifest.rows, seconds=seconds)
        return True

    def close(self) -> None:
        """Say so, in one line, when there was nothing to do at all."""
        if self._kept and not self._worked:
            count = len(self._kept)
            self._console.line(f"everything is done already: {count} steps verified in {self._layout.root}")

    def _announce(self, name: str, reason: str) -> None:
        if self._kept and not self._worked:
            self._console.line(f"kept  {', '.join(self._kept)}")
        if reason:
            self._console.line(f"again {name}: {reason}")

    def _reason(self, name: str, prints: Mapping[str, str], whole: str, outputs: Sequence[Path]) -> str | None:
        """Return None if the step is done, "" if it never was, and otherwise why it must run again."""
        path = self._layout.manifest(name)
        if not path.is_file():
            return ""
        try:
            committed = _read(path)
        except StoreError:
            return "its manifest was damaged"
        if committed.fingerprint != whole:
            both = sorted(set(prints) | set(committed.inputs))
            changed = [key for key in both if prints.get(key) != committed.inputs.get(key)]
            return f"changed since it was done: {', '.join(changed)}"
        for output in outputs:
            place = self._place(output)
            if not output.exists():
                return f"{place} is gone"
            if committed.outputs.get(place) != digest(output):
                return f"{place} was changed or damaged"
        return None

    def _prepare(self, name: str, whole: str, stale: Sequence[Path]) -> None:
        started = self._layout.started(name)
        self._layout.manifest(name).unlink(missing_ok=True)
        same = started.is_file() and started.read_text(encoding="ascii") == whole
        if not same:
            for path in stale:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            self._layout.manifests.mkdir(parents=True, exist_ok=True)
            # A torn mark differs from every fingerprint, so it needs no atomic write.
            started.write_text(whole, encoding="ascii")

    def _commit(
        self,
        name: str,
        prints: dict[str, str],
        whole: str,
        outputs: Sequence[Path],
        seconds: float,
        summary: dict[str, Any],
    ) -> Manifest:
        for output in outputs:
            if not output.exists():
                raise RuntimeError(f"step {name} returned without making {self._place(output)}")
        digests = {self._place(output): digest(output) for output in outputs}
        manifest = Manifest(name, whole, prints, digests, seconds, summary.pop("rows", None), summary)
        write_json(self._layout.manifest(name), asdict(manifest))
        self._layout.started(name).unlink(missing_ok=True)
        return manifest

    def _place(self, output: Path) -> str:
        return Path(os.path.relpath(output, self._layout.root)).as_posix()


def input_fingerprint(value: object) -> str:
    """Return the fingerprint of one input of a step: the digest of a path's contents, or of the value itself."""
    return digest(value) if isinstance(value, Path) else fingerprint(value)
