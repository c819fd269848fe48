"""Another student by configuration only: transformers' Qwen3-VL, asked the published question about two videos.

    [system, "first video:"] [frames] [", second video:"] [frames] [question]

Two frames, a second apart, make one picture in time of 144 tokens between the marks of a vision part. There is no motion
branch. Loss, training, saving and scoring are those of the published student.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.student.base import NO_VIEWS, Student
from trainers.student.language import formula
from trainers.student.language.adapters import add_adapters, merged
from trainers.student.language.answer import SCOPES, AnswerLosses, Pair
from trainers.student.language.llava_checkpoint import weight_files, write_weights
from trainers.student.language.packing import FEATURE, FRAME_SIDE, pack, packed_length
from trainers.student.language.prompt import QWEN2, Prompt, read_prompt
from trainers.student.language.seconds import Seconds, normalise, unpack_pairs
from trainers.student.table import ENCODER_VERSIONS, VIEWS_TAKEN

if TYPE_CHECKING:
    from trainers.losses import SequenceLosses

TRAINED = ("published", "lora", "full")
# Ids of the released models, folded into the shrunk vocabulary as the prompt is.
MARKS = {
    "vision_start_token_id": 151652,
    "vision_end_token_id": 151653,
    "image_token_id": 151655,
    "video_token_id": 151656,
}
VOCABULARY = 2048
SHRUNK_TEXT = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4,
               "num_key_value_heads": 2, "head_dim": 16, "vocab_size": VOCABULARY,
               "rope_parameters": {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [4, 2, 2]}}  # fmt: skip
SHRUNK_VISION = {"hidden_size": 32, "intermediate_size": 48, "depth": 2, "num_heads": 2, "out_hidden_size": 64,
                 "deepstack_visual_indexes": [0]}  # fmt: skip


class FrameEncoder:
    """The frozen part: frames of 384x384 as they are. Takes the student's options and needs none of them."""

    name = "qwen3_vl"

    def __init__(self, **_student: Any) -> None: ...

    def encode(
        self,
        key: np.ndarray,  # noqa: ARG002 - it takes its own view
        luma: np.ndarray,  # noqa: ARG002
        fps: float,  # noqa: ARG002
        views: Mapping[str, np.ndarray] = NO_VIEWS,
    ) -> np.ndarray:
        """Frames and one motion vector of zeros (`packing.pack`); views: "student_frames" uint8 [T, 384, 384, 3]."""
        (view,) = VIEWS_TAKEN[self.name]
        if view not in views:
            raise ValueError(f"the video was decoded for another student: it has no view {view}")
        return pack(views[view], np.zeros((1, FEATURE)))


class QwenNetwork(AnswerLosses):
    """Qwen3-VL over pairs of videos. Parameters keep transformers' names below `vlm.`."""

    def __init__(self, vlm: Any, prompt: Prompt) -> None:
        super().__init__()
        self.vlm = vlm
        self.prompt = prompt

    @property
    def head(self) -> nn.Module:
        """The language model's head."""
        return cast("nn.Module", self.vlm.lm_head)

    def pixels(self, frames: Tensor) -> tuple[Tensor, tuple[int, int, int]]:
        """Patches [P, 3 * 2 * 16 * 16] of frames uint8 [T, 384, 384, 3], and how many in time, height and width.

        The order is that of transformers' processor: the patches that are merged into one token follow each other.
        """
        vision = self.vlm.config.vision_config
        time, side, merge = vision.temporal_patch_size, vision.patch_size, vision.spatial_merge_size
        frames = torch.cat([frames, frames[-1:].expand(-len(frames) % time, -1, -1, -1)])
        grid = (len(frames) // time, FRAME_SIDE // side, FRAME_SIDE // side)
        blocks = normalise(frames.to(self.device)).reshape(
            grid[0], time, 3, grid[1] // merge, merge, side, grid[2] // merge, merge, side
        )
        return blocks.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(-1, 3 * time * side * side), grid

    def forward(
        self,
        videos: Sequence[Seconds],
        pairs: Sequence[Pair],
        labels: Tensor | None = None,
        accepted: Tensor | None = None,
    ) -> Tensor | SequenceLosses:
        """As `LlavaNetwork.forward`: logits [B, 5] of the pairs, or their losses if labels are given."""
        seen = [self.pixels(video.frames) for video in videos]
        grids = torch.tensor([grid for _, grid in seen], device=self.device)
        looked = self.vlm.model.get_video_features(torch.cat([patches for patches, _ in seen]), grids)
        ends = [self.prompt.question] * len(pairs) if labels is None else [self.prompt.answered(int(k)) for k in labels]
        rows = [self._tokens(grids[list(pair)].tolist(), end) for pair, end in zip(pairs, ends, strict=True)]
        lengths = [len(ids) for ids, _ in rows]
        ids, kinds = (
            torch.stack([functional.pad(torch.tensor(row[k]), (0, max(lengths) - len(row[k]))) for row in rows]).to(
                self.device
            )
            for k in (0, 1)
        )
        real = torch.arange(max(lengths), device=self.device)[None] < torch.tensor(lengths, device=self.device)[:, None]
        order = [place for pair in pairs for place in pair]
        positions, _ = self.vlm.model.get_rope_index(ids, kinds, video_grid_thw=grids[order], attention_mask=real)
        visual = kinds.bool()

        def in_order(parts: Sequence[Tensor]) -> Tensor:
            return torch.cat([parts[place] for place in order])

        embedded = self.vlm.get_input_embeddings()(ids)
        tokens = in_order(looked.pooler_output).to(embedded.dtype)
        # causal attention: what pads a shorter pair on the right is never seen, so no mask is needed
        hidden = self.vlm.model.language_model(
            inputs_embeds=embedded.masked_scatter(visual[..., None], tokens),
            position_ids=positions,
            visual_pos_masks=visual,
            deepstack_visual_embeds=[in_order(parts) for parts in looked.deepstack_features],
            use_cache=False,
        ).last_hidden_state
        if labels is None:
            return self.word_logits(torch.stack([state[end - 1] for state, end in zip(hidden, lengths, strict=True)]))
        states = [state[: end - 1] for state, end in zip(hidden, lengths, strict=True)]
        return self.losses(states, labels, accepted)

    def _tokens(self, grids: Sequence[Sequence[int]], end: Sequence[int]) -> tuple[list[int], list[int]]:
        """Ids of a pair's tokens and their kinds (0 text, 2 video, as transformers counts them)."""
        config = self.vlm.config
        ids: list[int] = []
        kinds: list[int] = []
        for text, (time, height, width) in zip((self.prompt.before, self.prompt.between), grids, strict=True):
            count = height * width // config.vision_config.spatial_merge_size**2
            picture = [config.vision_start_token_id, *[config.video_token_id] * count, config.vision_end_token_id]
            ids += [*text, *picture * time]
            kinds += [*[0] * len(text), *[0, *[2] * count, 0] * time]
        return [*ids, *end], [*kinds, *[0] * len(end)]


class Qwen3VLStudent(Student):
    """Options:

    checkpoint: folder of a Qwen3-VL model in transformers' layout (configuration, safetensors, tokenizer).
    shrunk: instead of a checkpoint, a small network that a formula fills.
    trained, vision_rate, scope, rank, attention, checkpointing, dtype: as of `trainers.student.language.llava.LlavaStudent`.
    """

    name: ClassVar[str] = "qwen3_vl"
    pairs_at_once: ClassVar[int] = 4

    def __init__(
        self,
        checkpoint: str | None = None,
        shrunk: bool = False,
        trained: str = "published",
        vision_rate: float = 0.2,
        scope: str = "answer",
        rank: int = 16,
        attention: str = "sdpa",
        checkpointing: bool = True,
        dtype: str = "float32",
    ) -> None:
        super().__init__()
        for option, value, known in (("trained", trained, TRAINED), ("scope", scope, SCOPES),
                                     ("dtype", dtype, ("float32", "bfloat16", "float16"))):  # fmt: skip
            if value not in known:
                raise ValueError(f"student option '{option}': unknown {value!r}; choose one of {', '.join(known)}")
        if checkpoint is None and not shrunk:
            raise ValueError("the student qwen3_vl needs a checkpoint: --set student.options.checkpoint=FOLDER")
        self.options: dict[str, Any] = {
            "checkpoint": checkpoint, "trained": trained, "vision_rate": vision_rate, "scope": scope, "rank": rank,
            "attention": attention, "checkpointing": checkpointing, "dtype": dtype,
        }  # fmt: skip
        self.network = self._shrunk() if checkpoint is None else self._read(Path(checkpoint))
        self.network.scope = scope
        self._choose_trained()

    def _shrunk(self) -> QwenNetwork:
        from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

        build: Any = Qwen3VLForConditionalGeneration
        settings: dict[str, Any] = {name: token % (VOCABULARY - 1) for name, token in MARKS.items()}
        config = Qwen3VLConfig(text_config=dict(SHRUNK_TEXT), vision_config=dict(SHRUNK_VISION), **settings)
        vlm = build._from_config(config, dtype=self._dtype, attn_implementation=self.options["attention"])  # noqa: SLF001
        formula.fill(vlm)
        return QwenNetwork(vlm, QWEN2.folded(VOCABULARY))

    def _read(self, folder: Path) -> QwenNetwork:
        from transformers import Qwen3VLForConditionalGeneration

        config = _config(folder)
        if config.get("model_type") != "qwen3_vl":
            raise ValueError(f"{folder} holds a model of type {config.get('model_type')!r}, not qwen3_vl")
        weight_files(folder)  # its messages are clearer than those of transformers
        vlm = Qwen3VLForConditionalGeneration.from_pretrained(
            folder,
            dtype=self._dtype,
            attn_implementation=self.options["attention"],
            local_files_only=True,
            use_safetensors=True,
        )
        saved = config.get("prompt")
        prompt = Prompt(**{name: tuple(ids) for name, ids in saved.items()}) if saved else read_prompt(folder)
        return QwenNetwork(vlm, prompt)

    @property
    def _dtype(self) -> torch.dtype:
        return cast("torch.dtype", getattr(torch, self.options["dtype"]))

    def _choose_trained(self) -> None:
        vlm: Any = self.network.vlm
        vlm.requires_grad_(self.options["trained"] == "full")
        vlm.model.visual.requires_grad_(True)
        if self.options["trained"] == "lora":
            add_adapters(vlm.model.language_model, self.options["rank"])
        if self.options["checkpointing"]:
            vlm.activation_checkpointing_enable({"use_reentrant": False})

    @property
    def feature_size(self) -> int:
        """Length of the vector of one frame; a video's is longer."""
        return packed_length(1, 1)

    def encode(
        self, key: np.ndarray, luma: np.ndarray, fps: float, views: Mapping[str, np.ndarray] = NO_VIEWS
    ) -> np.ndarray:
        """As of `FrameEncoder`."""
        return FrameEncoder().encode(key, luma, fps, views)

    def encoder_digest(self) -> str:
        """Digest over the version of the features, which no weights decide."""
        return hashlib.sha256(json.dumps([self.name, ENCODER_VERSIONS[self.name]]).encode()).hexdigest()[:16]

    def prepare(self, features: np.ndarray, differences: np.ndarray, weights: np.ndarray) -> None:
        """Nothing: the network takes pixels."""

    def trained_module(self) -> nn.Module:
        """The whole network."""
        return self.network

    def pair_logits(self, first: Tensor, second: Tensor) -> Tensor:
        """Logits float32 [B, 5] of packed videos [B, D], zeros behind a shorter one."""
        return cast("Tensor", self.network(*unpack_pairs(list(first), list(second))))

    def rate_of(self, name: str) -> float:
        """Share of the job's learning rate for a parameter of the trained module."""
        return float(self.options["vision_rate"]) if ".visual." in name else 1.0

    def save(self, folder: str | Path) -> None:
        """Write weights (adapters merged) and configuration; transformers reads the same folder."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        tied = self.network.vlm.config.tie_word_embeddings
        state = {key.removeprefix("vlm."): value for key, value in merged(self.network).items()}
        write_weights({key: value for key, value in state.items() if not (tied and key.startswith("lm_head."))}, target)
        config = self.network.vlm.config.to_dict() | {
            "architectures": ["Qwen3VLForConditionalGeneration"],
            "student": self.name,
            "student_options": {key: value for key, value in self.options.items() if key != "checkpoint"},
            "prompt": {name: list(getattr(self.network.prompt, name)) for name in Prompt.__dataclass_fields__},
        }
        (target / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Qwen3VLStudent:
        """Read what `save` wrote, onto a GPU where there is one. Raises ValueError for another student."""
        config = _config(Path(folder))
        if config.get("student") != cls.name:
            raise ValueError(f"{folder} holds the student '{config.get('student')}', not '{cls.name}'")
        student = cls(**{**config["student_options"], "checkpoint": str(folder)})
        return student.to("cuda" if torch.cuda.is_available() else "cpu").eval()


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"{folder} is no checkpoint: it has no config.json")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config
