"""What the students that are language models share: packed videos in, one of five words out, a folder that stands alone."""

from __future__ import annotations

import json
import shutil
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from trainers.levels import LEVELS
from trainers.student.base import Student
from trainers.student.contract import NO_VIEWS
from trainers.student.language.adapters import add_adapters, merged
from trainers.student.language.answer import AnswerLosses
from trainers.student.language.frame_encoder import FrameEncoder
from trainers.student.language.llava_checkpoint import float32_tensors, write_weights
from trainers.student.language.options import LanguageOptions
from trainers.student.language.packing import packed_length
from trainers.student.language.prompt import Prompt, read_prompt
from trainers.student.language.seconds import unpack_pairs
from trainers.student.table import student_row

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "added_tokens.json",
                   "special_tokens_map.json", "chat_template.jinja")  # fmt: skip


class LanguageStudent(Student):
    """Base of the students that are language models; `network` is what learns, `encoder` what is computed once per video.

    A subclass makes both and then calls `choose_trained`.
    """

    pairs_at_once: ClassVar[int] = 4
    kind: ClassVar[str]  # of checkpoint, for messages
    architecture: ClassVar[str]  # transformers' class that reads a saved folder
    tower: ClassVar[str]  # part of the name of every parameter of the vision tower

    network: AnswerLosses
    encoder: FrameEncoder

    def __init__(self, options: LanguageOptions) -> None:
        super().__init__()
        if options.lacks_weights:
            raise ValueError(
                f"the student {self.name} needs the folder of a {self.kind} checkpoint: "
                "--set student.options.checkpoint=FOLDER (student.options.shrunk=true needs none)"
            )
        self.options = options

    @property
    @abstractmethod
    def model(self) -> Any:
        """transformers' model within the network."""

    @abstractmethod
    def published_parts(self) -> Sequence[nn.Module]:
        """What is trained as published, besides what `LanguageOptions.trained` adds."""

    def choose_trained(self) -> None:
        """Say which parameters learn, as the option `trained` wants it."""
        self.network.requires_grad_(self.options.trained == "full")
        for part in self.published_parts():
            part.requires_grad_(True)
        if self.options.trained == "lora":
            add_adapters(self.model.model.language_model, self.options.rank)
        if self.options.checkpointing:
            self.model.activation_checkpointing_enable({"use_reentrant": False})

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights."""
        return cast("torch.dtype", getattr(torch, self.options.dtype))

    @property
    def feature_size(self) -> int:
        """Length of the vector of a still image; a video's is longer, by its frames and motion vectors."""
        return packed_length(1, 1)

    def encode(
        self, key: np.ndarray, luma: np.ndarray, fps: float, views: Mapping[str, np.ndarray] = NO_VIEWS
    ) -> np.ndarray:
        """As of the encoder, which needs nothing else of the student."""
        return self.encoder.encode(key, luma, fps, views)

    def encoder_digest(self) -> str:
        """As of the encoder."""
        return self.encoder.digest()

    def prepare(self, features: np.ndarray, differences: np.ndarray, weights: np.ndarray) -> None:
        """Nothing: the network takes pixels."""

    def trained_module(self) -> nn.Module:
        """The network, without what is computed once per video."""
        return self.network

    def pair_logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits float32 [B, 5] of packed videos [B, D], zeros behind a shorter one."""
        return cast("Tensor", self.network(*unpack_pairs(list(first), list(second))))

    def rate_of(self, name: str) -> float:
        """Share of the job's learning rate for a parameter of the trained module."""
        return self.options.vision_rate if self.tower in name else 1.0

    @abstractmethod
    def saved_name(self, key: str) -> str:
        """Name in a saved folder of one of the network's tensors."""

    def master_weights(self, folder: str | Path) -> Mapping[str, Tensor]:
        """As of every student; nothing of a folder that this program has not saved."""
        names = {
            self.saved_name(key): key
            for key, parameter in self.network.named_parameters()
            if parameter.requires_grad and parameter.dtype != torch.float32
        }
        return {names[name]: tensor for name, tensor in float32_tensors(Path(folder), names)}

    def tensors(self) -> dict[str, Tensor]:
        """What a saved folder holds, adapters merged, by the names of the network."""
        return merged(self.network)

    def save(self, folder: str | Path) -> None:
        """Write weights (adapters merged), configuration and tokenizer; transformers reads the same folder."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        write_weights(self.tensors(), target)
        config = self.model.config.to_dict() | {
            "architectures": [self.architecture],
            "student": self.name,
            "student_options": self.options.saved(),
            "prompt": {field: list(getattr(self.network.prompt, field)) for field in Prompt.__dataclass_fields__},
            "levels": list(LEVELS),
        }
        (target / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n", encoding="utf-8")
        if self.options.checkpoint is not None:
            for name in TOKENIZER_FILES:
                if (source := Path(self.options.checkpoint) / name).is_file():
                    shutil.copyfile(source, target / name)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote, or a checkpoint as others publish it; onto a GPU where there is one.

        Raises ValueError for another student.
        """
        config = read_config(Path(folder))
        if config.get("student", cls.name) != cls.name:
            raise ValueError(f"{folder} holds the student '{config['student']}', not '{cls.name}'")
        gpu = torch.cuda.is_available()
        options = config.get("student_options", {"dtype": "bfloat16" if gpu else "float32"})
        student = cls(cast("Any", student_row(cls.name).parse({**options, "checkpoint": str(folder)})))
        return student.to("cuda" if gpu else "cpu").eval()


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a checkpoint. Raises ValueError if there is none."""
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} is no checkpoint: it has no config.json")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def prompt_of(config: Mapping[str, Any], folder: Path) -> Prompt:
    """The prompt that a saved student's configuration holds, else that of the tokenizer in the folder."""
    saved = config.get("prompt")
    return Prompt(**{field: tuple(ids) for field, ids in saved.items()}) if saved else read_prompt(folder)
