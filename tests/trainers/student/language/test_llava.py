"""The LLaVA student beyond the recorded numbers: checkpoints, tokenizers, trained parts, scoring with cached prefixes."""

import json

import numpy as np
import pytest
import torch
from released_kit import TINY, write_authors
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode

from trainers.batches import PairSampler
from trainers.student.language.llava_checkpoint import Checkpoint, own_name, write_weights
from trainers.student.language.packing import pack, tokens_of_length
from trainers.student.language.prompt import QWEN2, read_prompt, tokenised
from trainers.student.language.seconds import unpack
from trainers.student.table import build_student, load_student
from trainers.videos import VideoStore


def _video(frames, motion, seed=0):
    rng = np.random.default_rng([frames, motion, seed])
    return pack(rng.integers(0, 256, (frames, 384, 384, 3), np.uint8), rng.random((motion, 256)))


def _matrix(videos):
    longest = max(map(len, videos))
    return np.stack([np.pad(video, (0, longest - len(video))) for video in videos])


@pytest.fixture(scope="module")
def tiny():
    return build_student("llava", TINY)


@pytest.fixture(scope="module")
def pair():
    return _matrix([_video(1, 8)]), _matrix([_video(2, 9)])


def test_both_layouts_give_the_same_student(tiny, pair, tmp_path):
    write_authors(tiny, tmp_path / "authors")
    student = build_student("llava", {"checkpoint": str(tmp_path / "authors")})
    for key, value in tiny.network.state_dict().items():
        assert torch.equal(student.network.state_dict()[key], value), key
    assert student.encoder_digest() == tiny.encoder_digest()
    assert student.network.prompt == read_prompt(tmp_path / "authors")
    student.network.prompt = tiny.network.prompt
    assert np.array_equal(student.compare(*pair), tiny.compare(*pair))


def test_a_saved_student_stands_alone_and_transformers_reads_its_weights(tiny, pair, tmp_path):
    from transformers import LlavaOnevisionForConditionalGeneration

    tiny.save(tmp_path / "student")
    loaded = load_student(tmp_path / "student")
    assert np.array_equal(loaded.compare(*pair), tiny.compare(*pair))
    assert loaded.encoder_digest() == tiny.encoder_digest()
    assert sorted(file.suffix for file in (tmp_path / "student").iterdir()) == [".json", ".safetensors"]
    theirs = LlavaOnevisionForConditionalGeneration.from_pretrained(tmp_path / "student").state_dict()
    ours = tiny.network.llava.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(value, ours[key]) for key, value in theirs.items())


def test_shards_are_written_with_their_index_and_read_again(tiny, tmp_path):
    state = tiny.network.state_dict()
    write_weights(state, tmp_path, shard_bytes=100_000)
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 2
    checkpoint = Checkpoint(tmp_path)
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        k: checkpoint.shape(k) for k in checkpoint.names()
    }
    min(tmp_path.glob("model-*-of-*.safetensors")).unlink()
    with pytest.raises(ValueError, match=r"of \d+ weight files are missing, such as model-"):
        Checkpoint(tmp_path)


def _damage(folder, how):
    file = min(folder.glob("*.safetensors"))
    config = json.loads((folder / "config.json").read_text())
    if how == "torn":
        file.write_bytes(file.read_bytes()[:-1000])
    elif how == "lacking":
        (folder / "model.safetensors.index.json").unlink()
        file.unlink()
    elif how == "misfit":
        (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 80}))
    elif how == "words":
        (folder / "tokenizer.json").unlink()
    elif how == "pickle":
        for path in folder.glob("*.safetensors*"):
            path.unlink()
        (folder / "pytorch_model.bin").write_bytes(b"x")
    elif how == "other":
        for path in folder.glob("*.safetensors*"):
            path.unlink()
        save_file({"encoder.weight": torch.zeros(2)}, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("torn", r"model-0.safetensors is no safetensors file or is damaged .* copy it again"),
        ("lacking", r"\(authors' layout\) lacks \d+ of \d+ tensors, such as .* its download is not complete"),
        ("misfit", r"has shape .* the configuration says .* its config.json belongs to another model"),
        ("words", r"no tokenizer there .* copy tokenizer.json"),
        ("pickle", r"holds no safetensors weights; convert pytorch_model.bin to safetensors first"),
        ("other", r"is no LLaVA-OneVision checkpoint: its tensors are named encoder.weight"),
    ],
)
def test_a_wrong_checkpoint_gives_one_clear_line(tiny, tmp_path, how, message):
    folder = tmp_path / "authors"
    write_authors(tiny, folder)
    _damage(folder, how)
    with pytest.raises(ValueError, match=message) as caught:
        build_student("llava", {"checkpoint": str(folder)})
    assert "\n" not in str(caught.value)


def test_a_student_without_weights_is_refused_and_so_is_a_checkpoint_without_motion(tiny, tmp_path):
    with pytest.raises(ValueError, match=r"needs the folder of a LLaVA-OneVision checkpoint"):
        build_student("llava", {})
    write_authors(tiny, tmp_path / "authors", shards=1)
    file = tmp_path / "authors" / "model-0.safetensors"
    kept = {key: value for key, value in load_file(file).items() if ".slowfast." not in key}
    save_file(kept, file)
    with pytest.raises(ValueError, match=r"holds no SlowFast weights: name the file .* student.options.motion="):
        build_student("llava", {"checkpoint": str(tmp_path / "authors")})
    hub = tiny.slowfast.state_dict()
    torch.save({"model_state": hub}, tmp_path / "hub.pth")
    student = build_student("llava", {"checkpoint": str(tmp_path / "authors"), "motion": str(tmp_path / "hub.pth")})
    assert student.encoder_digest() == tiny.encoder_digest()
    (tmp_path / "hub.pth").write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match=r"hub.pth cannot be read as weights"):
        build_student("llava", {"checkpoint": str(tmp_path / "authors"), "motion": str(tmp_path / "hub.pth")})


def test_transformers_names_of_every_version_are_known():
    assert (
        own_name("vision_tower.vision_model.post_layernorm.bias", False)
        == "llava.model.vision_tower.post_layernorm.bias"
    )
    assert own_name("model.vision_tower.post_layernorm.bias", False) == "llava.model.vision_tower.post_layernorm.bias"
    assert (
        own_name("language_model.lm_head.weight", False) == own_name("lm_head.weight", False) == "llava.lm_head.weight"
    )
    assert own_name("language_model.model.norm.weight", False) == "llava.model.language_model.norm.weight"
    assert own_name("model.language_model.norm.weight", False) == "llava.model.language_model.norm.weight"
    assert own_name("image_newline", False) == own_name("model.image_newline", True) == "llava.model.image_newline"


def test_words_of_several_tokens_are_refused_by_name():
    with pytest.raises(ValueError, match=r"the tokenizer of here splits ' inferior' into 2 tokens"):
        tokenised(lambda text: [1, 2] if text == " inferior" else [3], "here")
    with pytest.raises(ValueError, match="a vocabulary of 40 tokens is too small"):
        QWEN2.folded(40)


@pytest.mark.parametrize("trained", ["published", "lora", "full"])
def test_what_is_trained(trained, pair):
    student = build_student("llava", {**TINY, "trained": trained})
    names = {name for name, p in student.network.named_parameters() if p.requires_grad}
    assert all(f"motion_projector.{k}.weight" in names for k in (0, 2))
    assert "llava.model.vision_tower.post_layernorm.weight" not in names
    assert any(".lora_A." in name for name in names) == (trained == "lora")
    assert ("llava.lm_head.weight" in names) == (trained == "full")
    assert student.rate_of("llava.model.vision_tower.embeddings.patch_embedding.weight") == 0.2
    assert student.rate_of("motion_projector.0.weight") == 1.0
    videos = [unpack(torch.from_numpy(side[0])) for side in pair]
    student.network.train()
    student.network(videos, [(0, 1)], torch.tensor([3])).cross_entropy.sum().backward()
    without = {name for name, p in student.network.named_parameters() if p.requires_grad and p.grad is None}
    assert without == set()


def test_adapters_are_merged_when_the_student_is_saved(pair, tmp_path):
    student = build_student("llava", {**TINY, "trained": "lora", "rank": 4})
    before = student.compare(*pair)
    for name, parameter in student.network.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(1))
    adapted = student.compare(*pair)
    assert abs(adapted - before).max() > 1e-3
    student.save(tmp_path)
    assert not any("lora" in key for key in load_file(tmp_path / "model.safetensors"))
    np.testing.assert_allclose(load_student(tmp_path).compare(*pair), adapted, atol=2e-5)


@pytest.mark.parametrize("trained", ["published", "lora"])
def test_a_bf16_student_is_saved_with_float32_trained_parts_and_starts_again_from_them(trained, tmp_path):
    options = {**TINY, "dtype": "bfloat16", "trained": trained, "rank": 4}
    student = build_student("llava", options)
    tower = "llava.model.vision_tower.encoder.layers.0.mlp.fc1.weight"
    state = {
        name: value.float() + 1e-5 if value.requires_grad else value
        for name, value in student.network.state_dict(keep_vars=True).items()
    }
    fresh = build_student("llava", options)
    fresh.trained_module().load_state_dict(state, assign=True)
    fresh.save(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    kinds = {name.split(".")[0]: value.dtype for name, value in saved.items() if "post_layernorm" not in name}
    assert kinds["vision_tower"] == kinds["multi_modal_projector"] == kinds["motion_projector"] == torch.float32
    assert kinds["language_model"] == torch.bfloat16
    loaded = load_student(tmp_path)
    assert loaded.network.get_parameter(tower).dtype == torch.bfloat16
    assert torch.equal(loaded.network.get_parameter(tower), state[tower].bfloat16())
    masters = loaded.master_weights(tmp_path)
    assert torch.equal(masters[tower], state[tower].detach())
    learnt = {name for name, p in loaded.network.named_parameters() if p.requires_grad and ".lora_" not in name}
    assert set(masters) == learnt


def test_accepted_levels_add_up_in_the_word_s_own_term(tiny, pair):
    videos = [unpack(torch.from_numpy(side[0])) for side in pair]
    label = torch.tensor([3])
    with torch.no_grad():
        strict = tiny.network(videos, [(0, 1)], label)
        both = tiny.network(videos, [(0, 1)], label, torch.tensor([[False, False, False, True, True]]))
    gained = strict.words[0, 3:].logsumexp(0) - strict.words[0, 3]
    assert gained > 0
    assert (strict.cross_entropy - both.cross_entropy).item() == pytest.approx((strict.share * gained).item(), rel=1e-4)


def test_a_batch_of_unequal_pairs_gives_what_each_gives_alone(tiny):
    videos = [unpack(torch.from_numpy(_video(*size))) for size in ((1, 1), (2, 8), (3, 9))]
    pairs = [(0, 1), (2, 0), (1, 2)]
    labels = torch.tensor([0, 2, 4])
    with torch.no_grad():
        together = tiny.network(videos, pairs, labels)
        for k, (a, b) in enumerate(pairs):
            alone = tiny.network([videos[a], videos[b]], [(0, 1)], labels[k : k + 1])
            for ours, theirs in zip(together, alone, strict=True):
                torch.testing.assert_close(ours[k : k + 1], theirs, rtol=0, atol=2e-5)


def test_cached_prefixes_give_the_same_logits_for_a_third_of_the_work():
    student = build_student("llava", {"shrunk": True})
    anchors, tests = (
        _matrix([_video(3, 8, k) for k in range(4)] + [_video(2, 10)]),
        _matrix([_video(3, 9), _video(1, 1)]),
    )
    logits = student.against_anchors(anchors, tests)
    for test, ours in zip(tests, logits, strict=True):
        np.testing.assert_allclose(ours, student.compare(anchors, np.tile(test, (5, 1))), rtol=0, atol=2e-5)
    with FlopCounterMode(display=False) as cached:
        student.against_anchors(anchors, tests[:1])  # the anchors' part is there already
    with FlopCounterMode(display=False) as apart:
        for anchor in anchors:
            student.compare(anchor[None], tests[:1])
    assert cached.get_total_flops() <= 0.35 * apart.get_total_flops()


def test_a_packed_video_comes_back_exactly(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(3)
    frames, motion = rng.integers(0, 256, (2, 384, 384, 3), np.uint8), rng.random((8, 256)).astype(np.float32)
    vector = pack(frames, motion)
    assert tokens_of_length(len(vector)) == 2 * 196 + 1 + 8
    back = unpack(torch.from_numpy(np.pad(vector, (0, 500))))
    assert np.array_equal(back.frames, frames)
    assert np.array_equal(back.motion, motion)
    with pytest.raises(ValueError, match="is no video of the LLaVA student"):
        unpack(torch.zeros(531))
    still = _video(1, 1)
    for size in (1, 2):  # one video in a row group, or two
        pq.write_table(
            pa.table({"video_id": ["b", "a"], "features": [vector, still]}), tmp_path / "0.parquet", row_group_size=size
        )
        store = VideoStore(tmp_path)
        assert store.row_of == {"a": 0, "b": 1}
        assert store.tokens.tolist() == [198, 401]
        assert np.array_equal(store.vector(1), vector)
        assert np.array_equal(store.vector(0), still)


def test_stills_and_short_clips_have_one_motion_vector_of_zeros(tiny):
    rng = np.random.default_rng(4)
    nothing = np.zeros((1, 2, 1, 1, 3), np.uint8), np.zeros((1, 1, 1), np.uint8), 0.0
    views = {
        "student_frames": rng.integers(0, 256, (2, 384, 384, 3), np.uint8),
        "student_clips": rng.integers(0, 256, (64, 224, 224, 3), np.uint8),
    }
    still = unpack(torch.from_numpy(tiny.encode(*nothing, {**views, "student_clips": views["student_clips"][:0]})))
    assert still.motion.shape == (1, 256)
    assert not still.motion.any()
    moving = unpack(torch.from_numpy(tiny.encode(*nothing, views)))
    assert np.array_equal(moving.frames, views["student_frames"])
    assert moving.motion.shape == (8, 256)
    assert torch.equal(moving.motion[1], moving.motion[7])
    assert not torch.equal(moving.motion[0], moving.motion[1])


def test_pairs_of_like_length_share_a_batch_and_every_pair_still_comes_once():
    lengths = np.random.default_rng(5).integers(400, 4000, 1003)
    sampler = PairSampler(np.ones(1003), 8, 2, 0, seed=1, lengths=lengths)
    plain = PairSampler(np.ones(1003), 8, 2, 0, seed=1)

    def padding(which):
        order = which._order(0)
        assert sorted(order) == list(range(1003))
        batches = [lengths[order[k : k + 8]] for k in range(0, 1003, 8)]
        return sum((batch.max() - batch).sum() for batch in batches) / sum(
            batch.max() * len(batch) for batch in batches
        )

    assert padding(sampler) < 0.10 < padding(plain)
    assert sampler._order(0).tolist() != sampler._order(1).tolist()
