"""Options of the students that are language models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from trainers.settings import NonNegativeReal, Positive
from trainers.student.options import StudentOptions


class LanguageOptions(StudentOptions):
    """Options of every language model.

    Attributes:
        checkpoint: Folder with weights, configuration and tokenizer.
        shrunk: Instead of a checkpoint, small networks that a formula fills; they learn nothing worth having.
        trained: "published" (vision tower and projectors), "lora" (these, and adapters of `rank` on the language model) or
            "full" (everything but SlowFast).
        vision_rate: Learning rate of the vision tower as a share of the training's (published: 2e-6 of 1e-5).
        scope: Tokens of the loss: "answer" (the assistant's turn), "label" (the level's word), "all" (as released).
        rank: Of the adapters.
        attention: Kernel of the attention.
        checkpointing: Compute activations again in the backward pass.
        dtype: "float32", or "bfloat16" as the released training.
    """

    sources: ClassVar[frozenset[str]] = frozenset({"checkpoint", "shrunk"})

    checkpoint: Annotated[str, Field(min_length=1)] | None = None
    shrunk: bool = False
    trained: Literal["published", "lora", "full"] = "published"
    vision_rate: NonNegativeReal = 0.2
    scope: Literal["label", "answer", "all"] = "answer"
    rank: Positive = 16
    attention: Literal["sdpa", "flash_attention_2", "eager"] = "sdpa"
    checkpointing: bool = True
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"

    @property
    def by_formula(self) -> bool:
        """As of every student; a checkpoint that is named counts before `shrunk`."""
        return self.shrunk and self.checkpoint is None

    @property
    def lacks_weights(self) -> bool:
        """As of every student."""
        return self.checkpoint is None and not self.shrunk

    @property
    def precision(self) -> str:
        """As of every student."""
        return "bf16" if self.dtype == "bfloat16" else "fp32"


class LlavaOptions(LanguageOptions):
    """Options of the published student.

    Attributes:
        motion: File (.safetensors, or .pth read as weights only) of SlowFast R50; needed if the checkpoint holds none.
        text, vision: Sizes of the shrunk networks, where they should differ from the defaults.
    """

    sources: ClassVar[frozenset[str]] = LanguageOptions.sources | {"motion"}

    motion: Annotated[str, Field(min_length=1)] | None = None
    text: Mapping[str, Any] = {}
    vision: Mapping[str, Any] = {}
