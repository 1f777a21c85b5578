"""Which points of a volume are in sight, so that arrows are asked for there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.plugin.policy_layers import extent_lps_mm, plane_points, spacing_mm
from napari_midrl.plugin.scene import slice_normal

if TYPE_CHECKING:
    import napari.viewer
    import numpy.typing as npt

    from napari_midrl.data.policy import PolicyScale
    from napari_midrl.geometry.grid import VoxelGrid
    from napari_midrl.plugin.planes import OrthoPlanes

BEYOND_SIGHT = 0.5
"""Share of the view by which arrows reach beyond it: a small move shows no edge."""

REGION_SHARE = 0.6
"""Of the view that a close-up fills when one goes there."""


@dataclass(frozen=True)
class Sight:
    """Planes that are seen, and how densely arrows fit in.

    Parameters
    ----------
    planes
        Axis (0, 1, 2 for L, P, S) and position on it, mm; one on a slice, three in 3D.
    flat
        Whether it is a slice.
    apart_mm
        Distance of neighboring arrows.
    low_lps_mm, high_lps_mm
        Corners of the box that is seen.
    """

    planes: tuple[tuple[int, float], ...]
    flat: bool
    apart_mm: float
    low_lps_mm: tuple[float, ...]
    high_lps_mm: tuple[float, ...]

    def covers(self, other: Sight) -> bool:
        """Return whether arrows made for this are all that the other one needs."""
        low = np.array(self.low_lps_mm) <= np.array(other.low_lps_mm)
        high = np.array(other.high_lps_mm) <= np.array(self.high_lps_mm)
        same = (self.planes, self.flat, self.apart_mm) == (
            other.planes,
            other.flat,
            other.apart_mm,
        )
        return same and bool(low.all() and high.all())

    def points_lps_mm(self) -> list[npt.NDArray[np.float64]]:
        """Return the points of each plane, shape (n, 3)."""
        box = np.array([self.low_lps_mm, self.high_lps_mm])
        return [
            plane_points(box, axis, position, self.apart_mm)
            for axis, position in self.planes
        ]


def sight_of(
    viewer: napari.viewer.Viewer,
    planes: OrthoPlanes,
    grid: VoxelGrid,
    scale: PolicyScale,
    beyond: float = 0.0,
) -> Sight | None:
    """Return what is seen of a volume; None while no plane is there.

    Parameters
    ----------
    viewer, planes
        What shows it, in 2D and in 3D.
    grid
        Of the volume.
    scale
        Whose arrows are wanted.
    beyond
        Share of the view by which the box is larger on every side of a slice.
    """
    dims, camera = viewer.dims, viewer.scene.camera
    size_mm = np.array(viewer.canvas.size) / camera.zoom
    normal = slice_normal(viewer)
    apart_mm = spacing_mm(scale, float(size_mm[1]), flat=normal is not None)
    low, high = extent_lps_mm(grid)
    if normal is None:
        middle = planes.position_lps_mm
        if middle is None:
            return None
        seen = tuple((axis, round(float(middle[axis]), 3)) for axis in range(3))
    else:
        seen = ((normal, round(float(dims.point[dims.order[-3]]), 3)),)
        half_mm = (0.5 + beyond) * size_mm
        for axis, middle_mm, reach in zip(
            dims.order[-2:], camera.center[-2:], half_mm, strict=True
        ):
            along = dims.ndim - 1 - axis
            low[along] = max(low[along], middle_mm - reach)
            high[along] = min(high[along], middle_mm + reach)
    corners = tuple(low.tolist()), tuple(high.tolist())
    return Sight(seen, normal is not None, apart_mm, *corners)


def zoom_to(viewer: napari.viewer.Viewer, region_lps_mm: npt.ArrayLike) -> None:
    """Bring a box to the middle of a slice, and closer if it looks small.

    Parameters
    ----------
    viewer
        The viewer; in 3D it is left as it is.
    region_lps_mm
        First and last corner, shape (2, 3).
    """
    dims, camera = viewer.dims, viewer.scene.camera
    if slice_normal(viewer) is None:
        return
    low, high = np.asarray(region_lps_mm, dtype=np.float64)
    shown = [dims.ndim - 1 - axis for axis in dims.order[-2:]]
    middle = ((low + high) / 2)[shown]
    camera.center = (camera.center[0], *middle)
    fitting = (
        REGION_SHARE
        * float(np.min(np.array(viewer.canvas.size)))
        / float(np.max((high - low)[shown]))
    )
    camera.zoom = max(camera.zoom, fitting)
