"""A run of two stages so small that it ends in minutes on a cluster that grows: its cluster and its configuration."""

import yaml

# One CPU for each node: with more, a machine of two cores would start a hundred processes.
CLUSTER = {"groups": {"gpu": ({"CPU": 1, "GPU": 1}, 3), "cpu": ({"CPU": 1}, 2)}, "head": {"CPU": 2}, "idle_s": 6.0}
TEACHERS = ("artefact", "sharpness", "temporal")  # one GPU each: all that the cluster can have
CONFIG = {
    "preset": "demo",
    "seed": 5,
    "stages": 2,
    "corpus": {
        "made_clips": 5,
        "made_width": 96,
        "made_height": 64,
        "made_seconds": 0.5,
        "made_fps": 12.0,
        "window_s": 0.5,
        "degraded_copies": 2,
    },
    "teachers": {"names": list(TEACHERS), "key_frames": 1, "motion_frames": 6},
    "distort": {
        "types": dict.fromkeys(
            ("resize", "gaussian_noise", "darken", "brighten", "stutter", "h265", "gaussian_blur"), False
        ),
        "sources": [{"spatial": 1, "temporal": 1, "streaming": 1}],
    },
    "pairs": {"homogeneous": [12], "decisive": False, "synthetic": [{"spatial": 8, "temporal": 3, "streaming": 5}]},
    "mining": {"levels": 2, "pairs": 2, "missed": {"spatial": 3, "temporal": 2, "streaming": 2}},
    "training": {"workers": 3, "epochs": 2, "batch_size": 9, "checkpoint_every": 50},
    "benchmark": {"levels": 2, "seen": ["h264"], "unseen": ["mpeg2"]},
    "pools": {"score": {"gpus": 1}, "compare": {"gpus": 1}},
}


def write_config(path):
    """Write the configuration and return its path."""
    path.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    return path
