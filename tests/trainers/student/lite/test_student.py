import json
import pickletools
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from trainers.levels import LEVELS
from trainers.student.lite.content import content_map
from trainers.student.lite.head import ComparisonHead, OrdinalLink
from trainers.student.table import build_encoder, build_student, load_judge, load_student, student_class


@pytest.fixture(scope="module")
def lite():
    torch.manual_seed(0)
    return build_student("lite")


def _views(rng, size=(64, 80), frames=6, keys=2):
    key = rng.integers(0, 256, (keys, 2, *size, 3), np.uint8)
    return key, rng.integers(0, 256, (frames, *size), np.uint8)


@pytest.mark.parametrize(
    ("size", "frames", "keys"),
    [
        ((32, 32), 1, 1),
        ((20, 50), 2, 1),
        ((121, 75), 3, 3),
        ((300, 260), 2, 1),
        ((180, 640), 30, 2),
    ],
)
def test_encode_gives_the_same_finite_vector_for_any_size(lite, size, frames, keys):
    views = _views(np.random.default_rng(1), size, frames, keys)
    features = lite.encode(*views, 30.0)
    assert features.dtype == np.float32
    assert features.shape == (lite.feature_size,)
    assert np.isfinite(features).all()
    assert (features == lite.encode(*views, 30.0)).all()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_encode_survives_flat_and_frozen_pictures(lite, value):
    features = lite.encode(np.full((1, 2, 48, 48, 3), value, np.uint8), np.full((5, 48, 48), value, np.uint8), 0.0)
    assert np.isfinite(features).all()


def test_a_still_image_has_zero_motion_features():
    student = build_student("lite", {"blocks": ["freeze"]})
    key, _ = _views(np.random.default_rng(2), keys=1)
    assert (student.encode(key[:, [0, 0]], key[0, :1, ..., 1], 0.0) == 0).all()


def test_held_frames_raise_the_share_of_repeats_and_the_staleness():
    student = build_student("lite", {"blocks": ["freeze"]})
    key, luma = _views(np.random.default_rng(3), frames=12)
    moving = student.encode(key, luma, 30.0)
    held = student.encode(key, np.repeat(luma[::3], 3, axis=0), 30.0)
    assert moving[0] == pytest.approx(0, abs=1e-3)
    assert held[0] == pytest.approx(8 / 11, abs=1e-3)
    assert (held[1:] > moving[1:] + 0.5).all()


def test_a_still_scene_is_not_taken_for_a_frozen_one():
    student = build_student("lite", {"blocks": ["freeze"]})
    key, luma = _views(np.random.default_rng(3), frames=1)
    assert (student.encode(key, np.repeat(luma, 12, axis=0), 30.0) == 0).all()


def test_blur_lowers_the_deviations_of_fine_layers_at_native_size():
    rng = np.random.default_rng(8)
    student = build_student("lite", {"blocks": ["native"]})
    frame = cv2.GaussianBlur(rng.integers(0, 256, (96, 128, 3), np.uint8), (0, 0), 1)
    sharp, soft = (np.stack([[f, f]]) for f in (frame, cv2.GaussianBlur(frame, (0, 0), 3)))
    luma = np.zeros((1, 96, 128), np.uint8)
    change = student.encode(soft, luma, 0.0) - student.encode(sharp, luma, 0.0)
    assert change[:32].mean() < -0.3  # the stem, which sees edges


def test_encode_refuses_other_shapes(lite):
    with pytest.raises(ValueError, match=r"key must be \[S, 2, H, W, 3\]"):
        lite.encode(np.zeros((2, 64, 64, 3), np.uint8), np.zeros((1, 64, 64), np.uint8), 30.0)


def test_unknown_students_and_blocks_are_refused(tmp_path):
    with pytest.raises(ValueError, match="unknown student 'huge': choose one of"):
        student_class("huge")
    with pytest.raises(ValueError, match=r"student\.options\.blocks: input should be 'degradation', 'native', 'half'"):
        build_student("lite", {"blocks": ["sound"]})
    with pytest.raises(ValueError, match="is not a student folder"):
        load_student(tmp_path)


@pytest.mark.parametrize("hidden", [0, 16])
def test_exchanging_the_videos_mirrors_the_logits_exactly(hidden):
    torch.manual_seed(4)
    head = ComparisonHead([(30, 1.0), (10, 2.0)], hidden).eval()
    for weights in head.regressor.parameters():
        torch.nn.init.normal_(weights, std=0.3)  # a fresh head calls all videos equal
    first, second = 3 * torch.randn(200, 40), 3 * torch.randn(200, 40)
    there, back = head(first, second), head(second, first)
    assert there.argmax(-1).unique().numel() > 2
    assert torch.equal(there, back.flip(-1))


def test_logits_are_log_probabilities_and_better_means_higher():
    link = OrdinalLink()
    difference = torch.linspace(-60, 60, 241)
    probabilities = link(difference).exp()
    assert torch.isfinite(link(difference)).all()
    assert torch.allclose(probabilities.sum(-1), torch.ones(241), atol=1e-6)
    expected = probabilities @ torch.arange(5.0)
    assert (expected.diff() >= -1e-6).all()
    assert expected[-1] > 3.9
    assert LEVELS[int(probabilities[-1].argmax())] == "superior"


def test_normalisation_ignores_constant_features_and_clips_outliers():
    rng = np.random.default_rng(5)
    features = rng.normal(3, 2, (100, 4)).astype(np.float32)
    features[:, 2] = 1234.5
    head = ComparisonHead([(4, 1.0)])
    head.fit_normalisation(features, np.zeros((0, 4), np.float32), np.zeros(0))
    outlier = torch.tensor([[1e9, 3.0, 9e9, 3.0]])
    assert head.normalise(outlier)[0, 0] == 8 / 2  # the clip, over the root of the group's length
    assert head.normalise(outlier)[0, 2] == 0
    assert head.normalise(torch.from_numpy(features)).mean(0)[0].item() == pytest.approx(0, abs=0.05)


def test_a_feature_counts_in_units_of_its_difference_between_copies_of_one_content():
    rng = np.random.default_rng(9)
    features = rng.normal(0, 10, (200, 2)).astype(np.float32)
    differences = rng.normal(0, [1, 4], (500, 2)).astype(np.float32)
    head = ComparisonHead([(1, 1.0), (1, 2.0)])
    head.fit_normalisation(features, differences, np.ones(500))
    gain = (head.normalise(torch.tensor([[1.0, 1.0]])) - head.normalise(torch.tensor([[0.0, 0.0]])))[0]
    assert gain[0] / gain[1] == pytest.approx(4 / 2, rel=0.1)


def test_a_difference_counts_in_the_units_with_the_weight_of_its_pair():
    rng = np.random.default_rng(11)
    features = rng.normal(0, 10, (200, 3)).astype(np.float32)
    some, others = (rng.normal(0, unit, (300, 3)).astype(np.float32) for unit in ([1, 4, 2], [9, 1, 2]))

    def scale(differences, weights):
        head = ComparisonHead([(3, 1.0)])
        head.fit_normalisation(features, differences, np.array(weights))
        return head.scale.numpy()

    both = np.concatenate([some, others])
    np.testing.assert_array_equal(scale(both, [0.5] * 300 + [0.0] * 300), scale(some, [1.0] * 300))
    np.testing.assert_allclose(
        scale(both, [1.0] * 300 + [3.0] * 300), scale(np.concatenate([some] + [others] * 3), [1.0] * 1200), rtol=1e-6
    )
    assert not np.allclose(scale(both, [1.0] * 600), scale(some, [1.0] * 300), rtol=0.1)


def _contents(rng, contents=40, copies=12):
    """Features [fine, coarse, shaken] of copies of contents: `fine` is three times the content less the distortion.

    `coarse` is the content alone, `shaken` is the content too but moves with the distortion. Returns the features, the
    differences between copies of one content, and content and distortion of each row.
    """
    content = np.repeat(rng.normal(0, 4, contents), copies)
    distortion = np.tile(np.linspace(0, 1, copies), contents)
    features = np.stack([3 * content - distortion, content, content - 5 * distortion], axis=1).astype(np.float32)
    by_content = features.reshape(contents, copies, 3)
    return features, (by_content[:, 1:] - by_content[:, :-1]).reshape(-1, 3), content, distortion


def test_the_content_map_predicts_what_follows_the_content(monkeypatch):
    monkeypatch.setattr("trainers.student.lite.content.RIDGE", 1e-3)
    features, differences, _, distortion = _contents(np.random.default_rng(21))
    found = content_map(features, differences, np.ones(len(differences)), slice(1, 2))
    assert found.shape == (1, 3)
    np.testing.assert_allclose(found, [[3, 1, 1]], rtol=0.03)
    rest = (features - features[:, 1:2] @ found)[:, 0]
    assert np.corrcoef(rest, -distortion)[0, 1] > 0.9
    assert abs(np.corrcoef(features[:, 0], distortion)[0, 1]) < 0.1


def test_the_content_map_trusts_coarse_features_that_stay_where_they_are_under_distortion(monkeypatch):
    monkeypatch.setattr("trainers.student.lite.content.RIDGE", 1e-3)
    features, differences, _, _ = _contents(np.random.default_rng(22))
    differences = 20 * differences
    steady, shaken = content_map(features, differences, np.ones(len(differences)), slice(1, 3))[:, 0]
    assert steady > 10 * abs(shaken)
    unweighted = content_map(features, differences, np.zeros(len(differences)) + 1e-9, slice(1, 3))
    np.testing.assert_allclose(unweighted[:, 0], [steady, shaken], rtol=1e-3)  # weights are shares


def test_the_head_takes_the_content_out_before_it_chooses_units(monkeypatch):
    monkeypatch.setattr("trainers.student.lite.content.RIDGE", 1e-3)
    features, differences, content, _ = _contents(np.random.default_rng(23))
    weights = np.ones(len(differences))

    def follows_content(head):
        head.fit_normalisation(features, differences, weights)
        return abs(np.corrcoef(head.normalise(torch.from_numpy(features))[:, 0].numpy(), content)[0, 1])

    groups = [(1, 1.0)] * 3
    plain, without = ComparisonHead(groups), ComparisonHead(groups, coarse=slice(1, 2))
    assert follows_content(plain) > 0.7
    assert follows_content(without) < 0.3
    assert len(plain.content) == 0


DETAIL = ["native", "half", "quarter", "freeze"]


def test_only_the_coarsest_block_tells_the_content():
    student = build_student("lite", {"blocks": DETAIL})
    sizes = {block.name: block.size for block in student.encoder.blocks}
    start = sizes["native"] + sizes["half"]
    assert student.head.coarse == slice(start, start + sizes["quarter"])
    for options in ({"blocks": ["half", "freeze"]}, {"blocks": DETAIL, "content": False}):
        assert len(build_student("lite", options).head.content) == 0


def test_a_student_holds_the_models_that_its_blocks_need_and_no_other(lite):
    chosen = (DETAIL, ["degradation", "freeze"], ["naturalness"], ["shake"])
    students = [build_student("lite", {"blocks": blocks}) for blocks in chosen]
    held = [{name.partition(".")[0] for name in student.encoder.weights} for student in (lite, *students)]
    assert held == [{"backbone", "degradation", "naturalness"}, {"backbone"}, {"degradation"}, {"naturalness"}, set()]
    assert len({student.encoder_digest() for student in (lite, *students)}) == 5


def test_a_student_saved_before_there_was_naturalness_scores_as_it_did(tmp_path):
    student = build_student("lite", {"blocks": [*DETAIL, "degradation", "shake"]})
    for weights in student.trained_module().parameters():
        torch.nn.init.normal_(weights)
    student.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"features_version": 6}))
    features = np.random.default_rng(7).normal(size=(5, student.feature_size)).astype(np.float32)
    for loaded in (load_student(tmp_path), load_judge(tmp_path)):
        logits = loaded.compare_all(features[:-1], features[1:])
        np.testing.assert_allclose(logits, student.eval().compare_all(features[:-1], features[1:]), rtol=0, atol=1e-4)
    (tmp_path / "config.json").write_text(json.dumps(config | {"features_version": 5}))
    with pytest.raises(ValueError, match="train the student again"):
        load_student(tmp_path)


def test_a_student_saved_before_there_was_a_content_map_scores_as_it_did(tmp_path):
    torch.manual_seed(7)
    student = build_student("lite", {"blocks": DETAIL})
    for weights in student.trained_module().parameters():
        torch.nn.init.normal_(weights)
    student.save(tmp_path)
    file = tmp_path / "model.safetensors"
    save_file({name: value for name, value in load_file(file).items() if name != "head.content"}, file)
    features = np.random.default_rng(7).normal(size=(5, student.feature_size)).astype(np.float32)
    loaded = load_student(tmp_path)
    others = features[::-1].copy()
    said = student.compare(features, others)
    assert (loaded.compare(features, others) == said).all()
    np.testing.assert_allclose(load_judge(tmp_path).compare_all(features, others), said, atol=1e-4)


def test_weights_that_are_missing_or_do_not_fit_are_refused_by_name(tmp_path, lite):
    lite.save(tmp_path)
    file = tmp_path / "model.safetensors"
    saved = load_file(file)
    lost = "backbone._conv_stem.weight"
    save_file({name: value for name, value in saved.items() if name != lost}, file)
    with pytest.raises(ValueError, match=r"weights of the pyramid network are missing: _conv_stem\.weight"):
        load_judge(tmp_path)
    views = _views(np.random.default_rng(0))
    more = {"backbone._bn0.num_batches_tracked": torch.tensor(1), "backbone._blocks.9._bn0.bias": torch.zeros(480)}
    save_file({**saved, **more}, file)  # as students were saved when they held the whole network
    assert (load_judge(tmp_path).encode(*views, 25.0) == lite.encode(*views, 25.0)).all()
    save_file({**saved, lost: torch.zeros(32, 3, 5, 5)}, file)
    with pytest.raises(ValueError, match="weights of the pyramid network do not fit"):
        load_judge(tmp_path).encode(*views, 25.0)
    save_file({name: value for name, value in saved.items() if name != "head.scale"}, file)
    with pytest.raises(ValueError, match=r"the student lacks head\.scale"):
        load_judge(tmp_path)


@pytest.mark.parametrize(
    "options",
    [{}, {"hidden": 8, "dropout": 0.3, "blocks": ["quarter", "freeze"]}, {"blocks": DETAIL, "content": False}],
)
def test_a_saved_student_gives_the_same_numbers_and_holds_no_pickle(tmp_path, options):
    torch.manual_seed(6)
    student = build_student("lite", options)
    rng = np.random.default_rng(6)
    features = rng.normal(size=(30, student.feature_size)).astype(np.float32)
    student.prepare(features, features[1:] - features[:-1], np.ones(len(features) - 1))
    for weights in student.trained_module().parameters():
        torch.nn.init.normal_(weights)
    student.save(tmp_path)
    loaded, judge = load_student(tmp_path), load_judge(tmp_path)
    views = _views(rng)
    for one in (loaded, judge, build_encoder("lite", options)):
        assert (one.encode(*views, 25.0) == student.encode(*views, 25.0)).all()
    first, second = rng.normal(size=(2, 7, student.feature_size)).astype(np.float32)
    said = student.compare(first, second)
    assert (loaded.compare(first, second) == said).all()
    np.testing.assert_allclose(judge.compare_all(first, second), said, atol=1e-4)
    assert (judge.compare_all(second, first) == judge.compare_all(first, second)[:, ::-1]).all()
    np.testing.assert_allclose(
        judge.against_anchors(first[:5], second), student.against_anchors(first[:5], second), atol=1e-4
    )
    assert loaded.encoder_digest() == student.encoder_digest()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    for file in tmp_path.iterdir():
        with pytest.raises(ValueError, match=r"unknown|exhausted|expected"):
            list(pickletools.genops(file.read_bytes()))


def test_saving_twice_gives_the_same_bytes(tmp_path, lite):
    lite.save(tmp_path / "a")
    lite.save(tmp_path / "b")
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_other_blocks_have_another_encoder_digest(lite):
    assert build_student("lite", {"blocks": ["half"]}).encoder_digest() != lite.encoder_digest()


def test_neither_the_tables_nor_a_saved_student_that_judges_load_torch(tmp_path, lite):
    import subprocess
    import sys

    lite.save(tmp_path)
    code = (
        "import sys, numpy, trainers.student, trainers.launch, trainers.sweep; "
        "from actors.folder import FolderEncoder; "
        f"judge = FolderEncoder({str(tmp_path)!r}, numpy.zeros((5, 540), 'float32')).comparer.student; "
        "judge.encode(numpy.zeros((1, 2, 48, 48, 3), 'uint8'), numpy.zeros((3, 48, 48), 'uint8'), 25.0); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4])
