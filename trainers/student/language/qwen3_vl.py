"""Another student by configuration only: transformers' Qwen3-VL, asked the published question about two videos.

    [system, "first video:"] [frames] [", second video:"] [frames] [question]

Two frames, a second apart, make one picture in time of 144 tokens between the marks of a vision part. There is no motion
branch. Loss, training, saving and scoring are those of the published student.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.student.language import formula
from trainers.student.language.answer import AnswerLosses, Pair
from trainers.student.language.frame_encoder import FrameEncoder
from trainers.student.language.llava_checkpoint import weight_files
from trainers.student.language.options import LanguageOptions
from trainers.student.language.packing import FRAME_SIDE
from trainers.student.language.prompt import QWEN2, Prompt
from trainers.student.language.seconds import Seconds, normalise
from trainers.student.language.student import LanguageStudent, prompt_of, read_config
from trainers.student.table import QWEN3_VL

MODEL_TYPE = "qwen3_vl"  # transformers' name of the architecture
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

    def states(self, videos: Sequence[Seconds], pairs: Sequence[Pair], ends: Sequence[Sequence[int]]) -> list[Tensor]:
        """As of `AnswerLosses`."""
        patched = [self.pixels(video.frames) for video in videos]
        grids = torch.tensor([grid for _, grid in patched], device=self.device)
        looked = self.vlm.model.get_video_features(torch.cat([patches for patches, _ in patched]), grids)
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
        return [state[:end] for state, end in zip(hidden, lengths, strict=True)]

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


class Qwen3VLStudent(LanguageStudent):
    """Qwen3-VL in transformers' layout; options: `trainers.student.language.options.LanguageOptions`."""

    name: ClassVar[str] = QWEN3_VL.name
    kind: ClassVar[str] = "Qwen3-VL"
    architecture: ClassVar[str] = "Qwen3VLForConditionalGeneration"
    tower: ClassVar[str] = ".visual."

    network: QwenNetwork

    def __init__(self, options: LanguageOptions) -> None:
        super().__init__(options)
        self.network = self._shrunk() if options.checkpoint is None else self._read(Path(options.checkpoint))
        self.network.scope = options.scope
        self.encoder = FrameEncoder(options)
        self.choose_trained()

    def _shrunk(self) -> QwenNetwork:
        from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

        build: Any = Qwen3VLForConditionalGeneration
        settings: dict[str, Any] = {name: token % (VOCABULARY - 1) for name, token in MARKS.items()}
        config = Qwen3VLConfig(text_config=dict(SHRUNK_TEXT), vision_config=dict(SHRUNK_VISION), **settings)
        vlm = build._from_config(config, dtype=self.dtype, attn_implementation=self.options.attention)  # noqa: SLF001
        formula.fill(vlm)
        return QwenNetwork(vlm, QWEN2.folded(VOCABULARY))

    def _read(self, folder: Path) -> QwenNetwork:
        from transformers import Qwen3VLForConditionalGeneration

        config = read_config(folder)
        if config.get("model_type") != MODEL_TYPE:
            raise ValueError(f"{folder} holds a model of type {config.get('model_type')!r}, not {MODEL_TYPE}")
        weight_files(folder)  # its messages are clearer than those of transformers
        model: Any = Qwen3VLForConditionalGeneration
        vlm, report = model.from_pretrained(
            folder,
            dtype=self.dtype,
            attn_implementation=self.options.attention,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
        # transformers fills what is missing with random numbers; a head that is tied to the embeddings is not missing
        if missing := sorted(report["missing_keys"]):
            raise ValueError(
                f"{folder} lacks {len(missing)} of the network's tensors, such as {', '.join(missing[:3])}: it is another "
                "model, or its download is not complete"
            )
        return QwenNetwork(vlm, prompt_of(config, folder))

    @property
    def model(self) -> Any:
        """transformers' model within the network."""
        return self.network.vlm

    def published_parts(self) -> Sequence[nn.Module]:
        """The vision tower."""
        return (self.network.vlm.model.visual,)

    def saved_name(self, key: str) -> str:
        """Name in a saved folder of one of the network's tensors."""
        return key.removeprefix("vlm.")

    def tensors(self) -> dict[str, Tensor]:
        """As of every language model, by transformers' names; a head that is tied to the embeddings is left out."""
        state = {self.saved_name(key): value for key, value in super().tensors().items()}
        tied = self.network.vlm.config.tie_word_embeddings
        return {key: value for key, value in state.items() if not (tied and key.startswith("lm_head."))}
