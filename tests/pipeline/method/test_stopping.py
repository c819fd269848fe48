import math

import numpy as np
import pytest

from pipeline.method.stopping import Gain, Signals, decide, gain


def known(**others):
    usual = {
        "asked": 100,
        "videos": 20,
        "misjudged": 0.3,
        "gain": Gain(0.1, 0.02),
        "disagreement": 0.4,
        "agreement": 0.99,
    }
    return Signals(**{**usual, **others})


def test_a_gain_is_the_share_of_pairs_that_are_no_longer_misjudged():
    found = gain([1, 1, 0, 1], [0, 1, 0, 0], ["a", "a", "b", "b"])
    assert found.value == 0.5
    assert found.error == 0.0, "both sources gain the same"


def test_the_error_of_a_gain_is_that_of_sources_and_not_of_pairs():
    random = np.random.default_rng(0)

    def spread(copies):
        values = []
        for _ in range(400):
            of_source = random.random(12) < 0.5
            sources = np.repeat(np.arange(12), copies)
            values.append(gain(of_source[sources], np.zeros(12 * copies), sources.tolist()))
        return np.std([one.value for one in values]), np.mean([one.error for one in values])

    for copies in (1, 10):  # ten copies that are all alike tell no more than one
        true, told = spread(copies)
        assert told == pytest.approx(true, rel=0.15)


def test_one_source_leaves_the_error_unknown():
    assert gain([1, 1], [0, 1], ["a", "a"]) == Gain(0.5, math.inf)


@pytest.mark.parametrize(("before", "after"), [([], []), ([1], [1, 0])])
def test_a_gain_needs_pairs_that_both_answered(before, after):
    with pytest.raises(ValueError, match="at least one is needed"):
        gain(before, after, ["a"] * len(after))


def test_the_rounds_go_on_while_the_last_one_has_taught_something():
    said = decide(known())
    assert (said.stop, said.keep_last) == (False, True)
    assert "+10.0 ± 2.0 points" in said.why


def test_the_first_round_has_nothing_to_compare_with():
    said = decide(known(gain=None, agreement=None))
    assert not said.stop
    assert "no earlier student" in said.why


@pytest.mark.parametrize(
    ("asked", "misjudged", "why"), [(0, None, "no severity pairs of new copies"), (9, 0.3, "of one source")]
)
def test_a_later_round_whose_gain_is_unknown_says_why(asked, misjudged, why):
    signals = known(asked=asked, misjudged=misjudged, gain=None)
    said = decide(signals, first=False)
    assert (said.stop, said.keep_last) == (decide(signals).stop, decide(signals).keep_last) == (False, True)
    assert "no earlier student" not in said.why
    assert f"what the last stage gained cannot be measured: {'there are ' if not asked else ''}" in said.why
    assert why in said.why


@pytest.mark.parametrize("value", [0.039, 0.0, -0.05])
@pytest.mark.parametrize("agreement", [0.99, 0.3, None])
def test_a_round_that_is_not_shown_to_teach_ends_them_and_its_predecessor_is_kept(value, agreement):
    said = decide(known(gain=Gain(value, 0.02), agreement=agreement))
    assert (said.stop, said.keep_last) == (True, False)
    assert "not been shown to teach" in said.why
    assert ("SRCC of" in said.why) == (agreement is not None)


def test_a_gain_of_more_than_two_errors_goes_on():
    assert not decide(known(gain=Gain(0.041, 0.02))).stop
    assert not decide(known(gain=Gain(1e-6, 0.0))).stop


def test_nothing_left_to_mine_ends_them_only_if_neither_kind_is_left():
    assert decide(known(misjudged=0.01, disagreement=0.01, gain=None)).stop
    assert not decide(known(misjudged=0.01, gain=None)).stop
    assert not decide(known(disagreement=0.01, gain=None)).stop
    assert decide(known(misjudged=None, disagreement=0.01, gain=None)).stop


def test_no_new_videos_end_them():
    said = decide(Signals(0, 0, None, None, None, None))
    assert said.stop
    assert "no new videos" in said.why


def test_the_limits_decide():
    assert not decide(known(gain=Gain(0.03, 0.02)), sure=1.0).stop
    assert decide(known(gain=Gain(0.05, 0.02)), sure=3.0).stop
    assert decide(known(misjudged=0.2, disagreement=0.3, gain=None), misjudged=0.25, disagreement=0.35).stop
