"""The error budget: a run stops if a larger share of its rows failed."""

from __future__ import annotations

from pipeline.console import TOO_MANY_BAD, UserError
from pipeline.settings.config import Config


def check(failed: int, total: int, config: Config, what: str, example: str) -> None:
    """Stop if too many rows of a step failed.

    Args:
        failed: Rows without a result.
        total: All rows.
        config: Configuration of the run; `errors.budget` is the share that may fail.
        what: The rows and their failure, such as `"files cannot be used"`.
        example: The error of one failed row; empty if no row failed.

    Raises:
        UserError: More rows failed than the budget allows; exit code 4.
    """
    budget = config.errors.budget
    if failed > budget * total:
        raise UserError(
            f"{failed} of {total} {what}, more than errors.budget={budget:g} allows; for example {example}",
            TOO_MANY_BAD,
        )
