"""Scales, moves and rewards of the dense agents, all in base units."""

from __future__ import annotations

from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Scale:
    """One level of the coarse-to-fine search; lengths in base units.

    Parameters
    ----------
    step
        Length of a move.
    level
        Base units per voxel of the features it reads.
    box
        Edge of the region it mainly looks at: the reach of the convolutions of its
        own level. Deeper levels add faint context from farther away.
    """

    step: float
    level: float
    box: float


@dataclass(frozen=True)
class Closeup:
    """A part of the search inside cubes around what was found before it.

    Parameters
    ----------
    edge
        Of a cube, in base units.
    voxels_per_unit
        Of the image inside, along each axis.
    scales
        Played inside, coarser first.
    """

    edge: int
    voxels_per_unit: int
    scales: tuple[Scale, Scale]

    @property
    def level(self) -> float:
        """Base units per voxel of its features: blocks of 2x2x2 image voxels."""
        return self.scales[0].level


COARSE_SCALES = (Scale(4.0, 4, box=40), Scale(2.0, 2, box=24))
"""Played on the maps of the whole volume."""

FINE = Closeup(16, 2, (Scale(1.0, 1, box=12), Scale(0.5, 1, box=10)))
"""Played by all agents."""

DETAIL = Closeup(8, 4, (Scale(0.5, 0.5, box=6), Scale(0.25, 0.5, box=5)))
"""Played by agents of packs that have it, inside the fine cubes: for landmarks smaller
than a base unit in bodies too large for a smaller one."""


def last_scales(finest: Scale) -> tuple[Scale, Scale]:
    """Return scales played on the Q-values of the finest one, with shorter steps.

    Which way is better does not depend on how far the step leads.
    """
    return replace(finest, step=finest.step / 2), replace(finest, step=finest.step / 4)


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
