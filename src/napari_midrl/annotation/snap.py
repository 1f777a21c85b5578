"""Where near a click the image is brightest or darkest, finer than a voxel."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.data.annotations import Position
    from napari_midrl.data.volume import Volume

DEFAULT_RADIUS_MM = 5.0


class Extremum(StrEnum):
    """What to look for."""

    BRIGHTEST = "brightest"
    DARKEST = "darkest"


def snapped(
    volume: Volume,
    position_lps_mm: Position,
    extremum: Extremum = Extremum.BRIGHTEST,
    radius_mm: float = DEFAULT_RADIUS_MM,
) -> Position | None:
    """Return the most extreme local extremum near a position, LPS mm.

    An extremum is a voxel that none of its 26 neighbors surpasses; the top of the
    parabola through it and its two neighbors along each axis is the position, at most
    half a voxel away. The rim of a bright region is none, so a click beside a blob
    does not end on the edge of the search.

    Parameters
    ----------
    volume
        The image.
    position_lps_mm
        Where to look, LPS mm.
    extremum
        What to look for.
    radius_mm
        How far the voxel may be from there, mm.

    Returns
    -------
    position
        LPS mm; None if there is no such voxel.
    """
    grid = volume.grid
    ijk = grid.to_ijk(position_lps_mm)
    reach = np.ceil(radius_mm / grid.spacing_mm).astype(int) + 1
    low = np.maximum(np.floor(ijk).astype(int) - reach, 0)
    high = np.minimum(np.ceil(ijk).astype(int) + reach + 1, grid.shape_ijk)
    if (low >= high).any():
        return None
    sign = 1.0 if extremum == Extremum.BRIGHTEST else -1.0
    window = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    values = sign * volume.array[window].astype(np.float64)
    values[~np.isfinite(values)] = -np.inf
    index = _highest(values, (ijk - low) * grid.spacing_mm, grid.spacing_mm, radius_mm)
    if index is None:
        return None
    l_mm, p_mm, s_mm = grid.to_lps_mm(low + index + _top(values, index)).tolist()
    return (l_mm, p_mm, s_mm)


def _highest(
    values: npt.NDArray[np.float64],
    center_mm: npt.NDArray[np.float64],
    spacing_mm: npt.NDArray[np.float64],
    radius_mm: float,
) -> npt.NDArray[np.intp] | None:
    """Return the index of the highest local maximum near a place, if there is one."""
    is_top = (values == ndimage.maximum_filter(values, 3, mode="nearest")) & (
        values > ndimage.minimum_filter(values, 3, mode="nearest")
    )
    tops = np.argwhere(is_top)
    away_mm = np.linalg.norm(tops * spacing_mm - center_mm, axis=1)
    tops, away_mm = tops[away_mm <= radius_mm], away_mm[away_mm <= radius_mm]
    if len(tops) == 0:
        return None
    # Among equals the nearest.
    order = np.lexsort((away_mm, -values[tuple(tops.T)]))
    best: npt.NDArray[np.intp] = tops[order[0]]
    return best


def _top(
    values: npt.NDArray[np.float64], index: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """Return how far the parabola's top is from a maximum, voxels along each axis."""
    shift = np.zeros(3)
    for axis in range(3):
        if not 0 < index[axis] < values.shape[axis] - 1:
            continue
        step = np.eye(3, dtype=int)[axis]
        before, here, after = (values[tuple(index + k * step)] for k in (-1, 0, 1))
        bend = before - 2 * here + after
        if np.isfinite(bend) and bend < 0:
            shift[axis] = np.clip((before - after) / (2 * bend), -0.5, 0.5)
    return shift
