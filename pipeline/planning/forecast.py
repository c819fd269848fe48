"""Forecast of a run: its steps in order, with rows, bytes, CPU and GPU hours, time and money. Starts and writes nothing.

The steps come from `pipeline.loop`, and each reports its own work (`pipeline.run_folder.step.Load`) from a few numbers of the
corpus (`pipeline.corpus.facts`): counted in the run's tables, or expected before ingest, when every file is assumed to be
usable. Rates (`pipeline.costs.rates`) turn work into CPU and GPU seconds, and a cluster with prices (`pipeline.planning.money`)
these into time and money. On the machine that has finished steps of the same kind in the same run, their seconds are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.distortions.table import DISTORTIONS
from cluster.in_process import InProcess
from pipeline.console import Console
from pipeline.corpus.facts import CorpusFacts, Typical, counted, expected
from pipeline.corpus.listing import Listing
from pipeline.costs.large_student import is_large, training_gib
from pipeline.costs.rates import built_in
from pipeline.loop import steps_of
from pipeline.planning.cluster_file import this_machine
from pipeline.planning.money import Bill, Estimate, Site
from pipeline.planning.prices import prices_of
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import Manifest, Steps, read_manifests
from pipeline.run_folder.run import Run
from pipeline.run_folder.step import Load, Resources, Rows, Step
from pipeline.settings.config import Config
from pipeline.steps import ingest

DONE, PENDING, DONE_UNLESS_CHANGED = "done", "pending", "done unless its inputs change"
THIS_RUN, RATES = "this run", "rates"


@dataclass(frozen=True)
class StepPlan:
    """One step of the run.

    Attributes:
        name: The step's name.
        state: `DONE`, `PENDING`, `DONE_UNLESS_CHANGED`, or why it must run again.
        rows: Number of rows of its result, if it has rows.
        seconds: Wall-clock seconds: measured if done, otherwise expected, with the start of nodes that are not there yet.
        basis: `THIS_RUN` or `RATES`.
        resources: Resources that it needs.
        load: Its work.
        estimate: CPU and GPU seconds, and nodes.
        bill: Its price; of work that is left.
        lacks: What the cluster can never give it, for the user; empty for nothing.
    """

    name: str
    state: str
    rows: Rows | None
    seconds: float
    basis: str
    resources: Resources
    load: Load
    estimate: Estimate
    bill: Bill
    lacks: str

    @property
    def left(self) -> bool:
        """Whether it is still to do."""
        return self.state not in (DONE, DONE_UNLESS_CHANGED)

    @property
    def seconds_left(self) -> float:
        """Expected seconds of work that are left."""
        return self.seconds if self.left else 0.0


def of_folder(config: Config, layout: RunLayout) -> Run:
    """A run of a folder that only answers questions: it prints and computes nothing."""
    return Run(config, layout, Console(), InProcess())


def states(run: Run) -> dict[str, str]:
    """Name and state of every step, in the order of the loop."""
    steps = Steps(run.layout, run.console)
    result: dict[str, str] = {}
    for step in steps_of(run):
        reason = steps.reason(step)
        if reason is None:
            result[step.name] = DONE if set(result.values()) <= {DONE} else DONE_UNLESS_CHANGED
        else:
            result[step.name] = f"again: {reason}" if reason else PENDING
    return result


def facts_of(run: Run, state: Mapping[str, str], files: int | None, typical: Typical | None) -> CorpusFacts:
    """The corpus: counted where ingest (and shaping) are done, otherwise expected.

    Args:
        run: The run.
        state: Name and state of its steps.
        files: Assumed number of input files; default: the files that the configuration names.
        typical: A typical file, measured; default: 960x540, as long as its windows need.
    """
    writer = "ingest" if run.config.shaping.keep is None else "shape"  # of the table of videos
    if state[writer] == DONE:
        return counted(run)
    like = typical or Typical(bytes=0.0 if files is not None else _mean_bytes(run))
    return expected(run.config, ingest.corpus_size(run) if files is None else files, like)


def _mean_bytes(run: Run) -> float:
    sizes = [int(str(row[1])) for row in ingest.corpus_state(run) if len(row) == 3]
    return sum(sizes) / len(sizes) if sizes else 0.0


def forecast(run: Run, site: Site | None = None, files: int | None = None) -> list[StepPlan]:
    """All steps of a run.

    Args:
        run: The run.
        site: Where it is to run, with rates and prices; default: this machine, with built-in rates.
        files: Assumed number of input files; default: the files that the configuration names.

    Raises:
        UserError: The videos cannot be listed.
    """
    site = site or Site(this_machine(), built_in(), prices_of(None))
    if files is not None:
        run.found["listing"] = Listing([])  # of files that exist in thought only
    state = states(run) if files is None else dict.fromkeys((step.name for step in steps_of(run)), PENDING)
    facts = facts_of(run, state, files, site.rates.typical)
    run.found["corpus facts"] = facts
    manifests = {one.step: one for one in read_manifests(run.layout)} if run.layout.manifests.is_dir() else {}
    steps = list(steps_of(run))
    cpus = max(2, int(site.cluster.cpus))
    resources = [step.resources(cpus) for step in steps]
    loads = [step.load() for step in steps]
    memory = training_gib(run.config) if is_large(run.config) else 0.0
    estimates = [
        site.estimate(load, step.needs(), one.actors, memory if load.starts == "train" else 0.0)
        for step, load, one in zip(steps, loads, resources, strict=True)
    ]
    plans = []
    for k, step in enumerate(steps):
        bill = site.bill(
            estimates[k - 1] if k else None, estimates[k], estimates[k + 1] if k + 1 < len(steps) else None
        )
        rows, seconds, basis = _measured(step, state[step.name], manifests, here=not site.cluster.provider)
        if seconds is None:
            seconds = bill.wall_s
        lacks = site.lacks(step.needs())
        plans.append(
            StepPlan(
                step.name, state[step.name], rows, seconds, basis, resources[k], loads[k], estimates[k], bill, lacks
            )
        )
    return plans


def _measured(
    step: Step, state: str, manifests: Mapping[str, Manifest], *, here: bool
) -> tuple[Rows | None, float | None, str]:
    """Rows, and seconds if this run has measured them: in the step itself, or on this machine in steps of its kind."""
    own = manifests.get(step.name)
    if state in (DONE, DONE_UNLESS_CHANGED) and own is not None:
        return None if own.rows is None else Rows(own.rows), own.seconds, THIS_RUN
    rows = step.rows()
    alike = _alike(step, manifests) if here else []
    if alike and rows is not None and rows.count:
        per_row = sum(one.seconds for one in alike) / sum(one.rows or 0 for one in alike)
        return rows, per_row * rows.count, THIS_RUN
    return rows, None, RATES


def _alike(step: Step, manifests: Mapping[str, Manifest]) -> list[Manifest]:
    """Manifests of steps of the same kind in this run, from any round."""
    names = {step.kind, *(f"{step.kind}-{number}" for number in range(1, len(manifests) + 1))}
    return [one for name, one in manifests.items() if name in names and one.rows]


def distortion_rows(config: Config) -> list[tuple[str, str, str, str]]:
    """(name, use, levels, unit) of every distortion: first those that the run would make, then those that are off."""
    uses: dict[str, list[str]] = {}
    names_by_use: Sequence[tuple[str, tuple[str, ...]]] = (
        ("training", config.distort.enabled),
        ("benchmark seen", config.benchmark.seen),
        ("benchmark unseen", config.benchmark.unseen),
    )
    for use, names in names_by_use:
        for name in names:
            uses.setdefault(name, []).append(use)
    for name in DISTORTIONS:
        uses.setdefault(name, ["off"])
    return [
        (name, ", ".join(use), " ".join(f"{level:g}" for level in DISTORTIONS[name].levels), DISTORTIONS[name].unit)
        for name, use in uses.items()
    ]
