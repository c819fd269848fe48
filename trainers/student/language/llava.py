"""The published student: LLaVA-OneVision-Qwen2 with a motion branch (CVPR 2026, section 4.2; supplement C.1, C.2.1).

One student for every source of weights: a checkpoint folder of the authors or of transformers, a folder that `save` wrote,
or, without any download, shrunk networks that a formula fills.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from trainers.levels import LEVELS
from trainers.student.base import NO_VIEWS, Student
from trainers.student.language import formula
from trainers.student.language.adapters import add_adapters, merged
from trainers.student.language.answer import SCOPES
from trainers.student.language.llava_checkpoint import Checkpoint, write_weights, written_name
from trainers.student.language.llava_encoder import LlavaEncoder
from trainers.student.language.llava_network import LlavaNetwork, Prefix, llava_config
from trainers.student.language.packing import packed_length
from trainers.student.language.prompt import QWEN2, Prompt, read_prompt
from trainers.student.language.seconds import unpack, unpack_pairs
from trainers.videos import Vectors

TRAINED = ("published", "lora", "full")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json",
                   "special_tokens_map.json", "chat_template.jinja")  # fmt: skip
# SigLIP so400m without its last layer: a configuration of the authors does not describe its vision tower
SO400M = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 26, "num_attention_heads": 16}
SHRUNK_TEXT = {"hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 6,
               "num_key_value_heads": 2, "vocab_size": 2048}  # fmt: skip
SHRUNK_VISION = {"hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4}


class LlavaStudent(Student):
    """Options:

    checkpoint: folder with weights, configuration and tokenizer.
    shrunk: instead of a checkpoint, small networks that a formula fills; they learn nothing worth having.
    motion: file (.safetensors, or .pth read as weights only) of SlowFast R50; needed if the checkpoint holds none.
    trained: "published" (vision tower and projectors), "lora" (these, and adapters of `rank` on the language model) or
        "full" (everything but SlowFast).
    vision_rate: learning rate of the vision tower as a share of the job's (published: 2e-6 of 1e-5).
    scope: tokens of the loss: "answer" (the assistant's turn), "label" (the level's word), "all" (as released).
    attention: "sdpa", "flash_attention_2" or "eager". checkpointing: recompute activations in the backward pass.
    dtype: "float32", or "bfloat16" as the released training.
    text, vision: sizes of the shrunk networks, where they should differ from the defaults.
    """

    name: ClassVar[str] = "llava"
    pairs_at_once: ClassVar[int] = 4

    def __init__(
        self,
        checkpoint: str | None = None,
        shrunk: bool = False,
        motion: str | None = None,
        trained: str = "published",
        vision_rate: float = 0.2,
        scope: str = "answer",
        rank: int = 16,
        attention: str = "sdpa",
        checkpointing: bool = True,
        dtype: str = "float32",
        text: Mapping[str, Any] | None = None,
        vision: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self._anchored: tuple[np.ndarray, list[Prefix]] | None = None
        for option, value, known in (("trained", trained, TRAINED), ("scope", scope, SCOPES),
                                     ("dtype", dtype, ("float32", "bfloat16", "float16"))):  # fmt: skip
            if value not in known:
                raise ValueError(f"student option '{option}': unknown {value!r}; choose one of {', '.join(known)}")
        if checkpoint is None and not shrunk:
            raise ValueError(
                "the student llava needs the folder of a LLaVA-OneVision checkpoint: "
                "--set student.options.checkpoint=FOLDER (--preset paper-shrunk needs none)"
            )
        self.options: dict[str, Any] = {
            "checkpoint": checkpoint, "motion": motion, "trained": trained, "vision_rate": vision_rate, "scope": scope,
            "rank": rank, "attention": attention, "checkpointing": checkpointing, "dtype": dtype,
            "text": dict(text or {}), "vision": dict(vision or {}),
        }  # fmt: skip
        if checkpoint is None:
            self._build(SHRUNK_TEXT | dict(text or {}), SHRUNK_VISION | dict(vision or {}), None)
            formula.fill(self.network, named=written_name)
        else:
            self._read(Path(checkpoint))
        self.encoder = LlavaEncoder(checkpoint, motion)
        self.slowfast = self.encoder.slowfast  # frozen, but saved and counted with the student
        self._choose_trained()

    def _build(self, text: Mapping[str, Any], vision: Mapping[str, Any], prompt: Prompt | None) -> None:
        from transformers.initialization import no_init_weights

        config = llava_config(text, vision)
        prompt = prompt or QWEN2.folded(int(text["vocab_size"]))
        with no_init_weights():  # every weight is read or filled
            self.network = LlavaNetwork(
                config, prompt, self.options["attention"], getattr(torch, self.options["dtype"])
            )
        self.network.scope = self.options["scope"]

    def _read(self, folder: Path) -> None:
        if not (folder / "config.json").is_file():
            raise ValueError(f"{folder} is no checkpoint: it has no config.json")
        checkpoint = Checkpoint(folder)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        text, vision = _sizes(config, folder)
        ours = config.get("student") == self.name
        prompt = _saved_prompt(config) if ours else read_prompt(folder)
        self._build(text, vision, prompt)
        missing = checkpoint.fill(
            self.network, lambda key: ".post_layernorm." in key or key.startswith("motion_projector.")
        )
        if any(key.startswith("motion_projector.") for key in missing):
            # the base checkpoint has no motion branch: every run begins with the same small random one
            generator = torch.Generator().manual_seed(0)
            for key, value in self.network.motion_projector.named_parameters():
                nn.init.zeros_(value) if key.endswith("bias") else nn.init.normal_(value, std=0.02, generator=generator)

    def _choose_trained(self) -> None:
        network, trained = self.network, self.options["trained"]
        network.requires_grad_(trained == "full")
        model = network.llava.model
        for part in (model.vision_tower, model.multi_modal_projector, network.motion_projector):
            part.requires_grad_(True)
        # behind the layer that is read: it has no gradient, and DeepSpeed need not wait for one
        model.vision_tower.post_layernorm.requires_grad_(False)
        if trained == "lora":
            add_adapters(model.language_model, self.options["rank"])
        if self.options["checkpointing"]:
            network.llava.activation_checkpointing_enable({"use_reentrant": False})

    @property
    def feature_size(self) -> int:
        """Length of the vector of a still image; a video's is longer, by its frames and motion vectors."""
        return packed_length(1, 1)

    def encode(
        self, key: np.ndarray, luma: np.ndarray, fps: float, views: Mapping[str, np.ndarray] = NO_VIEWS
    ) -> np.ndarray:
        """As of `LlavaEncoder`, which needs nothing else of the student."""
        return self.encoder.encode(key, luma, fps, views)

    def encoder_digest(self) -> str:
        """Digest over the version of the features and the SlowFast weights."""
        return self.encoder.digest()

    def prepare(self, features: np.ndarray, differences: np.ndarray, weights: np.ndarray) -> None:
        """Nothing: the network takes pixels."""

    def trained_module(self) -> nn.Module:
        """The network without SlowFast, whose features are cached."""
        return self.network

    def pair_logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits float32 [B, 5] of packed videos [B, D], zeros behind a shorter one."""
        videos, pairs = unpack_pairs(list(first), list(second))
        return cast("Tensor", self.network(videos, pairs))

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

    def rate_of(self, name: str) -> float:
        """Share of the job's learning rate for a parameter of the trained module."""
        return float(self.options["vision_rate"]) if ".vision_tower." in name else 1.0

    def save(self, folder: str | Path) -> None:
        """Write weights (adapters merged), configuration and tokenizer; transformers reads the same folder."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        state = {**merged(self.network), **{f"slowfast.{key}": v for key, v in self.slowfast.state_dict().items()}}
        write_weights({key: v for key, v in state.items() if not key.endswith("num_batches_tracked")}, target)
        prompt = self.network.prompt
        config = self.network.llava.config.to_dict() | {
            "architectures": ["LlavaOnevisionForConditionalGeneration"],
            "student": self.name,
            # the folder stands alone: where its weights came from is no option of its student
            "student_options": {
                key: v for key, v in self.options.items() if key not in ("checkpoint", "shrunk", "motion")
            },
            "prompt": {field: list(getattr(prompt, field)) for field in Prompt.__dataclass_fields__},
            "levels": list(LEVELS),
        }
        (target / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n", encoding="utf-8")
        if self.options["checkpoint"] is not None:
            for name in TOKENIZER_FILES:
                if (source := Path(self.options["checkpoint"]) / name).is_file():
                    shutil.copyfile(source, target / name)

    @classmethod
    def load(cls, folder: str | Path) -> LlavaStudent:
        """Read what `save` wrote, or a released checkpoint; onto a GPU where there is one.

        Raises ValueError for another student.
        """
        config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
        gpu = torch.cuda.is_available()
        options = config.get("student_options", {"dtype": "bfloat16" if gpu else "float32"})
        if config.get("student", cls.name) != cls.name:
            raise ValueError(f"{folder} holds the student '{config['student']}', not '{cls.name}'")
        student = cls(**{**options, "checkpoint": str(folder)})
        return student.to("cuda" if gpu else "cpu").eval()


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


def _saved_prompt(config: Mapping[str, Any]) -> Prompt:
    return Prompt(**{field: tuple(ids) for field, ids in config["prompt"].items()})
