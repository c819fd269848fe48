"""The commands of `run.py`, one file each: `arguments(parser)` declares the options, `main(options)` returns the exit code."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

VIDEOS_HELP = "folder, glob, s3:// or gs:// folder, or CSV/Parquet manifest with a column uri"


def configuration_arguments(parser: argparse.ArgumentParser, *, out: bool = True) -> None:
    """The options that choose a configuration, shared by all commands that take one; `out`: and its run folder."""
    parser.add_argument(
        "--stages",
        type=_stages,
        metavar="N",
        help="rounds of weak-to-strong training (default 3); auto: until another one would teach nothing, auto:N: N at most",
    )
    parser.add_argument("--videos", metavar="PATH", help=VIDEOS_HELP)
    parser.add_argument(
        "--preset", metavar="NAME", help="demo, paper-shrunk (need no videos), local, paper, paper-printed (own videos)"
    )
    parser.add_argument("--config", metavar="FILE", help="YAML or JSON file with any part of the configuration")
    parser.add_argument(
        "--set",
        metavar="a.b=c",
        action="append",
        default=[],
        dest="overrides",
        help="set one value of the configuration",
    )
    if out:
        parser.add_argument(
            "--out", metavar="DIR", help="run folder (default runs/<name derived from the configuration>)"
        )
    address_argument(parser)
    parser.add_argument("--seed", type=int, metavar="N", help="seed of every random choice (default 0)")
    parser.add_argument("--limit", type=int, metavar="N", help="use at most N videos")


def _stages(text: str) -> int | str:
    """A number of rounds, or what `stages` in a configuration takes beside one."""
    if text.isdecimal() or re.fullmatch(r"auto(:[1-9][0-9]*)?", text):
        return int(text) if text.isdecimal() else text
    raise argparse.ArgumentTypeError(f"{text!r} is no number of rounds; name one, auto, or auto:N")


def at_least_one(what: str) -> Callable[[str], int]:
    """The type of an option that is a number of something, 1 or more."""

    def number(text: str) -> int:
        found = int(text)
        if found < 1:
            raise argparse.ArgumentTypeError(f"one {what} is the least")
        return found

    return number


def address_argument(parser: argparse.ArgumentParser) -> None:
    """The option that names the Ray to use, shared by all commands that use one."""
    parser.add_argument(
        "--address",
        metavar="ADDR",
        help="Ray cluster to join, 'auto' for the one of this machine, 'local' for an own Ray; default: the environment's "
        "RAY_ADDRESS, else an own Ray",
    )
