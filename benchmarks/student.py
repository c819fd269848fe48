"""Measure the LLaVA student in a plain process on random pixels: torch and transformers, no Ray, DeepSpeed or video.

    python benchmarks/student.py                                   the shrunk network on this CPU
    python benchmarks/student.py --shape 7b --device meta          FLOPs of the full network, without computing it
    python benchmarks/student.py --shape 7b --device cuda --peak 989e12 --layers 14

Prints one JSON object: training (tokens per second, FLOPs per step, share of the peak, peak memory), padding of batches
with and without sorting by length, and the FLOPs of scoring with cached prefixes against independent pairs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1]))

from trainers.batches import PairSampler
from trainers.losses import sequence_loss
from trainers.student.language.llava import SHRUNK_TEXT, SHRUNK_VISION, SO400M
from trainers.student.language.llava_network import LlavaNetwork, llava_config
from trainers.student.language.packing import visual_tokens
from trainers.student.language.prompt import QWEN2
from trainers.student.language.seconds import Seconds

QWEN2_7B = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
            "num_key_value_heads": 4, "vocab_size": 152064}  # fmt: skip
ANCHORS = 5


def build(shape: str, device: str, layers: int | None) -> LlavaNetwork:
    """The network with random weights; the trained parts are as published."""
    text, vision = (QWEN2_7B, SO400M) if shape == "7b" else (SHRUNK_TEXT, SHRUNK_VISION)
    text = {**text, **({"num_hidden_layers": layers} if layers else {})}
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    with torch.device(device):
        network = LlavaNetwork(llava_config(text, vision), QWEN2.folded(text["vocab_size"]), dtype=dtype)
    network.requires_grad_(False)
    for part in (network.llava.model.vision_tower, network.llava.model.multi_modal_projector, network.motion_projector):
        part.requires_grad_(True)
    network.llava.activation_checkpointing_enable({"use_reentrant": False})
    return network


def video(seconds: int, device: str) -> Seconds:
    """Random pixels and motion of a clip of `seconds` seconds."""
    frames = torch.randint(0, 256, (seconds, 384, 384, 3), dtype=torch.uint8, device=device)
    return Seconds(frames, torch.rand(max(8, min(seconds, 10)), 256, device=device))


def training(network: LlavaNetwork, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time and FLOPs of a training step, with every video in one pair."""
    device, batch = arguments.device, arguments.batch
    videos = [video(arguments.seconds, device) for _ in range(2 * batch)]
    pairs = [(2 * k, 2 * k + 1) for k in range(batch)]
    labels = torch.arange(batch) % 5
    parameters = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-5, weight_decay=0.0)
    network.train()

    def step() -> tuple[float, float]:
        started = time.perf_counter()
        losses = network(videos, pairs, labels.to(device))
        total = sequence_loss(
            losses, labels.to(device), 0.5, weights=torch.ones(batch, device=device), normaliser=batch
        ).total
        total.backward()
        synchronise(device)
        passed = time.perf_counter()
        optimizer.step()
        optimizer.zero_grad()
        synchronise(device)
        return passed - started, time.perf_counter() - started

    with FlopCounterMode(display=False) as counter:
        step()
    tokens = batch * (2 * visual_tokens(arguments.seconds, len(videos[0].motion)) + len(QWEN2.before) + len(QWEN2.between)
                      + len(QWEN2.question) + 1 + len(QWEN2.rest))  # fmt: skip
    times = np.array([step() for _ in range(arguments.steps)])
    seconds = float(np.median(times[:, 1]))
    figures: dict[str, Any] = {
        "tokens_per_step": tokens,
        "flops_per_step": counter.get_total_flops(),
        "seconds_per_step": seconds,
        "tokens_per_second": tokens / seconds,
        "share_outside_forward_backward": float(1 - (times[:, 0] / times[:, 1]).mean()),
    }
    if arguments.peak:
        figures["share_of_peak"] = counter.get_total_flops() / seconds / arguments.peak
    if device == "cuda":
        figures["peak_memory_bytes"] = torch.cuda.max_memory_allocated()
    return figures


def synchronise(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        torch.cuda.synchronize()


@torch.no_grad()
def scoring(network: LlavaNetwork, arguments: argparse.Namespace) -> dict[str, Any]:
    """FLOPs and time of one test video against five anchors: cached prefixes, and five independent pairs."""
    network.eval()
    anchors = [video(arguments.seconds, arguments.device) for _ in range(ANCHORS)]
    test = video(arguments.seconds, arguments.device)
    prefixes = [network.prefix(network.visual([anchor])[0]) for anchor in anchors]

    def cached() -> Tensor:
        return network.continuations(prefixes, network.visual([test])[0])

    def apart() -> Tensor:
        return torch.cat([network([anchor, test], [(0, 1)]) for anchor in anchors])

    figures: dict[str, Any] = {}
    answers = []
    for name, work in (("cached", cached), ("apart", apart)):
        with FlopCounterMode(display=False) as counter:
            answers.append(work())
        started = time.perf_counter()
        work()
        synchronise(arguments.device)
        figures[f"{name}_flops"] = counter.get_total_flops()
        figures[f"{name}_seconds"] = time.perf_counter() - started
    figures["flops_ratio"] = figures["cached_flops"] / figures["apart_flops"]
    if arguments.device != "meta":
        figures["largest_difference_of_logits"] = float((answers[0] - answers[1]).abs().max())
    return figures


def padding(batch: int, pairs: int = 4000) -> dict[str, float]:
    """Share of padding of one rank's batches for clips of 5 to 12 seconds (the method's default), sorted by length or not."""
    random = np.random.default_rng(0)
    clip = random.integers(5, 13, (pairs, 2))
    lengths = np.array([sum(visual_tokens(int(s), int(min(10, max(8, s)))) for s in pair) for pair in clip])
    shares = {}
    for name, order in (("sorted", lengths), ("unsorted", None)):
        sampler = PairSampler(np.ones(pairs), batch, 1, 0, seed=0, lengths=order)
        batches = [lengths[sampler.batch(step).index] for step in range(sampler.steps_per_epoch)]
        shares[name] = float(1 - lengths.sum() / sum(part.max() * len(part) for part in batches))
    return shares


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=("shrunk", "7b"), default="shrunk")
    parser.add_argument("--device", choices=("cpu", "cuda", "meta"), default="cpu")
    parser.add_argument("--layers", type=int, help="layers of the language model; fewer layers fit on one GPU")
    parser.add_argument("--seconds", type=int, default=8, help="length of the clips")
    parser.add_argument("--batch", type=int, default=2, help="pairs per step")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--peak", type=float, help="peak FLOP/s of the device")
    arguments = parser.parse_args()
    network = build(arguments.shape, arguments.device, arguments.layers)
    figures: dict[str, Any] = {
        "settings": vars(arguments),
        "padding": padding(8),
        "scoring": scoring(network, arguments),
    }
    if arguments.device != "meta":
        figures["training"] = training(network, arguments)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
