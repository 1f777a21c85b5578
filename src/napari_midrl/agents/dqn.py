"""What Q-learning aims at, what it pays, and how the target network follows."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import huber_loss

from napari_midrl.agents.reward import clip_reward

if TYPE_CHECKING:
    from torch import Tensor, nn


class Algorithm(StrEnum):
    """Who chooses the next action in the target, and who values it."""

    DQN = "DQN"
    DOUBLE_DQN = "Double DQN"


def td_target(
    r_t: Tensor,
    discount_t: Tensor | float,
    terminated_t: Tensor,
    q_target_t: Tensor,
    q_online_t: Tensor | None = None,
) -> Tensor:
    """Return r + discount * (value of the next state), shape (n_transitions,).

    Parameters
    ----------
    r_t
        Reward, shape (n_transitions,); a sum over n steps if `discount_t` is the
        discount to the power n (`n_step_return`).
    discount_t
        One number or one per transition.
    terminated_t
        Where a rule ended the episode, bool: nothing is bootstrapped there. An
        episode cut off by the step budget is *not* terminated and is bootstrapped.
    q_target_t
        Next state's Q-values by the target network, shape (n_transitions, n_actions).
    q_online_t
        Same by the online network for Double DQN [1]_: it chooses the action, the
        target network values it. None is plain DQN.

    References
    ----------
    .. [1] van Hasselt et al. (2016), Proc. AAAI 30,
       https://doi.org/10.1609/aaai.v30i1.10295
    """
    if q_online_t is None:
        value_t = q_target_t.amax(dim=1)
    else:
        chosen = q_online_t.argmax(dim=1, keepdim=True)
        value_t = q_target_t.gather(1, chosen).squeeze(1)
    bootstrap = torch.where(terminated_t, torch.zeros_like(value_t), value_t)
    return (r_t + discount_t * bootstrap).detach()


def n_step_return(
    rewards: Tensor, terminated: Tensor, discount: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the discounted reward of n steps, its discount, and whether it ended.

    Parameters
    ----------
    rewards
        Of consecutive steps of one episode, shape (n_transitions, n_steps).
    terminated
        Whether the episode terminated at that step; later steps are ignored.
    discount
        Per step.

    Returns
    -------
    return_t, discount_t, terminated_t
        Shape (n_transitions,), ready for `td_target`.
    """
    ended_before = torch.cumsum(terminated, dim=1) - terminated.to(torch.int64) > 0
    powers = discount ** torch.arange(rewards.shape[1], device=rewards.device)
    return_t = (rewards * powers * ~ended_before).sum(dim=1)
    discount_t = torch.full_like(return_t, discount ** rewards.shape[1])
    return return_t, discount_t, terminated.any(dim=1)


def td_loss(q_tm1: Tensor, a_tm1: Tensor, target_t: Tensor) -> Tensor:
    """Return the mean Huber loss between the Q-values acted on and their targets.

    Parameters
    ----------
    q_tm1
        Online Q-values where the action was chosen, shape (n_transitions, n_actions).
    a_tm1
        That action, shape (n_transitions,).
    target_t
        From `td_target`.
    """
    q_of_action = q_tm1.gather(1, a_tm1[:, None]).squeeze(1)
    return huber_loss(q_of_action, target_t)


def huber_td_loss(
    *,
    q_tm1: Tensor,
    a_tm1: Tensor,
    r_t: Tensor,
    discount: float,
    terminated_t: Tensor,
    q_target_t: Tensor,
    q_online_t: Tensor | None = None,
) -> Tensor:
    """Return the published loss: rewards clipped to [-1, 1], Huber, mean.

    Parameters are those of `td_target` and `td_loss`.
    """
    target_t = td_target(
        clip_reward(r_t), discount, terminated_t, q_target_t, q_online_t
    )
    return td_loss(q_tm1, a_tm1, target_t)


def copy_weights(online_net: nn.Module, target_net: nn.Module) -> None:
    """Make the target network equal to the online network.

    The published multi-agent code copies each target variable onto itself (its target
    lives in scope ``targets`` and the copy looks for ``target/``), so its target
    stays at random values for ever. A test holds this function to its word.
    """
    target_net.load_state_dict(online_net.state_dict())


@torch.no_grad()
def average_weights(
    online_net: nn.Module, target_net: nn.Module, rate: float = 0.005
) -> None:
    """Move the target network a share `rate` of the way to the online network."""
    for target, online in zip(
        target_net.parameters(), online_net.parameters(), strict=True
    ):
        target.lerp_(online, rate)
