"""A run: its configuration, its folder, its console, and its engine."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.engine import Engine
from pipeline.console import Console
from pipeline.run_folder.layout import RunLayout
from pipeline.settings.config import Config


@dataclass(frozen=True)
class Run:
    """The context of every step.

    Attributes:
        config: Everything that decides the results.
        layout: The paths of the files.
        console: Output for lines, warnings and progress.
        engine: Runs actors and trainings.
    """

    config: Config
    layout: RunLayout
    console: Console
    engine: Engine
