"""Keeps napari from drawing a point where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.plugin.world import world_zyx_mm

if TYPE_CHECKING:
    import napari.viewer
    import numpy.typing as npt
    from napari.layers import Points


def hide_ghost(
    viewer: napari.viewer.Viewer,
    layer: Points,
    positions_lps_mm: npt.ArrayLike,
    limits: tuple[int, int],
) -> None:
    """Let points be of no size where a slice shows none of them.

    napari 0.9 then draws one at the origin, as large as the least size allowed.

    Parameters
    ----------
    viewer
        The viewer.
    layer
        The points.
    positions_lps_mm
        Where they are now, shape (n, 3).
    limits
        Least and largest size in pixels while any is seen.
    """
    least = limits[0] if is_any_shown(viewer, positions_lps_mm) else 0
    if tuple(layer.canvas_size_limits) != (least, limits[1]):
        layer.canvas_size_limits = (least, limits[1])


def is_any_shown(viewer: napari.viewer.Viewer, positions_lps_mm: npt.ArrayLike) -> bool:
    """Return whether a slice shows any of the positions; space shows all."""
    places = world_zyx_mm(positions_lps_mm)
    return viewer.dims.ndim < 3 or bool(are_shown(viewer, places).any())


def are_shown(
    viewer: napari.viewer.Viewer, places_zyx_mm: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Return which places, shape (..., 3), are on the slice; space shows all."""
    dims = viewer.dims
    if dims.ndisplay == 3:
        return np.ones(places_zyx_mm.shape[:-1], dtype=bool)
    axis = dims.order[-3]
    along = places_zyx_mm[..., axis - (dims.ndim - 3)]
    reach = max(dims.margin_left[axis], dims.thickness[axis] / 2, dims.range[axis].step)
    near: npt.NDArray[np.bool_] = np.abs(along - dims.point[axis]) <= reach
    return near
