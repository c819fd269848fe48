from dataclasses import replace
from itertools import pairwise

import pytest

from actors.distortions.table import DISTORTIONS
from actors.media.rows import format_recipe
from pipeline.costs.rates import (
    RATES,
    compare_resources,
    compare_seconds,
    ingest_seconds,
    look_resources,
    look_seconds,
    row_seconds,
)
from pipeline.look.look import Look
from pipeline.settings.config import load


@pytest.fixture
def bare(tmp_path):
    """A look that makes and decodes copies, and asks for nothing else."""
    return Look(tmp_path, None, {}, {})


def row(*recipe, seconds=2.0, still=False):
    return {"duration_s": seconds, "recipe": format_recipe(list(recipe)), "still": still}


def test_more_rows_take_longer_by_equal_steps(bare):
    config = load("demo")
    times = [look_seconds([row()] * count, config, bare, 2) for count in (0, 10, 20)]
    assert times[0] == RATES.pools
    assert times[2] - times[1] == pytest.approx(times[1] - times[0])
    assert times[1] > times[0]


def test_seconds_shrink_with_cpus_and_the_start_of_the_pools_does_not(bare):
    config, rows = load("demo"), [row(("h264", 2, 0))] * 50
    times = [look_seconds(rows, config, bare, cpus) for cpus in (1, 2, 8)]
    assert times == sorted(times, reverse=True)
    assert [(time - RATES.pools) * cpus for time, cpus in zip(times, (1, 2, 8), strict=True)] == pytest.approx(
        [times[0] - RATES.pools] * 3
    )


def test_every_request_costs_its_own_time(bare, tmp_path):
    config = load("demo")
    alone = row_seconds(row(), config, bare)
    requests = {
        "vmaf": {"vmaf": True},
        "features": {"features": tmp_path},
        "indicators": {"indicators": tmp_path},
        "scores": {"scores": {"niqe": tmp_path}},
    }
    extra = {name: row_seconds(row(), config, replace(bare, **request)) - alone for name, request in requests.items()}
    assert all(seconds > 0 for seconds in extra.values()), extra
    together = replace(bare, **{key: value for request in requests.values() for key, value in request.items()})
    assert row_seconds(row(), config, together) - alone == pytest.approx(sum(extra.values()))


def test_slower_presets_cost_more_where_x265_encodes_and_only_there(bare):
    def seconds(name):
        presets = RATES.x265  # from the fastest to the slowest
        return [
            row_seconds(row((name, 1, 0)), load("demo", overrides=[f"distort.x265_preset={preset}"]), bare)
            for preset in presets
        ]

    assert [name for name, one in DISTORTIONS.items() if one.x265] == ["h265"]
    assert all(faster < slower for faster, slower in pairwise(seconds("h265")))
    assert len(set(seconds("h264"))) == 1


def test_a_copy_costs_more_than_its_window_and_a_longer_window_more_than_a_short_one(bare):
    config = load("demo")
    assert row_seconds(row(("h264", 1, 0)), config, bare) > row_seconds(row(), config, bare)
    assert row_seconds(row(seconds=4.0), config, bare) == pytest.approx(2 * row_seconds(row(), config, bare))
    whole = row_seconds(row(seconds=0.0), config, bare)
    assert whole == row_seconds(row(seconds=config.corpus.made_seconds), config, bare), "length 0 is the whole file"


def test_clips_that_the_run_renders_cost_more_than_the_same_number_of_files(tmp_path):
    made, own = load("demo"), load("demo", videos=str(tmp_path))
    assert ingest_seconds(40, own, 2) < ingest_seconds(40, made, 2)
    assert ingest_seconds(40, own, 4) < ingest_seconds(40, own, 2) < ingest_seconds(80, own, 2)
    assert compare_seconds(10) < compare_seconds(1_000_000)


def test_resources_are_those_of_all_actors_of_the_chain(bare, tmp_path):
    config = load("demo", overrides=["pools.encode.gpus=0.5", "pools.compare.gpus=0.25"])
    few, many = (look_resources(config, bare, cpus) for cpus in (2, 16))
    assert many.actors > few.actors
    assert many.memory_gib > few.memory_gib
    assert few.gpus == 0, "no features, no encoder"
    assert look_resources(config, replace(bare, features=tmp_path), 2).gpus >= 0.5
    assert compare_resources(config).gpus == 0.25
