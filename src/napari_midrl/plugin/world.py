"""Between the patient and the viewer: volumes and points as napari wants them.

The viewer's world is the patient's, LPS mm with the axes reversed: (z, y, x) is
(S, P, L). Layers carry scale and translate only, because napari 0.9 draws an oblique
affine wrongly and fails on a permuted one (napari issues 3410 and 7310). A volume
whose voxel axes are not the patient's is shown resampled; the untouched `Volume`
travels in the layer's metadata and is what agents search and exports refer to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_midrl.data.volume import UNCONFIRMED, Provenance, Volume
from napari_midrl.errors import InputError
from napari_midrl.geometry.affine import directions_of
from napari_midrl.geometry.grid import VoxelGrid, axis_aligned_view, resample

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Layer

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]

AXIS_LABELS = ("z", "y", "x")
STEP_AXIS_LABELS = ("step", "z", "y", "x")
UNITS = ("mm", "mm", "mm")
STEP_UNITS = ("pixel", "mm", "mm", "mm")
METADATA_KEY = "midrl"

MAX_DRIFT_MM = 0.01
"""Farthest a voxel may be drawn from its place before the volume is resampled."""

MAX_SHOWN_VOXELS = 2**28
"""A resampled view is made coarser until it fits."""


def world_zyx_mm(points_lps_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return LPS mm points in the viewer's axis order (z, y, x), or back."""
    return np.asarray(points_lps_mm, dtype=np.float64)[..., ::-1]


def display_of(
    volume: Volume,
) -> tuple[npt.NDArray[np.generic], VoxelGrid, bool]:
    """Return array [i, j, k] along L, P, S, its grid, and whether it was resampled."""
    view, grid = axis_aligned_view(volume.array, volume.grid)
    straight = _straightened(grid)
    drift_mm = np.abs(straight.corners_lps_mm - grid.corners_lps_mm).max()
    if drift_mm <= MAX_DRIFT_MM:
        return view, straight, False
    target = _shown_grid(grid)
    fill = float(volume.array.min())
    return resample(view, grid, target, outside=fill), target, True


def _straightened(grid: VoxelGrid) -> VoxelGrid:
    """Return the grid turned onto the patient axes about its center."""
    affine = np.diag([*grid.spacing_mm, 1.0])
    half = (np.array(grid.shape_ijk) - 1) / 2
    affine[:3, 3] = grid.center_lps_mm - half * grid.spacing_mm
    return VoxelGrid(grid.shape_ijk, affine)


def _shown_grid(grid: VoxelGrid) -> VoxelGrid:
    spacing_mm = grid.spacing_mm
    target = grid.bounding_grid(spacing_mm)
    while np.prod(target.shape_ijk, dtype=np.int64) > MAX_SHOWN_VOXELS:
        spacing_mm = spacing_mm * 1.25
        target = grid.bounding_grid(spacing_mm)
    return target


def volume_layer(volume: Volume, *, visible: bool = True) -> LayerData:
    """Return a volume as an image layer in register with the patient.

    Parameters
    ----------
    volume
        Any grid and orientation.
    visible
        Whether the layer is shown at first.
    """
    array, grid, resampled = display_of(volume)
    affine = volume.grid.affine_lps
    data = array.transpose(2, 1, 0)
    options = {
        "name": volume.name,
        "scale": tuple(grid.spacing_mm[::-1]),
        "translate": tuple(grid.affine_lps[:3, 3][::-1]),
        "units": UNITS,
        "axis_labels": AXIS_LABELS,
        "contrast_limits": contrast_limits(data),
        "colormap": "gray",
        "interpolation2d": "linear",
        "projection_mode": "none",
        "visible": visible,
        "metadata": {
            METADATA_KEY: {"volume": volume, "resampled": resampled},
            # What other medical plugins look for, LPS mm in the order (x, y, z).
            "spacing": tuple(volume.grid.spacing_mm),
            "origin": tuple(affine[:3, 3]),
            "direction": tuple(directions_of(affine).ravel()),
        },
    }
    return data, options, "image"


def contrast_limits(data: npt.NDArray[np.generic]) -> tuple[float, float]:
    """Return a window that ignores the darkest and brightest half percent."""
    stride = tuple(slice(None, None, max(1, n // 64)) for n in data.shape)
    sample = data[stride].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, high = np.percentile(sample, (0.5, 99.5))
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1)


def volume_of(layer: Layer) -> tuple[Volume, tuple[str, ...]]:
    """Return the volume behind an image layer, and what to warn of.

    A layer that this plugin opened brings its own volume. Another one is taken by
    its scale and translate, as LPS mm in the order (z, y, x).

    Raises
    ------
    InputError
        If the layer is no scalar 3D image, or is rotated or sheared.
    """
    known = layer.metadata.get(METADATA_KEY, {}).get("volume")
    if isinstance(known, Volume):
        return known.renamed(layer.name), ()
    _check_foreign(layer)
    scale = np.asarray(layer.scale, dtype=np.float64)[::-1]
    affine = np.diag([*scale, 1.0])
    affine[:3, 3] = np.asarray(layer.translate)[::-1]
    array = np.asarray(layer.data).transpose(2, 1, 0)
    warning = (
        f"Layer {layer.name!r} was not opened by this plugin: its axes are taken as "
        "S, P, L and its scale as mm. If that is wrong, left and right may be too."
    )
    details = {"world": UNCONFIRMED}
    provenance = Provenance(layer.name, "napari", (warning,), details)
    volume = Volume(
        array, VoxelGrid(array.shape, affine), layer.name, provenance=provenance
    )
    return volume, (warning,)


def _check_foreign(layer: Layer) -> None:
    """Refuse what cannot be a volume of the patient, and say why."""
    problem = None
    if layer.ndim != 3 or getattr(layer, "rgb", False):
        problem = f"needs one gray value per voxel in 3D, got shape {layer.data.shape}"
    elif getattr(layer, "multiscale", False):
        problem = "is a pyramid of resolutions; open the original file instead"
    elif np.asarray(layer.data).dtype.kind not in "buif":
        problem = f"needs real numbers, got {layer.data.dtype}"
    elif not np.allclose(layer.affine.linear_matrix, np.eye(3)) or not np.allclose(
        layer.rotate, np.eye(3)
    ):
        problem = "is rotated or sheared in the viewer; open the file with this plugin"
    if problem is not None:
        msg = f"layer {layer.name!r} {problem}"
        raise InputError(msg)
