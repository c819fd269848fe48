"""A run: its configuration, its folder, its console, and its engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from cluster.engine import Engine
from pipeline.console import Console
from pipeline.run_folder.layout import RunLayout
from pipeline.settings.config import Config

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """The context of every step.

    Attributes:
        config: Everything that decides the results.
        layout: The paths of the files.
        console: Output for lines, warnings and progress.
        engine: Runs actors and trainings.
        found: Facts that `once` has found.
    """

    config: Config
    layout: RunLayout
    console: Console
    engine: Engine
    found: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, what: str, find: Callable[[], T]) -> T:
        """A fact of this run that takes long to find, such as the listing of its corpus: found when it is first asked for.

        Args:
            what: Name of the fact.
            find: Finds it.
        """
        if what not in self.found:
            self.found[what] = find()
        return cast("T", self.found[what])
