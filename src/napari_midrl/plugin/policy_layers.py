"""What a policy looks like as napari layers; pure functions from values to arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.plugin.colors import rgba
from napari_midrl.plugin.layers import BLENDING
from napari_midrl.plugin.world import (
    AXIS_LABELS,
    METADATA_KEY,
    UNITS,
    LayerData,
    world_zyx_mm,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_midrl.data.policy import BasinBlock, PolicyField, PolicyScale
    from napari_midrl.geometry.grid import VoxelGrid

    _Lines = tuple[
        npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]
    ]

LEAST_RETURN, MOST_RETURN = -1.0, 2.0
"""Ends of the color scale. At a discount of 0.5 an agent expects 2 steps where every
move leads straight to its landmark, -2/3 at rest on it, -2 where there is none."""

RETURN_COLORS = ("#3B6FF5", "#B65FD6", "#FF8A5B", "#FFF27A")
"""From little to much; each is brighter than the one before."""

OTHER_BASINS = (
    "#8E7CC3",
    "#3FA7A3",
    "#C27C4E",
    "#7FA650",
    "#C2608E",
    "#5F8FC9",
    "#B3A04A",
)
SMALL_BASINS = "#6E6E6E"
ARROWS_ACROSS = 26
ARROWS_ACROSS_3D = 14
LENGTH_SHARE = 0.82
"""Of an arrow in the distance to the next one."""

MARK_SHARE = 0.34
HEAD_SHARE = 0.36
LINE_SHARE = 0.075


def spacing_mm(scale: PolicyScale, width_mm: float, *, flat: bool) -> float:
    """Return how far apart arrows are: about 18 to 36 across a slice this wide.

    In 3D there are three planes of them, and fewer in each.

    A step times a power of two, so that arrows keep their places in a closer view.
    A close-up is small; it has arrows two steps apart at most.
    """
    wanted_mm = max(width_mm, 1e-3) / (ARROWS_ACROSS if flat else ARROWS_ACROSS_3D)
    power = round(math.log2(wanted_mm / scale.step_mm))
    if scale.closeup:
        power = min(power, 1)
    return float(scale.step_mm * 2.0**power)


def extent_lps_mm(grid: VoxelGrid) -> npt.NDArray[np.float64]:
    """Return the first and last corner of the box around a volume; shape (2, 3)."""
    corners = grid.corners_lps_mm
    half = np.abs(grid.affine_lps[:3, :3]).sum(axis=1) / 2
    return np.stack([corners.min(axis=0) - half, corners.max(axis=0) + half])


def plane_points(
    box_lps_mm: npt.NDArray[np.float64], axis: int, position_mm: float, apart_mm: float
) -> npt.NDArray[np.float64]:
    """Return points of a plane in a box, LPS mm, shape (n, 3).

    They are whole numbers of the distance from the origin of the patient, wherever
    the box begins.

    Parameters
    ----------
    box_lps_mm
        First and last corner, shape (2, 3).
    axis
        Across the plane: 0, 1, 2 for L, P, S.
    position_mm
        Of the plane on that axis.
    apart_mm
        Distance of neighbors.
    """
    low, high = box_lps_mm
    if not low[axis] <= position_mm <= high[axis]:
        return np.zeros((0, 3))
    first = np.ceil(low / apart_mm)
    last = np.floor(high / apart_mm)
    axes = [
        np.array([position_mm])
        if n == axis
        else apart_mm * np.arange(first[n], last[n] + 1)
        for n in range(3)
    ]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    plane: npt.NDArray[np.float64] = points.reshape(-1, 3)
    return plane


def arrow_lines(
    field: PolicyField, axis: int, apart_mm: float, *, flat: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return the lines of arrows as vectors (z, y, x), and whose line each is.

    Parameters
    ----------
    field
        Of points in one plane.
    axis
        Across the plane: 0, 1, 2 for L, P, S.
    apart_mm
        Distance of neighboring points.
    flat
        Whether the plane is seen as a slice: moves across it are then a cross where
        they lead to greater S, or greater P, or R, away from who looks at a
        standard view, and a diamond where they lead to the viewer.
    """
    points, ways = field.points_lps_mm, field.directions_lps
    across = ways[:, axis]
    in_plane = np.flatnonzero(ways.any(axis=1) & ((across == 0) | (not flat)))
    begin, along, owner = _arrows(points[in_plane], ways[in_plane], axis, apart_mm)
    lines = [(begin, along, in_plane[owner])]
    if flat:
        away = across * AWAY[axis]
        for rows, corners in (
            (np.flatnonzero(away > 0), _CROSS),
            (np.flatnonzero(away < 0), _DIAMOND),
        ):
            begin, along, owner = _marks(points[rows], axis, apart_mm, corners)
            lines.append((begin, along, rows[owner]))
    begin, along = (np.concatenate([part[n] for part in lines]) for n in (0, 1))
    vectors = np.stack([world_zyx_mm(begin), world_zyx_mm(along)], axis=1)
    return vectors, np.concatenate([owner for _, _, owner in lines])


AWAY = (-1, 1, 1)
"""Which way along L, P, S leads away from who looks at a sagittal, coronal or axial
slice: sagittal with anterior on the left is seen from the patient's left, coronal from
the front, axial from the feet."""

_CROSS = (((-1, -1), (2, 2)), ((-1, 1), (2, -2)))
_DIAMOND = (
    ((-1, 0), (1, 1)),
    ((0, 1), (1, -1)),
    ((1, 0), (-1, -1)),
    ((0, -1), (-1, 1)),
)


def _arrows(
    points: npt.NDArray[np.float64],
    ways: npt.NDArray[np.float64],
    axis: int,
    apart_mm: float,
) -> _Lines:
    """Return begins, directions and owners of the lines: a shaft and two barbs."""
    length = LENGTH_SHARE * apart_mm
    normal = np.eye(3)[axis]
    aside = np.cross(ways, normal)
    upright = ~aside.any(axis=1)
    # Across the plane, the head lies along the next axis of the patient.
    aside[upright] = np.eye(3)[(axis + 1) % 3]
    tip = points + ways * length / 2
    head = HEAD_SHARE * length
    begin = np.concatenate([points - ways * length / 2, tip, tip])
    barbs = [-head * (ways + side * 0.6 * aside) for side in (1, -1)]
    along = np.concatenate([ways * length, *barbs])
    return begin, along, np.tile(np.arange(len(points)), 3)


def _marks(
    points: npt.NDArray[np.float64],
    axis: int,
    apart_mm: float,
    corners: Sequence[tuple[tuple[int, int], tuple[int, int]]],
) -> _Lines:
    """Return begins, directions and owners of the lines of marks in a plane."""
    size = MARK_SHARE * apart_mm / 2
    frame = np.eye(3)[[n for n in range(3) if n != axis]] * size
    begin = [points + np.array(start) @ frame for start, _ in corners]
    along = [np.tile(np.array(way) @ frame, (len(points), 1)) for _, way in corners]
    owner = np.tile(np.arange(len(points)), len(corners))
    return np.concatenate(begin), np.concatenate(along), owner


def return_colors(
    expected_returns: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return one RGBA row per expected return."""
    table = np.array([rgba(color) for color in RETURN_COLORS])
    share = (expected_returns - LEAST_RETURN) / (MOST_RETURN - LEAST_RETURN)
    at = np.clip(share, 0, 1) * (len(table) - 1)
    channels = [np.interp(at, np.arange(len(table)), column) for column in table.T]
    return np.stack(channels, axis=-1)


def arrows_options(name: str) -> dict[str, Any]:
    """Return what the layer of arrows is made with, but for the arrows."""
    return {
        "name": name,
        "units": UNITS,
        "axis_labels": AXIS_LABELS,
        "blending": BLENDING,
        "vector_style": "line",
        "opacity": 1.0,
        "projection_mode": "all",
        "metadata": {METADATA_KEY: {"role": "policy"}},
    }


def basin_color(number: int, landmark_color: str) -> str:
    """Return the color of a basin; number 0 is the largest."""
    if number == 0:
        return landmark_color
    is_listed = number <= len(OTHER_BASINS)
    return OTHER_BASINS[number - 1] if is_listed else SMALL_BASINS


def basins_layer(
    block: BasinBlock, n_basins: int, color: str, *, name: str
) -> LayerData:
    """Return one block of basins as a labels layer in register with the patient."""
    from napari.utils.colormaps import DirectLabelColormap

    n_shown = min(n_basins, len(OTHER_BASINS) + 1)
    table: dict[int | None, Any] = {
        number + 1: rgba(basin_color(number, color)) for number in range(n_shown)
    }
    table[0] = (0.0, 0.0, 0.0, 0.0)
    table[None] = rgba(SMALL_BASINS)
    options = {
        "name": name,
        "scale": tuple(block.grid.spacing_mm[::-1]),
        "translate": tuple(block.grid.affine_lps[:3, 3][::-1]),
        "units": UNITS,
        "axis_labels": AXIS_LABELS,
        "colormap": DirectLabelColormap(color_dict=table),
        "opacity": 0.28,
        "blending": "translucent",
        "metadata": {METADATA_KEY: {"role": "basins"}},
    }
    return block.labels.transpose(2, 1, 0), options, "labels"
