"""Distances and box overlap in a volume, and in its slice plane alone."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.evaluation.metrics import error_mm
from napari_midrl.geometry.box import box_overlap

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.geometry.grid import VoxelGrid


class Dimension(StrEnum):
    """Where a distance is measured."""

    PLANE = "2d"
    VOLUME = "3d"


BOX_VOXELS = {Dimension.PLANE: (45, 45), Dimension.VOLUME: (45, 45, 11)}
"""Boxes of the paper: two axes of the slice, and across the slices in 3D."""


def offset_voxels(
    grid: VoxelGrid,
    from_lps_mm: npt.ArrayLike,
    to_lps_mm: npt.ArrayLike,
    dimension: Dimension,
) -> npt.NDArray[np.float64]:
    """Return the way between two points in voxels of an image.

    Parameters
    ----------
    grid
        Of the image.
    from_lps_mm, to_lps_mm
        Shape (3,), LPS mm.
    dimension
        In the slice plane alone, or in the volume.

    Returns
    -------
    offset
        The two axes of the slice in the order of the file and, in 3D, the slice axis
        last; shape (2,) or (3,), in voxels.
    """
    across = grid.slice_axis
    axes = [axis for axis in range(3) if axis != across]
    if dimension == Dimension.VOLUME:
        axes.append(across)
    offset: npt.NDArray[np.float64] = grid.to_ijk(to_lps_mm) - grid.to_ijk(from_lps_mm)
    return offset[axes]


def distance_mm(
    grid: VoxelGrid,
    from_lps_mm: npt.ArrayLike,
    to_lps_mm: npt.ArrayLike,
    dimension: Dimension,
) -> float:
    """Return the distance of two points, shape (3,), in mm.

    In 2D both are projected onto the slice plane first: that is the error a reader of
    single slices sees, whoever chose the slice.
    """
    if dimension == Dimension.VOLUME:
        return float(error_mm(to_lps_mm, from_lps_mm))
    offset = offset_voxels(grid, from_lps_mm, to_lps_mm, dimension)
    across = grid.slice_axis
    spacing_mm = np.delete(grid.spacing_mm, across)
    return float(np.linalg.norm(offset * spacing_mm))


def published_overlap(
    grid: VoxelGrid,
    from_lps_mm: npt.ArrayLike,
    to_lps_mm: npt.ArrayLike,
    dimension: Dimension,
) -> tuple[float, float]:
    """Return Dice and IoU of the paper's boxes around two points.

    Boxes are 45 x 45 voxels in the slice plane and, in 3D, 11 slices, at the image's
    own voxel size: on a finer image the same millimeters overlap less.

    References
    ----------
    .. [1] Parekh et al. (2020), Proc. MIDL, PMLR 121, 588-600,
       https://proceedings.mlr.press/v121/parekh20a.html
    """
    offset = offset_voxels(grid, from_lps_mm, to_lps_mm, dimension)
    dice, iou = box_overlap(offset, BOX_VOXELS[dimension])
    return float(dice), float(iou)
