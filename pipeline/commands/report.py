"""Rewrite report.html and report.json of a run from its committed tables and figures. Nothing is recomputed."""

from __future__ import annotations

import argparse

from pipeline.console import DONE, Console, UserError
from pipeline.run_folder.layout import RunLayout
from trainers.places import nearby


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("run", metavar="RUN", help="run folder")


def main(options: argparse.Namespace) -> int:
    """Write the report."""
    layout = open_run(options.run)
    from pipeline.report.page import write_report

    write_report(layout)
    Console().line(f"report: {nearby(layout.report_html)}")
    return DONE


def open_run(name: str) -> RunLayout:
    """Return the layout of a folder in which a run was started.

    Raises:
        UserError: The folder holds no run.
    """
    layout = RunLayout.at(name)
    if not layout.root.is_dir():
        raise UserError(f"{name}: there is no such folder; name a run folder (default: one below runs/)")
    if not layout.manifests.is_dir() and not layout.config.is_file():
        raise UserError(f"{name}: no run was started here (no config.yaml, no manifests); name a run folder")
    return layout
