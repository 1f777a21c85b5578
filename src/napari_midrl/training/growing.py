"""A network that knows other landmarks than the one it comes from."""

from __future__ import annotations

from dataclasses import replace

import torch

from napari_midrl.agents.dense_blocks import QHead
from napari_midrl.agents.dense_network import DenseQNetwork


@torch.no_grad()
def grown(
    network: DenseQNetwork, n_new: int, seed: int, *, keeps_agents: bool = True
) -> DenseQNetwork:
    """Return a network with agents for further landmarks, after those it had.

    Everything is taken over. Of new agents only the last layer is new, and it is as
    small as at the start of any training: their first targets are then the rewards
    themselves. The mean of the old agents' layers would promise them the way to the
    middle of the old landmarks, which they had to unlearn.

    Parameters
    ----------
    network
        Of the old landmarks.
    n_new
        How many landmarks more.
    seed
        Of the new layers.
    keeps_agents
        Whether it goes on to know the old landmarks.
    """
    n_kept = network.config.n_landmarks if keeps_agents else 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = replace(network.config, n_landmarks=n_kept + n_new)
        if not keeps_agents:
            config = replace(config, organs=())
        larger = DenseQNetwork(config)
    old = network.state_dict()
    own = {f"{name}.{part}" for name in _heads(larger) for part in ("weight", "bias")}
    for name, tensor in larger.state_dict().items():
        if name in own:
            tensor[:n_kept] = old[name][:n_kept]
        else:
            tensor.copy_(old[name])
    return larger


def _heads(network: DenseQNetwork) -> list[str]:
    """Return the heads with an agent for every landmark; organs have others."""
    return [
        name
        for name, module in network.named_modules()
        if isinstance(module, QHead) and not name.startswith("organ_part.")
    ]
