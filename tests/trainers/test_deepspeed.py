"""Engines of every ZeRO stage and number format (`tests/support/engines.py`)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)  # one script for all, which imports torch, DeepSpeed and transformers twice
PROJECT = Path(__file__).parents[2]
FORMATS = ("float32", "bfloat16")


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """What both ranks found."""
    path = tmp_path_factory.mktemp("engines") / "facts.json"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    script = PROJECT / "tests/support/engines.py"
    done = subprocess.run(
        [sys.executable, script, path], env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(path.with_name(f"{path.name}.{rank}").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("stage", range(4))
def test_a_gradient_that_is_not_finite_on_one_rank_changes_no_weight_on_any(facts, stage, dtype):
    first, second = (rank[f"{stage} {dtype}"] for rank in facts)
    assert (first["applied"], second["applied"]) == (False, False)
    assert first["unchanged"]
    assert first["skipped"] == 1
    assert (first["again"], second["again"]) == (True, True), "the next step is a step again"


@pytest.mark.parametrize("stage", range(4))
def test_bf16_exports_the_float32_weights_in_which_small_steps_are_not_lost(facts, stage):
    exported = facts[0][f"{stage} bfloat16"]
    assert exported["formats"] == {
        "frozen.weight": "bfloat16",
        "middle.weight": "float32",
        "middle.bias": "float32",
        "last.weight": "float32",
    }
    assert exported["moved"] > 0.95
    assert exported["rounded_moved"] < 0.6
    assert exported["restored"], "a training that starts from a student starts from these"


def test_a_head_that_is_tied_to_the_embeddings_is_exported_at_zero_3(facts):
    assert facts[0]["tied"] == {"head": False, "differing": []}
