"""`run.py cluster`: writing a cluster file with sizes of one's own, and checking one."""

import pytest


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder of its own for the files."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_written_here_and_named(call, here):
    done = call("cluster", "render", "--provider", "aws", "--gpus", "16", "--no-spot", "--name", "mine")
    assert done.code == 0
    text = (here / "aws.yaml").read_text(encoding="utf-8")
    assert text.splitlines()[0].endswith("--provider aws --gpus 16 --no-spot --name mine --to aws.yaml")
    assert "max_workers: 2" in text
    assert "aws.yaml: " in done.err
    assert "is an example" in done.err, "what is left to fill in is said"


def test_a_file_that_is_there_is_kept(call, here):
    (here / "mine.yaml").write_text("mine", encoding="utf-8")
    done = call("cluster", "render", "--provider", "gcp", "--to", "mine.yaml")
    assert done.code == 2
    assert "--force" in done.err
    assert (here / "mine.yaml").read_text(encoding="utf-8") == "mine"
    assert call("cluster", "render", "--provider", "gcp", "--to", "mine.yaml", "--force").code == 0


def test_a_dash_writes_to_the_terminal(call, here):
    done = call("cluster", "render", "--provider", "slurm", "--to", "-", "--gpus", "0")
    assert done.code == 0
    assert done.out.startswith("#!/bin/bash")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--provider", "aws", "--gpus", "12"], "give 16"),
        (["--provider", "gcp", "--gpu", "A10G"], "gcp has"),
        (["--provider", "aws", "--name", "Mine"], "--name Mine"),
        (["--provider", "rayjob", "--name", "a" * 60], "at most 47"),
        (["--provider", "aws", "--image", "registry.mine.org/vqa"], "another image tomorrow"),
        (["--provider", "aws", "--to", "none/such/file.yaml"], "cannot be written"),
    ],
)
def test_what_would_not_work_is_refused_in_one_line_and_nothing_is_written(call, here, options, said):
    done = call("cluster", "render", *options)
    assert done.code in (2, 3)
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert list(here.iterdir()) == []


def test_a_check_names_every_error_with_its_line_and_fails(call, here):
    call("cluster", "render", "--provider", "aws")
    text = (here / "aws.yaml").read_text(encoding="utf-8")
    (here / "aws.yaml").write_text(text.replace("max_workers: 1\n", "max_worker: 1\n", 1), encoding="utf-8")
    done = call("cluster", "check", "aws.yaml")
    assert done.code == 1
    assert "did you mean max_workers?" in done.out
    assert done.out.splitlines()[-1].startswith("aws.yaml: 1 error(s)")


def test_a_file_that_is_right_passes(call, here):
    call("cluster", "render", "--provider", "slurm", "--videos", "/shared/videos", "--out", "/shared/run")
    done = call("cluster", "check", "slurm.sh")
    assert (done.code, done.out) == (0, "slurm.sh: nothing to say\n")


def test_a_file_that_is_not_there_is_one_line(call, here):
    done = call("cluster", "check", "none.yaml")
    assert done.code == 3
    assert len(done.err.splitlines()) == 1


def test_secrets_of_the_environment_reach_no_file_and_no_line(call, here, monkeypatch):
    canary = "canary-5f1d"
    for name in ("AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN", "HF_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.setenv(name, canary)
    for provider in ("aws", "gcp", "rayjob", "raycluster", "skypilot", "slurm"):
        done = call("cluster", "render", "--provider", provider)
        assert done.code == 0
        assert canary not in done.out + done.err
    checked = call("cluster", "check", *map(str, here.iterdir()))
    assert canary not in checked.out + checked.err
    assert not any(canary in path.read_text(encoding="utf-8") for path in here.iterdir())
