"""Draws of offsets."""

from __future__ import annotations

from actors.media import network_views as views


def test_seeded_draws_stay_below_the_bound_and_reach_it():
    drawn = views.seeded("id")(5, (1000,))
    assert set(drawn.tolist()) == {0, 1, 2, 3, 4}
