"""Preparation of the commands that work in a run folder: configuration from options, checks, lock, engine."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster import LIBRARIES
from pipeline.console import Console, UserError, one_line
from pipeline.corpus.listing import list_inputs
from pipeline.journal import Journal, LibraryHandler
from pipeline.run_folder.layout import RunLayout, default_root
from pipeline.run_folder.run import Run
from pipeline.settings.ablations import ABLATIONS
from pipeline.settings.config import Config, ablation_keys, load

if TYPE_CHECKING:
    from cluster.engine import Engine


def configuration(options: argparse.Namespace) -> Config:
    """Load the configuration from the options (`pipeline.commands.configuration_arguments`)."""
    return load(
        options.preset,
        options.config,
        options.overrides,
        stages=options.stages,
        videos=options.videos,
        seed=options.seed,
        limit=options.limit,
    )


def described(config: Config) -> str:
    """How many stages a run has, in words."""
    if config.stopping.auto:
        return f"as many stages as teach something, at most {config.stages}"
    return f"{config.stages} stage(s)"


def ablation_lines(config: Config) -> list[str]:
    """What the ablation of a run is and sets; nothing without one."""
    if config.ablation is None:
        return []
    row = ABLATIONS[config.ablation]
    return [
        f"ablation {config.ablation}, {row.title}: {row.meaning}",
        f"  it sets {', '.join(ablation_keys(config))}",
    ]


def layout_of(options: argparse.Namespace, config: Config) -> RunLayout:
    """The run folder that the options name."""
    return RunLayout.at(options.out or default_root(config.name()))


@contextmanager
def journalled(console: Console, path: str | None, run: str) -> Iterator[None]:
    """While the block runs, write what happens into a log for programs as well; what libraries log goes only there.

    Args:
        console: Its lines, warnings and steps are events.
        path: The log file, or None for none.
        run: The run folder, named in every event.

    Raises:
        UserError: The file cannot be written.
    """
    if path is None:
        yield
        return
    try:
        journal = Journal.open(path, run)
    except OSError as error:
        raise UserError(f"--log-json {path}: {error.strerror}; name a file that can be written") from error
    handler = LibraryHandler(journal)
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    for logger in loggers:
        logger.addHandler(handler)
    console.journal = journal
    try:
        yield
        console.note("end")
    except BaseException as error:
        console.note("error", kind=type(error).__name__, text=one_line(error))
        raise
    finally:
        console.journal = None
        for logger in loggers:
            logger.removeHandler(handler)
        journal.close()


@contextmanager
def opened(config: Config, layout: RunLayout, console: Console, options: argparse.Namespace) -> Iterator[Run]:
    """Open a run: create, lock and clean its folder. Its engine joins Ray when the first step has to run.

    Args:
        config: Configuration of the run.
        layout: Its folder.
        console: Where it prints.
        options: Options with `address` and `debug`.

    Raises:
        UserError: The videos cannot be listed, a check of the machine fails, or another run uses the folder.
    """
    found = checked(config, layout)
    ready(layout)
    with locked(layout), engine_of(config, layout, console, options) as engine:
        yield Run(config, layout, console, engine, found)


def checked(config: Config, layout: RunLayout) -> dict[str, Any]:
    """Stop at a wrong path before anything starts; the result is what a run has found so far (`Run.found`).

    Raises:
        UserError: The videos cannot be listed, or the folder does not suit the configuration.
    """
    if config.distort.keep or config.benchmark.keep:
        layout.on_disk("keeping distorted copies (distort.keep, benchmark.keep)")
    if config.corpus.videos is None:
        return {}
    return {"listing": list_inputs(config.corpus.videos, config.corpus.limit)}


def ready(layout: RunLayout) -> None:
    """Stop where this machine cannot run what is needed.

    Raises:
        ClusterError: A check fails.
    """
    from cluster.preflight import doctor, require

    require(doctor(layout.disk, thorough=False))


@contextmanager
def locked(layout: RunLayout) -> Iterator[None]:
    """Create, lock and clean a run folder.

    Raises:
        UserError: Another run uses it.
    """
    from pipeline.run_folder.lock import RunLock
    from pipeline.run_folder.store import sweep_temporary

    with RunLock(layout):
        sweep_temporary(layout.root)
        yield


def write_config(config: Config, layout: RunLayout) -> None:
    """Write `config.yaml` where it is not there already."""
    from pipeline.run_folder.store import exists, read_bytes, write_bytes

    text = config.to_yaml().encode()
    if not exists(layout.config) or read_bytes(layout.config) != text:
        write_bytes(layout.config, text)


@contextmanager
def engine_of(config: Config, layout: RunLayout, console: Console, options: argparse.Namespace) -> Iterator[Engine]:
    """The engine of a run, or of several with the same section `run`."""
    # Heavy imports wait until the options have been checked.
    from cluster.engine import RayEngine
    from cluster.session import SessionSettings, connect

    settings = SessionSettings(
        threads=config.run.threads,
        max_cpus=config.run.max_cpus,
        max_gpus=config.run.max_gpus,
        verbose=options.debug,
    )
    shared = layout.root if isinstance(layout.root, Path) else None
    with RayEngine(lambda: connect(options.address, settings, console.line, shared)) as engine:
        yield engine
