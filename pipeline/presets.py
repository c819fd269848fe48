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
        "degraded_copies": 3,
        "made_clips": 20,
        "made_width": 320,
        "made_height": 240,
        "made_seconds": 2.0,
        "made_fps": 24.0,
    },
    "teachers": {"key_frames": 2, "motion_frames": 48},
    "distort": {
        "sources": [
            {"spatial": 6, "temporal": 6, "streaming": 8},
            {"spatial": 3, "temporal": 2, "streaming": 3},
            {"spatial": 3, "temporal": 2, "streaming": 3},
        ],
        "include_pristine": True,
        "x265_preset": "medium",
    },
    "pairs": {
        "homogeneous": [100],
        "decisive": True,
        "student_variance": 0.1,
        "synthetic": [{"spatial": 200, "temporal": 72, "streaming": 160}],
    },
    "mining": {"levels": 5, "pairs": 6, "missed": {"spatial": 20, "temporal": 6, "streaming": 12}},
    "training": {
        "workers": 2, "epochs": 30, "batch_size": 64, "lr": 1e-2, "weight_decay": 0.05,
        "severity": "censored", "origin_weights": {"ensemble": 0.3, "gmad": 0.3, "missed": 0.1},
        # A tone curve is ordered by its strength, but it is no loss of fidelity: full weight teaches exposure, not quality.
        "type_weights": {"darken": 0.1, "brighten": 0.1}, "checkpoint_every": 200,
    },
    "benchmark": {"levels": 2},
}  # fmt: skip

LOCAL: dict[str, Any] = {
    "corpus": {"window_s": 1.6, "windows_per_clip": 3, "degraded_copies": 1, "max_short_side": 540, "max_fps": 30.0},
    "teachers": {"key_frames": 2, "motion_frames": 48},
    "distort": {
        "sources": [
            {"spatial": 10, "temporal": 10, "streaming": 10},
            {"spatial": 4, "temporal": 4, "streaming": 4},
            {"spatial": 4, "temporal": 4, "streaming": 4},
        ],
        "include_pristine": True,
        "x265_preset": "veryfast",
    },
    "pairs": {
        "homogeneous": [250],
        "decisive": True,
        "student_variance": 0.1,
        "synthetic": [{"spatial": 400, "temporal": 120, "streaming": 200}],
    },
    "mining": {"levels": 10, "pairs": 20, "missed": {"spatial": 120, "temporal": 30, "streaming": 60}},
    "training": {
        "workers": 2, "epochs": 20, "batch_size": 64, "lr": 1e-2, "weight_decay": 0.05,
        "severity": "censored", "origin_weights": {"ensemble": 0.3, "gmad": 0.3, "missed": 0.1},
        # A tone curve is ordered by its strength, but it is no loss of fidelity: full weight teaches exposure, not quality.
        "type_weights": {"darken": 0.1, "brighten": 0.1}, "checkpoint_every": 400,
    },
    "benchmark": {"levels": 3},
}  # fmt: skip

PRESETS: dict[str, dict[str, Any]] = {"demo": DEMO, "local": LOCAL}
