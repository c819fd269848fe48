"""A saved lite student: its options, and the arrays of its encoder and its head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from trainers.levels import LEVELS
from trainers.student.lite.encoder import LiteEncoder
from trainers.student.lite.options import LiteOptions
from trainers.student.table import LITE

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
HEAD = "head."  # before the names of the head's arrays
# of features that can be computed: 6 lacked a block, and a saved student names those that it has
VERSIONS = (LITE.version, 6)


def config_of(options: LiteOptions, encoder: LiteEncoder) -> dict[str, Any]:
    """What `config.json` says."""
    return {
        "student": LITE.name,
        "options": options.saved(),
        "features_version": LITE.version,
        "feature_blocks": {block.name: block.size for block in encoder.blocks},
        "levels": list(LEVELS),
    }


def read(folder: str | Path) -> tuple[LiteOptions, dict[str, np.ndarray]]:
    """Options and arrays of a saved student.

    Raises:
        ValueError: It is another student, or has another version of the features.
    """
    source = Path(folder)
    config = json.loads((source / CONFIG).read_text(encoding="utf-8"))
    if config.get("student") != LITE.name:
        raise ValueError(f"{source} holds the student '{config.get('student')}', not '{LITE.name}'")
    if config.get("features_version") not in VERSIONS:
        raise ValueError(
            f"{source} was trained on features of version {config.get('features_version')}, this "
            f"program computes version {LITE.version}: train the student again"
        )
    options = LITE.parse(config["options"])
    assert isinstance(options, LiteOptions)
    state = load_file(source / WEIGHTS)
    if "head.content" not in state:  # what was trained before there was a content map
        columns = len(state["head.mean"])
        rows = len(range(columns)[LiteEncoder(options, state).coarse]) if options.content else 0
        state["head.content"] = np.zeros((rows, columns), np.float32)
    return options, state
