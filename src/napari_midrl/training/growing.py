"""A network that knows more landmarks than the one it comes from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from napari_midrl.agents.dense_network import DenseQNetwork, QHead

if TYPE_CHECKING:
    from torch import Tensor


@torch.no_grad()
def grown(network: DenseQNetwork, n_new: int, seed: int) -> DenseQNetwork:
    """Return a network with agents for further landmarks, the old ones first.

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
    """
    n_landmarks = network.config.n_landmarks + n_new
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        larger = DenseQNetwork(replace(network.config, n_landmarks=n_landmarks))
    old = network.state_dict()
    own = {f"{name}.{part}" for name in _heads(larger) for part in ("weight", "bias")}
    for name, tensor in larger.state_dict().items():
        _take_over(tensor, old[name], name in own)
    return larger


def _heads(network: DenseQNetwork) -> list[str]:
    return [n for n, module in network.named_modules() if isinstance(module, QHead)]


def _take_over(tensor: Tensor, old: Tensor, is_of_agents: bool) -> None:
    """Set a tensor to the old one; of the agents' own layers the first rows."""
    (tensor[: len(old)] if is_of_agents else tensor).copy_(old)
