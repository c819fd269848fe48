from dataclasses import replace

import pytest

from pipeline.corpus.copies import planned
from pipeline.corpus.facts import Typical, corpus_facts, expected
from pipeline.corpus.proxies import SUITES, plan, sources
from pipeline.costs.loads import (
    benchmark_load,
    benchmark_rows,
    compare_load,
    copies_load,
    copies_of,
    ingest_load,
    look_resources,
    pool_load,
    severity_pairs,
    training_load,
)
from pipeline.look.look import Look
from pipeline.settings.config import load
from pipeline.steps.pair import _severity_pairs


@pytest.fixture
def bare(tmp_path):
    """A look that makes and decodes copies, and asks for nothing else."""
    return Look(tmp_path, None, {}, {})


@pytest.fixture
def facts():
    return expected(load("local", videos="videos"), 100, Typical(seconds=12.0, bytes=1e6))


@pytest.fixture
def small(tables):
    """A run with a table of videos, and its configuration."""
    config = load(
        "local",
        videos="videos",
        overrides=[
            "distort.sources=[{spatial: 3, temporal: 50, streaming: 2}]",
            "pairs.synthetic=[{spatial: 30, temporal: 500, streaming: 7}]",
        ],
    )
    tables.videos(
        [{"video_id": f"v{k}", "round": 1 + k % 2} for k in range(24)]
        + [{"video_id": "h", "split": "heldout", "round": 0}]
    )
    return tables.run(config)


def test_copies_are_counted_without_making_them(small):
    facts = corpus_facts(small)
    for number in (1, 2):
        made = copies_of(facts, small.config, number)
        rows = planned(small.config, small.layout, number)
        assert sum(count * each for count, each in made.values()) == len(rows)
        for name, (count, _) in made.items():
            assert count == len({row["source_id"] for row in rows if row["distortion"] == name})
    windows = sources(small.config, small.layout)
    assert benchmark_rows(facts, small.config) == sum(len(plan(small.config, windows, suite)) for suite in SUITES)


def test_severity_pairs_are_counted_without_making_them(small):
    rows = planned(small.config, small.layout, 1)
    assert severity_pairs(corpus_facts(small), small.config) == len(_severity_pairs(small.config, rows, 0))


def test_every_request_is_its_own_work(facts, bare, tmp_path):
    config = load("local", videos="videos")
    alone = pool_load(facts, config, bare).amounts
    requests = {
        "vmaf": {"vmaf": True},
        "encode": {"features": tmp_path},
        "indicators": {"indicators": tmp_path},
        "teacher niqe": {"scores": {"niqe": tmp_path}},
    }
    for name, request in requests.items():
        amounts = pool_load(facts, config, replace(bare, **request)).amounts
        assert name in set(amounts) - set(alone)
        assert {key: value for key, value in amounts.items() if key in alone} == alone


def test_work_grows_with_files_length_and_size(facts, bare):
    config = load("local", videos="videos")
    decode = pool_load(facts, config, bare).amounts["decode"]
    assert decode == pytest.approx(facts.pool * 1.6)
    for name, factor in (("seconds", 3.2), ("area", 2.0), ("rate", 0.5)):
        more = replace(facts, **{name: factor})
        expected_factor = factor / 1.6 if name == "seconds" else factor
        assert pool_load(more, config, bare).amounts["decode"] == pytest.approx(decode * expected_factor)
    assert ingest_load(facts, config).amounts["probe"] == 100
    assert ingest_load(facts, config).read == 1e8


def test_a_slow_preset_is_a_rate_of_its_own_where_x265_encodes_and_only_there(facts, bare):
    config = load("local", videos="videos", overrides=["distort.x265_preset=slow"])
    names = set(copies_load(facts, config, bare, 1).amounts)
    assert {"make h265 slow", "make h264", "still"} <= names
    assert "make h265" not in names


def test_stills_are_made_as_stills_and_moving_copies_are_not(facts, bare):
    settings = ["distort.still_spatial=false"]
    moving = copies_load(facts, load("local", videos="videos", overrides=settings), bare, 1).amounts
    still = copies_load(facts, load("local", videos="videos"), bare, 1).amounts
    assert "make resize" in moving
    assert moving.get("decode still") == 0
    assert "make resize" in still, "of degraded sources"
    assert moving["make resize"] > still["make resize"]


def test_a_share_of_a_gpu_moves_the_work_there(facts, bare, tmp_path):
    look = replace(bare, scores={"fastvqa": tmp_path, "niqe": tmp_path})
    names = "teachers.names=[fastvqa, niqe]"
    on_cpus = benchmark_load(facts, load("local", videos="videos", overrides=[names]), look).amounts
    settings = [names, "pools.score.gpus_of={fastvqa: 0.5}"]
    mixed = benchmark_load(facts, load("local", videos="videos", overrides=settings), look).amounts
    assert mixed["gpu teacher fastvqa"] == on_cpus["teacher fastvqa"]
    assert mixed["teacher niqe"] == on_cpus["teacher niqe"]


def test_one_label_costs_less_than_two(facts, bare):
    config, both = load("local", videos="videos"), replace(bare, vmaf=True)
    one, two = (
        benchmark_load(facts, config, look).amounts["vmaf"] for look in (replace(both, second_label=False), both)
    )
    assert 0 < one < two


def test_the_published_student_trains_and_compares_on_gpus(facts):
    large, small = load("paper", videos="videos"), load("local", videos="videos")
    eight = replace(facts, seconds=8.0)
    assert training_load(large, eight, 1000).amounts["gpu pair"] == pytest.approx(1000)
    assert training_load(small, eight, 1000).amounts["pair"] == 1000 * small.training.epochs
    assert compare_load(large, eight, 50, 7).amounts["gpu compare"] == 50
    assert compare_load(small, eight, 50, 7).amounts["compare"] == 57


def test_resources_are_those_of_all_actors_of_the_chain(bare, tmp_path):
    config = load("demo", overrides=["pools.encode.gpus=0.5"])
    few, many = (look_resources(config, bare, cpus) for cpus in (2, 16))
    assert many.actors > few.actors
    assert many.memory_gib > few.memory_gib
    assert few.gpus == 0, "no features, no encoder"
    assert look_resources(config, replace(bare, features=tmp_path), 2).gpus >= 0.5
