"""The lite student: features of frozen networks and motion statistics, one trained comparison head.

It runs on a CPU, needs no download, and the folder it saves stands alone (encoder weights included).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainers.levels import LEVELS
from trainers.student.base import NO_VIEWS, OwnPairs, Student
from trainers.student.lite.degradation import DegradationNetwork, folded, trained
from trainers.student.lite.efficientnet import EfficientNetLite0, FoldedPyramid, pretrained
from trainers.student.lite.features import BLOCKS, DEPTH, FeatureBlock, Views
from trainers.student.lite.head import ComparisonHead
from trainers.student.lite.options import LiteOptions
from trainers.student.lite.prior import SHARE, prior_pairs
from trainers.student.table import LITE
from trainers.videos import Vectors

DEFAULTS = LiteOptions()


class LiteStudent(Student):
    """Frozen features and a comparison head; options: `trainers.student.lite.options.LiteOptions`."""

    name: ClassVar[str] = LITE.name
    mirrors: ClassVar[bool] = True

    def __init__(self, options: LiteOptions = DEFAULTS, *, weights: bool = True) -> None:
        """`weights`: with those of the packages; without, the frozen networks wait for those of a saved student."""
        super().__init__()
        known = {block.name: block for block in BLOCKS}
        self.blocks: tuple[FeatureBlock, ...] = tuple(known[name] for name in options.blocks or known)
        self.options = options.model_copy(update={"blocks": tuple(block.name for block in self.blocks)})
        needed = {block.network for block in self.blocks}
        self.backbone: EfficientNetLite0 | None = None
        self.degradation: DegradationNetwork | None = None
        if "pyramid" in needed:
            self.backbone = pretrained() if weights else EfficientNetLite0().freeze()
        if "degradation" in needed:
            self.degradation = trained() if weights else DegradationNetwork().freeze()
        groups = [(size, block.weight) for block in self.blocks for size in block.groups]
        self.head = ComparisonHead(
            groups, options.hidden, options.dropout, self._coarse() if options.content else slice(0)
        )

    def _places(self) -> dict[str, slice]:
        """Where each block lies in the feature vector."""
        ends = np.cumsum([block.size for block in self.blocks]).tolist()
        return {block.name: slice(end - block.size, end) for block, end in zip(self.blocks, ends, strict=True)}

    def _coarse(self) -> slice:
        """Where the coarse block lies in the feature vector; empty without one."""
        coarse = (block.name for block in self.blocks if block.coarse)
        return self._places().get(next(coarse, ""), slice(0))

    @property
    def feature_size(self) -> int:
        """D, the sum of the blocks' sizes."""
        return sum(block.size for block in self.blocks)

    def encode(
        self,
        key: np.ndarray,
        luma: np.ndarray,
        fps: float,
        views: Mapping[str, np.ndarray] = NO_VIEWS,  # noqa: ARG002 - it takes none
    ) -> np.ndarray:
        """All feature blocks in a row, float32 [D]. Raises ValueError for views of another shape."""
        if key.ndim != 5 or key.shape[1] != 2 or key.shape[-1] != 3 or luma.ndim != 3:
            raise ValueError(f"key must be [S, 2, H, W, 3] and luma [N, h, w], not {key.shape} and {luma.shape}")
        sample = Views(key, luma, fps, self._pyramid, self._folded)
        parts = [block.compute(sample) for block in self.blocks]
        features = np.concatenate(parts).astype(np.float32)
        if not np.isfinite(features).all():
            raise ValueError("the encoder gave a number that is not finite")
        return features

    @cached_property
    def _pyramid(self) -> FoldedPyramid | None:
        """The part of the ImageNet network that encodes; its weights are there before the first video."""
        return None if self.backbone is None else FoldedPyramid(self.backbone.eval(), DEPTH)

    @cached_property
    def _folded(self) -> DegradationNetwork | None:
        """The degradation network as it encodes."""
        return None if self.degradation is None else folded(self.degradation)

    @cached_property
    def _encoder_digest(self) -> str:
        digest = hashlib.sha256(json.dumps([LITE.version, [block.name for block in self.blocks]]).encode())
        for network in (self.backbone, self.degradation):
            for key, value in sorted(network.state_dict().items()) if network is not None else ():
                digest.update(key.encode() + value.numpy().tobytes())
        return digest.hexdigest()[:16]

    def encoder_digest(self) -> str:
        """Digest over the blocks, the version of the features and the encoder's weights."""
        return self._encoder_digest

    def prepare(self, features: np.ndarray, differences: np.ndarray, weights: np.ndarray) -> None:
        """Fit the normalisation of the features."""
        self.head.fit_normalisation(features, differences, weights)

    def own_pairs(self, features: np.ndarray, rows: np.ndarray, given: int, seed: int) -> OwnPairs | None:
        """What the degradation network says across contents."""
        place = self._places().get("degradation")
        if self.degradation is None or place is None or not self.options.prior:
            return None
        opinion = self.degradation.opinion(features[rows, place])
        return prior_pairs(opinion, round(SHARE * given), self.options.prior, seed)

    def trained_module(self) -> nn.Module:
        """The comparison head alone: features are cached, so the encoder need not be there."""
        return self.head

    def pair_logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits [B, 5]; exchanging the videos mirrors them exactly."""
        logits: Tensor = self.head(first, second)
        return logits

    @torch.inference_mode()
    def quality(self, features: np.ndarray) -> np.ndarray:
        """Scalar quality float32 [B] of feature rows [B, D]; comparable between videos, higher is better."""
        self.eval()
        result: np.ndarray = self.head.quality(torch.from_numpy(np.asarray(features, np.float32))).numpy()
        return result

    @torch.inference_mode()
    def blocks_at_average(self, anchors: np.ndarray, tests: Vectors) -> dict[str, np.ndarray]:
        """As of every student: what is left of a block is its normalised part, so a block does not answer for the content."""
        self.eval()
        rows = torch.from_numpy(np.asarray(tests, np.float32))
        first = self.head.quality(torch.from_numpy(np.asarray(anchors, np.float32)))
        found = {}
        for name, place in self._places().items():
            difference = self.head.quality_at_average(rows, place)[:, None] - first[None, :]
            logits = self.head.link(difference.reshape(-1))
            found[name] = logits.reshape(len(rows), len(first), len(LEVELS)).numpy()
        return found

    def save(self, folder: str | Path) -> None:
        """Write encoder and head as safetensors, and the options as JSON."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        state = {key: value.detach().cpu().contiguous() for key, value in self.state_dict().items()}
        save_file(state, target / "model.safetensors")
        config = {
            "student": self.name,
            "options": self.options.saved(),
            "features_version": LITE.version,
            "feature_blocks": {block.name: block.size for block in self.blocks},
            "levels": list(LEVELS),
        }
        (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> LiteStudent:
        """Read what `save` wrote. Raises ValueError for another student or version of the features."""
        source = Path(folder)
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        if config.get("student") != cls.name:
            raise ValueError(f"{source} holds the student '{config.get('student')}', not '{cls.name}'")
        if config.get("features_version") != LITE.version:
            raise ValueError(
                f"{source} was trained on features of version {config.get('features_version')}, this "
                f"program computes version {LITE.version}: train the student again"
            )
        options = LITE.parse(config["options"])
        assert isinstance(options, LiteOptions)
        student = cls(options, weights=False)
        state = load_file(source / "model.safetensors")
        state.setdefault("head.content", student.head.content)  # zeros: what was trained before there was a content map
        student.load_state_dict(state)
        return student.eval()
