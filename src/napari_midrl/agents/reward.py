"""What a move is worth: the millimeters it brings the agent nearer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

LEAVING_REWARD = -1.0
"""For a move that would leave the image; the agent then stays where it is."""

REWARD_LIMIT = 1.0
"""Rewards enter the loss clipped to this much on either side of 0."""


def distance_mm(position_ijk: Tensor, target_ijk: Tensor, spacing_mm: Tensor) -> Tensor:
    """Return Euclidean distances between voxels; shape (*any,), in mm.

    Parameters
    ----------
    position_ijk, target_ijk
        Voxel indices, shape (*any, 3).
    spacing_mm
        Millimeters per voxel along i, j, k; shape (*any, 3).
    """
    offset_mm = (position_ijk - target_ijk).to(spacing_mm.dtype) * spacing_mm
    distance: Tensor = torch.linalg.vector_norm(offset_mm, dim=-1)
    return distance


def distance_reward(before_mm: Tensor, after_mm: Tensor, inside: Tensor) -> Tensor:
    """Return the distance gained, or `LEAVING_REWARD` where a move was refused.

    Parameters
    ----------
    before_mm, after_mm
        Distance to the landmark before and after the move, shape (n_walkers,), mm.
    inside
        Whether the move stayed in the image, shape (n_walkers,), bool.
    """
    refused = torch.full_like(before_mm, LEAVING_REWARD)
    return torch.where(inside, before_mm - after_mm, refused)


def clip_reward(reward: Tensor) -> Tensor:
    """Return rewards as the loss sees them, between -1 and 1."""
    return reward.clamp(-REWARD_LIMIT, REWARD_LIMIT)
