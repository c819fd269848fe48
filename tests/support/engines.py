"""DeepSpeed engines on two processes without Ray: python engines.py RESULT.json.

Every ZeRO stage in float32 and bf16: how far twenty small steps move the weights that are exported, what a gradient does that is
NaN on one rank only, and whether float32 weights come back. Then a Qwen3-VL whose head is tied to its embeddings, at ZeRO-3.
"""

import json
import math
import os
import socket
import sys
import tempfile
from pathlib import Path

import torch
from torch import nn

WORKERS = 2
STEPS = 20
RATE = 1e-5


class Network(nn.Module):
    """A frozen layer and two that learn."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Linear(16, 16, bias=False).requires_grad_(False)
        self.middle = nn.Linear(16, 16)
        self.last = nn.Linear(16, 16, bias=False)

    def forward(self, rows):
        return self.last(self.middle(self.frozen(rows)))


def job(stage, **options):
    """A job of two workers, one pair for each."""
    from trainers.job import TrainJob
    from trainers.settings import TrainingSettings

    settings = TrainingSettings(workers=WORKERS, batch_size=WORKERS, zero_stage=stage, lr=RATE, weight_decay=0.0)
    named = {"shrunk": True, **options}
    return TrainJob("", "", "", "engine", "", settings, student="qwen3_vl", student_options=named)


def whole(engine, stage, rank):
    """Exported weights."""
    from trainers.deepspeed import gather_weights

    return gather_weights(engine, stage, rank)


def measure(stage, dtype, rank):
    """Facts of one engine."""
    import deepspeed

    from trainers.deepspeed import apply_step, restore_masters, start_engine

    torch.manual_seed(0)
    number = getattr(torch, dtype)
    network = Network().to(number)
    start = {name: value.detach().clone() for name, value in network.state_dict().items()}
    engine = start_engine(network, job(stage, dtype=dtype))
    generator = torch.Generator().manual_seed(rank)
    for _ in range(STEPS):
        rows = torch.randn(1, 16, generator=generator).to(number)
        engine.backward((engine(rows).float() - 1).square().mean())
        assert apply_step(engine)
    trained = whole(engine, stage, rank)
    with deepspeed.zero.GatheredParameters(list(engine.module.parameters()), enabled=stage == 3):
        rounded = {name: value.detach().clone() for name, value in engine.module.named_parameters()}
    loss = engine(rows).float().square().mean()
    engine.backward(loss * math.nan if rank == 1 else loss)
    applied = apply_step(engine)
    after = whole(engine, stage, rank)
    engine.backward((engine(rows).float() - 1).square().mean())
    again = apply_step(engine)
    exact = {name: torch.full(value.shape, 0.1) for name, value in start.items()}
    restore_masters(engine, stage, exact)
    restored = whole(engine, stage, rank)
    if rank:
        return {"applied": applied, "again": again}
    learnt = [name for name in start if not name.startswith("frozen")]

    def moved(state):
        return (
            torch.cat([(state[name].float() != start[name].float()).flatten() for name in learnt]).float().mean().item()
        )

    return {
        "applied": applied,
        "again": again,
        "skipped": engine.skipped_steps,
        "unchanged": all(torch.equal(after[name], trained[name]) for name in start),
        "moved": moved(trained),
        "rounded_moved": moved(rounded),
        "formats": {name: str(value.dtype).removeprefix("torch.") for name, value in trained.items()},
        "restored": dtype == "float32" or all(torch.equal(restored[name], exact[name]) for name in learnt),
    }


def tied(rank):
    """Whether a student with tied weights is exported whole at ZeRO-3: names that differ from what was trained."""
    from safetensors.torch import load_file, save_file
    from transformers import Qwen3VLForConditionalGeneration

    from trainers.deepspeed import start_engine
    from trainers.student.table import build_student, load_student

    with tempfile.TemporaryDirectory() as folder:
        student = build_student("qwen3_vl", {"shrunk": True})
        student.save(folder)
        config = json.loads(Path(folder, "config.json").read_text())
        config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
        Path(folder, "config.json").write_text(json.dumps(config))
        model = Qwen3VLForConditionalGeneration.from_pretrained(folder)
        state = {name: value.clone() for name, value in model.state_dict().items() if not name.startswith("lm_head.")}
        save_file(state, Path(folder, "model.safetensors"))
        options = {"checkpoint": folder, "trained": "full"}
        student = build_student("qwen3_vl", options)
        engine = start_engine(student.trained_module(), job(3, **options))
        exported = whole(engine, 3, rank)
        if rank:
            return {}
        fresh = build_student("qwen3_vl", options)
        fresh.trained_module().load_state_dict(exported, assign=True)
        fresh.save(Path(folder, "student"))
        names = set(load_file(Path(folder, "student", "model.safetensors")))
        loaded = load_student(Path(folder, "student")).network.state_dict()
        return {
            "head": "lm_head.weight" in names,
            "differing": [name for name, value in loaded.items() if not torch.equal(value, exported[name])],
        }


def work(rank, port, path):
    """One rank."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(WORKERS))
    os.environ["LOCAL_RANK"] = str(rank)
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=WORKERS)
    facts = {f"{stage} {dtype}": measure(stage, dtype, rank) for stage in range(4) for dtype in ("float32", "bfloat16")}
    facts["tied"] = tied(rank)
    Path(f"{path}.{rank}").write_text(json.dumps(facts))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(work, args=(port, sys.argv[1]), nprocs=WORKERS)
