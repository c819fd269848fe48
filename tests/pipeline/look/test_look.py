import json
from dataclasses import replace

import pytest

from actors.indicators import INDICATORS
from pipeline.look.look import Look, look_settings, packs, sample_spec
from pipeline.settings.config import load
from trainers.student.table import LLAVA


@pytest.fixture
def look(tmp_path):
    """A look that asks for features and for the scores of one teacher."""
    return Look(tmp_path / "observed", tmp_path / "features", {"niqe": tmp_path / "niqe"}, {"niqe": "d1"})


@pytest.mark.parametrize(
    "entry",
    [
        "run.threads=3",
        "pools.distort.timeout_s=7",
        "pools.score.timeout_s=7",
        "pools.encode.gpus=0.5",
        "errors.budget=0.5",
    ],
)
def test_what_changes_the_time_and_not_the_result_is_no_setting_of_a_look(look, entry):
    assert look_settings(look, load("demo", overrides=[entry])) == look_settings(look, load("demo"))


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ("student.options.blocks=[half]", "student"),
        ("teachers.key_frames=5", "sample"),
        ("teachers.motion_frames=9", "sample"),
        ("distort.x265_preset=slow", "copies"),
        ("distort.hold_output=false", "copies"),
        ("corpus.max_fps=12", "copies"),
        ("corpus.max_short_side=96", "copies"),
    ],
)
def test_what_changes_the_result_changes_one_part_of_the_settings(look, entry, part):
    usual, other = look_settings(look, load("demo")), look_settings(look, load("demo", overrides=[entry]))
    assert {name for name in usual if usual[name] != other[name]} == {part}


def test_the_requests_of_a_look_are_settings_and_its_folders_are_not(look, tmp_path):
    config = load("demo")
    usual = look_settings(look, config)
    elsewhere = replace(look, observed=tmp_path / "o", features=tmp_path / "f", clips=tmp_path / "c")
    assert look_settings(elsewhere, config) == usual
    assert look_settings(replace(look, digests={"niqe": "d2"}), config) != usual
    assert look_settings(replace(look, vmaf=True), config) != usual
    measured = look_settings(replace(look, indicators=tmp_path / "i"), config)
    assert measured == {**usual, "indicators": list(INDICATORS)}
    assert json.loads(json.dumps(usual["student"])) == usual["student"], "settings are written into the run folder"


def test_a_look_without_features_does_not_depend_on_the_student(look):
    bare = replace(look, features=None)
    others = load("demo", overrides=["student.name=qwen3_vl"])
    assert look_settings(bare, load("demo")) == look_settings(bare, others)
    assert look_settings(bare, others)["student"] is None
    assert look_settings(look, load("demo")) != look_settings(look, others)


def test_a_decode_keeps_the_views_that_its_student_takes_and_measuring_needs_one_frame(look):
    config = load("demo", overrides=["student.name=llava"])
    assert packs(config)
    assert not packs(load("demo"))
    assert sample_spec(config, look).views == LLAVA.views
    assert sample_spec(config, replace(look, features=None)).views == ()
    spec = sample_spec(config, replace(look, bare=True))
    assert (spec.key_frames, spec.motion_frames, spec.views) == (1, 1, ())


def test_the_settings_of_a_look_name_the_rendering_only_where_it_is_unusual(tmp_path):
    look = Look(tmp_path / "observed", None, {}, {})
    usual = look_settings(look, load())
    woven = look_settings(look, load(overrides=["corpus.interlaced=weave"]))
    assert "rendering" not in usual["sample"] | usual["copies"]
    assert woven["sample"]["rendering"] == woven["copies"]["rendering"] == {"hdr": "tonemap", "interlaced": "weave"}
