"""When each picture of a file is on the screen, and what of it a window shows. Numbers only; no file is opened here.

A `Timeline` holds the display times of a file's pictures in order. `Timeline.cut` answers what a player shows between
two instants: pictures one after the other where they come at a steady pace, and a picture held for as long as it stays
on the screen where they do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]

SCREEN_FPS = 60.0  # at which pictures that are held are sampled at most
TOLERANCE_S = 1e-3  # a picture this much before a window still begins in it: containers round to milliseconds
SLOWEST_FPS = 1.0  # fewer pictures a second say nothing about how fast a screen is refreshed
_HELD = 1.5  # steps: a picture that stays longer is held; a camera's clock strays by less
_DRIFT = 0.75  # steps that a picture may be off an even pace before the pace itself has changed
_SAME_RATE = 0.02  # a measured rate that differs less from the header's is that rate
_SHORTEST_S = 1e-4  # pictures that lie closer have one and the same time
_USUAL = 0.1  # share by which a gap may differ from the usual one that is measured with it
_OFF_TICK = 0.15  # share of a tick by which a picture may miss it
_TICKS = (5.0, 130.0)  # a rate of ticks outside says how a container counts time, not how often pictures come


@dataclass(frozen=True, eq=False)
class Cut:
    """What a window shows.

    Attributes:
        first: Number of the first picture that is needed, in the order of display.
        end: Number of the first picture that is not.
        rate: Pictures shown in a second.
        schedule: Number of the picture on the screen at each instant, where pictures are held; None where each picture from
            ``first`` to ``end`` is shown once.
        anchor_s: Instant of the first of ``schedule``, in the timeline's seconds.
    """

    first: int
    end: int
    rate: float
    schedule: NDArray[np.int64] | None = None
    anchor_s: float = 0.0

    @property
    def fraction(self) -> Fraction:
        """The rate as FFmpeg is given it."""
        return Fraction(self.rate).limit_denominator(1001)

    @property
    def count(self) -> int:
        """How many pictures are shown, held ones counted again."""
        return self.end - self.first if self.schedule is None else len(self.schedule)

    def numbers(self) -> NDArray[np.int64]:
        """Number of each picture shown."""
        return np.arange(self.first, self.end) if self.schedule is None else self.schedule


@dataclass(frozen=True, eq=False)
class Timeline:
    """The display times of a file's pictures.

    Attributes:
        times: Seconds, in order of display; not empty.
        end_s: When the last picture leaves the screen, by the length that its packet states.
        header_fps: Mean rate by the header.
        tick_rate: Rate of the ticks by the header, 0 if it says none.
    """

    times: Times
    end_s: float
    header_fps: float
    tick_rate: float
    step_s: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "step_s", _step(np.diff(self.times), self.header_fps, self.tick_rate))

    @property
    def length_s(self) -> float:
        """From the first picture to the end of the last one."""
        return max(self.end_s, float(self.times[-1])) - float(self.times[0])

    @cached_property
    def spacing(self) -> str:
        """``single``, ``constant``, ``jittering`` or ``held``: how the pictures of the whole file follow each other."""
        if len(self.times) < 2:
            return "single"
        if not self._even(0, len(self.times), self.end_s):
            return "held"
        strays = np.abs(_strays(self.times))
        return "constant" if float(strays.max()) <= TOLERANCE_S + _SHORTEST_S else "jittering"

    @property
    def rate(self) -> float:
        """Pictures in a second while pictures come: the header's mean rate where the times agree with it."""
        if self.spacing == "held":
            return min(1.0 / self.step_s, SCREEN_FPS)
        return self._rate(self.times)

    def cut(self, start_s: float, duration_s: float, most_fps: float | None = None) -> Cut | None:
        """What the window shows; None where no picture is on the screen.

        Args:
            start_s: Seconds from the first picture.
            duration_s: Seconds; 0 means to the end.
            most_fps: Sample held pictures at this rate at most (`SCREEN_FPS` without it).
        """
        begin = float(self.times[0]) + start_s
        end = begin + duration_s if duration_s > 0 else float("inf")
        first, past = (int(at) for at in np.searchsorted(self.times, [begin - TOLERANCE_S, end - TOLERANCE_S]))
        stop = min(end, max(self.end_s, float(self.times[-1]) + _SHORTEST_S))
        if begin >= stop - _SHORTEST_S and first >= past:
            return None
        if first < past and self._starts_at_once(first, begin) and self._even(first, past, stop):
            return Cut(first, past, self._rate(self.times[first:past]))
        return self._held(begin, stop, first, past, most_fps or SCREEN_FPS)

    def _starts_at_once(self, first: int, begin: float) -> bool:
        """Whether no older picture is held into the window for longer than a picture lasts."""
        return first == 0 or float(self.times[first]) - begin < _HELD * self._pace(first)

    def _pace(self, at: int) -> float:
        """The usual step around a picture, which may be a slower one than that of the whole file."""
        around = np.diff(self.times[max(0, at - 4) : at + 5])
        return max(self.step_s, float(np.median(around))) if len(around) else self.step_s

    def _even(self, first: int, past: int, stop: float) -> bool:
        """Whether the pictures come at one pace, each shown once, until ``stop``."""
        times = self.times[first:past]
        gaps = np.diff(times)
        if len(times) < 2:
            last = min(stop, float(self.times[past]) if past < len(self.times) else self.end_s) - float(times[-1])
            return last < _HELD * self.step_s
        pace = float(np.median(gaps))
        if pace < _SHORTEST_S or pace * SLOWEST_FPS > 1 + _SAME_RATE:
            return False
        following = float(self.times[past]) if past < len(self.times) else self.end_s
        last = min(stop, following) - float(times[-1])
        if max(float(gaps.max()), last) > _HELD * pace:
            return False
        return float(np.abs(_strays(times)).max()) <= _DRIFT * pace

    def _rate(self, times: Times) -> float:
        """Mean rate of pictures at an even pace."""
        if len(times) < 2 or times[-1] <= times[0]:
            return self.header_fps or 1.0 / self.step_s
        measured = (len(times) - 1) / float(times[-1] - times[0])
        # a few pictures whose times are rounded say less about the rate than the header does
        doubt = _SAME_RATE + 2 * TOLERANCE_S / float(times[-1] - times[0])
        if self.header_fps and abs(measured - self.header_fps) <= doubt * self.header_fps:
            return self.header_fps
        return float(Fraction(measured).limit_denominator(1001))

    def _held(self, begin: float, stop: float, first: int, past: int, most_fps: float) -> Cut:
        """Sample what is on the screen."""
        # In a window shorter than a step the nearest picture may be one that comes after it: there all pictures are held.
        pace = 1.0 / self.step_s if self.step_s <= stop - begin else SCREEN_FPS
        rate = float(Fraction(min(pace, most_fps, SCREEN_FPS)).limit_denominator(1001))
        anchor = begin + _phase((self.times[first:past] - begin) * rate) / rate
        count = max(1, round((stop - begin) * rate))
        # The nearest instant, halves up, as FFmpeg's filter fps takes it.
        ticks = np.floor((self.times - anchor) * rate + 0.5 + 1e-6)
        schedule = np.searchsorted(ticks, np.arange(count), side="right") - 1
        schedule = np.clip(schedule, 0, len(self.times) - 1)
        return Cut(int(schedule[0]), int(schedule[-1]) + 1, rate, schedule, anchor)


def _strays(times: Times) -> Times:
    """How far each time lies off the line that fits all of them best, seconds."""
    number = np.arange(len(times), dtype=np.float64)
    centre, mean = number.mean(), times.mean()
    spread = float(((number - centre) ** 2).sum())
    slope = float(((number - centre) * (times - mean)).sum()) / spread if spread else 0.0
    return np.asarray(times - mean - slope * (number - centre), np.float64)


def _phase(offsets: Times) -> float:
    """Where the instants lie that no picture of the window falls between two of: an offset of half a step at most.

    Args:
        offsets: Of the pictures from the beginning of the window, in steps.
    """
    tried = np.arange(-16, 17) / 33
    if not len(offsets):
        return 0.0
    rest = np.abs((offsets[None, :] - tried[:, None]) % 1.0 - 0.5).min(axis=1).round(4)
    best = tried[rest == rest.max()]
    return float(best[np.argmin(np.abs(best))])


def _step(gaps: Times, header_fps: float, tick_rate: float) -> float:
    """Seconds between pictures while pictures come.

    Where the pictures fall on the header's ticks and some are as close as their greatest common step, that step; else the
    usual one of the short gaps.
    """
    gaps = gaps[gaps > _SHORTEST_S]
    fallback = tick_rate if tick_rate >= SLOWEST_FPS else SCREEN_FPS
    if not len(gaps):
        return 1.0 / (header_fps or fallback)
    ticks = gaps * tick_rate
    whole = np.maximum(np.round(ticks), 1)
    small = ticks < 1000  # of longer gaps no rest of a tick is left
    if _TICKS[0] <= tick_rate <= _TICKS[1] and np.all(np.abs(ticks - whole)[small] < _OFF_TICK):
        common = float(np.gcd.reduce(whole.astype(np.int64)))
        if whole.min() < _HELD * common:
            return common / tick_rate
    short = gaps[gaps <= _HELD * float(np.quantile(gaps, 0.25))]
    usual = float(np.sort(short)[len(short) // 2])
    step = float(short[np.abs(short - usual) <= _USUAL * usual].mean())  # a mean, because containers round
    return step if step * SLOWEST_FPS <= 1 + _SAME_RATE else 1.0 / min(fallback, SCREEN_FPS)
