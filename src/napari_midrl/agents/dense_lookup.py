"""Moves and rewards of the dense agents, all in base units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

ACTION_NAMES = ("L+", "L-", "P+", "P-", "S+", "S-")
"""Moves along the world axes, in the order of the Q-values."""

DIRECTIONS = torch.tensor(
    [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]],
    dtype=torch.float32,
)


def move(
    positions: Tensor, actions: Tensor, step: float, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor]:
    """Return where actions lead and which would have left the image.

    Parameters
    ----------
    positions
        Shape (*any, 3), base units.
    actions
        Shape (*any,), int.
    step
        Length of a move, base units.
    low, high
        Corners of the image, shape (3,), base units. Who would leave it stays.

    Returns
    -------
    moved, stayed
        Shapes (*any, 3) and (*any,).
    """
    wanted = positions + step * DIRECTIONS.to(positions.device)[actions]
    left = ((wanted < low) | (wanted > high)).any(dim=-1)
    return torch.where(left[..., None], positions, wanted), left


def reward(
    positions: Tensor, moved: Tensor, left: Tensor, targets: Tensor, step: float
) -> Tensor:
    """Return the distance gained per step length; -1 for trying to leave the image.

    The published reward, divided by the step so that every scale has the same range
    [-1, 1] without clipping. Where there is nothing to be found every move costs 1,
    so that an agent learns to expect nothing.

    Parameters
    ----------
    positions, moved, targets
        Before and after the move, and the landmark; shapes (*any, 3), base units.
        A landmark that does not exist is NaN.
    left
        Whether the move would have left the image, shape (*any,).
    step
        Length of a move, base units.
    """
    gained = (positions - targets).norm(dim=-1) - (moved - targets).norm(dim=-1)
    futile = left | gained.isnan()
    return torch.where(futile, torch.full_like(gained, -1.0), gained / step)
