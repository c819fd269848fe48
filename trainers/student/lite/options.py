"""Options of the lite student."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from trainers.student.options import StudentOptions

BlockName = Literal["degradation", "native", "half", "quarter", "freeze", "shake", "naturalness"]


class LiteOptions(StudentOptions):
    """Options of the lite student.

    Attributes:
        hidden: Units of the head's hidden layer; 0 for a linear head.
        dropout: Share of the features that are left out in a step.
        blocks: Feature blocks to use; all of them by default.
        content: Take out of the features what their content makes of them (`trainers.student.lite.content`), where
            there is a block that tells the content.
        prior: Weight of a pair that the degradation network labels (`trainers.student.lite.prior`), where a given pair has 1;
            0 for none. They bring contents nearer to one scale and cost order within a content (docs/encoder.md).
    """

    hidden: Annotated[int, Field(ge=0)] = 0
    dropout: Annotated[float, Field(ge=0, le=1)] = 0.5
    blocks: Annotated[tuple[BlockName, ...], Field(min_length=1)] | None = None
    content: bool = True
    prior: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @field_validator("blocks")
    @classmethod
    def _each_once(cls, blocks: tuple[BlockName, ...] | None) -> tuple[BlockName, ...] | None:
        if blocks is not None and len(set(blocks)) != len(blocks):
            raise ValueError("a block is named twice")
        return blocks
