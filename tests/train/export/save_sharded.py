"""One of two ranks that save a state dict in halves, as FSDP does: RANK STATE FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

rank, state, folder = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
dist.init_process_group(
    "gloo", init_method=f"file://{state.with_suffix('.rendezvous')}", rank=rank, world_size=2
)
mesh = init_device_mesh("cpu", (2,))
whole = torch.load(state, weights_only=True)
parts = {
    name: distribute_tensor(value, mesh, [Shard(0)]) if isinstance(value, torch.Tensor) else value
    for name, value in whole.items()
}
save(parts, checkpoint_id=folder)
dist.destroy_process_group()
