"""The presets: what differs from the defaults of `pipeline.config`, as data.

`demo` proves the whole method on a machine with two cores, without downloads, in minutes; `local` is meant for the
user's own videos.
"""

from __future__ import annotations

from typing import Any

DEMO: dict[str, Any] = {
    "corpus": {
        "window_s": 2.0,
        "windows_per_clip": 1,
        "made_clips": 18,
        "made_width": 320,
        "made_height": 240,
        "made_seconds": 2.0,
        "made_fps": 24.0,
    },
    "teachers": {"key_frames": 2, "motion_frames": 32},
    "distort": {
        "sources": [
            {"spatial": 6, "temporal": 3, "streaming": 4},
            {"spatial": 3, "temporal": 2, "streaming": 2},
            {"spatial": 3, "temporal": 2, "streaming": 2},
        ],
        "x265_preset": "ultrafast",
    },
    "pairs": {
        "homogeneous": [60, 30, 30],
        "synthetic": [
            {"spatial": 60, "temporal": 18, "streaming": 24},
            {"spatial": 20, "temporal": 10, "streaming": 10},
            {"spatial": 20, "temporal": 10, "streaming": 10},
        ],
    },
    "mining": {"levels": 4, "pairs": 4, "missed": {"spatial": 10, "temporal": 5, "streaming": 5}},
    "training": {"epochs": 12, "batch_size": 16, "lr": 1e-3, "checkpoint_every": 100},
    "benchmark": {"levels": 2},
}

LOCAL: dict[str, Any] = {
    "corpus": {"window_s": 5.0, "windows_per_clip": 2, "max_short_side": 540, "max_fps": 30.0},
    "distort": {
        "sources": [
            {"spatial": 60, "temporal": 24, "streaming": 24},
            {"spatial": 24, "temporal": 12, "streaming": 12},
            {"spatial": 24, "temporal": 12, "streaming": 12},
        ],
        "x265_preset": "fast",
    },
    "pairs": {
        "homogeneous": [1000, 400, 400],
        "synthetic": [
            {"spatial": 640, "temporal": 160, "streaming": 200},
            {"spatial": 160, "temporal": 60, "streaming": 60},
            {"spatial": 160, "temporal": 60, "streaming": 60},
        ],
    },
    "mining": {"levels": 10, "pairs": 40, "missed": {"spatial": 80, "temporal": 30, "streaming": 30}},
    "training": {"epochs": 20, "batch_size": 32, "lr": 5e-4, "checkpoint_every": 200},
    "benchmark": {"levels": 3},
}

PRESETS: dict[str, dict[str, Any]] = {"demo": DEMO, "local": LOCAL}
