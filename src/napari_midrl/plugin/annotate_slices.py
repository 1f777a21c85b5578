"""Where a click on a slice lies in the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.plugin.annotate_edits import as_position
from napari_midrl.plugin.world import world_zyx_mm

if TYPE_CHECKING:
    import napari.viewer
    import numpy.typing as npt
    from napari.layers import Image

    from napari_midrl.data.annotations import Position
    from napari_midrl.geometry.grid import VoxelGrid


def position_on_slice(
    viewer: napari.viewer.Viewer,
    image: Image,
    point_zyx: npt.ArrayLike,
    keep_lps_mm: Position | None = None,
) -> Position:
    """Return where a place on the canvas lies on the slice that is shown, LPS mm.

    What one sees is the voxels of the nearest slice, so the position lies in the
    middle of it, even where the slider stands between two slices.

    Parameters
    ----------
    viewer
        In 2D.
    image
        The image layer that is annotated.
    point_zyx
        The place in world mm, axes (z, y, x).
    keep_lps_mm
        Where a point was before: on the same slice it keeps its depth in there.
    """
    axis = int(viewer.dims.order[-3] - (viewer.dims.ndim - 3))
    point = np.array(point_zyx, dtype=np.float64)
    point[axis] = _slice_mm(image, axis, point[axis])
    if keep_lps_mm is not None:
        before_mm = float(world_zyx_mm(keep_lps_mm)[axis])
        if np.isclose(_slice_mm(image, axis, before_mm), point[axis]):
            point[axis] = before_mm
    return as_position(world_zyx_mm(point))


def is_inside(grid: VoxelGrid, position_lps_mm: Position) -> bool:
    """Return whether a position lies in a voxel of the grid."""
    ijk = grid.to_ijk(position_lps_mm)
    return bool(((ijk >= -0.5) & (ijk <= np.array(grid.shape_ijk) - 0.5)).all())


def _slice_mm(image: Image, axis: int, at_mm: float) -> float:
    """Return the middle of the slice of an image that shows a place on an axis."""
    point = np.zeros(image.ndim)
    point[axis - 3] = at_mm
    index = np.array(image.world_to_data(point))
    number = np.clip(np.round(index[axis - 3]), 0, image.data.shape[axis - 3] - 1)
    index[axis - 3] = number
    return float(image.data_to_world(index)[axis - 3])


def place_of(image: Image) -> tuple[float, ...]:
    """Return where a layer draws its first and second voxel along every axis."""
    corners = ([0] * image.ndim, [1] * image.ndim)
    return tuple(
        round(float(x), 6) for corner in corners for x in image.data_to_world(corner)
    )
