"""Any no-reference metric of the optional package pyiqa as a teacher."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from actors.media.outcome import Failure
from actors.teachers.base import FrameTeacher

SCHEME = "pyiqa:"


class PyIQATeacher(FrameTeacher):
    """The mean of a metric over the key frames, RGB in 0..1; on a GPU where there is one.

    pyiqa downloads the weights when it first builds a metric; its release determines which weights.

    Attributes:
        metric: The metric's name in pyiqa.
        release: Version of pyiqa.
    """

    range = (-math.inf, math.inf)  # the ranges that pyiqa states are approximate
    licence = "PolyForm Noncommercial 1.0.0 of pyiqa: NON-COMMERCIAL use only; the metric may have terms of its own"
    non_commercial = True
    parameters = 0
    metric: ClassVar[str]
    release: ClassVar[str]

    def __init__(self) -> None:
        self._model: Any = None

    def settings(self) -> Mapping[str, str]:
        """The metric and the release of pyiqa, which fix its weights."""
        return {"metric": self.metric, "pyiqa": self.release}

    @property
    def model(self) -> Any:
        """The metric, built once."""
        if self._model is None:
            import pyiqa

            self._model = pyiqa.create_metric(self.metric)
        return self._model

    def score_frame(self, rgb: NDArray[np.uint8]) -> float:
        """The metric of one frame."""
        import torch

        pixels = torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            return float(self.model(pixels))


def iqa_teacher(name: str) -> type[PyIQATeacher]:
    """The teacher `pyiqa:METRIC`; the metric is not built yet.

    Raises:
        Failure: `usage`: pyiqa is not installed, or has no such no-reference metric.
    """
    metric = name.removeprefix(SCHEME)
    try:
        import pyiqa
        from pyiqa.default_model_configs import DEFAULT_CONFIGS
    except ImportError as error:
        advice = "install it with: pip install 'weak-to-strong-vqa[pyiqa]'"
        raise Failure("usage", f"teacher {name!r} needs the package pyiqa ({error}); {advice}") from error
    facts = DEFAULT_CONFIGS.get(metric)
    if facts is None or facts["metric_mode"] != "NR":
        names = ", ".join(sorted(key for key, other in DEFAULT_CONFIGS.items() if other["metric_mode"] == "NR"))
        raise Failure("usage", f"teacher {name!r}: pyiqa has no no-reference metric {metric!r}; it has {names}")
    return type(
        "PyIQATeacher",
        (PyIQATeacher,),
        {
            "__doc__": PyIQATeacher.__doc__,
            "name": name,
            "title": f"pyiqa: {metric}",
            "description": f"mean of {metric} over key frames; pyiqa states the range {facts.get('score_range', 'nowhere')}",
            "higher_is_better": not facts.get("lower_better", False),
            "weights": "fetched by pyiqa when the metric is built",
            "metric": metric,
            "release": pyiqa.__version__,
        },
    )
