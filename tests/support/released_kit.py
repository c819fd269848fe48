"""A LLaVA checkpoint as the authors release it, in small: tensor names, shards, configuration, a tokenizer."""

import json
import re

import torch
from safetensors.torch import save_file

from trainers.levels import LEVELS
from trainers.student.language.prompt import BEFORE, BETWEEN, QUESTION, REST

TINY = {
    "shrunk": True,
    "text": {"hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    "vision": {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2},
}
PIECE = r"<\|im_start\|>|<\|im_end\|>| ?\w+|\n|[^\w\s]| "


def _authors_key(key):
    """The authors' name of one of the network's tensors."""
    names = {
        "llava.model.language_model.": "model.",
        "llava.lm_head.": "lm_head.",
        "llava.model.image_newline": "model.image_newline",
        "llava.model.vision_tower.": "model.vision_tower.vision_tower.vision_model.",
        "llava.model.multi_modal_projector.linear_1.": "model.mm_projector.0.",
        "llava.model.multi_modal_projector.linear_2.": "model.mm_projector.2.",
        "motion_projector.": "model.slowfast_projector.",
    }
    (start,) = (start for start in names if key.startswith(start))
    return names[start] + key.removeprefix(start)


def _write_tokenizer(folder):
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    text = BEFORE + BETWEEN + QUESTION + "".join(f" {level}" for level in LEVELS) + REST
    vocabulary = {piece: place + 5 for place, piece in enumerate(dict.fromkeys(re.findall(PIECE, text)))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="\n"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(PIECE), behavior="isolated")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)


def write_authors(student, folder, shards=3):
    """The student's weights as the authors release them: their names, several shards, their kind of configuration."""
    folder.mkdir()
    state = {_authors_key(key): value for key, value in student.network.state_dict().items()}
    for key, value in student.slowfast.state_dict().items():
        state[f"model.slowfast.feature_extraction.{key.removeprefix('blocks.')}"] = value
    state["model.slowfast.feature_extraction.0.multipathway_blocks.0.conv.weight"] = torch.zeros(1)
    names = sorted(state)
    weight_map = {name: f"model-{k % shards}.safetensors" for k, name in enumerate(names)}
    for file in set(weight_map.values()):
        save_file({name: state[name].contiguous() for name in names if weight_map[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    text = student.network.llava.config.text_config
    sizes = (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "vocab_size",
    )
    config = {name: getattr(text, name) for name in sizes} | {"rope_theta": 1e6, "model_type": "llava"}
    config["vision_config"] = TINY["vision"]
    (folder / "config.json").write_text(json.dumps(config))
    _write_tokenizer(folder)
