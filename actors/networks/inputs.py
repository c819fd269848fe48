"""Convert the uint8 RGB pictures of `actors.media.network_views` into network inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from actors.media.network_views import CLIP


@dataclass(frozen=True)
class Normalisation:
    """`(level / scale - mean) / deviation` for each colour; levels are 0..255."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]
    scale: float


IMAGENET = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), 1.0)
IMAGENET_UNIT = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 255.0)
KINETICS = Normalisation((0.45, 0.45, 0.45), (0.225, 0.225, 0.225), 255.0)
CLIP_MODEL = Normalisation(
    (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711), 255.0
)  # of the model CLIP


def pictures_of(
    pictures: NDArray[np.uint8],
    by: Normalisation,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """`[n, h, w, 3]` uint8 to normalised `[n, 3, h, w]`; the transfer to the device is in bytes."""
    levels = torch.tensor(pictures, device=device).permute(0, 3, 1, 2).float()
    mean, deviation = (torch.tensor(values, device=device)[:, None, None] for values in (by.mean, by.deviation))
    return torch.as_tensor(((levels / by.scale - mean) / deviation).to(dtype).contiguous())


def clips_of(
    pictures: NDArray[np.uint8],
    by: Normalisation,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """`[clips * 32, h, w, 3]` uint8 to normalised `[clips, 3, 32, h, w]`."""
    flat = pictures_of(pictures, by, device, dtype)
    return flat.view(-1, CLIP, *flat.shape[1:]).transpose(1, 2).contiguous()
