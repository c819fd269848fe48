"""The LLaVA student against numbers recorded from the released code: shrunk networks with weights and inputs by formula."""

import numpy as np
import pytest
import torch
from parity_kit import clip, orders_of_passes, record, sources
from PIL import Image

from actors.media.network_views.pictures import student_picture
from actors.media.network_views.sampling import student_key_frames, student_motion_clips
from trainers.levels import LEVELS
from trainers.losses import adaptive_weight, sequence_loss
from trainers.student.language import formula
from trainers.student.language.llava_checkpoint import own_name
from trainers.student.language.llava_network import LlavaNetwork, llava_config
from trainers.student.language.prompt import END, NEWLINE, QWEN2, START
from trainers.student.language.seconds import motion_order, normalise

FILE = ("student", "student.json")
RECORD = record(*FILE)
TOLERANCE = RECORD["tolerance"]
PROMPT = RECORD["prompt"]


def _given(key):
    return [(origin, content[key]) for origin, content in sources(*FILE) if key in content]


def _cases(part=None):
    return [
        pytest.param(name, result, id=f"{origin}-{name}-seed{result['seed']}")
        for origin, results in _given("results")
        for name, result in results.items()
        if part is None or part in result
    ]


class Case:
    """One configuration filled with one seed, and its two videos."""

    def __init__(self, name, seed):
        config = RECORD["configs"][name]
        sizes = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
        text = {key: config["text"][key] for key in (*sizes, "num_key_value_heads", "vocab_size")}
        vision = {key: config["vision"][key] for key in sizes}
        vision["num_hidden_layers"] -= 1  # the released code builds one layer more and deletes it
        self.network = LlavaNetwork(llava_config(text, vision), QWEN2.folded(text["vocab_size"]))
        self.official = {own_name(key, authors=True): key for key, _ in RECORD["state_dict"][name]}
        state = self.network.state_dict()
        assert {self.official[key]: list(value.shape) for key, value in state.items()} == dict(
            RECORD["state_dict"][name]
        )
        formula.fill(self.network, seed, self.official.__getitem__)
        self.frames = [
            torch.from_numpy(formula.inputs(f"student.frames.{side}", (count, 3, 384, 384), seed))
            for side, count in zip(("first", "second"), config["frames"], strict=True)
        ]
        self.motion = [
            torch.from_numpy(formula.inputs(f"student.motion.{side}", (count, 256), seed))
            for side, count in zip(("first", "second"), config["motion_vectors"], strict=True)
        ]

    def visual(self):
        counts = [len(frames) for frames in self.frames]
        return self.network.visual_of(torch.cat(self.frames), counts, self.motion)


@pytest.fixture(scope="module")
def case():
    built = {}

    def get(name, seed):
        if (name, seed) not in built:
            built.clear()
            built[name, seed] = Case(name, seed)
        return built[name, seed]

    return get


def _check(recorded, tensor, first=TOLERANCE["intermediates_first8_abs"], mean=TOLERANCE["intermediates_mean_std_abs"]):
    values = tensor.detach().double().numpy()
    assert list(values.shape) == recorded["shape"]
    assert values.mean() == pytest.approx(recorded["mean"], abs=mean)
    assert values.std() == pytest.approx(recorded["std"], abs=mean)
    np.testing.assert_allclose(values.ravel()[:8], recorded["first8"], rtol=0, atol=first)
    np.testing.assert_allclose(values.ravel()[-8:], recorded["last8"], rtol=0, atol=first)


def _words(recorded):
    return [recorded["label_logits"][level] for level in LEVELS]


def _answer(network, first, second):
    """All hidden states of the released inference sequence and the five logits at " is"."""
    rows = network.sequence(first, second, network.inference_ids())
    hidden = network.decode([rows])
    return rows, hidden, network.word_logits(hidden[:, -3])[0]


@pytest.mark.parametrize(("name", "result"), _cases("pair"))
@torch.no_grad()
def test_student_pair_of_videos(case, name, result):
    it, recorded = case(name, result["seed"]), result["pair"]
    network = it.network
    layers = []
    hooks = [
        layer.register_forward_hook(lambda _m, _i, output: layers.append(output))
        for layer in network.llava.model.language_model.layers
    ]
    visual = it.visual()
    rows, hidden, words = _answer(network, *visual)
    for hook in hooks:
        hook.remove()
    assert len(rows) == recorded["sequence_length"]
    assert len(rows) - 3 == recorded["answer_position"]
    np.testing.assert_allclose(words.numpy(), _words(recorded), rtol=0, atol=TOLERANCE["label_logits_abs"])
    inner = recorded["intermediates"]
    for k, (frames, motion) in enumerate(zip(it.frames, it.motion, strict=True)):
        tower = network.llava.model.vision_tower
        seen = tower.encoder(inputs_embeds=tower.embeddings(frames)).last_hidden_state
        _check(inner[f"video{k}.vision_tower"], seen)
        _check(inner[f"video{k}.projected"], network.llava.model.multi_modal_projector(seen))
        _check(inner[f"video{k}.pooled"], network.vision(frames))
        moved = network.motion_projector(motion)
        _check(inner[f"video{k}.motion_tokens"], moved, first=TOLERANCE["motion_tokens_abs"])
    _check(inner["input_embeds"], rows[None])
    for k, layer in enumerate(layers):
        _check(inner[f"after_layer{k}"], layer)
    _check(inner["after_norm"], hidden)
    logits = network.logits(hidden[0])
    _check(
        recorded["answer_row_logits"] | {"shape": [logits.shape[1]]}, logits[-3], TOLERANCE["other_logits_abs"], 5e-5
    )
    _check(recorded["all_logits"], logits[None], TOLERANCE["other_logits_abs"])


@pytest.mark.parametrize(("name", "result"), _cases("pair"))
@torch.no_grad()
def test_student_layout_of_the_sequence(case, name, result):
    it = case(name, result["seed"])
    at, runs = 0, iter((len(QWEN2.before), len(QWEN2.between), len(it.network.inference_ids())))
    for block in result["pair"]["layout"]:
        lengths = {"newline": 1}
        if "video" in block:
            lengths |= {"spatial": 196 * len(it.frames[block["video"]]), "motion": len(it.motion[block["video"]])}
        length = next(runs) if block["kind"] == "text" else lengths[block["kind"]]
        assert (block["start"], block["length"]) == (at, length)
        at += length
    visual = it.visual()
    rows = it.network.sequence(*visual, it.network.inference_ids())
    for block in result["pair"]["layout"]:
        part = rows[block["start"] : block["start"] + block["length"]]
        if block["kind"] == "newline":
            assert torch.equal(part[0], it.network.llava.model.image_newline)
        if block["kind"] == "motion":
            torch.testing.assert_close(part, it.network.motion_projector(it.motion[block["video"]]))


@pytest.mark.parametrize(("name", "result"), _cases("pair_swapped"))
@torch.no_grad()
def test_student_swapped_pair_and_images(case, name, result):
    it = case(name, result["seed"])
    network = it.network
    rows, _, words = _answer(network, *reversed(it.visual()))
    assert len(rows) == result["pair_swapped"]["sequence_length"]
    np.testing.assert_allclose(words, _words(result["pair_swapped"]), rtol=0, atol=TOLERANCE["label_logits_abs"])
    images = torch.cat([it.frames[0][:1], it.frames[1][4:5]])
    rows, _, words = _answer(network, *network.visual_of(images, [1, 1], [torch.zeros(1, 256)] * 2))
    assert len(rows) == result["image_pair"]["sequence_length"]
    np.testing.assert_allclose(words, _words(result["image_pair"]), rtol=0, atol=TOLERANCE["label_logits_abs"])


def _losses(it, label, scope):
    it.network.scope = scope
    prompt = it.network.prompt
    index = LEVELS.index(label)
    rows = it.network.sequence(*it.visual(), prompt.answered(index))
    hidden = it.network.decode([rows])[0, :-1]
    accepted = torch.arange(5)[None] == index
    return len(rows), it.network.losses([hidden], torch.tensor([index]), accepted)


@pytest.mark.parametrize(("name", "result"), _cases("loss"))
@torch.no_grad()
def test_student_losses_of_every_scope(case, name, result):
    it = case(name, result["seed"])
    for label, recorded in result["loss"].items():
        length, parts = _losses(it, label, "all")
        assert length - 1 == recorded["positions"]
        for row in recorded["rows"]:
            terms = sequence_loss(
                parts,
                torch.tensor([LEVELS.index(label)]),
                row["step_frac"],
                weights=torch.ones(1),
                normaliser=1.0,
            )
            stable = row["stable_form"]
            alpha, _ = adaptive_weight(terms.cross_entropy, terms.entropy, row["step_frac"])
            assert terms.cross_entropy.item() == pytest.approx(row["L_CE"], abs=TOLERANCE["loss_abs"])
            assert terms.entropy.item() == pytest.approx(row["L_conf"], abs=TOLERANCE["loss_abs"])
            assert alpha.item() == pytest.approx(stable["alpha"], rel=TOLERANCE["alpha_rel"])
            assert terms.lambda_.item() == pytest.approx(stable["lambda"], rel=TOLERANCE["alpha_rel"])
            assert terms.total.item() == pytest.approx(stable["total"], abs=TOLERANCE["loss_abs"])
        derived = recorded["derived_not_official"]
        for scope, ce, entropy in (
            ("answer", "CE_answer_turn", "entropy_answer_turn"),
            ("label", "CE_label_word_only", "entropy_label_word_only"),
        ):
            _, parts = _losses(it, label, scope)
            # the derived entropies have no 1e-8 in the logarithm: it lowers them by up to classes * 1e-8
            slack = TOLERANCE["loss_abs"] + 1.1e-8 * it.network.llava.config.text_config.vocab_size
            assert parts.cross_entropy.item() == pytest.approx(derived[ce], abs=TOLERANCE["loss_abs"])
            assert parts.entropy.item() == pytest.approx(derived[entropy], abs=slack)
        it.network.scope = "all"
        rows, _ = it.network._targets(recorded["positions"], LEVELS.index(label))
        assert rows.tolist() == recorded["supervised_target_index"]


@pytest.mark.parametrize(("name", "result"), _cases("gradient"))
def test_student_gradients_of_the_trained_parts(case, name, result):
    it, recorded = case(name, result["seed"]), result["gradient"]
    it.network.zero_grad()
    _, parts = _losses(it, recorded["label"], "all")
    label = torch.tensor([LEVELS.index(recorded["label"])])
    sequence_loss(parts, label, recorded["step_frac"], weights=torch.ones(1), normaliser=1.0).total.backward()
    gradients = {it.official[key]: p.grad for key, p in it.network.named_parameters()}
    assert [key for key in recorded["trainable_without_gradient"] if gradients[key] is not None] == []
    assert sorted(recorded["l2"]) == sorted(set(recorded["trainable"]) - set(recorded["trainable_without_gradient"]))
    for key, norm in recorded["l2"].items():
        if key.endswith("k_proj.bias"):  # zero in exact arithmetic: softmax does not see a shift of all keys
            assert gradients[key].norm() < 1e-7
            continue
        assert gradients[key].norm().item() == pytest.approx(norm, rel=TOLERANCE["gradient_l2_rel"])
    for key, detail in recorded["detail"].items():
        if key.endswith("k_proj.bias"):
            continue
        grid = gradients[key].flatten()
        scale = detail["l2"] / len(grid) ** 0.5
        np.testing.assert_allclose(grid[:8], detail["first8"], rtol=5e-3, atol=1e-3 * scale)
        np.testing.assert_allclose(grid[-8:], detail["last8"], rtol=5e-3, atol=1e-3 * scale)


@pytest.mark.parametrize(
    ("size", "recorded", "seed"),
    [
        pytest.param(size, value, unit["seed"], id=f"{origin}-{size}-seed{unit['seed']}")
        for origin, unit in _given("preprocess")
        for size, value in unit["values"].items()
    ],
)
def test_student_image_preprocessing(size, recorded, seed):
    frames = clip(*(int(part) for part in size.split("x")), seed)
    pictures = np.stack([student_picture(frame) for frame in frames])
    orders = orders_of_passes(frames, pictures, Image.Resampling.BICUBIC, most_levels=8)
    values = [normalise(torch.from_numpy(one)) for one in orders]
    nearest = min(values, key=lambda value: abs(float(value.double().mean()) - recorded["mean"]))
    _check({key: recorded[key] for key in ("shape", "mean", "std", "first8", "last8")}, nearest, 1e-6, 1e-6)


def _motion_clips(count, fps):
    """The clip of each motion vector."""
    clips = student_motion_clips(count, fps)
    return [clips[k] for k in motion_order(len(clips))]


def test_student_key_frames_and_motion_clips():
    selection = RECORD["frame_selection"]
    for one in selection["cases"]:
        assert student_key_frames(one["frames"], one["fps"]) == one["key_frames_training"]
        clips = _motion_clips(one["frames"], one["fps"])
        expected = (one["motion_clips"] or [])[:10]  # the extractor has no limit, its reader takes the first ten
        assert [[clip[0], clip[-1] - clip[0] + 1] for clip in clips] == expected
        assert all(len(clip) == 32 for clip in clips)
    bad = selection["unreadable"]
    # frames that a file promises and does not hold are the last one that it holds
    clips = np.minimum(_motion_clips(bad["frames"], bad["fps"]), bad["readable_frames"] - 1).tolist()
    assert [clips[0], clips[-1], len(clips)] == bad["motion_clips_raw_first_and_last"]
    assert [[clip[0], clip[-1] + 1] for clip in _motion_clips(100, 0.0)] == selection["fps0"]
    for count, used in selection["features_loaded"].items():
        assert len(_motion_clips(25 * int(count), 25.0)) == used["train"] == used["infer"]


def test_student_prompt_ids_and_targets():
    special = PROMPT["special_ids"]
    assert (special[START], special[END], special["newline"]) == QWEN2.special
    assert NEWLINE == "\n"
    assert QWEN2.words == tuple(PROMPT["label_ids"][level] for level in LEVELS)
    marks = [PROMPT["placeholder_id"]] * 2
    worse = PROMPT["label_ids"]["worse"]
    inference = [*QWEN2.before, *marks, *QWEN2.between, *marks, *QWEN2.question, *QWEN2.rest[-2:]]
    assert inference == PROMPT["inference_ids"]
    training = [*QWEN2.before, *marks, *QWEN2.between, *marks, *QWEN2.question, worse, *QWEN2.rest]
    assert training == PROMPT["training_ids_worse"]
    before, between, after = QWEN2.targets()
    kept = [*before, False, False, *between, False, False, *after]
    assert [token if keep else -100 for token, keep in zip(training, kept, strict=True)] == PROMPT[
        "training_labels_worse"
    ]
    assert [run["tokens"] for run in PROMPT["text_runs"]] == [
        len(QWEN2.before),
        len(QWEN2.between),
        len(QWEN2.question) + 2,
    ]


def test_student_full_size_has_the_published_parameters():
    from trainers.student.language.llava import SO400M
    from trainers.student.language.slowfast import FastPathway

    text = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
            "num_key_value_heads": 4, "vocab_size": 152064}  # fmt: skip
    with torch.device("meta"):
        network = LlavaNetwork(llava_config(text, SO400M), QWEN2)
        assert sum(p.numel() for p in FastPathway().parameters()) == 514_152
    shapes = {
        own_name(name.replace("{n}", "0"), True): shape
        for name, shape, _ in RECORD["full_size"]["patterns_name_shape_count"]
    }
    ours = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert {
        key: shape for key, shape in shapes.items() if key and not key.startswith("slowfast")
    }.items() <= ours.items()
    parts = RECORD["full_size"]["parameters_by_part"]
    assert sum(p.numel() for p in network.parameters()) == sum(parts.values()) - parts["slowfast"]
