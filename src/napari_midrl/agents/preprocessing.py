"""From any volume to the gray values and axes the published networks look at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.errors import SearchError
from napari_midrl.geometry.affine import directions_of
from napari_midrl.geometry.grid import VoxelGrid, axis_aligned_view

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.data.volume import Volume

PATIENT_AXES = "LPS"
CLIP_PERCENTILES = (10.0, 99.0)


def axis_order(slice_axis: str) -> tuple[int, int, int]:
    """Return which patient axis (0 L, 1 P, 2 S) each searched axis i, j, k runs along.

    Parameters
    ----------
    slice_axis
        ``"L"``, ``"P"`` or ``"S"``: the patient axis that becomes k, the axis across
        slices; the others keep their order.

    Raises
    ------
    ValueError
        If it is another letter.
    """
    if len(slice_axis) != 1 or slice_axis not in PATIENT_AXES:
        msg = f"slice_axis must be 'L', 'P' or 'S', got {slice_axis!r}"
        raise ValueError(msg)
    k = PATIENT_AXES.index(slice_axis)
    i, j = (axis for axis in range(3) if axis != k)
    return i, j, k


def own_slice_axis(grid: VoxelGrid) -> str:
    """Return the patient axis nearest to the one a volume's slices are stacked along.

    ``"L"`` for sagittal, ``"P"`` for coronal, ``"S"`` for axial slices.
    """
    direction = directions_of(grid.affine_lps)[:, grid.slice_axis]
    return PATIENT_AXES[int(np.abs(direction).argmax())]


def oriented_volume(volume: Volume, slice_axis: str = "S") -> Volume:
    """Return the volume with its axes permuted and flipped to a fixed orientation.

    Axes i, j, k run along patient axes in the order of `axis_order`, towards L, P and
    S; nothing is resampled. The published code reads arrays in file order, so the
    same patient saved with flipped axes was another image to it; here it is not.
    """
    array, grid = axis_aligned_view(volume.array, volume.grid)
    i, j, k = axis_order(slice_axis)
    shape = array.shape
    return replace(
        volume,
        array=array.transpose(i, j, k),
        grid=VoxelGrid(
            (shape[i], shape[j], shape[k]), grid.affine_lps[:, [i, j, k, 3]]
        ),
    )


def cut_slice(oriented: Volume, index: int) -> Volume:
    """Return slice `index` along k of an oriented volume, as a volume of one slice.

    Raises
    ------
    SearchError
        If the volume has no such slice.
    """
    n_slices = oriented.grid.shape_ijk[2]
    if not 0 <= index < n_slices:
        msg = f"{oriented.name!r} has slices 0 to {n_slices - 1}, got {index}"
        raise SearchError(msg)
    affine = oriented.grid.affine_lps.copy()
    affine[:3, 3] = oriented.grid.to_lps_mm([0, 0, index])
    shape = oriented.grid.shape_ijk
    return replace(
        oriented,
        array=oriented.array[:, :, index : index + 1],
        grid=VoxelGrid((shape[0], shape[1], 1), affine),
    )


def gray_values(volume: Volume) -> npt.NDArray[np.uint8]:
    """Return the published preprocessing of a volume: whole numbers 0 to 255.

    Clipped to the 10th and 99th percentile of all its voxels and stretched to 0-255;
    the networks divide by 255.

    Raises
    ------
    SearchError
        If a voxel is not finite, or nothing is left between the percentiles.
    """
    values = volume.array.astype(np.float32)
    if not np.isfinite(values).all():
        n_bad = int((~np.isfinite(values)).sum())
        msg = f"{volume.name!r} cannot be searched: {n_bad} voxels are not finite"
        raise SearchError(msg)
    low, high = np.percentile(values, CLIP_PERCENTILES)
    if not high > low:
        msg = (
            f"{volume.name!r} cannot be searched: it is constant "
            f"(10th and 99th percentile are both {low:g})"
        )
        raise SearchError(msg)
    stretched = (np.clip(values, low, high) - low) * (255.0 / (high - low))
    gray: npt.NDArray[np.uint8] = np.rint(stretched).astype(np.uint8)
    return gray
