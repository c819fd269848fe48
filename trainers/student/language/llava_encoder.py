"""The frozen part of the LLaVA student: what is computed once per video, without the 8 billion parameters that learn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainers.student.base import NO_VIEWS
from trainers.student.language import formula
from trainers.student.language.llava_checkpoint import Checkpoint
from trainers.student.language.packing import FEATURE, pack
from trainers.student.language.seconds import motion_order
from trainers.student.language.slowfast import CLIP_FRAMES, FastPathway, load_fast_pathway, normalise_clip
from trainers.student.table import ENCODER_VERSIONS, VIEWS_TAKEN

NAME = "llava"


class LlavaEncoder:
    """Frames as they are, and motion vectors by SlowFast. Options are those of `trainers.student.language.llava.LlavaStudent`."""

    def __init__(self, checkpoint: str | None = None, motion: str | None = None, **_student: Any) -> None:
        """Raises ValueError if the SlowFast weights are nowhere, or are damaged."""
        found = _slowfast(checkpoint, motion)
        self.slowfast = found.to("cuda" if torch.cuda.is_available() else "cpu")

    def encode(
        self,
        key: np.ndarray,  # noqa: ARG002 - it takes its own views
        luma: np.ndarray,  # noqa: ARG002
        fps: float,  # noqa: ARG002
        views: Mapping[str, np.ndarray] = NO_VIEWS,
    ) -> np.ndarray:
        """Frames and motion vectors as one vector (`packing.pack`), its length given by the video's.

        views: "student_frames" uint8 [T, 384, 384, 3] and "student_clips" uint8 [32 * M, 224, 224, 3].
        """
        if missing := [name for name in VIEWS_TAKEN[NAME] if name not in views]:
            raise ValueError(f"the video was decoded for another student: it has no view {missing[0]}")
        # a still image, or less than a second, has no motion: one vector of zeros (supplement C.2.1)
        motion = self.motion(views["student_clips"]) if len(views["student_clips"]) else np.zeros((1, FEATURE))
        return pack(views["student_frames"], motion)

    @torch.inference_mode()
    def motion(self, clips: np.ndarray) -> np.ndarray:
        """Motion vectors float32 [8 to 10, 256] of clips uint8 [32 * M, 224, 224, 3]."""
        parts = clips.reshape(-1, CLIP_FRAMES, *clips.shape[1:])
        device = next(self.slowfast.parameters()).device
        vectors = torch.cat([self.slowfast(normalise_clip(part)[None].to(device)) for part in parts])
        found: np.ndarray = vectors[motion_order(len(parts))].float().cpu().numpy()
        return found

    def digest(self) -> str:
        """16 hexadecimal digits over the version of the features and the SlowFast weights."""
        digest = hashlib.sha256(json.dumps(ENCODER_VERSIONS[NAME]).encode())
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
