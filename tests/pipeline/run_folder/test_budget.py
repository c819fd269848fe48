import pytest

from pipeline.console import TOO_MANY_BAD, UserError
from pipeline.run_folder.budget import check


def test_the_budget_is_a_share_that_may_be_used_up(configured):
    config = configured("errors.budget=0.25")
    check(1, 4, config, "copies failed", "why")
    check(0, 0, config, "copies failed", "")


def test_more_failures_stop_the_run_with_an_example_and_a_code_of_their_own(configured):
    with pytest.raises(
        UserError, match=r"2 of 4 copies failed, more than errors\.budget=0\.25 allows; .* a.mp4: torn"
    ) as caught:
        check(2, 4, configured("errors.budget=0.25"), "copies failed", "a.mp4: torn")
    assert caught.value.exit_code == TOO_MANY_BAD
