"""A run: its configuration, its folder, the console that it talks to, and the engine that computes for it."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.engine import Engine
from pipeline.console import Console
from pipeline.run_folder.layout import RunLayout
from pipeline.settings.config import Config


@dataclass(frozen=True)
class Run:
    """What every step is given.

    Attributes:
        config: Everything that decides the results.
        layout: Where the files lie.
        console: Where lines, warnings and progress go.
        engine: Where actors and trainings run.
    """

    config: Config
    layout: RunLayout
    console: Console
    engine: Engine
