"""DeepSpeed: the configuration of a job, what a CPU machine needs, and the weights back out of the engine."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainers.job import TrainJob

ADAM_BETAS = (0.9, 0.999)
RATE = "rate"  # key of a parameter group: its share of the learning rate


def engine_config(job: TrainJob) -> dict[str, Any]:
    """The DeepSpeed configuration of a job: ZeRO stage, micro-batch, clipping, precision."""
    settings = job.settings
    return {
        "train_batch_size": settings.batch_size,
        "train_micro_batch_size_per_gpu": settings.batch_size // settings.workers,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": job.clip_norm,
        "bf16": {"enabled": job.precision == "bf16"},
        # without overlap and contiguous copies the order of summation is fixed: equal seeds give equal bytes
        "zero_optimization": {
            "stage": settings.zero_stage,
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
    """Wrap the trained module. torch.distributed must be running already (`trainers.group`)."""
    deepspeed = import_deepspeed(job.gpu)
    groups = parameter_groups(module, job.settings.weight_decay, rate_of)
    optimizer = torch.optim.AdamW(groups, lr=job.settings.lr, betas=ADAM_BETAS)
    engine, *_ = deepspeed.initialize(
        model=module, optimizer=optimizer, config=engine_config(job), dist_init_required=False
    )
    return engine


def apply_step(engine: Any) -> bool:
    """Update the weights, or leave out the update where a gradient is not finite on any rank; returns whether it was applied.

    Must follow `engine.backward`, which has averaged the gradients: all ranks see the same ones.
    """
    # ZeRO 1 to 3 and every bf16 engine look for themselves and have this mark; plain AdamW would take NaN into the weights
    if hasattr(engine.optimizer, "overflow"):
        engine.step()
        return bool(engine.was_step_applied())
    gradients = [parameter.grad for parameter in engine.module.parameters() if parameter.grad is not None]
    if all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
        engine.step()
        return True
    engine.zero_grad()
    engine.skipped_steps += 1
    return False


def _masters(engine: Any) -> dict[int, Tensor]:
    """Float32 weights of a bf16 engine at ZeRO stage 0, by the identity of the parameter."""
    groups = zip(
        getattr(engine.optimizer, "fp16_groups", ()), getattr(engine.optimizer, "fp32_groups", ()), strict=True
    )
    return {id(low): high for lows, highs in groups for low, high in zip(lows, highs, strict=True)}


def _is_rounded(parameter: Tensor) -> bool:
    """Whether the optimiser holds a more exact copy of a parameter."""
    return parameter.requires_grad and parameter.dtype != torch.float32


def gather_weights(engine: Any, zero_stage: int, rank: int) -> dict[str, Tensor]:
    """Full weights of the engine's module on rank 0 (elsewhere an empty dict). Every rank must call this.

    What was trained in bf16 comes as the optimiser holds it, in float32: the network's own copy is rounded to 8 bits, and
    steps of a small learning rate are lost in it. Tied weights come under each of their names.
    """
    import deepspeed
    from deepspeed.utils import safe_get_full_fp32_param

    module: nn.Module = engine.module
    masters = _masters(engine) if zero_stage == 0 else {}
    state: dict[str, Tensor] = {}
    gathered: dict[int, Tensor] = {}
    # one at a time, so that no rank ever holds the whole network on its device
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if id(parameter) not in gathered:
            if zero_stage and _is_rounded(parameter):
                full = safe_get_full_fp32_param(parameter)
                gathered[id(parameter)] = _kept(full, rank)
            else:
                with deepspeed.zero.GatheredParameters([parameter], enabled=zero_stage == 3):
                    gathered[id(parameter)] = _kept(masters.get(id(parameter), parameter), rank)
        if rank == 0:
            state[name] = gathered[id(parameter)]
    if rank == 0:
        saved = set(module.state_dict())  # buffers that a network computes for itself are not
        buffers = {name: buffer for name, buffer in module.named_buffers() if name in saved}
        state.update({name: buffer.detach().cpu().clone() for name, buffer in buffers.items()})
    return state


def _kept(tensor: Tensor, rank: int) -> Tensor:
    return tensor.detach().cpu().clone() if rank == 0 else torch.empty(0)


def restore_masters(engine: Any, zero_stage: int, weights: Mapping[str, Tensor]) -> None:
    """Give the optimiser of a bf16 engine float32 weights whose rounded copies the module already holds."""
    from deepspeed.utils import safe_set_full_fp32_param

    masters = _masters(engine) if zero_stage == 0 else {}
    for name, parameter in engine.module.named_parameters():
        if name in weights and _is_rounded(parameter):
            value = weights[name].to(engine.device)
            if zero_stage == 0:
                masters[id(parameter)].data.copy_(value)
            else:
                safe_set_full_fp32_param(parameter, value)
