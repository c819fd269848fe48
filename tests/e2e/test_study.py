"""A study on Ray: two rows on the tiny corpus, killed after the first one, resumed, and asked again."""

from types import SimpleNamespace

import pytest
import yaml

from pipeline.run_folder.store import read_json

pytestmark = [pytest.mark.e2e, pytest.mark.heavy, pytest.mark.timeout(1800)]

ROWS = ("IV", "V")
SHARED = ("score", "ensemble", "benchmark", "distort-1", "pair-1", "train-1", "judge-1")


@pytest.fixture(scope="module")
def study(command, kill_when, tiny, tmp_path_factory):
    """A study that was killed as soon as its first row was there: its folder, its command, and how the second start ended."""
    root = tmp_path_factory.mktemp("studies") / "study"
    tree = yaml.safe_load(tiny.read_text(encoding="utf-8"))
    del tree["stages"], tree["seed"]  # a study sets these
    config = root.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(tree), encoding="utf-8")
    arguments = (
        "study",
        root,
        "--config",
        config,
        "--rows",
        ",".join(ROWS),
        "--seeds",
        1,
        "--set",
        "stopping.measure=true",
    )
    first = root / "study.json"
    kill_when(first.exists, *arguments)
    before = read_json(first)
    ended = command(*arguments)
    assert ended.returncode == 0, ended.stderr
    return SimpleNamespace(root=root, arguments=arguments, before=before, ended=ended)


def test_the_results_grow_with_the_rows(study):
    found = read_json(study.root / "study.json")
    assert [row["runs"] for row in study.before["rows"]] == [1, 0]
    assert [row["runs"] for row in found["rows"]] == [1, 1]
    assert found["failures"] == []
    assert found["rows"][0] == study.before["rows"][0], "what was finished is not made again"
    (difference,) = found["differences"]
    assert (difference["row"], difference["against"], difference["runs"]) == ("V", "IV", 1)


@pytest.mark.parametrize("step", SHARED)
def test_rows_share_what_has_equal_inputs(study, step):
    first, second = (read_json(study.root / "seed-0" / row / "manifests" / f"{step}.json") for row in ROWS)
    assert first["outputs"] == second["outputs"]
    assert first["seconds"] == second["seconds"], "it was taken from the other row, not made again"


def test_the_stopping_rule_is_told_and_judged(study):
    (stop,) = read_json(study.root / "study.json")["stops"]
    assert (stop["row"], stop["stages"], len(stop["said"])) == ("V", 2, 1)
    assert "after stage 1 | go on" in (study.root / "study.md").read_text(encoding="utf-8")


def test_the_same_command_again_trains_nothing(study, command):
    before = (study.root / "study.json").read_bytes()
    again = command(*study.arguments)
    assert again.returncode == 0, again.stderr
    assert not [line for line in again.stdout.splitlines() if line.startswith(("done", "as "))]
    assert (study.root / "study.json").read_bytes() == before
