"""Qwen3-VL as a student: the contract of every student, and the same numbers as transformers' own model gives."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from trainers.student.language.packing import pack
from trainers.student.language.prompt import QWEN2
from trainers.student.language.seconds import unpack
from trainers.student.table import build_encoder, build_student, load_student


def _video(frames, seed=0):
    rng = np.random.default_rng([frames, seed])
    return pack(rng.integers(0, 256, (frames, 384, 384, 3), np.uint8), np.zeros((1, 256)))


def _matrix(videos):
    longest = max(map(len, videos))
    return np.stack([np.pad(video, (0, longest - len(video))) for video in videos])


@pytest.fixture(scope="module")
def shrunk():
    return build_student("qwen3_vl", {"shrunk": True}).eval()


@pytest.fixture(scope="module")
def videos():
    return [unpack(torch.from_numpy(_video(frames))) for frames in (1, 2, 3)]


@torch.no_grad()
def test_logits_are_those_of_transformers_own_forward(shrunk, videos):
    network, vlm = shrunk.network, shrunk.network.vlm
    ours = network(videos, [(0, 2)])
    patches, grids = zip(*(network.pixels(videos[k].frames) for k in (0, 2)), strict=True)
    ids, kinds = network._tokens(grids, network.prompt.question)
    ids = torch.tensor([[vlm.config.video_token_id if kind else token for token, kind in zip(ids, kinds, strict=True)]])
    theirs = vlm(
        input_ids=ids,
        mm_token_type_ids=torch.tensor([kinds]),
        pixel_values_videos=torch.cat(patches),
        video_grid_thw=torch.tensor(grids),
    ).logits[0, -1, list(network.prompt.words)]
    torch.testing.assert_close(ours[0], theirs, rtol=0, atol=2e-5)


def test_patches_are_those_of_transformers_own_processor(shrunk, videos):
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    process = Qwen2VLImageProcessorPil(
        patch_size=16, temporal_patch_size=2, merge_size=2, do_resize=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    frame = videos[0].frames[0].numpy()
    theirs = process(images=[frame], return_tensors="pt")
    patches, grid = shrunk.network.pixels(videos[0].frames)
    assert theirs["image_grid_thw"].tolist() == [list(grid)]
    torch.testing.assert_close(patches, theirs["pixel_values"], rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_batch_of_unequal_pairs_gives_what_each_gives_alone(shrunk, videos):
    pairs, labels = [(0, 1), (2, 0), (1, 2)], torch.tensor([0, 2, 4])
    together, losses = shrunk.network(videos, pairs), shrunk.network(videos, pairs, labels)
    for k, (a, b) in enumerate(pairs):
        alone = [videos[a], videos[b]]
        torch.testing.assert_close(together[k : k + 1], shrunk.network(alone, [(0, 1)]), rtol=0, atol=2e-5)
        one = shrunk.network(alone, [(0, 1)], labels[k : k + 1])
        for ours, theirs in zip(losses, one, strict=True):
            torch.testing.assert_close(ours[k : k + 1], theirs, rtol=0, atol=2e-5)
    words = torch.log_softmax(together, dim=-1)
    # the words' log-probabilities within the whole vocabulary differ from those among the five by a constant
    torch.testing.assert_close((losses.words - words).std(dim=1), torch.zeros(3), rtol=0, atol=2e-5)


@pytest.mark.parametrize("trained", ["published", "lora", "full"])
def test_every_trained_parameter_has_a_gradient(trained, videos):
    student = build_student("qwen3_vl", {"shrunk": True, "trained": trained})
    student.network.train()
    student.network(videos, [(0, 1), (1, 2)], torch.tensor([3, 0])).cross_entropy.sum().backward()
    learnt = {name for name, p in student.network.named_parameters() if p.requires_grad}
    assert {name for name, p in student.network.named_parameters() if p.grad is None} == {
        name for name, p in student.network.named_parameters() if not p.requires_grad
    }
    assert any(".lora_A." in name for name in learnt) == (trained == "lora")
    assert ("vlm.lm_head.weight" in learnt) == (trained == "full")
    assert student.rate_of("vlm.model.visual.merger.linear_fc1.weight") == 0.2


def test_a_saved_student_stands_alone_and_transformers_reads_it(shrunk, tmp_path):
    from transformers import Qwen3VLForConditionalGeneration

    first, second = _matrix([_video(1), _video(3)]), _matrix([_video(2), _video(1, 5)])
    student = build_student("qwen3_vl", {"shrunk": True, "trained": "lora", "rank": 2})
    for name, parameter in student.network.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(1))
    adapted = student.compare(first, second)
    assert abs(adapted - shrunk.compare(first, second)).max() > 1e-3
    student.save(tmp_path)
    assert not any("lora" in key for key in load_file(tmp_path / "model.safetensors"))
    loaded = load_student(tmp_path)
    np.testing.assert_allclose(loaded.compare(first, second), adapted, rtol=0, atol=2e-5)
    logits = loaded.against_anchors(first, second)
    np.testing.assert_allclose(logits[1, 0], loaded.compare(first[:1], second[1:])[0], rtol=0, atol=2e-5)
    theirs = Qwen3VLForConditionalGeneration.from_pretrained(tmp_path).state_dict()
    assert theirs.keys() == shrunk.network.vlm.state_dict().keys()
    (tmp_path / "config.json").write_text(
        json.dumps({"student": "qwen3_vl", "student_options": {}, "model_type": "llava"})
    )
    with pytest.raises(ValueError, match="holds a model of type 'llava', not qwen3_vl"):
        load_student(tmp_path)


def test_a_checkpoint_that_lacks_tensors_is_refused_by_name(shrunk, tmp_path):
    shrunk.save(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    lost = {"lm_head.weight", "model.visual.merger.linear_fc1.weight"}
    save_file({name: value for name, value in state.items() if name not in lost}, tmp_path / "model.safetensors")
    with pytest.raises(
        ValueError, match=r"lacks 2 .* such as lm_head.weight, model.visual.merger.linear_fc1.weight: "
    ) as caught:
        build_student("qwen3_vl", {"checkpoint": str(tmp_path)})
    assert "\n" not in str(caught.value)


def test_a_head_that_is_tied_to_the_embeddings_is_not_missing(shrunk, tmp_path):
    shrunk.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    (tmp_path / "config.json").write_text(json.dumps(config))
    state = load_file(tmp_path / "model.safetensors")
    state.pop("lm_head.weight")
    save_file(state, tmp_path / "model.safetensors")
    vlm = build_student("qwen3_vl", {"checkpoint": str(tmp_path)}).network.vlm
    assert vlm.lm_head.weight is vlm.model.language_model.embed_tokens.weight


def test_it_takes_the_frames_of_the_one_decode():
    encoder = build_encoder("qwen3_vl", {"shrunk": True})
    frames = np.random.default_rng(1).integers(0, 256, (2, 384, 384, 3), np.uint8)
    nothing = np.zeros((1, 2, 1, 1, 3), np.uint8), np.zeros((1, 1, 1), np.uint8), 0.0
    video = unpack(torch.from_numpy(encoder.encode(*nothing, {"student_frames": frames})))
    assert np.array_equal(video.frames, frames)
    with pytest.raises(ValueError, match="it has no view student_frames"):
        encoder.encode(*nothing)


def test_the_question_has_the_same_ids_as_that_of_the_published_student(shrunk):
    assert shrunk.network.prompt == QWEN2.folded(2048)
