"""A run in a bucket of an S3 server, beside the same run on a disk; killed at every step it goes on."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from one_process import OneProcess

from actors.media.scenes import make_clip
from pipeline.console import Console
from pipeline.loop import run_all, steps_of
from pipeline.run_folder import manifest
from pipeline.run_folder.digests import digest
from pipeline.run_folder.layout import RunLayout
from pipeline.run_folder.manifest import read_manifests
from pipeline.run_folder.run import Run
from pipeline.settings.config import load
from trainers.places import files_below

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]
SMALL = {
    "teachers": {"names": ["artefact", "sharpness"]},
    "benchmark": {"levels": 1, "seen": ["h264"], "unseen": ["frame_drop"]},
}


@pytest.fixture(scope="module")
def settings(tiny, tmp_path_factory):
    """The tiny configuration, made smaller, over three stages and on clips of the user's own."""
    folder = tmp_path_factory.mktemp("bucket")
    for index in range(6):
        make_clip(index, 5, folder / f"{index}.mp4", 160, 120, 1.0, 12.0)
    tree = {**yaml.safe_load(tiny.read_text()), **SMALL, "stages": 3}
    tree["corpus"] = {"videos": str(folder), "window_s": 1.0, "degraded_copies": 3}
    tree["teachers"] |= {"key_frames": 1, "motion_frames": 12}
    return load(None, _written(folder / "small.yaml", tree))


def _written(path, tree):
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return str(path)


def run_of(settings, layout):
    return Run(settings, layout, Console(io.StringIO()), OneProcess())


class Killed(BaseException):
    """Ends a run as SIGKILL does: nothing of it runs afterwards."""


def tables_of(layout):
    """The contents of every table, network and figure of a run, by its place."""
    contents = {}
    for name, _ in files_below(layout.root):
        path = layout.root / name
        if name.endswith(".parquet"):
            contents[name] = pq.read_table(pa.BufferReader(path.read_bytes())).to_pylist()
        elif name.endswith((".safetensors", ".csv")) or name.startswith("round-"):
            contents[name] = digest(path)
    return contents


def test_a_run_in_a_bucket_that_is_killed_at_every_step_ends_with_the_tables_of_one_on_a_disk(
    settings, s3, tmp_path, monkeypatch
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
    outputs = {one.step: one.outputs for one in read_manifests(disk)}
    assert {one.step: one.outputs for one in read_manifests(bucket)} == outputs
    assert not run_all(run_of(settings, bucket)).ran
