"""Write a cluster file with your own sizes, or check one that you have: for ray up, KubeRay, SkyPilot and Slurm.

  python run.py cluster render --provider aws --gpus 8 --gpu H200 --to my.yaml
  python run.py cluster check my.yaml

Nothing is started, and no cloud is asked.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from cluster.render.render import FILES, Request, render
from cluster.render.sizes import PROVIDERS, SERVICES, Sizes
from cluster.validation.check import check_file, check_text
from cluster.validation.finding import Finding
from pipeline.console import DONE, SOME_FAILED, Console, UserError
from pipeline.settings.presets import PRESETS

_HELP = {
    "cpus": "most CPUs of machines without GPUs",
    "gpus": "most GPUs; 0 for none",
    "gpu": "their kind: H200, H100, A100, L40S, A10G, L4",
    "spot": "spot machines first, on demand where none can be had",
    "idle_minutes": "a machine without work goes back after so many minutes",
    "node_cpus": "Slurm: CPUs of a node",
    "node_gpus": "Slurm: GPUs of a node",
    "node_memory": "Slurm: memory of a node, GiB",
    "name": "of the cluster or job",
    "image": "of all nodes, with registry and tag (cluster/Dockerfile)",
    "region": "of the cloud",
    "zones": "of the region, with commas",
    "machine_image": "disk image that machines start with",
    "instance_profile": "AWS: ARN of what the machines may do",
    "security_group": "AWS: a security group in place of Ray's, which admits SSH from everywhere",
    "project": "Google Cloud: the project",
    "monitor": "Kubernetes: a PodMonitor for the Prometheus operator",
    "videos": "of the run",
    "out": "run folder",
    "stages": "of the run",
    "days": "a job is ended after so many days",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="render | check")
    writer = actions.add_parser("render", help="write a cluster file", allow_abbrev=False)
    writer.add_argument("--provider", required=True, choices=PROVIDERS)
    writer.add_argument("--service", choices=SERVICES, default="gke", help="kind of Kubernetes (default gke)")
    writer.add_argument("--preset", choices=sorted(PRESETS), default="paper", help="of the run (default paper)")
    writer.add_argument(
        "--to", metavar="FILE", help="where to write; - for the terminal (default: named by provider, here)"
    )
    writer.add_argument("--force", action="store_true", help="replace a file that is there")
    for one in (*fields(Sizes), *fields(Request)):
        if one.name in _HELP:
            _option(writer, one.name, one.default)
    checker = actions.add_parser("check", help="check cluster files", allow_abbrev=False)
    checker.add_argument("files", nargs="+", metavar="FILE")
    for each in (writer, checker):
        each.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="print tracebacks")


def _option(parser: argparse.ArgumentParser, name: str, default: Any) -> None:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(default, bool):
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=default, help=_HELP[name])
        return
    said = f" (default {default})" if default not in (None, MISSING) else ""
    kind: type = int if isinstance(default, int) or name.startswith("node_") else str
    parser.add_argument(flag, type=kind, default=default, help=_HELP[name] + said, metavar="N" if kind is int else "X")


def main(options: argparse.Namespace) -> int:
    """Write or check; return 0, or 1 if a file has errors."""
    return _render(options) if options.action == "render" else _check(options)


def _render(options: argparse.Namespace) -> int:
    given = vars(options)
    sizes = Sizes(**{one.name: given[one.name] for one in fields(Sizes)})
    to = options.to or FILES[options.provider]
    shown = None if to == "-" else to
    others = {one.name: given[one.name] for one in fields(Request) if one.name not in ("sizes", "to")}
    text = render(Request(sizes=sizes, to=shown, **others))
    findings = check_text(text, to)
    wrong = [one for one in findings if one.error]
    if wrong:
        raise UserError(f"with these options the file would not work: {wrong[0].what}; {wrong[0].mend}")
    console = Console()
    if shown is None:
        sys.stdout.write(text)
    else:
        _write(Path(shown), text, replace=options.force)
        console.line(f"{shown}: {sum(1 for line in text.splitlines() if line.strip())} lines, no error")
    _show(findings, to, console)
    return DONE


def _write(path: Path, text: str, *, replace: bool) -> None:
    if path.exists() and not replace:
        raise UserError(f"{path} is there already; name another file with --to, or replace it with --force")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; name another file with --to") from error


def _check(options: argparse.Namespace) -> int:
    console, failed = Console(sys.stdout), 0
    for name in options.files:
        findings = check_file(Path(name))
        _show(findings, name, console)
        errors = sum(one.error for one in findings)
        failed += bool(errors)
        console.line(
            f"{name}: {errors} error(s), {len(findings) - errors} note(s)" if findings else f"{name}: nothing to say"
        )
    return SOME_FAILED if failed else DONE


def _show(findings: list[Finding], name: str, console: Console) -> None:
    for one in findings:
        console.line(one.text(name))
