"""Checkpoints of the LLaVA student: the authors' key names, transformers' key names, and our own folder.

Tensors are the same in all of them, only the names differ. Weights are safetensors, read tensor by tensor into the network
that is already allocated, so that an 8-billion-parameter student needs no second copy in memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
SHARD_BYTES = 4 * 2**30

# (pattern, replacement): names of the network in `llava_network` <- names on disk; the first that matches counts.
_AUTHORS = (
    (r"model\.embed_tokens\.", "llava.model.language_model.embed_tokens."),
    (r"model\.layers\.", "llava.model.language_model.layers."),
    (r"model\.norm\.", "llava.model.language_model.norm."),
    (r"lm_head\.", "llava.lm_head."),
    (r"model\.image_newline$", "llava.model.image_newline"),
    (r"model\.vision_tower\.vision_tower\.vision_model\.", "llava.model.vision_tower."),
    (r"model\.mm_projector\.0\.", "llava.model.multi_modal_projector.linear_1."),
    (r"model\.mm_projector\.2\.", "llava.model.multi_modal_projector.linear_2."),
    (r"model\.slowfast_projector\.", "motion_projector."),
    (r"model\.slowfast\.feature_extraction\.(?=\d+\.multipathway_blocks\.1\.)", "slowfast.blocks."),
)
_TRANSFORMERS = (
    (r"(model\.)?language_model\.lm_head\.", "llava.lm_head."),
    (r"language_model\.model\.", "llava.model.language_model."),
    (r"model\.language_model\.", "llava.model.language_model."),
    (r"lm_head\.", "llava.lm_head."),
    (r"(model\.)?image_newline$", "llava.model.image_newline"),
    (r"(model\.)?vision_tower\.(vision_model\.)?", "llava.model.vision_tower."),
    (r"(model\.)?multi_modal_projector\.", "llava.model.multi_modal_projector."),
    (r"motion_projector\.", "motion_projector."),
    (r"slowfast\.", "slowfast."),
)
# Names that transformers writes, for our own folder: `LlavaOnevisionForConditionalGeneration.from_pretrained` reads them.
_WRITTEN = (
    (r"llava\.model\.language_model\.", "language_model.model."),
    (r"llava\.lm_head\.", "language_model.lm_head."),
    (r"llava\.model\.", ""),
)
_MARK = "model.slowfast_projector."  # only the authors' files name a tensor so
# Not used: the classifier head of SigLIP, the slow pathway, and the authors' unused position table.
_IGNORED = re.compile(r"(model\.slowfast\.|.*vision_tower\..*head\.|.*num_batches_tracked$|.*rotary_emb\.inv_freq$)")


def _renamed(name: str, table: tuple[tuple[str, str], ...]) -> str | None:
    for pattern, replacement in table:
        if match := re.match(pattern, name):
            return match.expand(replacement) + name[match.end() :]
    return None


def written_name(key: str) -> str:
    """The name under which a tensor of the network is written."""
    return _renamed(key, _WRITTEN) or key


def own_name(name: str, authors: bool) -> str | None:
    """The network's key of a tensor in a file, or None for a name that neither layout knows."""
    return _renamed(name, _AUTHORS if authors else _TRANSFORMERS)


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint folder. Raises ValueError if there are none, or one that is listed is missing."""
    index = folder / INDEX
    if index.is_file():
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise ValueError(f"{folder}: {len(missing)} of {len(names)} weight files are missing, such as {missing[0]}")
        return [folder / name for name in names]
    files = sorted(folder.glob("*.safetensors"))
    files = [file for file in files if file.name != "anchors.safetensors"]
    if not files:
        pickles = sorted(folder.glob("*.bin")) + sorted(folder.glob("*.pth"))
        advice = f"convert {pickles[0].name} to safetensors first" if pickles else "name the folder of a checkpoint"
        raise ValueError(f"{folder} holds no safetensors weights; {advice}")
    return files


def float32_tensors(folder: Path, names: Container[str]) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a checkpoint folder that are stored in float32, of those named."""
    for file in weight_files(folder):
        with safe_open(file, "pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - the file is no dict
                if name in names and opened.get_slice(name).get_dtype() == "F32":
                    yield name, opened.get_tensor(name)


class Checkpoint:
    """The tensors of a checkpoint folder by the network's keys; nothing is read before it is asked for.

    Raises ValueError for a folder without weights, a damaged file, or tensors of another model.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._files: dict[str, tuple[Path, str]] = {}
        names: dict[str, Path] = {}
        for file in weight_files(self.folder):
            try:
                with safe_open(file, "pt") as opened:
                    names |= dict.fromkeys(opened.keys(), file)
            except (SafetensorError, OSError) as error:
                raise ValueError(f"{file} is no safetensors file or is damaged ({error}); copy it again") from error
        self.authors = any(name.startswith((_MARK, "model.mm_projector.")) for name in names)
        for name, file in names.items():
            key = own_name(name, self.authors)
            if key is not None and not _IGNORED.match(name if key.startswith("llava") else ""):
                self._files[key] = (file, name)
        if not self._files:
            some = ", ".join(sorted(names)[:2])
            raise ValueError(f"{folder} is no LLaVA-OneVision checkpoint: its tensors are named {some}, ...")

    def __contains__(self, key: str) -> bool:
        return key in self._files

    def names(self) -> list[str]:
        """The network's keys that are there, sorted."""
        return sorted(self._files)

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of a tensor, from the file's header."""
        file, name = self._files[key]
        with safe_open(file, "pt") as opened:
            return tuple(opened.get_slice(name).get_shape())

    def tensors(self, keys: list[str]) -> Iterator[tuple[str, Tensor]]:
        """The tensors of `keys`, one at a time; every file is opened once."""
        by_file: dict[Path, list[str]] = {}
        for key in keys:
            by_file.setdefault(self._files[key][0], []).append(key)
        for file, mine in by_file.items():
            with safe_open(file, "pt") as opened:
                for key in mine:
                    yield key, opened.get_tensor(self._files[key][1])

    @torch.no_grad()
    def fill(self, network: nn.Module, optional: Callable[[str], bool], prefix: str = "") -> list[str]:
        """Copy the tensors into the network's parameters and buffers, and return the keys that were not there.

        Raises ValueError if a tensor that is not `optional` is missing, or one has another shape.
        """
        state: Mapping[str, Tensor] = network.state_dict(prefix=prefix, keep_vars=True)
        state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
        missing = [key for key in state if key not in self]
        needed = [key for key in missing if not optional(key)]
        if needed:
            kind = "authors'" if self.authors else "transformers'"
            raise ValueError(
                f"{self.folder} ({kind} layout) lacks {len(needed)} of {len(state)} tensors, such as "
                f"{written_name(needed[0])}: it is another model, or its download is not complete"
            )
        for key, tensor in self.tensors([key for key in state if key in self]):
            if tensor.shape != state[key].shape:
                raise ValueError(
                    f"{self.folder}: {written_name(key)} has shape {list(tensor.shape)}, the configuration says "
                    f"{list(state[key].shape)}: its config.json belongs to another model"
                )
            state[key].copy_(tensor)
        return missing


def write_weights(state: Mapping[str, Tensor], folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
    """Write tensors as safetensors shards of at most `shard_bytes` with the index that transformers reads."""
    shards: list[list[str]] = [[]]
    filled = 0
    for key in sorted(state):
        size = state[key].numel() * state[key].element_size()
        if shards[-1] and filled + size > shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(key)
        filled += size
    names = (
        [SINGLE]
        if len(shards) == 1
        else [f"model-{k + 1:05d}-of-{len(shards):05d}.safetensors" for k in range(len(shards))]
    )
    weight_map: dict[str, str] = {}
    for keys, name in zip(shards, names, strict=True):
        part = {written_name(key): state[key].detach().cpu().contiguous() for key in keys}
        save_file(part, folder / name, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(part, name)
    if len(shards) > 1:
        total = sum(value.numel() * value.element_size() for value in state.values())
        index: dict[str, Any] = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
