"""Train the encoder on the samples: to say what four full-reference experts say, of pictures without their reference.

    python benchmarks/encoder/train.py SAMPLES OUT.safetensors [--epochs 12] [--check SAMPLES]

Experts are standardised; the loss is their Huber distance and, for all pairs of a batch whose mean opinions are apart, the logistic
loss of their order: so contents are ranked against each other. Pictures are cropped, turned and mirrored; in a quarter of
them the next frame is the frame itself, as in a still.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from network import DegradationNetwork
from safetensors.torch import load_file, save_file
from scipy.stats import spearmanr
from torch.nn import functional

CROP = 160


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Luma uint8 [N, 2, H, W], experts [N, 4], content and kind of all groups."""
    files = sorted(folder.glob("group-????.npz"))
    parts: list[list[np.ndarray]] = [[], [], [], []]
    for file in files:
        with np.load(file) as kept:
            for place, name in enumerate(("luma", "experts", "content", "kind")):
                parts[place].append(kept[name])
    luma, experts, content, kind = (np.concatenate(part) for part in parts)
    return luma, experts, content, kind


def transformed(experts: np.ndarray) -> np.ndarray:
    """Experts [N, 4] on scales on which their values lie evenly, higher is better."""
    values = experts.astype(np.float64).copy()
    values[:, 2] = -np.sqrt(np.maximum(values[:, 2], 0))
    values[:, 3] = -np.sqrt(np.maximum(1 - values[:, 3], 0))
    return values


def views(luma: np.ndarray, random: np.random.Generator) -> torch.Tensor:
    """Random crops float [B, 2, CROP, CROP] of a batch."""
    out = np.empty((len(luma), 2, CROP, CROP), np.float32)
    for place, pair in enumerate(luma):
        top, left = random.integers(0, pair.shape[1] - CROP + 1, 2)
        piece = pair[:, top : top + CROP, left : left + CROP]
        if random.random() < 0.5:
            piece = piece[:, :, ::-1]
        if random.random() < 0.5:
            piece = piece[:, ::-1]
        if random.random() < 0.5:
            piece = piece.transpose(0, 2, 1)
        out[place] = piece
        if random.random() < 0.25:
            out[place, 1] = out[place, 0]
        out[place] = (out[place] - 126) * np.float32(random.uniform(0.9, 1.1)) + np.float32(126 + random.uniform(-8, 8))
    return torch.from_numpy(out).contiguous(memory_format=torch.channels_last)


def loss_of(guess: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Of standardised opinions [B, 4]."""
    distance = functional.huber_loss(guess, target, delta=0.5)
    mean_guess, mean = guess.mean(dim=1), target.mean(dim=1)
    gap = mean[:, None] - mean[None]
    far = gap > 0.15
    order = functional.softplus(-3 * (mean_guess[:, None] - mean_guess[None])[far]).mean()
    return distance + 0.2 * order


@torch.inference_mode()
def check(
    network: DegradationNetwork, luma: np.ndarray, experts: np.ndarray, content: np.ndarray, kind: np.ndarray
) -> str:
    """SRCC with each expert over all samples, and with the first within the copies of a content's scene."""
    network.eval()
    parts = []
    for k in range(0, len(luma), 16):
        batch = torch.from_numpy(luma[k : k + 16].astype(np.float32)).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            parts.append(network(batch)[1].float().numpy())
    guess = np.concatenate(parts)
    values = transformed(experts)
    figures = [spearmanr(guess[:, k], values[:, k]).statistic for k in range(values.shape[1])]
    coded = np.char.find(kind, "x26") >= 0
    figures.append(spearmanr(guess[coded, 0], values[coded, 0]).statistic)
    noise = np.char.find(kind, "noisy") >= 0
    figures.append(spearmanr(guess[noise, 0], values[noise, 0]).statistic)
    within = [spearmanr(guess[content == c, 0], values[content == c, 0]).statistic for c in np.unique(content)]
    figures.append(float(np.nanmean(within)))
    network.train()
    return " ".join(f"{figure:.3f}" for figure in figures)


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", type=Path, help="samples of other contents")
    parser.add_argument("--start-from", type=Path, help="weights of a training before")
    parser.add_argument("--epochs", type=float, default=12)
    parser.add_argument("--minutes", type=float, help="instead of epochs")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    random = np.random.default_rng(options.seed)
    luma, experts, _, _ = read(options.samples)
    files = len(list(options.samples.glob("group-????.npz")))
    values = transformed(experts)
    centre, unit = values.mean(axis=0), values.std(axis=0)
    target = torch.from_numpy(((values - centre) / unit).astype(np.float32))
    other = read(options.check) if options.check else None
    network = DegradationNetwork().to(memory_format=torch.channels_last)
    if options.start_from:
        network.load_state_dict(load_file(options.start_from))
    mean = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99), use_buffers=True
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=0.02)
    began = time.time()
    order = random.permutation(len(luma))
    place, step, done, lost = 0, 0, 0.0, []
    print(f"{len(luma)} samples", flush=True)
    while done < 1:
        if place + options.batch > len(order):
            if len(list(options.samples.glob("group-????.npz"))) > files:  # made in the meantime
                luma, experts, _, _ = read(options.samples)
                files = len(list(options.samples.glob("group-????.npz")))
                target = torch.from_numpy(((transformed(experts) - centre) / unit).astype(np.float32))
            order, place = random.permutation(len(luma)), 0
        batch = order[place : place + options.batch]
        place += options.batch
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / 100) * 0.5 * (1 + np.cos(np.pi * done))
        with torch.autocast("cpu", torch.bfloat16):
            guess = network(views(luma[batch], random))[1]
        loss = loss_of(guess.float(), target[batch])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        mean.update_parameters(network)
        lost.append(loss.item())
        step += 1
        spent = (time.time() - began) / 60
        done = spent / options.minutes if options.minutes else step * options.batch / len(luma) / options.epochs
        if step % 100 == 0 or done >= 1:
            found = check(mean.module, *other) if other and (step % 500 == 0 or done >= 1) else ""
            epochs, recent = step * options.batch / len(luma), float(np.mean(lost[-100:]))
            print(f"{spent:.1f} min, step {step}, {epochs:.1f} epochs, loss {recent:.4f} {found}", flush=True)
            save_file({name: value.contiguous() for name, value in mean.module.state_dict().items()}, options.out)


if __name__ == "__main__":
    main()
