"""What agents learn from: labelled anatomies, each seen in one or more sequences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from napari_midrl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True)
class Surroundings:
    """What lies around every landmark, on finer grids than a whole case can have.

    Parameters
    ----------
    images
        One tensor per sequence of the case, in its order; shape (n_landmarks, i, j, k),
        intensities as there. What a case lacks may hold anything.
    spacing_mm
        Along every axis.
    origins_lps_mm
        First voxel of each grid, shape (n_landmarks, 3).
    """

    images: tuple[Tensor, ...]
    spacing_mm: float
    origins_lps_mm: Tensor


@dataclass(frozen=True)
class TrainingCase:
    """One labelled anatomy, seen in one or more sequences.

    Parameters
    ----------
    name
        For logs.
    images
        Intensities on one axis-aligned LPS grid, 0 (air) to 1, one tensor per
        sequence; shape (i, j, k); uint8 counts 255 as 1.
    spacing_mm, origin_lps_mm
        Of that grid, shape (3,).
    targets_lps_mm
        Shape (n_landmarks, 3); NaN where this anatomy lacks the landmark, or where
        nobody said.
    surroundings
        Of the landmarks; None where the images show all the detail there is.
    unknown
        Landmarks of which nobody said whether and where they are, shape
        (n_landmarks,), bool: their agents learn nothing here. Others that are NaN are
        absent: their agents learn that there is nothing. None means all are known.
    regional
        Numbers of the images that views planned on a landmark show; without any, the
        case is never seen so.
    """

    name: str
    images: tuple[Tensor, ...]
    spacing_mm: Tensor
    origin_lps_mm: Tensor
    targets_lps_mm: Tensor
    surroundings: Surroundings | None = None
    unknown: Tensor | None = None
    regional: tuple[int, ...] = ()

    @property
    def known(self) -> Tensor:
        """Numbers of the landmarks that this case teaches something about."""
        if self.unknown is None:
            return torch.arange(len(self.targets_lps_mm))
        return (~self.unknown).nonzero()[:, 0]

    def of_landmarks(self, rows: Sequence[int]) -> TrainingCase:
        """Return the case with some of its landmarks, in the order of `rows`."""
        chosen = list(rows)
        near = self.surroundings
        if near is not None:
            images = tuple(image[chosen] for image in near.images)
            near = Surroundings(images, near.spacing_mm, near.origins_lps_mm[chosen])
        targets = self.targets_lps_mm[chosen]
        return replace(self, targets_lps_mm=targets, surroundings=near)


def mean_arrangement(
    cases: Sequence[TrainingCase],
) -> list[tuple[float, float, float]]:
    """Return how landmarks lie to each other in the mean case, LPS mm.

    Raises
    ------
    InputError
        If a case lacks a landmark: its middle would not be that of the others.
    """
    each = torch.stack([case.targets_lps_mm for case in cases]).double()
    if each.isnan().any():
        msg = "an arrangement needs every landmark in every case"
        raise InputError(msg)
    mean = (each - each.mean(dim=1, keepdim=True)).mean(dim=0)
    rows = [tuple(round(x, 3) for x in row) for row in mean.tolist()]
    return [(x, y, z) for x, y, z in rows]
