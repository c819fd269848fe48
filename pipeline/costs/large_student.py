"""GPU memory of the published student of 8 billion parameters, for the forecast. Estimated, not measured.

Memory follows from the sizes of the network, the ZeRO stage, and activations that are recomputed block by block. The time of a pair
stands in `rates.yaml` (`gpu pair`).
"""

from __future__ import annotations

from pipeline.settings.config import Config
from trainers.student.language.options import LanguageOptions
from trainers.student.table import student_row

PARAMETERS = 8.08e9
TRAINED = {"published": 0.428e9, "lora": 0.468e9, "full": 8.04e9}
LAYERS, WIDTH, INSIDE = 28, 3584, 18944  # of the language model
VISION_LAYERS, VISION_WIDTH, VISION_INSIDE, PATCHES = 26, 1152, 4304, 729
CONTEXT_GIB = 1.0  # CUDA, NCCL and their buffers


def is_large(config: Config) -> bool:
    """Whether the configured student is the published one at full size."""
    row = student_row(config.student.name)
    return row.published and not row.parse(config.student.options).by_formula


def tokens(seconds: float) -> float:
    """Tokens of a pair of clips: 196 a frame, one newline and at most ten motion tokens a clip, and the text."""
    return 2 * (196 * seconds + 1 + min(10.0, max(8.0, seconds))) + 84


def training_gib(config: Config) -> float:
    """GPU memory of one training worker, GiB: weights, gradients, optimiser, and stored activations."""
    training, seconds = config.training, config.corpus.window_s
    options = student_row(config.student.name).parse(config.student.options)
    assert isinstance(options, LanguageOptions), "only the published student is asked for"
    workers, stage = training.workers, training.zero_stage
    size = 4.0 if options.dtype == "float32" else 2.0
    trained = TRAINED[options.trained]
    weights = PARAMETERS * size / (workers if stage == 3 else 1)
    gradients = trained * size / (workers if stage >= 2 else 1)
    optimiser = trained * 12 / (workers if stage >= 1 else 1)  # master weights and both moments, float32
    long, patches = tokens(seconds), 2 * seconds * PATCHES
    stored = long * WIDTH * LAYERS + patches * VISION_WIDTH * VISION_LAYERS
    block = max(long * (3 * INSIDE + 6 * WIDTH), patches * (2 * VISION_INSIDE + 8 * VISION_WIDTH))
    activations = training.batch_size / workers * (stored + block) * size
    return CONTEXT_GIB + (weights + gradients + optimiser + activations) / 2**30
