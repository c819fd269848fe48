"""Command line: train a video quality model without labels, and use it. Parse, dispatch, turn failures into exit codes."""

from __future__ import annotations

import argparse
import atexit
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

# command -> (module below pipeline.commands, one line of help); each module has `arguments(parser)` and `main(options)`
COMMANDS = {
    "run": ("run", "train over several weak-to-strong stages (the default command)"),
    "score": ("score", "quality of any videos with a trained student"),
    "serve": ("serve", "a page and an interface over HTTP that score videos with a trained student"),
    "evaluate": ("evaluate", "agreement of a student with human scores"),
    "study": ("study", "train the published ablations with several seeds, and say what each part earns"),
    "compare": ("compare", "compare the students of some runs on the proxy benchmarks"),
    "sweep": ("sweep", "Ray Tune over the weight of the confidence loss"),
    "teachers": ("teachers", "list the teachers, or score videos with one"),
    "plan": ("plan", "show what would run, without starting anything"),
    "status": ("status", "progress of a run"),
    "report": ("report", "rewrite the HTML report of a run"),
    "cluster": ("cluster", "write a cluster file for a cloud, Kubernetes or Slurm, or check one"),
    "doctor": ("doctor", "check that this machine or cluster is ready"),
    "weights": ("weights", "list, fetch and check the released weights of published networks"),
    "proxy-benchmark": ("proxy_benchmark", "a benchmark without human labels: distorted copies with VMAF as the score"),
}
_LIST = "\n".join(f"  {name:<16} {text}" for name, (_, text) in COMMANDS.items() if name != "run")
_EPILOG = f"""other commands (python run.py COMMAND --help):
{_LIST}

exit codes: 0 done, 1 some inputs failed, 2 wrong usage or configuration, 3 the machine cannot run this,
4 too many bad inputs, 130 interrupted (the same command resumes)"""


def parse(arguments: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """Return the command and its options. If the first word names no command, the command is `run`."""
    command = arguments[0] if arguments and arguments[0] in COMMANDS else None
    name = command or "run"
    module = importlib.import_module(f"pipeline.commands.{COMMANDS[name][0]}")
    program = "python run.py" if name == "run" else f"python run.py {name}"
    parser = argparse.ArgumentParser(
        prog=program,
        description=module.__doc__,
        epilog=_EPILOG if name == "run" else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.arguments(parser)
    parser.add_argument("--debug", action="store_true", help="print tracebacks and the engine's own log")
    return name, parser.parse_args(arguments[1:] if command else arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    from pipeline.console import guarded

    words = sys.argv[1:] if arguments is None else list(arguments)
    debug = "--debug" in words

    def command() -> int:
        name, options = parse(words)
        entry: Callable[[argparse.Namespace], int] = importlib.import_module(
            f"pipeline.commands.{COMMANDS[name][0]}"
        ).main
        return entry(options)

    return guarded(command, debug=debug)


def leave(code: int) -> NoReturn:
    """Run the registered exit functions and end the process with this exit code.

    Native threads, Ray's after `ray.shutdown` and Arrow's without any Ray, sometimes abort the process while the interpreter shuts
    down. That would change a finished run's exit code to 134. All files are written by then, so this skips the shutdown.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 - temporary folders and log files close here
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())
