"""Read released weights into a network: strictly, and without running code that a file may contain."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from actors.media.outcome import Failure

State = dict[str, Tensor]
Network = TypeVar("Network", bound=nn.Module)

# Training scripts store the weights under one of these keys, next to other entries.
NESTED = ("state_dict", "model_state")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLES = ("model.safetensors", "pytorch_model.bin")
RECOMPUTED = re.compile(r"\.rotary_emb\.inv_freq$")  # in some files, in none of the networks

# An entry that only this model's file has.
SIGNATURES = (
    ("DOVER", "aesthetic_backbone.downsample_layers.0.0.weight"),
    ("FAST-VQA", "fragments_backbone.patch_embed.proj.weight"),
    ("MinimalisticVQA", "feature_extraction.features.0.0.weight"),
    ("SlowFast R50", "blocks.0.multipathway_blocks.1.conv.weight"),
    ("SlowFast R50 of MinimalisticVQA", "feature_extraction.0.multipathway_blocks.1.conv.weight"),
    ("Q-Align", "model.visual_abstractor.query_embeds"),
    ("a Swin classifier of torchvision", "features.0.0.weight"),
    ("LLaVA", "model.mm_projector.0.weight"),
)


def looks_like(state: Mapping[str, Tensor]) -> str:
    """The name of the model that a state dict belongs to, or a description with its first entry."""
    for model, entry in SIGNATURES:
        if entry in state:
            if model == "MinimalisticVQA":
                inputs = state["quality.0.weight"].shape[-1] if "quality.0.weight" in state else 0
                return f"{model} { ({1024: 'Model VII', 1280: 'Model IX'}.get(inputs, 'of an unknown kind')) }"
            return model
    first = next(iter(state), None)
    return f"no known model (its first entry is {first!r})" if first else "no weights at all"


def read_state(path: Path) -> State:
    """All tensors of a released file or of a folder of shards, by their bare names.

    Args:
        path: A safetensors or PyTorch file, or a folder with one, whole or in shards with an index.

    Raises:
        Failure: `missing` if there is no file; `usage` if it is damaged or may run code.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise Failure("missing", f"there are no weights at {path}")
    if path.suffix == ".safetensors":
        return _bare(_read_safetensors(path))
    return _bare(_read_pytorch(path))


def _read_folder(folder: Path) -> State:
    for name in INDEXES:
        if (folder / name).is_file():
            shards = set(json.loads((folder / name).read_text(encoding="utf-8"))["weight_map"].values())
            merged: State = {}
            for shard in sorted(shards):
                merged |= read_state(folder / shard)
            return merged
    for name in SINGLES:
        if (folder / name).is_file():
            return read_state(folder / name)
    raise Failure("missing", f"{folder} holds none of {', '.join((*INDEXES, *SINGLES))}")


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise Failure("usage", f"{path} is not an intact safetensors file: {error}; fetch it again") from error


def _read_pytorch(path: Path) -> Any:
    # Released files also hold validation scores: NumPy numbers, pickled under the names of NumPy 1.
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]  # noqa: SLF001 - its only home
    numbers = [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *map(type, map(np.dtype, "fdlqi"))]
    try:
        with torch.serialization.safe_globals(numbers):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        message = str(error).replace("\n", " ")
        match = re.search(r"GLOBAL ([\w.]+)", message)
        what = f"it contains {match[1]}" if match else "it is not a PyTorch file"
        raise Failure("usage", f"{path} is refused, because it may run code: {what}; use the released file") from error
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        message = str(error).split("\n", 1)[0]
        raise Failure("usage", f"{path} is not an intact PyTorch file: {message}; fetch it again") from error


def _bare(content: Any) -> State:
    """The tensors of a file without nesting and without the prefix of data-parallel training."""
    for key in NESTED:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        return {}
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if tensors and all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): value for name, value in tensors.items()}
    return {name: value for name, value in tensors.items() if not RECOMPUTED.search(name)}


def load(
    build: Callable[[], Network],
    path: Path,
    model: str,
    dtype: torch.dtype = torch.float32,
    select: Callable[[State], State] = dict,
) -> Network:
    """Build a network in evaluation mode with the weights of a file, without allocating memory twice.

    Args:
        build: Makes the network.
        path: See `read_state`.
        model: Name of the model, for messages.
        dtype: Type of its floating-point parameters.
        select: Selects the network's part of a larger state dict.

    Raises:
        Failure: `missing` or `usage`; the message says which model the file looks like and what is missing.
    """
    state = read_state(path)
    part = select(state)
    with torch.device("meta"):
        network = build()
    fault = _mismatch(network.state_dict(), part)
    if fault:
        raise Failure(
            "usage", f"{path} does not hold the weights of {model}: it looks like {looks_like(state)}; {fault}"
        )
    network.load_state_dict(part, strict=True, assign=True)
    return network.to(dtype).eval().requires_grad_(False)


def _mismatch(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """Describe why a state dict does not fit; empty if it fits exactly."""
    missing = [name for name in expected if name not in state]
    unknown = [name for name in state if name not in expected]
    shapes = [name for name in expected if name in state and expected[name].shape != state[name].shape]
    parts = []
    if missing:
        parts.append(f"{len(missing)} of {len(expected)} entries are missing, the first is {missing[0]}")
    if unknown:
        parts.append(f"{len(unknown)} entries are unknown, the first is {unknown[0]}")
    if shapes:
        sides = [list(source[shapes[0]].shape) for source in (state, expected)]
        parts.append(f"{len(shapes)} have another shape, the first is {shapes[0]}: {sides[0]} instead of {sides[1]}")
    return "; ".join(parts)
