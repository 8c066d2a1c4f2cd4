"""Fully sharded training: every process holds a part of every tensor, and fetches a layer only while it is at work.

Accelerate's own wrapping cannot be used here: it gives the token table a group of its own, and our head and our control
rows read that table outside its forward pass. So the groups are named by hand: each decoder layer, and all the rest.
The settings still come from Accelerate's file (`fsdp_config`).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import torch

from tbcore.errors import InputError
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.train.checkpoint import gathered

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["shard_model", "sharding_is_wanted", "whole_state"]


def sharding_is_wanted() -> bool:
    """Whether `accelerate launch` was given a file that asks for FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def shard_model(model: MIMForConditionalGeneration, accelerator: Accelerator) -> None:
    """Split connector and language model over all processes, in place. The frozen tower stays whole in each.

    Call it once what learns is awake and before an optimizer exists: the parameters are replaced.

    Args:
        model: the same in every process.
        accelerator: of the launch.

    Raises:
        InputError: the settings ask for the first version of FSDP.
    Source: FSDP2, `torch.distributed.fsdp.fully_shard`.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    settings = _settings(accelerator)
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    keep_whole = set(model.vision.parameters())
    for layer in model.language.inner.get_decoder().layers:  # type: ignore[union-attr]
        fully_shard(layer, mesh=mesh, **settings)
    # The rest is used until the very end of the forward pass; giving it back before would only fetch it again.
    settings["reshard_after_forward"] = False
    fully_shard(model, mesh=mesh, ignored_params=keep_whole, **settings)
    model.vision.to(accelerator.device)


def _settings(accelerator: Accelerator) -> dict[str, Any]:
    from accelerate.utils import FullyShardedDataParallelPlugin
    from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy

    plugin = FullyShardedDataParallelPlugin(fsdp_version=int(os.environ.get("FSDP_VERSION", "2")))
    if plugin.fsdp_version != 2:
        raise InputError(
            "FSDP: fsdp_version must be 2; its first version cannot mix frozen and learning tensors in one group as "
            f"low-rank adapters need it. Got {plugin.fsdp_version}; set fsdp_version: 2 in the file."
        )
    half = accelerator.mixed_precision == "bf16"
    # Gradients are summed in full precision; the loss is never rounded.
    precision = MixedPrecisionPolicy(torch.bfloat16, torch.float32) if half else MixedPrecisionPolicy()
    offload = plugin.cpu_offload if isinstance(plugin.cpu_offload, CPUOffloadPolicy) else OffloadPolicy()
    return {
        "reshard_after_forward": bool(plugin.reshard_after_forward),
        "mp_policy": precision,
        "offload_policy": offload,
    }


def whole_state(model: MIMForConditionalGeneration, *, keep: bool) -> dict[str, torch.Tensor]:
    """The whole model's tensors on the CPU; every process must ask. What is tied stays one tensor.

    Args:
        model: whole, or split by `shard_model`.
        keep: whether this process wants them; the others get an empty mapping.
    """
    pieces = dict(model.named_parameters(remove_duplicate=False)) | dict(model.named_buffers(remove_duplicate=False))
    first: dict[int, str] = {}
    names = {name: first.setdefault(id(pieces[name]), name) for name in model.state_dict()}
    found = gathered({name: pieces[name] for name in first.values()}, keep=keep)
    return {name: found[one] for name, one in names.items()} if keep else {}
