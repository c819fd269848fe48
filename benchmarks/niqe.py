"""The teacher `niqe`, whose pristine model is of an own fit, against a port of the published NIQE with the published model.

    pip download --no-deps --no-binary :all: basicsr==1.4.2 && tar xzf basicsr-1.4.2.tar.gz
    python benchmarks/niqe.py basicsr-1.4.2 VIDEO... [--short-side 540]

BasicSR's port states that it gives MATLAB's figures. Only its files for NIQE are loaded. One frame of each video is judged as it
is and with blur, noise and JPEG coding of three strengths each, by three measures: the teacher, the port, and the teacher's
features under the published model, which tells what comes from the model and what from the features.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from actors.media.decode import Decoder
from actors.media.views import SampleSpec
from actors.teachers.niqe import Niqe
from trainers.scenes.patches import PATCH, patch_features
from trainers.scenes.planes import limit_short_side, luma

Frame = np.ndarray
Measure = Callable[[Frame], float]
STRENGTHS: dict[str, tuple[float, ...]] = {"blur": (0.7, 1.2, 2.0), "noise": (4.0, 10.0, 20.0), "jpeg": (50, 25, 10)}


def damaged(frame: Frame, kind: str, strength: float) -> Frame:
    """A copy of an RGB frame with one distortion."""
    if kind == "blur":
        return np.asarray(cv2.GaussianBlur(frame, (0, 0), strength))
    if kind == "noise":
        noise = np.random.default_rng(0).normal(0, strength, frame.shape)
        return np.asarray((frame + noise).round().clip(0, 255), np.uint8)
    coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, int(strength)])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))


def published(folder: Path) -> tuple[Any, dict[str, np.ndarray]]:
    """The port's module and the published model; the rest of the package, which needs torchvision, is not imported."""

    def load(name: str, path: Path) -> Any:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    root = folder / "basicsr"
    unused = types.ModuleType("basicsr.metrics.metric_util")
    unused.__dict__.update(reorder_image=None, to_y_channel=None)
    sys.modules[unused.__name__] = unused
    load("basicsr.utils.matlab_functions", root / "utils" / "matlab_functions.py")
    load("basicsr.utils.registry", root / "utils" / "registry.py")
    port = load("basicsr.metrics.niqe", root / "metrics" / "niqe.py")
    with np.load(root / "metrics" / "niqe_pris_params.npz") as model:
        return port, {name: model[name] for name in model.files}


def measures(folder: Path) -> dict[str, Measure]:
    """Name of each measure -> its function of an RGB frame; lower is better."""
    port, model = published(folder)
    teacher = Niqe()
    mean, covariance = model["mu_pris_param"].ravel(), model["cov_pris_param"]

    def by_port(frame: Frame) -> float:
        return float(port.niqe(luma(frame).round(), mean, covariance, model["gaussian_window"]))

    def with_published_model(frame: Frame) -> float:
        features, _ = patch_features(luma(frame))
        gap = features.mean(axis=0) - mean
        inverse = np.linalg.pinv((covariance + np.cov(features, rowvar=False)) / 2, hermitian=True)
        return float(np.sqrt(gap @ inverse @ gap))

    return {
        "teacher": teacher.score_frame,
        "port": by_port,
        "teacher's features, published model": with_published_model,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("port", type=Path, help="the unpacked package")
    parser.add_argument("videos", nargs="+", type=Path)
    parser.add_argument("--short-side", type=int, default=540, help="frames are reduced to this short side, pixels")
    options = parser.parse_args()
    judges = measures(options.port)
    names = ["clean", *(f"{kind} {strength:g}" for kind, levels in STRENGTHS.items() for strength in levels)]
    rows: list[list[list[float]]] = []  # [video][version][measure]
    with Decoder(timeout_s=600) as decoder:
        for path in options.videos:
            frame = decoder.decode(path, 0.0, 2.0, SampleSpec(key_frames=1, motion_frames=1)).key[0, 0]
            frame = limit_short_side(frame, options.short_side)
            if min(frame.shape[:2]) < 2 * PATCH:
                continue
            versions = [frame, *(damaged(frame, kind, value) for kind, levels in STRENGTHS.items() for value in levels)]
            rows.append([[judge(version) for judge in judges.values()] for version in versions])
    table = np.array(rows)
    print(f"{len(table)} frames, lower is better; mean of each measure by version")
    for at, name in enumerate(judges):
        print(
            f"  {name}: " + "  ".join(f"{v} {m:.2f}" for v, m in zip(names, table[:, :, at].mean(axis=0), strict=True))
        )
    print(
        "SRCC with the port: all versions, clean frames only, mean within a frame; then the share of frames that have a lower"
    )
    print("value than their damaged copy")
    for at, name in enumerate(judges):
        whole = spearmanr(table[:, :, at].ravel(), table[:, :, 1].ravel()).statistic
        clean = spearmanr(table[:, 0, at], table[:, 0, 1]).statistic
        within = np.mean([spearmanr(row[:, at], row[:, 1]).statistic for row in table])
        worse = (table[:, 1:, at] > table[:, :1, at]).mean(axis=0)
        shares = "  ".join(f"{version} {share:.2f}" for version, share in zip(names[1:], worse, strict=True))
        print(f"  {name}: {whole:.3f} {clean:.3f} {within:.3f}   {shares}")


if __name__ == "__main__":
    main()
