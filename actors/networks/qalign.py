"""Q-Align (OneAlign): the question to mPLUG-Owl2, and the score from its answer.

Source: Wu et al., "Q-Align: Teaching LMMs for Visual Scoring via Discrete Text-Defined Levels", ICML 2024. The released
weights are for non-commercial use only (S-Lab License 1.0), and the terms of LLaMA-2 apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers.models.llama.configuration_llama import LlamaConfig

from actors.networks.mplug_owl2 import AbstractorConfig, MPLUGOwl2, VisionConfig

LEVELS = ("excellent", "good", "fair", "poor", "bad")
LEVEL_TOKENS = (15129, 1781, 6534, 6460, 4319)
LEVEL_WEIGHTS = (1.0, 0.75, 0.5, 0.25, 0.0)
# "USER: How would you rate the quality of this video?\n" <pictures> "\nASSISTANT: The quality of the video is", in
# LLaMA's vocabulary, begin mark first. The question is fixed, so no tokenizer is needed.
BEFORE = (1, 3148, 1001, 29901, 1128, 723, 366, 6554, 278, 11029, 310, 445, 4863, 29973, 13)
AFTER = (29871, 13, 22933, 9047, 13566, 29901, 450, 11029, 310, 278, 4863, 338)

_LANGUAGE = (
    "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "vocab_size", "max_position_embeddings", "rms_norm_eps", "rope_theta",
)  # fmt: skip

Sizes = TypeVar("Sizes", VisionConfig, AbstractorConfig)


def build(config: Mapping[str, Any]) -> MPLUGOwl2:
    """The network of a checkpoint's `config.json`; missing sizes are those of the released model."""
    visual = config.get("visual_config") or {}
    language = {name: config[name] for name in _LANGUAGE if name in config}
    # The repository's own default; the LLaMA-2 files say 1e-5. A checkpoint's configuration names it.
    language.setdefault("rms_norm_eps", 1e-6)
    return MPLUGOwl2(
        LlamaConfig(**language),
        _sizes(VisionConfig, visual.get("visual_model") or {}),
        _sizes(AbstractorConfig, visual.get("visual_abstractor") or {}),
    )


def _sizes(kind: type[Sizes], config: Mapping[str, Any]) -> Sizes:
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in config.items() if name in names})


def level_logits(network: MPLUGOwl2, pictures: Tensor) -> Tensor:
    """Logits of the five levels, best first, `[B, 5]`, for F pictures each of B videos `[B, F, 3, 448, 448]`."""
    before, after = (torch.tensor(ids, device=pictures.device) for ids in (BEFORE, AFTER))
    return torch.as_tensor(network(before, pictures, after)[:, list(LEVEL_TOKENS)])


def published(logits: Tensor) -> Tensor:
    """Published scores, 0..1, `[B]`, from the logits of the levels `[B, 5]`; the 1..5 form is 1 + 4 times this."""
    weights = torch.tensor(LEVEL_WEIGHTS, dtype=torch.float64, device=logits.device)
    return logits.to(torch.float64).softmax(dim=-1) @ weights
