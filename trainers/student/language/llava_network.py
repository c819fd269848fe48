"""The published network: transformers' LLaVA-OneVision with a motion projector, for two videos in one sequence.

    [system, "first video:"] [196 tokens a frame][newline][motion] [", second video:"] [196 ...][newline][motion] [question]

Each video is [spatial, newline, motion] in one block, positions count visual tokens one by one, attention is causal over the
whole sequence. Pairs of one batch are padded on the right, where causal attention never looks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import DynamicCache, LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

from trainers.student.language.answer import AnswerLosses, Pair
from trainers.student.language.prompt import TURN_END, Prompt
from trainers.student.language.seconds import Seconds, normalise
from trainers.student.language.slowfast import FEATURE


def llava_config(text: Mapping[str, Any], vision: Mapping[str, Any]) -> LlavaOnevisionConfig:
    """The configuration that equals the released network (vision layers: those that are kept)."""
    text = {
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": False,
        "max_position_embeddings": 32768,
        "use_sliding_window": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
        **text,
    }
    vision = {
        "model_type": "siglip_vision_model",
        "image_size": 384,
        "patch_size": 14,
        "hidden_act": "gelu_pytorch_tanh",
        "layer_norm_eps": 1e-6,
        "vision_use_head": False,
        **vision,
    }
    return LlavaOnevisionConfig(
        text_config={"model_type": "qwen2", **text},
        vision_config=vision,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        projector_hidden_act="gelu",
        tie_word_embeddings=False,
    )


@dataclass(frozen=True)
class Prefix:
    """What a first video leaves behind for every second one: keys and values of its sequence in each layer [1, H, P, d]."""

    layers: tuple[tuple[Tensor, Tensor], ...]

    @property
    def length(self) -> int:
        """Positions P."""
        return int(self.layers[0][0].shape[2])


class LlavaNetwork(AnswerLosses):
    """LLaVA-OneVision and the motion projector. Parameters keep transformers' names below `llava.`."""

    def __init__(
        self, config: LlavaOnevisionConfig, prompt: Prompt, attention: str = "sdpa", dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__()
        build: Any = LlavaOnevisionForConditionalGeneration
        # the one way to give a dtype and an attention without reading weights
        self.llava: Any = build._from_config(config, dtype=dtype, attn_implementation=attention)  # noqa: SLF001
        text: Any = config.text_config
        width = int(text.hidden_size)
        self.motion_projector = nn.Sequential(nn.Linear(FEATURE, width), nn.GELU(), nn.Linear(width, width)).to(dtype)
        self.prompt = prompt
        self.attention = attention

    @property
    def head(self) -> nn.Module:
        """The language model's head."""
        return cast("nn.Module", self.llava.lm_head)

    @property
    def _motion_weight(self) -> Tensor:
        return cast("nn.Linear", self.motion_projector[0]).weight

    def vision(self, frames: Tensor) -> Tensor:
        """Spatial tokens [T, 196, d] of normalised frames [T, 3, 384, 384]."""
        model = self.llava.model
        tower = model.vision_tower
        # the layer before post_layernorm is what the released code reads: tower(...) would end behind it
        patches = tower.encoder(inputs_embeds=tower.embeddings(frames.to(tower.dtype))).last_hidden_state
        pooled: Tensor = model.apply_pooling(model.multi_modal_projector(patches))
        return pooled

    def visual(self, videos: Sequence[Seconds]) -> list[Tensor]:
        """Visual tokens [196 T + 1 + M, d] of each video: one pass of the tower over the frames of all of them."""
        frames = torch.cat([normalise(video.frames.to(self.device)) for video in videos])
        return self.visual_of(frames, [len(video.frames) for video in videos], [video.motion for video in videos])

    def visual_of(self, frames: Tensor, counts: Sequence[int], motion: Sequence[Tensor]) -> list[Tensor]:
        """The same from normalised frames of all videos [sum T, 3, 384, 384], their numbers, and motion vectors [M, 256]."""
        pooled = torch.split(self.vision(frames), list(counts))
        weight = self._motion_weight
        vectors = torch.cat([rows.to(weight.device, weight.dtype) for rows in motion])
        moved = torch.split(self.motion_projector(vectors), [len(rows) for rows in motion])
        newline = self.llava.model.image_newline[None]
        return [
            torch.cat([spatial.flatten(0, 1), newline.to(spatial.dtype), tokens])
            for spatial, tokens in zip(pooled, moved, strict=True)
        ]

    def embed(self, ids: Sequence[int]) -> Tensor:
        """Text embeddings [N, d]."""
        embedded: Tensor = self.llava.get_input_embeddings()(torch.tensor(list(ids), device=self.device))
        return embedded

    def decode(self, embeddings: Sequence[Tensor]) -> Tensor:
        """Last hidden states [B, L, d] of sequences [L_i, d], padded on the right; rows behind L_i mean nothing."""
        longest = max(len(row) for row in embeddings)
        padded = torch.stack([functional.pad(row, (0, 0, 0, longest - len(row))) for row in embeddings])
        # plain causal attention needs no mask, but only the fused kernels know that it is meant
        mask = None if self.attention == "eager" else {"full_attention": None}
        model = self.llava.model.language_model
        hidden: Tensor = model(inputs_embeds=padded, attention_mask=mask, use_cache=False).last_hidden_state
        return hidden

    def sequence(self, first: Tensor, second: Tensor, after: Sequence[int]) -> Tensor:
        """Embeddings [L, d] of two videos' visual tokens in the prompt; `after` follows the second video."""
        before, between = self.embed(self.prompt.before), self.embed(self.prompt.between)
        return torch.cat([before, first, between, second, self.embed(after)])

    def states(self, videos: Sequence[Seconds], pairs: Sequence[Pair], ends: Sequence[Sequence[int]]) -> list[Tensor]:
        """As of `AnswerLosses`."""
        visual = self.visual(videos)
        rows = [self.sequence(visual[a], visual[b], end) for (a, b), end in zip(pairs, ends, strict=True)]
        return [state[: len(row)] for state, row in zip(self.decode(rows), rows, strict=True)]

    @torch.inference_mode()
    def prefix(self, first: Tensor) -> Prefix:
        """Keys and values of everything before the second video, from the first one's visual tokens [V, d]."""
        rows = torch.cat([self.embed(self.prompt.before), first, self.embed(self.prompt.between)])
        cache = DynamicCache(config=self.llava.config.text_config)
        self.llava.model.language_model(inputs_embeds=rows[None], past_key_values=cache, use_cache=True)
        layers: Any = cache.layers
        return Prefix(tuple((layer.keys, layer.values) for layer in layers))

    @torch.inference_mode()
    def continuations(self, prefixes: Sequence[Prefix], second: Tensor) -> Tensor:
        """Logits [A, 5] of one second video (visual tokens [V, d]) after each of A first ones, in one batch.

        Prefixes of different lengths are padded on the left and masked; each continuation keeps its own positions.
        """
        longest = max(prefix.length for prefix in prefixes)
        cache = DynamicCache(config=self.llava.config.text_config)
        for layer in range(len(prefixes[0].layers)):
            keys, values = (
                torch.cat([functional.pad(p.layers[layer][k], (0, 0, longest - p.length, 0)) for p in prefixes])
                for k in (0, 1)
            )
            cache.update(keys, values, layer)
        rows = torch.cat([second, self.embed(self.prompt.question)])
        lengths = torch.tensor([prefix.length for prefix in prefixes], device=self.device)
        steps = torch.arange(longest, device=self.device)
        mask = torch.cat(
            [steps[None] >= longest - lengths[:, None], torch.ones(len(prefixes), len(rows), device=self.device) > 0], 1
        )
        hidden = self.llava.model.language_model(
            inputs_embeds=rows[None].expand(len(prefixes), -1, -1),
            attention_mask=mask.long(),
            position_ids=lengths[:, None] + torch.arange(len(rows), device=self.device)[None],
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return self.word_logits(hidden[:, -1])

    def inference_ids(self) -> tuple[int, ...]:
        """What follows the second video in the released inference script: the question and the end of the turn."""
        return (*self.prompt.question, *self.prompt.rest[-TURN_END:])
