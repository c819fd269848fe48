"""Teachers that are published networks: how they find, check and use released weights."""

from __future__ import annotations

import json
import math
import pickle
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from parity_kit import clip, filled, record
from safetensors.torch import save_file

from actors.media import network_views as views
from actors.media.network_views import plans
from actors.media.outcome import Failure
from actors.media.views import Sample
from actors.networks import qalign
from actors.networks.files import digest
from actors.networks.head import VQAHead
from actors.networks.weights import load, read_state
from actors.teachers import TEACHERS, load_teacher, teacher_class, views_of
from actors.teachers.network import NetworkTeacher, distinct
from trainers.student.language.slowfast import FastPathway, fast_part

NETWORKS = sorted(name for name in TEACHERS if issubclass(teacher_class(name), NetworkTeacher))
SHRUNK = record("teachers", "qalign.json")


def sample_with(pictures):
    return Sample(np.zeros((1, 2, 4, 4, 3), np.uint8), np.zeros((2, 4, 4), np.uint8), 30.0, pictures)


@pytest.fixture(scope="module")
def one_align(tmp_path_factory):
    """A folder like the released one of Q-Align, in two shards, with a shrunk network."""
    folder = tmp_path_factory.mktemp("weights") / "one-align"
    folder.mkdir()
    state = filled(qalign.build(SHRUNK["config_shrunk"]), 1).state_dict()
    state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(4)
    names = list(state)
    shards = {"model-1.safetensors": names[:50], "model-2.safetensors": names[50:]}
    for shard, part in shards.items():
        save_file({name: state[name].contiguous() for name in part}, folder / shard)
    index = {"weight_map": {name: shard for shard, part in shards.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text(json.dumps(SHRUNK["config_shrunk"]))
    return folder


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_states_what_the_table_shows(name, tmp_path):
    teacher = load_teacher(name, str(tmp_path))
    assert TEACHERS[name].endswith(f":{type(teacher).__name__}")
    assert teacher.name == name
    assert teacher.range[0] < teacher.range[1]
    assert teacher.parameters > 1e6
    assert set(teacher.views) <= set(views.VIEWS)
    assert teacher.non_commercial == ("NON-COMMERCIAL" in teacher.licence)
    assert [path.name for path in teacher.missing()] == list(teacher.files)
    with pytest.raises(Failure) as caught:
        teacher.digest()
    assert f"there is no {tmp_path}" in caught.value.message
    with pytest.raises(Failure, match=r"SampleSpec\.views"):
        teacher.score(sample_with({}))


class Sums(NetworkTeacher):
    """A network of two calls that a test can count: the sum of the pictures, then that of their squares."""

    name, range, views, files = "sums", (-math.inf, math.inf), ("squares",), ("sums.pth",)

    def load(self):
        return []

    def missing(self):
        return []

    def first_call(self, inputs):
        self.network.append(tuple(inputs.shape))
        return inputs.flatten(1).sum(1)

    def second_call(self, inputs):
        self.network.append(tuple(inputs.shape))
        return inputs.square()

    def judge(self, views):
        sums = yield self.first_call, torch.from_numpy(views["squares"]).double()
        if sums.sum() == 0:
            raise ValueError("a black video")
        squares = yield self.second_call, sums
        return float(squares.sum())

    def batches(self, inputs):
        return [inputs]  # as on a GPU


def test_several_videos_share_the_calls_of_a_network():
    rng = np.random.default_rng(0)
    shapes = [(3, 4, 4, 3), (1, 4, 4, 3), (2, 6, 4, 3)]
    videos = [("", "", sample_with({"squares": rng.integers(1, 9, shape, np.uint8)})) for shape in shapes]
    alone = [Sums().score(sample) for _, _, sample in videos]
    teacher = Sums()
    assert teacher.score_videos(videos) == alone
    # pictures of one size in one call, then the six sums of all videos
    assert teacher.network == [(4, 4, 4, 3), (2, 6, 4, 3), (6,)]


def test_a_video_that_fails_does_not_cost_the_others_their_scores():
    pictures = [np.full((1, 2, 2, 3), value, np.uint8) for value in (1, 0, 2)]
    scores = Sums().score_videos([("", "", sample_with({"squares": picture})) for picture in pictures])
    assert scores[0] == 12.0**2
    assert scores[2] == 24.0**2
    assert isinstance(scores[1], ValueError)


class Crowded(Sums):
    """On a GPU that holds two items of the first network."""

    device = SimpleNamespace(type="cuda")
    batches = NetworkTeacher.batches

    def first_call(self, inputs):
        if len(inputs) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().first_call(inputs)


def test_a_gpu_out_of_memory_halves_the_items_of_a_call_and_costs_no_score():
    rng = np.random.default_rng(0)
    videos = [("", "", sample_with({"squares": rng.integers(1, 9, (3, 4, 4, 3), np.uint8)})) for _ in range(3)]
    alone = [Sums().score(sample) for _, _, sample in videos]
    teacher = Crowded()
    assert teacher.score_videos(videos) == alone
    assert max(shape[0] for shape in teacher.network) <= 2
    assert teacher.note == f"sums: out of GPU memory; {teacher.most_items} items at once from now on"
    assert teacher.score_videos(videos) == alone
    assert not Sums().note


def test_an_item_too_large_for_a_gpu_fails_its_video_only():
    class Tiny(Crowded):
        def first_call(self, inputs):
            if inputs.sum() > 100:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return Sums.first_call(self, inputs)

    pictures = [np.full((1, 2, 2, 3), value, np.uint8) for value in (1, 100, 2)]
    scores = Tiny().score_videos([("", "", sample_with({"squares": picture})) for picture in pictures])
    assert scores[::2] == [12.0**2, 24.0**2]
    assert isinstance(scores[1], torch.OutOfMemoryError)


def test_qalign_rates_several_videos_in_one_call_as_each_alone(one_align, monkeypatch):
    plan = {"squares": plans.squares(views.Clip(64, 270, 480, 30.0), views.zero)}
    videos = [("", "", sample_with(views.gather(clip(64, 270, 480, seed), plan))) for seed in (1, 2, 3)]
    teacher = load_teacher("qalign", str(one_align))
    alone = [teacher.score(sample) for _, _, sample in videos]
    monkeypatch.setattr(teacher, "batches", lambda inputs: [inputs])
    assert teacher.score_videos(videos) == pytest.approx(alone, abs=1e-6)
    assert len(set(alone)) == 3


def test_views_of_several_teachers_are_named_once():
    assert views_of(["minimalistic_vii", "niqe", "minimalistic_ix"]) == ("key_frames", "motion_clips")


def test_qalign_teacher_gives_the_recorded_score(one_align):
    plan = {"squares": plans.squares(views.Clip(64, 270, 480, 30.0), views.zero)}
    pictures = views.gather(clip(64, 270, 480, 1), plan)
    for place in (one_align, one_align.parent):
        teacher = load_teacher("qalign", str(place))
        score = teacher.score(sample_with(pictures))
        assert score == pytest.approx(SHRUNK["end_to_end"]["score_0_1"][0], abs=1e-5)
    first = teacher.digest()
    assert load_teacher("qalign", str(one_align)).digest() == first
    config = json.loads((one_align / "config.json").read_text()) | {"rms_norm_eps": 1e-6}
    (one_align / "config.json").write_text(json.dumps(config))
    assert teacher.digest() != first


def test_distinct_items_and_their_places():
    pictures = np.arange(6, dtype=np.uint8)[[0, 1, 2, 3, 2, 3, 4, 5]].reshape(8, 1, 1, 1)
    items, places = distinct(pictures, 2)
    assert items.ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert places == [0, 1, 1, 2]


# ---- files


@pytest.fixture
def head():
    return filled(VQAHead(), 1)


def test_weights_are_read_from_nested_and_prefixed_files(head, tmp_path):
    state = head.state_dict()
    contents = {
        "flat": state,
        "nested": {"state_dict": state, "validation_results": {"srcc": np.float64(0.5), "epoch": 3}},
        "other": {"model_state": state, "cfg": "text"},
        "parallel": {f"module.{name}": value for name, value in state.items()},
        "half": {name: value.half() for name, value in state.items()},
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / f"{name}.pth")
        loaded = load(VQAHead, tmp_path / f"{name}.pth", "a head").state_dict()
        tolerance = 1e-3 if name == "half" else 0
        for entry, value in loaded.items():
            torch.testing.assert_close(value, state[entry], rtol=tolerance, atol=tolerance)
            assert value.dtype == torch.float32
    save_file(dict(state), tmp_path / "same.safetensors")
    assert set(read_state(tmp_path / "same.safetensors")) == set(state)


def test_numbers_pickled_under_numpy_1_are_read(head, tmp_path):
    torch.save({"state_dict": head.state_dict(), "results": [np.float64(0.9)]}, tmp_path / "new.pth")
    import zipfile

    with zipfile.ZipFile(tmp_path / "new.pth") as source, zipfile.ZipFile(tmp_path / "old.pth", "w") as target:
        for part in source.infolist():
            content = source.read(part)
            if part.filename.endswith("data.pkl"):
                assert b"numpy._core.multiarray" in content
                content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            target.writestr(part, content)
    assert set(read_state(tmp_path / "old.pth")) == set(head.state_dict())


def test_the_motion_network_takes_its_part_of_the_whole(tmp_path):
    state = filled(FastPathway(), 1).state_dict()
    whole = {
        **state,
        "blocks.0.multipathway_blocks.0.conv.weight": torch.zeros(1),
        "blocks.6.proj.bias": torch.zeros(1),
    }
    wrapped = {name.replace("blocks.", "feature_extraction.", 1): value for name, value in state.items()}
    for name, content in (("hub.pyth", {"model_state": whole}), ("wrapped.pth", wrapped)):
        torch.save(content, tmp_path / name)
        loaded = load(FastPathway, tmp_path / name, "SlowFast R50", select=fast_part)
        assert all(torch.equal(value, state[entry]) for entry, value in loaded.state_dict().items())


def test_a_wrong_file_says_what_it_looks_like_and_what_is_missing(tmp_path, head):
    state = head.state_dict()
    files = {
        "dover.pth": {"aesthetic_backbone.downsample_layers.0.0.weight": torch.zeros(1)},
        "vii.pth": {"feature_extraction.features.0.0.weight": torch.zeros(1), "quality.0.weight": torch.zeros(2, 1024)},
        "less.pth": {name: value for name, value in state.items() if name != "fc_last.bias"},
        "shape.pth": state | {"fc_last.bias": torch.zeros(7)},
        "none.pth": {"epoch": 3},
    }
    expected = {
        "dover.pth": "it looks like DOVER; 4 of 4 entries are missing, the first is fc_hid.weight; 1 entries are unknown",
        "vii.pth": "it looks like MinimalisticVQA Model VII; ",
        "less.pth": "1 of 4 entries are missing, the first is fc_last.bias",
        "shape.pth": "1 have another shape, the first is fc_last.bias: [7] instead of [1]",
        "none.pth": "it looks like no weights at all; ",
        "object.pth": "is refused, because it may run code",
        "cut.pth": "is not an intact PyTorch file",
        "cut.safetensors": "is not an intact safetensors file",
        "gone.pth": "there are no weights at",
        "empty": "holds none of model.safetensors.index.json",
    }
    for name, content in files.items():
        torch.save(content, tmp_path / name)
    torch.save({"state_dict": state, "accuracy": Fraction(1, 2)}, tmp_path / "object.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "shape.pth").read_bytes()[:500])
    (tmp_path / "cut.safetensors").write_bytes(b"\x08\x00\x00")
    (tmp_path / "empty").mkdir()
    for name, words in expected.items():
        with pytest.raises(Failure) as caught:
            load(VQAHead, tmp_path / name, "a head")
        assert words in caught.value.message, caught.value.message
        assert str(tmp_path / name) in caught.value.message
        assert "\n" not in str(caught.value)


def test_a_plain_pickle_is_refused(tmp_path):
    (tmp_path / "old.pth").write_bytes(pickle.dumps({"accuracy": Fraction(1, 2)}, protocol=2))
    with pytest.raises(Failure, match="is refused, because it may run code"):
        read_state(tmp_path / "old.pth")


def test_the_digest_follows_the_content_not_the_name(tmp_path):
    for name, content in (("a", b"1"), ("b", b"1"), ("c", b"2")):
        (tmp_path / name).write_bytes(content)
    assert digest(tmp_path / "a") == digest(tmp_path / "b") != digest(tmp_path / "c")
    with pytest.raises(Failure, match="no weights"):
        digest(tmp_path / "gone")


def test_the_scaling_file_of_minimalistic_is_checked(tmp_path):
    from actors.networks.minimalistic import read_scaling

    np.save(tmp_path / "good.npy", np.array([90.0, 10.0, 0.3, 0.5]))
    assert read_scaling(tmp_path / "good.npy") == (90.0, 10.0, 0.3, 0.5)
    bad = {"short": np.zeros(3), "object": np.array([{}], dtype=object), "nan": np.array([1, 2, 3, math.nan])}
    for name, content in bad.items():
        np.save(tmp_path / f"{name}.npy", content, allow_pickle=True)
        with pytest.raises(Failure, match="not a scaling file"):
            read_scaling(tmp_path / f"{name}.npy")
