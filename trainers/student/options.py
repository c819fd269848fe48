"""What every student's options have in common: typed, checked in one place, cheap to import (no torch)."""

from __future__ import annotations

from typing import Any, ClassVar

from trainers.settings import Part


class StudentOptions(Part):
    """The options of a student, `student.options` in the configuration. Its subclasses name and type them."""

    # where weights came from is no property of a saved student, whose folder stands alone
    sources: ClassVar[frozenset[str]] = frozenset()

    @property
    def by_formula(self) -> bool:
        """Whether a formula fills the networks: they prove that all parts work together and have learnt nothing."""
        return False

    @property
    def lacks_weights(self) -> bool:
        """Whether the student cannot be built for want of the folder of a checkpoint."""
        return False

    @property
    def precision(self) -> str:
        """Number format of a training: "fp32", or "bf16" with float32 master weights."""
        return "fp32"

    def saved(self) -> dict[str, Any]:
        """What a student's folder says of them."""
        return self.model_dump(mode="json", exclude=set(self.sources))
