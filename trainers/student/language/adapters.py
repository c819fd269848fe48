"""Low-rank adapters (LoRA, by peft) on a language model's matrices, and the weights with them added."""

from __future__ import annotations

from torch import Tensor, nn

LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def add_adapters(model: nn.Module, rank: int) -> None:
    """Put adapters of a rank on every matrix of `LAYERS`, the only parts that then learn. Raises ValueError without peft."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise ValueError(
            "student option trained=lora needs the package peft: pip install 'weak-to-strong-vqa[lora]', or choose published"
        ) from error
    settings = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, bias="none", target_modules=list(LAYERS))
    inject_adapter_in_model(settings, model)


def merged(network: nn.Module) -> dict[str, Tensor]:
    """The network's tensors with every adapter added to the matrix that it adapts, in that matrix's own number format.

    A bf16 language model stays bf16: in float32 its merged matrices would double the folder, 15 GB for 7 billion weights,
    and are rounded again by whoever computes with them.
    """
    state = {
        key.replace(".base_layer.", "."): value for key, value in network.state_dict().items() if ".lora_" not in key
    }
    for name, module in network.named_modules():
        if hasattr(module, "get_delta_weight"):
            base = state[f"{name}.weight"]
            state[f"{name}.weight"] = (base + module.get_delta_weight("default")).to(base.dtype)
    return state
