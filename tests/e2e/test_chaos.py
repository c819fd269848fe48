"""A run of three stages whose workers, actors, nodes and driver are killed ends with the tables of an undisturbed one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tables import digests_of

from pipeline.run_folder.layout import RunLayout

pytestmark = [pytest.mark.e2e, pytest.mark.heavy, pytest.mark.timeout(5400)]

PROJECT = Path(__file__).resolve().parents[2]
STAGES = 3
SEED = 7
FAULTS = 8


@pytest.fixture(scope="module")
def three_stages(tiny, tmp_path_factory):
    """The tiny configuration with a third stage and fewer copies and epochs, a YAML file."""
    settings = yaml.safe_load(tiny.read_text(encoding="utf-8")) | {"stages": STAGES}
    settings["benchmark"]["levels"], settings["training"]["epochs"] = 1, 2
    path = tmp_path_factory.mktemp("three") / "three.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def test_a_run_that_loses_workers_actors_nodes_and_its_driver_ends_with_the_same_tables(
    command, environment, three_stages, tmp_path
):
    ended = command("--config", three_stages, "--out", tmp_path / "undisturbed")
    assert ended.returncode == 0, ended.stderr
    line = [sys.executable, str(PROJECT / "tests" / "support" / "chaos.py"), str(three_stages), str(tmp_path / "chaos")]
    chaos = subprocess.run(
        [*line, str(SEED), str(FAULTS)],
        env=environment(PROJECT),
        capture_output=True,
        text=True,
        check=False,
        timeout=4000,
    )
    assert chaos.returncode == 0, chaos.stderr + (tmp_path / "chaos.log").read_text()
    told = json.loads(chaos.stdout.splitlines()[-1])
    print(told)
    assert len(told["done"]) == FAULTS, told
    assert {fault.split()[0] for fault in told["done"]} == {"worker", "actor", "node", "driver"}
    first, second = (digests_of(RunLayout(tmp_path / name), STAGES) for name in ("undisturbed", "chaos"))
    assert len(first) > 50
    assert {place for place in first.keys() | second.keys() if first.get(place) != second.get(place)} == set()
