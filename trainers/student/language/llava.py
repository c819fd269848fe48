"""The published student: LLaVA-OneVision-Qwen2 with a motion branch (CVPR 2026, section 4.2; supplement C.1, C.2.1).

One student for every source of weights: a checkpoint folder of the authors or of transformers, a folder that `save` wrote,
or, without any download, shrunk networks that a formula fills.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from trainers.levels import LEVELS
from trainers.student.language import formula
from trainers.student.language.llava_checkpoint import Checkpoint, written_name
from trainers.student.language.llava_encoder import LlavaEncoder
from trainers.student.language.llava_network import LlavaNetwork, Prefix, llava_config
from trainers.student.language.options import LlavaOptions
from trainers.student.language.prompt import QWEN2, Prompt
from trainers.student.language.seconds import unpack
from trainers.student.language.student import LanguageStudent, prompt_of, read_config
from trainers.student.table import LLAVA
from trainers.videos import Vectors

# SigLIP so400m without its last layer: a configuration of the authors does not describe its vision tower
SO400M = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 26, "num_attention_heads": 16}
SHRUNK_TEXT = {"hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 6,
               "num_key_value_heads": 2, "vocab_size": 2048}  # fmt: skip
SHRUNK_VISION = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4}


class LlavaStudent(LanguageStudent):
    """LLaVA-OneVision with SlowFast's motion vectors; options: `trainers.student.language.options.LlavaOptions`."""

    name: ClassVar[str] = LLAVA.name
    kind: ClassVar[str] = "LLaVA-OneVision"
    architecture: ClassVar[str] = "LlavaOnevisionForConditionalGeneration"
    tower: ClassVar[str] = ".vision_tower."

    network: LlavaNetwork

    def __init__(self, options: LlavaOptions) -> None:
        super().__init__(options)
        self._anchored: tuple[np.ndarray, list[Prefix]] | None = None
        if options.checkpoint is None:
            self.network = self._build(SHRUNK_TEXT | dict(options.text), SHRUNK_VISION | dict(options.vision), None)
            formula.fill(self.network, named=written_name)
        else:
            self.network = self._read(Path(options.checkpoint))
        self.encoder = LlavaEncoder(options)
        self.slowfast = self.encoder.slowfast  # frozen, but saved and counted with the student
        self.choose_trained()

    def _build(self, text: Mapping[str, Any], vision: Mapping[str, Any], prompt: Prompt | None) -> LlavaNetwork:
        from transformers.initialization import no_init_weights

        prompt = prompt or QWEN2.folded(int(text["vocab_size"]))
        with no_init_weights():  # every weight is read or filled
            network = LlavaNetwork(llava_config(text, vision), prompt, self.options.attention, self.dtype)
        network.scope = self.options.scope
        return network

    def _read(self, folder: Path) -> LlavaNetwork:
        config = read_config(folder)
        checkpoint = Checkpoint(folder)
        network = self._build(*_sizes(config, folder), prompt_of(config, folder))
        missing = checkpoint.fill(network, lambda key: ".post_layernorm." in key or key.startswith("motion_projector."))
        if any(key.startswith("motion_projector.") for key in missing):
            # the base checkpoint has no motion branch: every run begins with the same small random one
            generator = torch.Generator().manual_seed(0)
            for key, value in network.motion_projector.named_parameters():
                nn.init.zeros_(value) if key.endswith("bias") else nn.init.normal_(value, std=0.02, generator=generator)
        return network

    @property
    def model(self) -> Any:
        """transformers' model within the network."""
        return self.network.llava

    def published_parts(self) -> Sequence[nn.Module]:
        """Vision tower and projectors."""
        model = self.network.llava.model
        return model.vision_tower, model.multi_modal_projector, self.network.motion_projector

    def choose_trained(self) -> None:
        """As of every language model, without `post_layernorm`.

        That lies behind the layer that is read: it has no gradient, and DeepSpeed need not wait for one.
        """
        super().choose_trained()
        self.network.llava.model.vision_tower.post_layernorm.requires_grad_(False)

    @torch.inference_mode()
    def against_anchors(self, anchors: np.ndarray, tests: Vectors) -> np.ndarray:
        """Logits float32 [N, A, 5] of packed test videos as the second after each packed anchor as the first.

        Every video goes through the tower once. The keys and values of each anchor's part are computed once and kept for
        the next call with the same array.
        """
        self.eval()
        if self._anchored is None or self._anchored[0] is not anchors:
            videos = [unpack(torch.tensor(anchor)) for anchor in anchors]
            self._anchored = anchors, [self.network.prefix(self.network.visual([video])[0]) for video in videos]
        rows = [
            self.network.continuations(self._anchored[1], self.network.visual([unpack(torch.tensor(test))])[0])
            for test in tests
        ]
        if not rows:
            return np.zeros((0, len(anchors), len(LEVELS)), np.float32)
        logits: np.ndarray = torch.stack(rows).float().cpu().numpy()
        return logits

    def saved_name(self, key: str) -> str:
        """Name in a saved folder of one of the network's tensors."""
        return written_name(key)

    def tensors(self) -> dict[str, Tensor]:
        """As of every language model, with SlowFast."""
        state = {**super().tensors(), **{f"slowfast.{key}": v for key, v in self.slowfast.state_dict().items()}}
        return {key: v for key, v in state.items() if not key.endswith("num_batches_tracked")}


def _sizes(config: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sizes of language model and vision tower from a configuration of transformers, of the authors, or of our own."""
    text = dict(config.get("text_config") or config)
    wanted = (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "vocab_size",
    )
    missing = [name for name in wanted if name not in text]
    if missing:
        raise ValueError(f"{folder / 'config.json'} describes no Qwen2 language model: {missing[0]} is missing")
    sizes = {name: text[name] for name in wanted}
    theta: Any = (text.get("rope_parameters") or {}).get("rope_theta", text.get("rope_theta", 1e6))
    sizes["rope_parameters"] = {"rope_type": "default", "rope_theta": float(theta)}
    given = config.get("vision_config") or SO400M
    vision = {name: given[name] for name in SO400M if name in given}
    layer = config.get("vision_feature_layer", -1)
    if layer != -1 and "vision_config" in config:  # a whole tower of which an earlier layer is read
        vision["num_hidden_layers"] += layer + 1
    return sizes, vision
