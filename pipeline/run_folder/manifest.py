"""The resume rule: a step is done if its manifest exists, its inputs are the same and its outputs are unchanged.

A step writes its outputs first and its manifest last, with an atomic rename. So after a kill, each step is either finished
or unfinished, and the same command runs only the missing steps. A mark beside the manifests holds the fingerprint of the
inputs of an unfinished step: its partial outputs are continued if the inputs are the same, and removed if not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cluster.metrics import put
from pipeline.console import Console
from pipeline.journal import at_step
from pipeline.run_folder.digests import Digests
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.step import Step
from pipeline.run_folder.store import StoreError, read_json, write_json
from pipeline.settings.config import fingerprint
from trainers.bucket import BucketPath
from trainers.places import Place, nearby, remove


@dataclass(frozen=True)
class Manifest:
    """A committed step.

    Attributes:
        step: The step's name.
        fingerprint: Fingerprint of `inputs`.
        inputs: Name of each input -> its fingerprint.
        outputs: Path below the run folder -> digest of the contents.
        seconds: Wall-clock time that the step took.
        rows: Number of rows of the result, if it has rows.
        summary: The summary of the step; plain JSON.
    """

    step: str
    fingerprint: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    seconds: float
    rows: int | None = None
    summary: dict[str, Any] = field(default_factory=dict)


def read_manifests(layout: RunLayout) -> list[Manifest]:
    """Read all committed steps, in the order in which they were committed.

    Raises:
        StoreError: A manifest is damaged.
    """
    files: list[Place] = list(layout.manifests.glob("*.json"))
    return [read_manifest(path) for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))]


def read_manifest(path: Place) -> Manifest:
    """Read one committed step.

    Raises:
        StoreError: There is none, or it is damaged.
    """
    try:
        return Manifest(**read_json(path))
    except TypeError:
        raise StoreError(f"{path}: not a valid manifest; delete it and run the same command again") from None


class Steps:
    """Runs the steps of one run folder and skips those that are done.

    Args:
        layout: The run folder; the caller holds its lock.
        console: Where each step prints its line.
        before_work: Called once, before the first step that has to run; so a finished run starts no cluster.
        adopt: Takes a step over from another run: given the step and its fingerprint, it says from where, or None.
    """

    def __init__(
        self,
        layout: RunLayout,
        console: Console,
        before_work: Callable[[], object] | None = None,
        adopt: Callable[[Step, str, Digests], str | None] | None = None,
    ) -> None:
        self._layout = layout
        self._console = console
        self._before_work = before_work
        self._adopt = adopt
        self._digests = Digests(layout)
        self._skipped: list[str] = []
        self._ran: list[str] = []

    @property
    def ran(self) -> tuple[str, ...]:
        """Names of the steps that ran, in order."""
        return tuple(self._ran)

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of the steps that were already done, in order."""
        return tuple(self._skipped)

    def run(self, step: Step) -> bool:
        """Run one step unless it is done; return whether it ran.

        Raises:
            RuntimeError: The step returned without making one of its outputs.
        """
        prints = fingerprints(step, self._digests)
        reason = self._reason(step, prints)
        self._digests.save()
        if reason is None:
            self._skipped.append(step.name)
            if self._ran:
                self._console.line(f"kept  {step.name}")
            return False
        whole = fingerprint(prints)
        whence = self._adopt(step, whole, self._digests) if self._adopt is not None else None
        if whence is not None:
            self._digests.save()
            self._skipped.append(step.name)
            self._console.line(f"as    {step.name:<22} {whence}")
            return False
        self._announce(step.name, reason)
        self._prepare(step, whole)
        if self._before_work is not None:
            ready, self._before_work = self._before_work, None
            ready()
        start = self._console.clock()
        with at_step(step.name), _running(step.name):
            self._console.note("step started")
            summary = dict(step.work())
        seconds = round(self._console.clock() - start, 3)
        manifest = self._commit(step, prints, seconds, summary)
        self._ran.append(step.name)
        self._console.step(step.name, str(summary.get("what", "")), rows=manifest.rows, seconds=seconds)
        return True

    def reason(self, step: Step) -> str | None:
        """Why a step must run: None if it is done, "" if it never ran or an earlier step has not run yet."""
        if not self._layout.manifest(step.name).is_file():
            return ""  # without the fingerprints of its inputs, which may take long
        try:
            return self._reason(step, fingerprints(step, self._digests))
        except FileNotFoundError:  # an input that another step has yet to make
            return ""

    def close(self) -> None:
        """Print one line if no step had to run."""
        if self._skipped and not self._ran:
            count = len(self._skipped)
            self._console.line(f"everything is done already: {count} steps verified in {nearby(self._layout.root)}")

    def _announce(self, name: str, reason: str) -> None:
        if self._skipped and not self._ran:
            self._console.line(f"kept  {', '.join(self._skipped)}")
        if reason:
            self._console.line(f"again {name}: {reason}")

    def _reason(self, step: Step, prints: Mapping[str, str]) -> str | None:
        """Return None if the step is done, "" if it never ran, and otherwise why it must run again."""
        path = self._layout.manifest(step.name)
        if not path.is_file():
            return ""
        try:
            committed = read_manifest(path)
        except StoreError:
            return "its manifest was damaged"
        if committed.fingerprint != fingerprint(prints):
            both = sorted(set(prints) | set(committed.inputs))
            changed = [key for key in both if prints.get(key) != committed.inputs.get(key)]
            return f"changed since it was done: {', '.join(changed)}"
        for output in step.outputs:
            place = self._place(output)
            try:
                if committed.outputs.get(place) != self._digests.of(output):
                    return f"{place} was changed or damaged"
            except FileNotFoundError:
                return f"{place} is gone"
        return None

    def _prepare(self, step: Step, whole: str) -> None:
        started = self._layout.started(step.name)
        self._layout.manifest(step.name).unlink(missing_ok=True)
        same = started.is_file() and started.read_text(encoding="ascii") == whole
        if not same:
            for path in (path for path in step.outputs if path not in step.reusable_outputs):
                remove(path)
            self._layout.manifests.mkdir(parents=True, exist_ok=True)
            # An incomplete mark differs from every fingerprint, so the write need not be atomic.
            started.write_text(whole, encoding="ascii")

    def _commit(self, step: Step, prints: dict[str, str], seconds: float, summary: dict[str, Any]) -> Manifest:
        for output in step.outputs:
            if not output.exists():
                raise RuntimeError(f"step {step.name} returned without making {self._place(output)}")
        digests = {self._place(output): self._digests.of(output, written=True) for output in step.outputs}
        rows = summary.pop("rows", None)
        manifest = Manifest(step.name, fingerprint(prints), prints, digests, seconds, rows, summary)
        write_json(self._layout.manifest(step.name), asdict(manifest))
        self._digests.save()
        self._layout.started(step.name).unlink(missing_ok=True)
        return manifest

    def _place(self, output: Place) -> str:
        return str(output).removeprefix(f"{self._layout.root}/")


@contextmanager
def _running(name: str) -> Iterator[None]:
    """Tell those who watch the run which step is at work."""
    put("w2s_step_running", 1, step=name)
    try:
        yield
    finally:
        put("w2s_step_running", 0, step=name)


def fingerprints(step: Step, digests: Digests) -> dict[str, str]:
    """Return the fingerprint of each input of a step: the digest of a path's contents, or of the value itself.

    Raises:
        FileNotFoundError: An input is a path that does not exist.
    """
    return {
        name: digests.of(value) if isinstance(value, Path | BucketPath) else fingerprint(value)
        for name, value in step.inputs.items()
    }
