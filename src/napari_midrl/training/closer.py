"""Cubes near landmarks that agents learn in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from napari_midrl.agents.dense_scales import Closeup
    from napari_midrl.training.views import View


@dataclass(frozen=True)
class Closer:
    """Cubes near landmarks: where they begin, what they show, what is sought there.

    `targets` count from the corners.
    """

    closeup: Closeup
    corners: Tensor
    cubes: Tensor
    targets: Tensor

    @classmethod
    def around(
        cls,
        view: View,
        landmarks: Tensor,
        closeup: Closeup,
        reach: float,
        generator: torch.Generator,
    ) -> Closer:
        """Return a cube per landmark, off its center by up to `reach` base units."""
        places = view.targets[landmarks]
        off = (torch.rand(len(places), 3, generator=generator) * 2 - 1) * reach
        centers = places + off
        corners = centers - closeup.edge / 2 + 0.5
        cubes = view.cubes(centers, landmarks, closeup)
        return cls(closeup, corners, cubes, places - corners)
