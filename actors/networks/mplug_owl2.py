"""mPLUG-Owl2 as Q-Align uses it: a vision transformer, an abstractor to 64 tokens a picture, and a two-way LLaMA.

Source: Ye et al., "mPLUG-Owl2", CVPR 2024. The language model is LLaMA-2 whose keys, values and normalisations have one
set of weights for text and another for picture tokens. Parameter names are those of the released checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaMLP, apply_rotary_pos_emb

SHARED_NORM_EPSILON = 1e-5  # of norm1, normk and norm2 of the abstractor, whatever its configuration says


@dataclass(frozen=True)
class VisionConfig:
    """Sizes of the vision transformer."""

    hidden_size: int = 1024
    intermediate_size: int = 4096
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    image_size: int = 448
    patch_size: int = 14
    layer_norm_eps: float = 1e-6


@dataclass(frozen=True)
class AbstractorConfig:
    """Sizes of the abstractor."""

    hidden_size: int = 1024
    intermediate_size: int = 2816
    num_hidden_layers: int = 6
    num_attention_heads: int = 16
    num_learnable_queries: int = 64
    encoder_hidden_size: int = 1024
    grid_size: int = 32
    layer_norm_eps: float = 1e-6


def _attention(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """Attention of `[B, N, C]` to `[B, M, C]`, split into heads; `[B, N, C]`."""
    parts = [part.view(*part.shape[:2], heads, -1).transpose(1, 2) for part in (query, key, value)]
    mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
    return mixed.transpose(1, 2).flatten(-2)


class VisionEmbeddings(nn.Module):
    """Patches, class token first, learned positions, LayerNorm."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        dim, patch = config.hidden_size, config.patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.position_embedding = nn.Parameter(torch.zeros(1, (config.image_size // patch) ** 2 + 1, dim))
        self.patch_embed = nn.Conv2d(3, dim, patch, patch, bias=False)
        self.pre_layernorm = nn.LayerNorm(dim, eps=config.layer_norm_eps)

    def forward(self, pictures: Tensor) -> Tensor:
        """`[B, 3, 448, 448]` to `[B, 1025, C]`."""
        patches = self.patch_embed(pictures).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return torch.as_tensor(self.pre_layernorm(tokens + self.position_embedding))


class VisionAttention(nn.Module):
    """Self-attention whose fused projection is ordered head, then query, key and value."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, N, C]` to the same shape."""
        fused = self.query_key_value(tokens).unflatten(-1, (self.heads, 3, -1))
        query, key, value = (part.flatten(-2) for part in fused.unbind(dim=-2))
        return torch.as_tensor(self.dense(_attention(query, key, value, self.heads)))


class VisionMlp(nn.Module):
    """Two linear layers with the fast approximation of GELU."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, N, C]` to the same shape."""
        inside = self.fc1(tokens)
        return torch.as_tensor(self.fc2(inside * torch.sigmoid(1.702 * inside)))


class VisionLayer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.self_attn = VisionAttention(config)
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = VisionMlp(config)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, N, C]` to the same shape."""
        tokens = tokens + self.self_attn(self.input_layernorm(tokens))
        return torch.as_tensor(tokens + self.mlp(self.post_attention_layernorm(tokens)))


class Layers(nn.Module):
    """Gives a list of layers the name `encoder.layers` of the checkpoint."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)


class VisionModel(nn.Module):
    """The vision transformer; it returns all tokens."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.embeddings = VisionEmbeddings(config)
        self.encoder = Layers([VisionLayer(config) for _ in range(config.num_hidden_layers)])
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, pictures: Tensor) -> Tensor:
        """`[B, 3, 448, 448]` to `[B, 1025, C]`."""
        tokens = self.embeddings(pictures)
        for layer in self.encoder.layers:
            tokens = layer(tokens)
        return torch.as_tensor(self.post_layernorm(tokens))


def sine_table(dim: int, places: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fixed positions: sines, then cosines, of `places` `[N]` at `dim / 2` frequencies, `[N, dim]`.

    The released code computes in NumPy's single precision, where the last bits of powers and sines differ between
    processors. Here every step is computed in double precision and then rounded to single, so all processors give the
    same table, within one unit in the last place of the released one.
    """
    exponents = np.arange(dim // 2, dtype=np.float32) / np.float32(dim / 2)
    periods = np.power(10000.0, exponents.astype(np.float64)).astype(np.float32)
    angles = np.outer(places, np.float32(1) / periods).astype(np.float64)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


def picture_table(dim: int, grid: int) -> NDArray[np.float32]:
    """Positions of a `grid` x `grid` map, the class token's row of zeros first: `[grid**2 + 1, dim]`.

    The first half of the channels holds the column, the second the row.
    """
    place = np.arange(grid, dtype=np.float32)
    row, column = np.repeat(place, grid), np.tile(place, grid)
    table = np.concatenate([sine_table(dim // 2, column), sine_table(dim // 2, row)], axis=1)
    return np.concatenate([np.zeros((1, dim), np.float32), table])


class AbstractorAttention(nn.Module):
    """Attention of the queries to themselves and the picture; positions count for queries and keys, not for values."""

    q_pos_embed: Tensor
    k_pos_embed: Tensor

    def __init__(self, config: AbstractorConfig) -> None:
        super().__init__()
        dim = config.hidden_size
        self.heads = config.num_attention_heads
        places = np.arange(config.num_learnable_queries, dtype=np.float32)
        self.register_buffer("q_pos_embed", torch.tensor(sine_table(dim, places)))
        self.register_buffer("k_pos_embed", torch.tensor(picture_table(dim, config.grid_size)))
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(config.encoder_hidden_size, dim)
        self.value = nn.Linear(config.encoder_hidden_size, dim)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:
        """`[B, Q, C]` and `[B, Q + 1025, C]` to `[B, Q, C]`."""
        query = self.query(queries + self.q_pos_embed)
        key = self.key(context + torch.cat([self.q_pos_embed, self.k_pos_embed]))
        return _attention(query, key, self.value(context), self.heads)


class AbstractorMlp(nn.Module):
    """Gated linear unit with a LayerNorm inside."""

    def __init__(self, config: AbstractorConfig) -> None:
        super().__init__()
        self.w1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.w2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.w3 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.ffn_ln = nn.LayerNorm(config.intermediate_size, eps=config.layer_norm_eps)

    def forward(self, tokens: Tensor) -> Tensor:
        """`[B, Q, C]` to the same shape."""
        return torch.as_tensor(self.w2(self.ffn_ln(functional.silu(self.w1(tokens)) * self.w3(tokens))))


class AbstractorOutput(nn.Module):
    """Projection, MLP and their residuals."""

    def __init__(self, config: AbstractorConfig) -> None:
        super().__init__()
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm2 = nn.LayerNorm(config.hidden_size, eps=SHARED_NORM_EPSILON)
        self.mlp = AbstractorMlp(config)

    def forward(self, before: Tensor, mixed: Tensor) -> Tensor:
        """Both `[B, Q, C]`; the same shape."""
        tokens = before + self.out_proj(mixed)
        return torch.as_tensor(tokens + self.mlp(self.norm2(tokens)))


class CrossAttention(nn.Module):
    """One abstractor layer; its residual starts at the normalised queries, not at the queries."""

    def __init__(self, config: AbstractorConfig) -> None:
        super().__init__()
        self.attention = AbstractorAttention(config)
        self.output = AbstractorOutput(config)
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=SHARED_NORM_EPSILON)
        self.normk = nn.LayerNorm(config.encoder_hidden_size, eps=SHARED_NORM_EPSILON)

    def forward(self, queries: Tensor, picture: Tensor) -> Tensor:
        """`[B, Q, C]` and `[B, 1025, C]` to `[B, Q, C]`."""
        queries = self.norm1(queries)
        context = torch.cat([queries, self.normk(picture)], dim=1)
        return torch.as_tensor(self.output(queries, self.attention(queries, context)))


class AbstractorLayer(nn.Module):
    """Gives the layer the name `crossattention` of the checkpoint."""

    def __init__(self, config: AbstractorConfig) -> None:
        super().__init__()
        self.crossattention = CrossAttention(config)

    def forward(self, queries: Tensor, picture: Tensor) -> Tensor:
        """`[B, Q, C]` and `[B, 1025, C]` to `[B, Q, C]`."""
        return torch.as_tensor(self.crossattention(queries, picture))


class Abstractor(nn.Module):
    """Picture tokens to a fixed number of language tokens and an end mark."""

    def __init__(self, config: AbstractorConfig, language_width: int) -> None:
        super().__init__()
        self.query_embeds = nn.Parameter(torch.zeros(1, config.num_learnable_queries, config.hidden_size))
        self.vit_eos = nn.Parameter(torch.zeros(1, 1, language_width))
        self.encoder = Layers([AbstractorLayer(config) for _ in range(config.num_hidden_layers)])
        self.visual_fc = nn.Linear(config.hidden_size, language_width)

    def forward(self, picture: Tensor) -> Tensor:
        """`[B, 1025, C]` to `[B, 65, language width]`."""
        queries = self.query_embeds.expand(len(picture), -1, -1)
        for layer in self.encoder.layers:
            queries = layer(queries, picture)
        tokens = self.visual_fc(queries)
        return torch.cat([tokens, self.vit_eos.expand(len(tokens), -1, -1)], dim=1)


class TwoWay(nn.Module):
    """One module for text and another for picture tokens."""

    def __init__(self, text: nn.Module, picture: nn.Module) -> None:
        super().__init__()
        self.multiway = nn.ModuleList([text, picture])

    def forward(self, tokens: Tensor, is_picture: Tensor) -> Tensor:
        """`[B, L, C]` with the kind of each position `[L]` to `[B, L, C']`."""
        text, picture = self.multiway[0](tokens[:, ~is_picture]), self.multiway[1](tokens[:, is_picture])
        mixed: Tensor = text.new_empty(*tokens.shape[:2], text.shape[-1])
        mixed[:, ~is_picture] = text
        mixed[:, is_picture] = picture
        return mixed


class LanguageAttention(nn.Module):
    """Causal attention with rotary positions; keys and values are two-way."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        dim, heads = config.hidden_size, config.num_attention_heads
        self.heads, self.key_heads = heads, config.num_key_value_heads or heads
        narrow = dim // heads * self.key_heads
        self.q_proj = nn.Linear(dim, dim, bias=False)
        self.k_proj = TwoWay(nn.Linear(dim, narrow, bias=False), nn.Linear(dim, narrow, bias=False))
        self.v_proj = TwoWay(nn.Linear(dim, narrow, bias=False), nn.Linear(dim, narrow, bias=False))
        self.o_proj = nn.Linear(dim, dim, bias=False)

    def forward(self, tokens: Tensor, is_picture: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """`[B, L, C]` to the same shape."""
        query = self.q_proj(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key = self.k_proj(tokens, is_picture).unflatten(-1, (self.key_heads, -1)).transpose(1, 2)
        value = self.v_proj(tokens, is_picture).unflatten(-1, (self.key_heads, -1)).transpose(1, 2)
        query, key = apply_rotary_pos_emb(query, key, *rotary)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        return torch.as_tensor(self.o_proj(mixed.transpose(1, 2).flatten(-2)))


class LanguageLayer(nn.Module):
    """A LLaMA layer with two-way normalisations."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()

        def norm() -> nn.Module:
            return nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

        self.self_attn = LanguageAttention(config)
        self.mlp = LlamaMLP(config)  # type: ignore[no-untyped-call]
        self.input_layernorm = TwoWay(norm(), norm())
        self.post_attention_layernorm = TwoWay(norm(), norm())

    def forward(self, tokens: Tensor, is_picture: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
        """`[B, L, C]` to the same shape."""
        tokens = tokens + self.self_attn(self.input_layernorm(tokens, is_picture), is_picture, rotary)
        return torch.as_tensor(tokens + self.mlp(self.post_attention_layernorm(tokens, is_picture)))


class Body(nn.Module):
    """Everything but the output matrix."""

    def __init__(self, config: LlamaConfig, vision: VisionConfig, abstractor: AbstractorConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(LanguageLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.vision_model = VisionModel(vision)
        self.visual_abstractor = Abstractor(abstractor, config.hidden_size)

    def rotary(self, length: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines of the rotary positions 0..length-1, each `[1, length, channels of a head]`."""
        dim = self.config.hidden_size // self.config.num_attention_heads
        base = float((self.config.rope_parameters or {}).get("rope_theta") or 10000.0)
        frequencies = base ** -(torch.arange(0, dim, 2, dtype=torch.float64, device=like.device) / dim)
        angles = torch.arange(length, dtype=torch.float64, device=like.device)[:, None] * frequencies
        angles = torch.cat([angles, angles], dim=1)[None]
        return angles.cos().to(like.dtype), angles.sin().to(like.dtype)

    def forward(self, before: Tensor, pictures: Tensor, after: Tensor) -> Tensor:
        """Hidden states of text, all tokens of one video's pictures, and text.

        Args:
            before: Token ids `[n]` ahead of the pictures.
            pictures: Normalised `[B, F, 3, 448, 448]`: F pictures each of B videos.
            after: Token ids `[m]`.

        Returns:
            `[B, n + 65 F + m, C]`.
        """
        videos, count = pictures.shape[:2]
        visual = self.visual_abstractor(self.vision_model(pictures.flatten(0, 1)))
        visual = visual.reshape(videos, count * visual.shape[1], -1)
        text = [self.embed_tokens(ids).expand(videos, -1, -1) for ids in (before, after)]
        tokens = torch.cat([text[0], visual, text[1]], dim=1)
        is_picture = torch.zeros(tokens.shape[1], dtype=torch.bool, device=tokens.device)
        is_picture[len(before) : len(before) + visual.shape[1]] = True
        rotary = self.rotary(tokens.shape[1], tokens)
        for layer in self.layers:
            tokens = layer(tokens, is_picture, rotary)
        return torch.as_tensor(self.norm(tokens))


class MPLUGOwl2(nn.Module):
    """The whole model."""

    def __init__(self, config: LlamaConfig, vision: VisionConfig, abstractor: AbstractorConfig) -> None:
        super().__init__()
        self.model = Body(config, vision, abstractor)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def forward(self, before: Tensor, pictures: Tensor, after: Tensor) -> Tensor:
        """Logits of the token that follows, `[B, vocabulary]`; see `Body.forward` for the arguments."""
        return torch.as_tensor(self.lm_head(self.model(before, pictures, after)[:, -1]))
