"""A run in a bucket of an S3 server, beside the same run on a disk; killed at every step it goes on."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from one_process import OneProcess
from s3_server import SECRET

import run
from actors.media.scenes import make_clip
from pipeline.console import Console
from pipeline.loop import run_all, steps_of
from pipeline.run_folder import manifest
from pipeline.run_folder.digests import digest
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import read_manifests
from pipeline.run_folder.run import Run
from pipeline.settings.config import load
from trainers import scalars
from trainers.places import files_below

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]
SMALL = {
    "teachers": {"names": ["artefact", "sharpness"]},
    "benchmark": {"levels": 1, "seen": ["h264"], "unseen": ["frame_drop"]},
}


@pytest.fixture(params=[1, pytest.param(3, marks=pytest.mark.heavy)])
def file(request, tiny, tmp_path):
    """The tiny configuration, made smaller and on clips of the user's own, over one or three stages."""
    stages, folder = request.param, tmp_path / "clips"
    folder.mkdir()
    for index in range(6):
        make_clip(index, 5, folder / f"{index}.mp4", 160, 120, 1.0, 12.0)
    tree = {**yaml.safe_load(tiny.read_text()), **SMALL, "stages": stages}
    tree["corpus"] = {"videos": str(folder), "window_s": 1.0, "degraded_copies": 3}
    tree["teachers"] |= {"key_frames": 1, "motion_frames": 12}
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


@pytest.fixture
def settings(file):
    return load(None, file)


def said(*words):
    """Exit code, standard output and standard error of a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run.main([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def run_of(settings, layout):
    return Run(settings, layout, Console(io.StringIO()), OneProcess())


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing of it runs afterwards."""


def tables_of(layout):
    """The contents of every table, network and figure of a run, by its place."""
    contents = {}
    for name, _ in files_below(layout.root):
        path = layout.root / name
        if f"/{scalars.FOLDER}/" in name:  # written on a disk only, under names that hold the time
            continue
        if name.endswith(".parquet"):
            contents[name] = pq.read_table(pa.BufferReader(path.read_bytes())).to_pylist()
        elif name.endswith((".safetensors", ".csv")) or name.startswith("round-"):
            contents[name] = digest(path)
    return contents


def test_a_run_in_a_bucket_that_is_killed_at_every_step_ends_with_the_tables_of_one_on_a_disk(
    file, settings, s3, tmp_path, monkeypatch
):
    disk, bucket = RunLayout(tmp_path / "run"), RunLayout.at(f"{s3.bucket}/some/run")
    disk.root.mkdir()
    run_all(run_of(settings, disk))
    killed = set()
    write = manifest.write_json

    def write_or_die(path, value):
        if path.name not in killed:
            killed.add(path.name)
            raise Killed
        write(path, value)

    monkeypatch.setattr(manifest, "write_json", write_or_die)
    steps = list(steps_of(run_of(settings, disk)))
    for _ in steps:
        with pytest.raises(Killed):
            run_all(run_of(settings, bucket))
    done = run_all(run_of(settings, bucket))
    assert len(killed) == len(steps) == len(done.ran) + len(done.skipped)
    assert done.ran == ("report",)
    first, second = tables_of(disk), tables_of(bucket)
    assert {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)} == set()
    # the report also tells how long each step took
    digests = [{one.step: one.outputs for one in read_manifests(of) if one.step != "report"} for of in (disk, bucket)]
    assert digests[0] == digests[1]
    assert not run_all(run_of(settings, bucket)).ran
    monkeypatch.undo()
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    clip = next((tmp_path / "clips").iterdir())
    for command in ("status", "report"):
        code, out, err = said(command, bucket.root)
        assert code == 0, err
        assert str(bucket.root) in out + err
    plans = [said("plan", "--config", file, "--out", layout.root) for layout in (disk, bucket)]
    assert plans[0][0] == plans[1][0] == 0, plans[1][2]
    assert [len(re.findall(r" done$", out, re.MULTILINE)) for _, out, _ in plans] == [len(steps)] * 2
    table = tmp_path / "benchmark.csv"
    table.write_text("video,mos\n" + "".join(f"{k}.mp4,{k}\n" for k in range(6)), encoding="ascii")
    for words in (
        ["score", clip, "--json"],
        ["evaluate", "--benchmark", table, "--videos-root", clip.parent, "--json"],
    ):
        (first, second) = (said(words[0], layout.root, *words[1:]) for layout in (disk, bucket))
        assert first[0] == second[0] == 0, first[2] + second[2]
        told = (one[1].replace(str(layout.root), "RUN") for one, layout in ((first, disk), (second, bucket)))
        assert json.loads(next(told)) == json.loads(next(told))


@pytest.mark.heavy
def test_a_command_that_is_killed_while_it_trains_in_a_bucket_goes_on(command, kill_when, tiny, s3, tmp_path):
    bucket, disk = RunLayout.at(f"{s3.bucket}/run"), RunLayout(tmp_path / "run")
    arguments = ("--config", tiny, "--set", "stages=1")
    kill_when(bucket.started("train-1").is_file, *arguments, "--out", bucket.root)
    for layout in (bucket, disk):
        ended = command(*arguments, "--out", layout.root)
        assert ended.returncode == 0, ended.stderr
    assert SECRET not in ended.stderr
    first, second = tables_of(disk), tables_of(bucket)
    assert first.keys() == second.keys()
    networks = [name for name in first if name.endswith(".safetensors")]
    assert networks
    assert [first[name] for name in networks] == [second[name] for name in networks]
