"""Show what would run: steps, rows, bytes, CPU and GPU hours, time and, with a cluster, money. Nothing is started.

--videos takes the same values as in a run, or a number N, which assumes N videos of 960x540. Files are listed but not
opened; before the corpus is ingested, every file counts with all its windows. --cluster FILE prices the run on the nodes of a
file for `ray up` or KubeRay; without it, the plan is for this machine. --measure FILE writes rates measured on a few of your own
videos, which --rates FILE then uses in place of the built-in ones.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands import configuration_arguments
from pipeline.commands.opening import ablation_lines, configuration, described, layout_of
from pipeline.commands.outputs import check_output
from pipeline.console import DONE, Console, UserError
from pipeline.run_folder.step import Rows
from pipeline.settings.config import Config
from trainers.places import nearby

if TYPE_CHECKING:
    from pipeline.planning.forecast import StepPlan
    from pipeline.planning.money import Site

SAMPLE = 4  # videos that --measure takes


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    configuration_arguments(parser)
    parser.add_argument("--cluster", metavar="FILE", help="file of `ray up` or KubeRay: what its nodes need and cost")
    parser.add_argument("--prices", metavar="FILE", help="prices of nodes (default: pipeline/planning/prices.yaml)")
    parser.add_argument("--rates", metavar="FILE", help="measured rates (default: pipeline/costs/rates.yaml)")
    parser.add_argument("--measure", metavar="FILE", help="measure rates on a few of --videos, and write them there")
    parser.add_argument("--sample", type=int, metavar="N", help=f"videos that --measure takes (default {SAMPLE})")
    parser.add_argument(
        "--price-per-hour", type=float, metavar="X", help="price of this machine per hour, in any currency"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def main(options: argparse.Namespace) -> int:
    """Print the plan."""
    check_options(options)
    price = options.price_per_hour
    files = assumed(options.videos)
    config = configuration(options)
    files = files if files is None else min(files, config.corpus.limit or files)
    if options.measure is not None:
        return _measure(options, config, files)
    from pipeline.costs.rates import rates_of
    from pipeline.planning.cluster_file import read_cluster, this_machine
    from pipeline.planning.forecast import forecast, of_folder
    from pipeline.planning.money import Site
    from pipeline.planning.prices import prices_of

    cluster = this_machine() if options.cluster is None else read_cluster(options.cluster)
    site = Site(cluster, rates_of(options.rates), prices_of(options.prices))
    run = of_folder(config, layout_of(options, config))
    steps = forecast(run, site, files)
    if options.json:
        from pipeline.steps.ingest import corpus_size

        about = {"videos": corpus_size(run) if files is None else files}
        print(json.dumps(about | _json(steps, site, price), indent=1))  # noqa: T201 - this is the result
        return DONE
    console = Console(sys.stdout)
    console.line(
        f"preset {config.preset}, {described(config)}, seed {config.seed}, run folder {nearby(run.layout.root)}"
    )
    for line in ablation_lines(config):
        console.line(line)
    from pipeline.steps.ingest import corpus_size

    console.line(f"videos: {_videos(config, files, 0 if files is not None else corpus_size(run))}")
    if config.shaping.keep is not None:
        console.line(f"shaping: keep {config.shaping.keep:,} training windows, target {config.shaping.target}")
    console.line(f"teachers: {', '.join(config.teachers.names)}; student: {config.student.name}")
    _show(steps, site, console)
    if any(one.name in ("benchmark", "score") and one.rows == Rows(0) for one in steps):
        console.warn("too few videos: both training and held-out videos are needed; give at least 4")
    _totals(steps, site, price, console)
    _missing(steps, config, console)
    from pipeline.planning.forecast import distortion_rows

    console.table("distortions", ("name", "used for", "levels", "unit"), distortion_rows(config))
    return DONE


def check_options(options: argparse.Namespace) -> None:
    """Refuse what would be ignored, and a price that is none.

    Raises:
        UserError: An option belongs to another one, is empty, or is no price; one line.
    """
    price = options.price_per_hour
    if price is not None and not (math.isfinite(price) and price >= 0):
        raise UserError(f"--price-per-hour {price}: give a number that is not negative, such as 1.2")
    for name in ("cluster", "prices", "rates", "measure"):
        if getattr(options, name) == "":
            raise UserError(f"--{name}: the name is empty; name a file")
    if options.measure is None:
        if options.sample is not None:
            raise UserError(f"--sample {options.sample}: only --measure FILE takes videos; give it, or leave this out")
        return
    for name in ("cluster", "prices", "rates", "price_per_hour", "json"):
        given = getattr(options, name)
        if given is not None and given is not False:  # a price of 0 is a price
            option = name.replace("_", "-")
            raise UserError(f"--{option}: --measure writes rates and shows no plan; plan with --rates afterwards")


def assumed(videos: str | None) -> int | None:
    """Return N if `--videos` is a number N and no file or folder has that name.

    Raises:
        UserError: The number is too small for a run.
    """
    if videos is None or not videos.isascii() or not videos.isdigit() or Path(videos).exists():
        return None
    if int(videos) < 4:
        raise UserError(f"--videos {videos}: a run needs at least 4 videos")
    return int(videos)


def _measure(options: argparse.Namespace, config: Config, files: int | None) -> int:
    """Measure rates on some of the user's videos and write them."""
    if files is not None or config.corpus.videos is None:
        raise UserError("--measure: name your own videos with --videos PATH; a few of them are decoded")
    sample = SAMPLE if options.sample is None else options.sample
    if sample < 1:
        raise UserError(f"--sample {sample}: give at least 1 video")
    check_output(options.measure, "--measure")
    from cluster.session import SessionSettings, worker_environment

    # As in a worker of a run: threads that wait for each other would count as work. Read when torch is first imported.
    os.environ.update(worker_environment(SessionSettings(threads=config.run.threads), gpu=False))
    from pipeline.costs.measure import measure, write_rates

    console = Console()
    rates = measure(config, sample, console)
    write_rates(options.measure, rates)
    console.line(f"{len(rates['cpu'])} rates of {rates['samples']} videos: {options.measure}")
    console.line(f"  use them: python run.py plan --videos {config.corpus.videos} --rates {options.measure}")
    return DONE


def _videos(config: Config, files: int | None, count: int) -> str:
    if files is not None:
        return f"{files:,}, assumed"
    if config.corpus.videos is None:
        return f"{count} clips that the run renders itself"
    return f"{count:,} files of {config.corpus.videos}"


def _count(rows: Rows | None) -> str:
    if rows is None:
        return "-"
    return f"<= {rows.count:,}" if rows.at_most else f"{rows.count:,}"


def _show(steps: Sequence[StepPlan], site: Site, console: Console) -> None:
    priced = bool(site.cluster.provider)
    columns = ["step", "rows", "seconds", "from", "CPU h", "GPU h", "read", "written", "actors", "GPUs", "GiB"]
    columns += ["on demand", "spot"] if priced else []
    rows = []
    for one in steps:
        row = [one.name, _count(one.rows), f"{one.seconds:.0f}", one.basis]
        row += [f"{one.estimate.cpu_s / 3600:.2f}", f"{one.estimate.gpu_s / 3600:.2f}"]
        row += [_size(one.load.read), _size(one.load.written)]
        row += [str(one.resources.actors), f"{one.resources.gpus:g}", f"{one.resources.memory_gib:.1f}"]
        row += [f"{one.bill.on_demand:.2f}", f"{one.bill.spot:.2f}"] if priced else []
        rows.append((*row, one.state))
    console.table("steps in order", (*columns, "state"), rows)


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return ""


def _sums(steps: Sequence[StepPlan]) -> dict[str, float]:
    """What is left of all steps together; `on_demand` and `spot` are the money of a cluster."""
    left = [one for one in steps if one.left]
    seconds = [one.seconds_left for one in steps]
    return {
        "seconds": sum(seconds),
        "longest_step_seconds": max(seconds),
        "cpu_seconds": sum(one.estimate.cpu_s for one in left),
        "gpu_seconds": sum(one.estimate.gpu_s for one in left),
        "bytes_read": sum(one.load.read for one in left),
        "bytes_written": sum(one.load.written for one in left),
        "on_demand": sum(one.bill.on_demand for one in left),
        "spot": sum(one.bill.spot for one in left),
    }


def _totals(steps: Sequence[StepPlan], site: Site, price: float | None, console: Console) -> None:
    cluster, sums = site.cluster, _sums(steps)
    hours, longest, cpu, gpu = (sums[f"{name}seconds"] / 3600 for name in ("", "longest_step_", "cpu_", "gpu_"))
    where = f"{cluster.cpus:g} CPUs" + (f" and {cluster.gpus:g} GPUs" if cluster.gpus else "")
    console.line(f"left to do: about {hours:.2f} hours on {where}, longest step {longest:.2f} hours")
    read, written = (_size(sums[f"bytes_{name}"]) for name in ("read", "written"))
    console.line(f"work: {cpu:,.1f} CPU hours, {gpu:,.1f} GPU hours, {read} read, {written} written")
    console.line(f"rates: {site.rates.source}; steps `from this run` take the seconds of its finished steps")
    if gpu:
        console.line("GPU hours are estimates from counted operations; nothing was measured on a GPU")
    if price is not None:
        console.line(f"money: about {hours * price:.2f} at {price:g} per hour of the machine")
    if cluster.provider:
        _bill(sums, site, console)


def _bill(sums: Mapping[str, float], site: Site, console: Console) -> None:
    cluster, prices = site.cluster, site.prices
    groups = [f"{group.most} x {group.kind or group.name}{' spot' if group.spot else ''}" for group in cluster.groups]
    console.line(
        f"cluster: {cluster.source}, {f'{cluster.provider} {cluster.region}'.strip()}: "
        f"head {cluster.head.kind or cluster.head.name}, {', '.join(groups)}"
    )
    line = f"money: {sums['on_demand']:,.2f} {prices.currency} with on-demand nodes"
    if any(group.spot for group in cluster.groups):
        line += f", {sums['spot']:,.2f} with spot nodes where the file allows them"
    console.line(f"{line}; prices of {prices.date}, without storage and traffic")
    if site.unpriced:
        names = ", ".join(dict.fromkeys(group.kind or group.name for group in site.unpriced))
        console.warn(
            f"no price for {names}: counted as 0; add it to a copy of pipeline/planning/prices.yaml, under the instance type or, "
            "where the cluster file names none, the group (--prices)"
        )


def _missing(steps: Sequence[StepPlan], config: Config, console: Console) -> None:
    """Say where the cluster has too little, and what makes a run much longer than it need be."""
    lacking: dict[str, list[str]] = {}
    for one in steps:
        if one.left and one.lacks:
            lacking.setdefault(one.lacks, []).append(one.name)
    for lacks, names in lacking.items():
        console.warn(f"too little for {', '.join(names)}: needed at the same time are {lacks}; a run is refused")
    from actors.teachers import is_network

    slow = [name for name in config.teachers.names if is_network(name) and not config.pools.score.share_of(name)]
    if slow:
        large = " --set 'pools.score.gpus_of={qalign: 1}'" if "qalign" in slow else ""
        console.warn(f"on CPUs: {', '.join(slow)}; with GPUs, --set pools.score.gpus=0.25{large} moves them there")
    cpu_s = {one.name: one.estimate.cpu_s for one in steps if one.left}
    share = cpu_s.get("benchmark", 0.0) / max(sum(cpu_s.values()), 1.0)
    if share > 0.5 and config.corpus.heldout_share > 0.01:
        console.warn(
            f"the benchmarks are {share:.0%} of the CPU hours: --set corpus.heldout_share=0.01 holds fewer videos out for them"
        )


def _json(steps: Sequence[StepPlan], site: Site, price: float | None) -> dict[str, Any]:
    """All figures of the plan."""
    sums = _sums(steps)
    money = None if price is None else sums["seconds"] / 3600 * price
    return {
        "cluster": site.cluster.source,
        "cpus": site.cluster.cpus,
        "gpus": site.cluster.gpus,
        "rates": site.rates.source,
        "prices": str(site.prices.date),
        "currency": site.prices.currency,
        "price_per_hour": price,
        "unpriced": sorted({group.kind or group.name for group in site.unpriced}),
        "totals": {**sums, "money": money},
        "steps": [
            {
                "step": one.name,
                "state": one.state,
                "rows": None if one.rows is None else one.rows.count,
                "rows_at_most": one.rows is not None and one.rows.at_most,
                "seconds": one.seconds,
                "basis": one.basis,
                "cpu_seconds": one.estimate.cpu_s,
                "gpu_seconds": one.estimate.gpu_s,
                "bytes_read": one.load.read,
                "bytes_written": one.load.written,
                "nodes": one.estimate.nodes,
                "on_demand": one.bill.on_demand,
                "spot": one.bill.spot,
                "actors": one.resources.actors,
                "gpus": one.resources.gpus,
                "memory_gib": one.resources.memory_gib,
                "lacks": one.lacks,
            }
            for one in steps
        ],
    }
