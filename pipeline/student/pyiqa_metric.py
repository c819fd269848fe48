"""The metric `w2s` of pyiqa, for who compares metrics there: `register()`, then `pyiqa.create_metric("w2s", student=FOLDER)`.

pyiqa is a library for pictures: a tensor, or the path of one, is scored as a still. Videos have `pipeline.load`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.console import MACHINE, UserError
from pipeline.student.scorer import Scorer

if TYPE_CHECKING:
    from actors.still_metric import StillMetric

NAME = "w2s"
_NETWORK = "W2SStudent"


def register() -> None:
    """Add the metric to pyiqa's tables; further calls change nothing.

    Raises:
        UserError: pyiqa is not installed.
    """
    try:
        from pyiqa.default_model_configs import DEFAULT_CONFIGS
        from pyiqa.utils.registry import ARCH_REGISTRY
    except ImportError as error:
        raise UserError(
            f"the metric {NAME} needs the package pyiqa ({error}): pip install 'weak-to-strong-vqa[pyiqa]'", MACHINE
        ) from error
    if _NETWORK not in ARCH_REGISTRY:
        ARCH_REGISTRY.register(_network, name=_NETWORK)
    low, high = Scorer.score_range
    DEFAULT_CONFIGS[NAME] = {
        "metric_opts": {"type": _NETWORK},
        "metric_mode": "NR",
        "lower_better": Scorer.lower_better,
        "score_range": f"~{low:g}, ~{high:g}",  # nothing is clipped
    }


def _network(student: str) -> StillMetric:
    """What pyiqa builds, with the option `student`.

    Raises:
        UserError: There is no such student.
    """
    from actors.still_metric import StillMetric

    scorer = Scorer.from_pretrained(student)

    def score(picture: NDArray[np.uint8]) -> float:
        with tempfile.TemporaryDirectory(prefix="w2s-still-") as folder:
            path = Path(folder) / "picture.png"
            Image.fromarray(picture).save(path, compress_level=1)
            return scorer(path)

    return StillMetric(score)
