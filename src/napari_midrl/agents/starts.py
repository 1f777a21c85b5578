"""Where searches begin: the published grid of 19 points, and random voxels."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_midrl.agents.actions import ActionSet

GRID_SHARES = (0.5, 0.25, 0.75)


def grid_starts(shape_ijk: tuple[int, int, int], actions: ActionSet) -> Tensor:
    """Return the published fixed starts, the center first; shape (n_starts, 3).

    Shares 0.5, 0.25, 0.75 of each axis an agent can move along, in all combinations
    that hold at least one 0.5: 19 points in a volume, 5 in a slice.
    """
    axes = actions.axes
    starts = [
        [
            int(shape_ijk[axis] * shares[axes.index(axis)]) if axis in axes else 0
            for axis in range(3)
        ]
        for shares in product(GRID_SHARES, repeat=len(axes))
        if 0.5 in shares
    ]
    return torch.tensor(starts)


def random_starts(
    shapes_ijk: Tensor, central_share: float, generator: torch.Generator
) -> Tensor:
    """Return one voxel per volume, uniform in the central part of every axis.

    Parameters
    ----------
    shapes_ijk
        Shape (n_starts, 3).
    central_share
        Part of each axis to draw from: published 3/5 in training, 1/2 in tests.
    generator
        Source of chance, on the CPU.
    """
    shapes = shapes_ijk.to("cpu", torch.float32)
    low = (shapes * (1 - central_share) / 2).floor()
    high = (shapes * (1 + central_share) / 2).ceil()
    draw = torch.rand(shapes.shape, generator=generator)
    # float32 may round low + draw * (high - low) up to high itself.
    return torch.minimum(low + (draw * (high - low)).floor(), high - 1).long()


def search_starts(
    shape_ijk: tuple[int, int, int],
    actions: ActionSet,
    n_starts: int,
    central_share: float,
    generator: torch.Generator,
) -> Tensor:
    """Return `n_starts` voxels: the fixed grid first, then random ones."""
    fixed = grid_starts(shape_ijk, actions)[:n_starts]
    n_random = n_starts - len(fixed)
    shapes = torch.tensor([shape_ijk]).expand(n_random, 3)
    return torch.cat([fixed, random_starts(shapes, central_share, generator)])
