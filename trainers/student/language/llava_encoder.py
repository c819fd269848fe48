"""The frozen part of the LLaVA student: frames as they are, and motion vectors by SlowFast."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from trainers.student.language import formula
from trainers.student.language.frame_encoder import FrameEncoder
from trainers.student.language.llava_checkpoint import Checkpoint
from trainers.student.language.options import LlavaOptions
from trainers.student.language.seconds import motion_order
from trainers.student.language.slowfast import CLIP_FRAMES, FastPathway, load_fast_pathway, normalise_clip
from trainers.student.table import LLAVA, StudentRow


class LlavaEncoder(FrameEncoder):
    """Frames as they are, and motion vectors by SlowFast."""

    row: ClassVar[StudentRow] = LLAVA

    def __init__(self, options: LlavaOptions) -> None:
        """Raises ValueError if the SlowFast weights are nowhere, or are damaged."""
        super().__init__(options)
        slowfast = _slowfast(options.checkpoint, options.motion)
        self.slowfast = slowfast.to("cuda" if torch.cuda.is_available() else "cpu")

    def vectors(self, views: Mapping[str, np.ndarray]) -> np.ndarray:
        """Motion vectors float32 [M, 256] of the view "student_clips", uint8 [32 * M, 224, 224, 3]."""
        clips = views["student_clips"]
        # a still image, or less than a second, has no motion: one vector of zeros (supplement C.2.1)
        return self.motion(clips) if len(clips) else super().vectors(views)

    @torch.inference_mode()
    def motion(self, clips: np.ndarray) -> np.ndarray:
        """Motion vectors float32 [8 to 10, 256] of clips uint8 [32 * M, 224, 224, 3]."""
        parts = clips.reshape(-1, CLIP_FRAMES, *clips.shape[1:])
        device = next(self.slowfast.parameters()).device
        vectors = torch.cat([self.slowfast(normalise_clip(part)[None].to(device)) for part in parts])
        motion: np.ndarray = vectors[motion_order(len(parts))].float().cpu().numpy()
        return motion

    def digest(self) -> str:
        """16 hexadecimal digits over the version of the features and the SlowFast weights."""
        digest = hashlib.sha256(json.dumps(self.row.version).encode())
        for key, value in sorted(self.slowfast.state_dict().items()):
            digest.update(key.encode() + value.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]


def _slowfast(checkpoint: str | None, motion: str | None) -> FastPathway:
    """Of a file of its own, else of the checkpoint, else filled by formula."""
    if motion is not None:
        return load_fast_pathway(_read_state(Path(motion)), motion)
    slowfast = FastPathway()
    if checkpoint is None:
        formula.fill(slowfast)
        return slowfast
    weights = Checkpoint(checkpoint)
    if not any(key.startswith("slowfast.") for key in weights.names()):
        raise ValueError(
            f"{checkpoint} holds no SlowFast weights: name the file of SlowFast R50 (Kinetics-400) in the student "
            "option 'motion', for example --set student.options.motion=SLOWFAST_8x8_R50.pth"
        )
    weights.fill(slowfast, lambda key: False, prefix="slowfast.")  # noqa: ARG005 - the contract of `fill`
    return slowfast


def _read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weights file; a pickle is read as weights only.

    Raises ValueError if the file cannot be read.
    """
    from pickle import UnpicklingError

    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        loaded: Any = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (OSError, SafetensorError, UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{path} cannot be read as weights ({str(error).splitlines()[0]}); download it again"
        ) from error
    state: dict[str, Tensor] = loaded.get("model_state", loaded.get("state_dict", loaded))
    return state
