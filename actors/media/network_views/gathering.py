"""Filling views: every picture is made while its native frame passes by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .clip import Frame
from .plans import View


class Gatherer:
    """Makes the pictures of views while frames pass by in order.

    Args:
        views: Plans by name.
        put: Called with a view's name, the places of a picture in it, and the picture; without it they are kept in
            `pictures`, one array ``[n, h, w, 3]`` a view.
    """

    def __init__(self, views: Mapping[str, View], put: Callable[[str, list[int], Frame], None] | None = None) -> None:
        self.views = dict(views)
        self.pictures: dict[str, Frame] = {}
        if put is None:
            self.pictures = {
                name: np.empty((len(view.frames), *view.size, 3), np.uint8) for name, view in views.items()
            }
        self._put = put or self._keep
        self._places: dict[int, dict[tuple[str, int], list[int]]] = {}
        for name, view in views.items():
            for place, (number, group) in enumerate(zip(view.frames.tolist(), view.groups.tolist(), strict=True)):
                self._places.setdefault(number, {}).setdefault((name, group), []).append(place)

    @property
    def needed(self) -> list[int]:
        """Numbers of the native frames that any view wants, ascending."""
        return sorted(self._places)

    def add(self, number: int, frame: Frame) -> None:
        """Make every picture of native frame ``number``; one that no view wants costs nothing."""
        for (name, group), places in self._places.get(number, {}).items():
            self._put(name, places, self.views[name].cut(group, frame))

    def _keep(self, name: str, places: list[int], picture: Frame) -> None:
        self.pictures[name][places] = picture


def gather(frames: Any, views: Mapping[str, View]) -> dict[str, Frame]:
    """Pictures ``[n, h, w, 3]`` of all views from native frames ``[N, H, W, 3]`` that are in memory already."""
    gatherer = Gatherer(views)
    for number in gatherer.needed:
        gatherer.add(number, frames[number])
    return gatherer.pictures
