"""Batch scripts of Slurm: whether a shell reads them, and whether other users of the nodes can use the Ray that they start."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

from cluster.validation.finding import Finding

_NEEDED = ("nodes", "cpus-per-task", "time")


def is_script(text: str) -> bool:
    """Whether a file is a batch script."""
    return text.startswith("#!") and "#SBATCH" in text


def check(text: str) -> Iterator[Finding]:
    """What is wrong with a script."""
    parsed = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    if parsed.returncode:
        said = parsed.stderr.strip().splitlines()[0]
        where = re.search(r"line (\d+)", said)
        yield Finding(
            (),
            said.rpartition("line ")[2].partition(": ")[2] or said,
            line=int(where[1]) if where else 0,
            source="bash -n",
        )
    lines = text.splitlines()
    given = {
        match[1]: number for number, line in enumerate(lines, 1) if (match := re.match(r"#SBATCH --([a-z-]+)", line))
    }
    first = next(
        (number for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")), len(lines)
    )
    for option, number in given.items():
        if number > first:
            yield Finding(
                (),
                f"#SBATCH --{option} stands after the first command, where Slurm does not read it",
                "move it up",
                line=number,
            )
    for option in _NEEDED:
        if option not in given:
            yield Finding((), f"--{option} is missing", f"add #SBATCH --{option}=...")
    yield from _security(lines)


def _security(lines: list[str]) -> Iterator[Finding]:
    code = [(number, line) for number, line in enumerate(lines, 1) if not line.lstrip().startswith("#")]
    text = "\n".join(line for _, line in code)
    start = next((number for number, line in code if "ray start" in line), 0)
    if start and "RAY_AUTH_MODE=token" not in text:
        yield Finding(
            (),
            "Ray starts without a token, on nodes where others work: each of them can run code as you",
            "export RAY_AUTH_MODE=token",
            line=start,
        )
    if start and "umask 077" not in text:
        yield Finding((), "files of this job can be read by others, the token among them", "umask 077", line=start)
    for number, line in code:
        if re.search(r"RAY_AUTH_TOKEN=['\"]?[0-9A-Za-z]{8,}", line):
            yield Finding((), "the token stands in the script", "make one for each job", line=number)
        if re.search(r"--dashboard-host[= ]0\.0\.0\.0", line):
            yield Finding((), "the dashboard listens on every interface", "leave the option out", line=number)
        if re.search(r"\bray stop\b", line):
            yield Finding(
                (),
                "ray stop ends every Ray of yours on the node, also those of other jobs",
                "end the processes of this job",
                line=number,
            )
