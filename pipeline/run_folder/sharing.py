"""Share the steps of runs whose inputs are equal: what one run of a study has committed, its siblings link instead of making it.

A step is the same where its name and the fingerprint of its inputs are the same (`pipeline.run_folder.manifest`). Its outputs are
hard-linked, or copied where a disk has no links; every writer of a run replaces files whole, so no run changes another's. The
tables of a corpus name the clips where the first run rendered them: that run's folder must stay.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.run_folder.digests import Digests
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Manifest, read_manifest
from pipeline.run_folder.step import Step
from pipeline.run_folder.store import StoreError, write_json
from trainers.places import Place, files_below, remove


def adopt(
    step: Step, fingerprint: str, layout: RunLayout, digests: Digests, siblings: Sequence[RunLayout]
) -> tuple[Manifest, RunLayout] | None:
    """Commit a step with the outputs of the first sibling that has it whole; None if none has.

    Args:
        step: The step of this run.
        fingerprint: Of its inputs.
        layout: This run.
        digests: Of this run.
        siblings: Other runs, on disks.
    """
    names = sorted(_below(layout, output) for output in step.outputs)
    for sibling in siblings:
        committed = _committed(sibling, step.name)
        if committed is None or committed.fingerprint != fingerprint or sorted(committed.outputs) != names:
            continue
        if _linked(committed, layout, digests, sibling):
            for place in step.beside:
                _take(sibling.root / _below(layout, place), place)
            write_json(layout.manifest(step.name), asdict(committed))
            layout.started(step.name).unlink(missing_ok=True)
            return committed, sibling
        for output in step.outputs:
            remove(output)
    return None


def _committed(sibling: RunLayout, step: str) -> Manifest | None:
    try:
        return read_manifest(sibling.manifest(step))
    except StoreError:  # not there, or damaged: the step is made
        return None


def _linked(committed: Manifest, layout: RunLayout, digests: Digests, sibling: RunLayout) -> bool:
    """Link the outputs of a committed step; False if a file is gone or has another content than was committed."""
    for name, digest in committed.outputs.items():
        theirs, ours = sibling.root / name, layout.root / name
        if not _take(theirs, ours) or digests.of(ours) != digest:
            return False
    return True


def _take(theirs: Place, ours: Place) -> bool:
    """Put links to a file, or to all files of a folder, in the place of ours; False if there is none."""
    remove(ours)
    try:
        for file, _ in files_below(theirs):
            _link(Path(str(theirs / file if file else theirs)), Path(str(ours / file if file else ours)))
    except FileNotFoundError:
        return False
    return ours.exists()


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target)


def _below(layout: RunLayout, output: Place) -> str:
    return str(output).removeprefix(f"{layout.root}/")
