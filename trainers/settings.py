"""What decides a training, as one validated object: the section `training` of the configuration is this object itself.

It travels unchanged from the command line to the loss, so a setting has one name and is checked in one place. Cheap to
import: no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

ORIGINS = ("ensemble", "synthetic", "gmad", "missed")  # where a pair comes from
SEVERITY_ORIGINS = ("synthetic", "missed")  # pairs of two copies of one source, labelled by severity

Positive = Annotated[int, Field(ge=1)]
PositiveReal = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeReal = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
# The weight of the confidence loss: fixed, adaptive (CVPR 2026, section 4.2), or the loss of Burns et al. (2023).
Lambda = Share | Literal["adaptive", "auxiliary"]
LAMBDA_RULE = "a number from 0 to 1, 'adaptive' or 'auxiliary'"
WHOLE: Mapping[str, bool] = {"whole": True}  # context of a dump that leaves nothing out


class Part(BaseModel):
    """A frozen part of a configuration; a key that it does not know is an error.

    `LATER` names the keys that came later: fingerprints leave them out at their defaults, so that a run that was begun before
    goes on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, serialize_by_alias=True)
    LATER: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _as_before(self, dump: SerializerFunctionWrapHandler, info: SerializationInfo) -> dict[str, Any]:
        tree: dict[str, Any] = dump(self)
        usual = {} if info.context == WHOLE else {name: type(self).model_fields[name].default for name in self.LATER}
        kept = {name: value for name, value in tree.items() if name not in usual or getattr(self, name) != usual[name]}
        return kept if info.context == WHOLE else self._decides(kept)

    def _decides(self, tree: dict[str, Any]) -> dict[str, Any]:
        """Of its keys, in the form that decides what comes out: the same however the work is shared out."""
        return tree


class TrainingSettings(Part):
    """Training of the student; `lambda` is the weight of the confidence loss.

    Attributes:
        batch_size: Pairs per step over all workers.
        severity: How severity labels enter the cross-entropy: "level", the five-way label as published, or "censored",
            which reads "better" as "at least better": one step of CRF may be a large step.
        loss: "ranking", the cross-entropy with the five labels as published, or "regression" of the difference between two means of
            the teachers, where a pair has one; severity labels rank either way.
        same_steps: A later round takes as many steps as the first one, however many pairs it has. Otherwise each round goes over
            all of its pairs `epochs` times, as published: with many epochs more pairs then also mean a longer training.
        start: Where the training of a later round begins: from the "base" weights, as published, or from the "student" before.
        lr_warmup: Share of all steps.
        not_finite: What a loss or gradient that is not finite does: "stop" the training, or "skip" the update of that step;
            many in a row stop it all the same.
        checkpoint_every: Steps.
        workers: Processes, each with an equal part of a batch: workers of Ray Train, or one process alone (`TrainJob.alone`).
        shares: Equal parts of a batch that draw their dropout each for itself; 0: one for every worker. A worker goes through
            several one after the other, so that one gives the student of several: beside a head of some hundred weights,
            another process costs more than it saves.
        origin_weights, type_weights: Loss weights of the pairs of an origin and of a distortion type; 1 where none is
            named, and a pair has the product.
    """

    LATER: ClassVar[tuple[str, ...]] = ("loss", "start", "same_steps")
    workers: Positive = 1
    shares: Annotated[int, Field(ge=0)] = 0
    zero_stage: Annotated[int, Field(ge=0, le=3)] = 2
    epochs: Positive = 10
    same_steps: bool = False
    batch_size: Positive = 16
    severity: Literal["level", "censored"] = "level"
    loss: Literal["ranking", "regression"] = "ranking"
    start: Literal["base", "student"] = "base"
    lr: PositiveReal = 1e-3
    weight_decay: NonNegativeReal = 0.05
    lambda_: Lambda = Field(default="adaptive", alias="lambda")
    lr_warmup: Share = 0.03
    not_finite: Literal["stop", "skip"] = "stop"
    checkpoint_every: Positive = 100
    origin_weights: Mapping[str, NonNegativeReal] = Field(default_factory=lambda: dict.fromkeys(ORIGINS, 1.0))
    type_weights: Mapping[str, NonNegativeReal] = {}

    @field_validator("origin_weights")
    @classmethod
    def _known_origins(cls, weights: Mapping[str, float]) -> Mapping[str, float]:
        unknown = sorted(set(weights) - set(ORIGINS))
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no origin of pairs; they are {', '.join(ORIGINS)}")
        return {**dict.fromkeys(ORIGINS, 1.0), **weights}

    @model_validator(mode="after")
    def _batch_divides(self) -> Self:
        if self.batch_size % self.workers:
            raise ValueError(
                f"batch_size {self.batch_size} must be a multiple of workers ({self.workers}): each takes an equal part"
            )
        if self.parts % self.workers or self.batch_size % self.parts:
            raise ValueError(
                f"shares {self.shares} must be a multiple of workers ({self.workers}), and batch_size {self.batch_size} one of "
                "shares: each takes an equal part"
            )
        return self

    def _decides(self, tree: dict[str, Any]) -> dict[str, Any]:
        """Which worker takes a part of a batch is no matter: as many workers as parts are named, as when each had one."""
        shared = {"workers": self.parts} if "workers" in tree else {}
        return {name: value for name, value in {**tree, **shared}.items() if name != "shares"}

    @property
    def parts(self) -> int:
        """Equal parts of a batch."""
        return self.shares or self.workers

    def changed(self, **settings: Any) -> Self:
        """The same with other values, checked like the first: ``changed(epochs=3, lambda_=0.5)``."""
        named = {name.rstrip("_"): value for name, value in settings.items()}
        return self.model_validate({**self.model_dump(context=WHOLE), **named})


_LAMBDA: TypeAdapter[float | str] = TypeAdapter(Lambda)


def read_lambda(text: str) -> float | str:
    """A value of lambda from the command line.

    Raises:
        ValueError: It is not `LAMBDA_RULE`.
    """
    try:
        return _LAMBDA.validate_python(text.strip())
    except ValidationError:
        raise ValueError(f"{text.strip()!r} is not {LAMBDA_RULE}") from None
