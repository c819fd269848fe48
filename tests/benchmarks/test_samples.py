"""What the degradation network learns from: a copy differs from its scene by its distortion and by nothing else."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks" / "encoder"))

import coders
import filters
import scenes
from samples import KINDS, in_a_row


@pytest.fixture(scope="module")
def scene():
    """A reference float32 [FRAMES, SIDE, SIDE] of soft random shapes."""
    random = np.random.default_rng(5)
    picture = filters.blurred(random.normal(0, 255, (1, 600, 700)).astype(np.float32), 3)[0]
    return scenes.scene([np.clip(128 + 4 * picture, 0, 255).astype(np.uint8)], 0, random)


@pytest.mark.parametrize("side", [4, 8, 16, 32])
def test_cosine_transform_keeps_lengths_and_gathers_an_even_block_in_one_number(side):
    basis = filters.cosines(side)
    assert np.allclose(basis @ basis.T, np.eye(side), atol=1e-6)
    assert np.allclose(basis @ np.ones((side, side)) @ basis.T, np.eye(side)[:1].T * np.eye(side)[:1] * side, atol=1e-5)


@pytest.mark.parametrize("name", list(filters.FILTERS))
def test_filter_gives_a_scene_of_the_same_shape_near_the_one_it_was_given(scene, name):
    made = filters.FILTERS[name](scene.copy(), np.random.default_rng(3))
    assert made.shape == scene.shape
    assert np.isfinite(made).all()
    assert np.corrcoef(made.ravel(), scene.ravel())[0, 1] > 0.5


@pytest.mark.parametrize("name", list(coders.ALL_CODERS))
def test_coder_keeps_range_and_place_of_luma(scene, name, tmp_path):
    luma = in_a_row([scene] * 2)
    settings = [coders.ALL_CODERS[name][0](np.random.default_rng(seed), filters.FRAMES) for seed in range(6)]
    copies = [coders.coded(luma, options, tmp_path) for options in settings]
    copy = min(copies, key=lambda copy: np.abs(copy.astype(float) - luma).mean())
    slope, offset = np.polyfit(luma.ravel().astype(float), copy.ravel().astype(float), 1)
    assert slope == pytest.approx(1, abs=0.06)
    assert offset + slope * 126 == pytest.approx(126, abs=4)
    frame = filters.FRAMES // 2
    apart = [np.abs(luma[frame].astype(float) - copy[k]).mean() for k in (frame - 1, frame, frame + 1)]
    assert apart[1] == min(apart)


def test_nearly_lossless_copy_has_the_experts_best_opinion(scene, tmp_path):
    luma = in_a_row([scene])
    copy = coders.coded(luma, coders.x264("fast", 8, filters.FRAMES), tmp_path)
    assert (coders.vmafs(luma, copy, tmp_path) > 90).all()
    assert coders.gmsd(luma[0], copy[0]) < 0.01
    assert coders.ms_ssim(luma[0], copy[0]) > 0.99


@pytest.mark.parametrize("name", list(KINDS))
def test_shares_name_filters_that_there_are_and_shares_of_coders_add_up(name):
    kinds = KINDS[name]
    assert set(kinds.shares) <= set(filters.FILTERS)
    assert sum(share for _, share in kinds.coders.values()) == pytest.approx(1)
