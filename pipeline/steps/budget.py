"""The error budget: a run with a larger share of failed rows stops before it goes on with what is left."""

from __future__ import annotations

from pipeline.console import TOO_MANY_BAD, UserError
from pipeline.settings.config import Config


def check(failed: int, total: int, config: Config, what: str, example: str) -> None:
    """Stop when too many rows of a step failed.

    Args:
        failed: Rows without a result.
        total: All rows.
        config: Of the run; `errors.budget` is the share that may fail.
        what: What the rows are and what happened to them, for example ``"files cannot be used"``.
        example: The reason of one of them; empty where there is none.

    Raises:
        UserError: More than the budget; exit code 4.
    """
    budget = config.errors.budget
    if failed > budget * total:
        raise UserError(
            f"{failed} of {total} {what}, more than errors.budget={budget:g} allows; for example {example}",
            TOO_MANY_BAD,
        )
