"""What the dense agents learn from: rewards, and their own later expectations.

Q-learning with exploring starts: states are drawn anywhere, every action is tried in
each, and the agent then follows its own greedy policy for a few steps. Because a
step is a look-up, fresh transitions cost less than storing old ones, so there is no
replay and no epsilon: exploration is in the starts and the first action.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_midrl.agents.dense_blocks import N_ACTIONS
from napari_midrl.agents.dense_lookup import move, reward

if TYPE_CHECKING:
    from torch import Tensor

    from napari_midrl.agents.dense_blocks import QField
    from napari_midrl.agents.dense_scales import Scale


@dataclass(frozen=True)
class Targets:
    """How a temporal-difference target is made.

    Parameters
    ----------
    discount
        Gamma. The published agents have 0.9 [1]_. Since every single move is
        rewarded, a shorter horizon leads to the same place, and the network need not
        tell how far away that is: what moves differ by is then most of a Q-value and
        not a tenth of it, and is learned many times faster (docs/training.md).
    n_rewards
        Rewards summed before bootstrapping (n-step return).
    double
        Whether the online network chooses the last action and the lagging one only
        judges it [2]_; otherwise the lagging network does both, as published [1]_.

    References
    ----------
    .. [1] Parekh et al. (2020), Proc. MIDL, PMLR 121, 588-600,
       https://proceedings.mlr.press/v121/parekh20a.html
    .. [2] van Hasselt et al. (2016), Deep reinforcement learning with double
       Q-learning, Proc. AAAI 30, 2094-2100.
    """

    discount: float = 0.5
    n_rewards: int = 3
    double: bool = True


@dataclass(frozen=True)
class Field:
    """Where agents may go and what they seek, for n maps at once.

    Parameters
    ----------
    low, high
        Corners of the image, shape (3,), or (n, 1, 3) where maps differ; base units.
    targets
        Landmark of each map, shape (n, 3), base units. It may lie outside; NaN where
        there is none.
    """

    low: Tensor
    high: Tensor
    targets: Tensor


def td_loss(
    online: QField,
    target: QField,
    starts: Tensor,
    field: Field,
    scale: Scale,
    rule: Targets | None,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the Huber loss of n-step Q-learning, or of remembering, at one scale.

    No position is terminal: an agent at the landmark goes on, and the end rule picks
    the best position of the cycle it falls into. `terminated` therefore never cuts a
    target, and a truncated walk is bootstrapped like any other.

    Parameters
    ----------
    online, target
        Q-values of n agents by the trained and by the lagging network; by one that is
        to be remembered, without a rule.
    starts
        States, shape (n, n_starts, 3), base units.
    field, scale, rule
        See there. Without a rule Q-values are to be what `target` says, as in dark
        experience replay [1]_: no reward counts.
    weights
        How much each agent counts, shape (n,); None means all alike.

    References
    ----------
    .. [1] Buzzega et al. (2020), Dark experience for general continual learning,
       NeurIPS 33, 15920-15930.
    """
    expected = online(starts)
    with torch.no_grad():
        if rule is None:
            returns = target(starts)
        else:
            returns = n_step_returns(online, target, starts, field, scale, rule)
    if weights is None:
        return functional.smooth_l1_loss(expected, returns)
    each = functional.smooth_l1_loss(expected, returns, reduction="none")
    return (each.mean(dim=(1, 2)) * weights).sum() / weights.sum()


def n_step_returns(
    online: QField,
    target: QField,
    starts: Tensor,
    field: Field,
    scale: Scale,
    rule: Targets,
) -> Tensor:
    """Return the target of every action; shape (n, n_starts, action)."""
    n, n_starts, _ = starts.shape
    targets = field.targets[:, None].expand(n, n_starts * N_ACTIONS, 3)
    positions = starts.repeat_interleave(N_ACTIONS, dim=1)
    actions = torch.arange(N_ACTIONS, device=starts.device).repeat(n, n_starts)
    total = torch.zeros(n, n_starts * N_ACTIONS, device=starts.device)
    weight = 1.0
    for _ in range(rule.n_rewards):
        moved, left = move(positions, actions, scale.step, field.low, field.high)
        total += weight * reward(positions, moved, left, targets, scale.step)
        weight *= rule.discount
        positions = moved
        actions = online(positions).argmax(dim=-1)
    judged = target(positions)
    if not rule.double:
        actions = judged.argmax(dim=-1)
    total += weight * judged.gather(-1, actions[..., None])[..., 0]
    return total.reshape(n, n_starts, N_ACTIONS)


@torch.no_grad()
def follow(
    target_net: torch.nn.Module, online_net: torch.nn.Module, rate: float
) -> None:
    """Move the target network's weights a small share towards the online one's."""
    pairs = zip(target_net.parameters(), online_net.parameters(), strict=True)
    for lagging, trained in pairs:
        lagging.lerp_(trained, rate)
