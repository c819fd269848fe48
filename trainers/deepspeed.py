"""DeepSpeed: the configuration of a job, what a CPU machine needs, and the weights back out of the engine."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from trainers.job import TrainJob

ADAM_BETAS = (0.9, 0.999)
RATE = "rate"  # key of a parameter group: its share of the learning rate


def engine_config(job: TrainJob) -> dict[str, Any]:
    """The DeepSpeed configuration of a job: ZeRO stage, micro-batch, clipping, precision."""
    return {
        "train_batch_size": job.batch_size,
        "train_micro_batch_size_per_gpu": job.batch_size // job.workers,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": job.clip_norm,
        "bf16": {"enabled": job.precision == "bf16"},
        # without overlap and contiguous copies the order of summation is fixed: equal seeds give equal bytes
        "zero_optimization": {
            "stage": job.zero_stage,
            "overlap_comm": False,
            "contiguous_gradients": job.gpu,
            "stage3_param_persistence_threshold": 0,
        },
        "zero_allow_untested_optimizer": True,
        "steps_per_print": 1 << 30,
        "wall_clock_breakdown": False,
    }


def import_deepspeed(gpu: bool) -> Any:
    """Import DeepSpeed quietly, for the right device, without compiling anything.

    On a CPU its communication backend would compile a shared-memory extension at first use, which takes minutes and a
    compiler. It does so only if the extension is listed as compatible, so the list is set empty beforehand (read in
    DeepSpeed 0.19, comm/torch.py `build_shm_op`); the collectives then go through gloo.
    """
    if not gpu:
        os.environ["DS_ACCELERATOR"] = "cpu"
    import deepspeed

    if not gpu:
        vars(deepspeed.ops)["__compatible_ops__"] = {}
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    # DeepSpeed calls collectives under names that torch has begun to rename; nothing a user could change
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
    return deepspeed


def parameter_groups(
    module: nn.Module, weight_decay: float, rate_of: Callable[[str], float] = lambda _name: 1.0
) -> list[dict[str, Any]]:
    """AdamW groups: matrices decay, vectors (biases, thresholds, norms) do not.

    rate_of: share of the learning rate of a parameter, by its name; groups of another share than 1 say so under `RATE`.
    """
    groups: dict[tuple[bool, float], dict[str, Any]] = {}
    for decays in (True, False):
        for name, parameter in module.named_parameters():
            if parameter.requires_grad and (parameter.ndim >= 2) == decays:
                share = rate_of(name)
                fresh = {"params": [], "weight_decay": weight_decay if decays else 0.0}
                group = groups.setdefault((decays, share), fresh if share == 1.0 else {**fresh, RATE: share})
                group["params"].append(parameter)
    return list(groups.values())


def start_engine(module: nn.Module, job: TrainJob, rate_of: Callable[[str], float] = lambda _name: 1.0) -> Any:
    """Wrap the trained module. torch.distributed must be running already (Ray Train starts it)."""
    deepspeed = import_deepspeed(job.gpu)
    groups = parameter_groups(module, job.weight_decay, rate_of)
    optimizer = torch.optim.AdamW(groups, lr=job.learning_rate, betas=ADAM_BETAS)
    engine, *_ = deepspeed.initialize(
        model=module, optimizer=optimizer, config=engine_config(job), dist_init_required=False
    )
    return engine


def gather_weights(engine: Any, zero_stage: int, rank: int) -> dict[str, Tensor]:
    """Full weights of the engine's module on rank 0 (elsewhere an empty dict). Every rank must call this."""
    module: nn.Module = engine.module
    if zero_stage < 3:
        return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()} if rank == 0 else {}
    import deepspeed

    state: dict[str, Tensor] = {}
    for name, parameter in module.named_parameters():
        # one at a time, so that no rank ever holds the whole network on its device
        with deepspeed.zero.GatheredParameters([parameter]):
            if rank == 0:
                state[name] = parameter.detach().cpu().clone()
    if rank == 0:
        saved = set(module.state_dict())  # buffers that a network computes for itself are not
        buffers = {name: buffer for name, buffer in module.named_buffers() if name in saved}
        state.update({name: buffer.detach().cpu().clone() for name, buffer in buffers.items()})
    return state
