"""A volume as the dense agents see it: axis-aligned, isotropic, normalized."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.agents.dense_network import COARSEST_LEVEL
from napari_midrl.errors import SearchError
from napari_midrl.geometry.grid import VoxelGrid, is_small_integer, resample

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.data.volume import Volume

MAX_VIEW_VOXELS = 2**26

MARGIN = 4
MARGIN_MM = 16.0
"""Air around a volume, at least this many base units and millimeters: in fields of
view as tight as the patient, rare in training, answers are biased."""


@dataclass(frozen=True)
class IntensityScale:
    """Intensities become (x - offset) / width, clipped at 0 and `ceiling`.

    Parameters
    ----------
    offset, width
        In the volume's own units.
    ceiling
        Upper limit in normalized units.
    """

    offset: float
    width: float
    ceiling: float

    def apply(self, array: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
        """Return normalized intensities, float32."""
        scaled = (array.astype(np.float32) - self.offset) / self.width
        clipped: npt.NDArray[np.float32] = np.clip(scaled, 0, self.ceiling)
        return clipped


@dataclass(frozen=True)
class WorkingView:
    """A volume on the base grid of a pack.

    Parameters
    ----------
    array
        Normalized intensities, shape a multiple of `COARSEST_LEVEL` along each axis;
        0 outside the volume.
    grid
        Where its voxels lie; axes run to L, P, S.
    scale
        How intensities were normalized, for the finer cubes.
    darkest
        Smallest intensity of the volume, in its own units: what lies beyond its rim.
    low, high
        First and last base position inside the volume, shape (3,), base units.
    """

    array: npt.NDArray[np.float32]
    grid: VoxelGrid
    scale: IntensityScale
    darkest: float
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]


def working_view(volume: Volume, base_mm: float) -> WorkingView:
    """Return the volume on an isotropic axis-aligned grid, normalized.

    Parameters
    ----------
    volume
        Any grid, orientation and sequence.
    base_mm
        Voxel size wanted, mm.

    Raises
    ------
    SearchError
        If the volume is constant, has values that are not finite, is smaller than
        `COARSEST_LEVEL` base units along two axes, or covers far more than a body.
    """
    array = volume.array
    if not is_small_integer(array.dtype):
        with np.errstate(over="ignore"):
            array = np.asarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        msg = f"{volume.name}: the volume has values that are not finite"
        raise SearchError(msg)
    darkest = float(array.min())
    if darkest == float(array.max()):
        msg = f"{volume.name}: all voxels have the same value, there is nothing to see"
        raise SearchError(msg)
    inner = volume.grid.bounding_grid(base_mm)
    if sorted(inner.shape_ijk)[1] < COARSEST_LEVEL:
        msg = (
            f"{volume.name}: {volume.grid.size_mm.round(1)} mm is too small to search "
            f"at {base_mm} mm"
        )
        raise SearchError(msg)
    if np.prod(np.array(inner.shape_ijk, dtype=float)) > MAX_VIEW_VOXELS:
        msg = (
            f"{volume.name}: {inner.size_mm.round()} mm is too large to search at "
            f"{base_mm} mm; crop the volume first"
        )
        raise SearchError(msg)
    padded = _padded(inner, max(MARGIN, math.ceil(MARGIN_MM / base_mm)))
    seen = sample_smoothly(array, volume.grid, padded, darkest)
    inside = _inside(volume.grid, padded)
    scale = intensity_scale(seen[inside])
    low = (padded.to_ijk(inner.to_lps_mm((0, 0, 0)))).round()
    high = low + np.array(inner.shape_ijk) - 1
    view = np.where(inside, scale.apply(seen), np.float32(0))
    return WorkingView(view, padded, scale, darkest, low, high)


def cube_at(
    volume: Volume,
    view: WorkingView,
    corner: npt.NDArray[np.float64],
    edge: int,
    voxels_per_unit: int,
) -> npt.NDArray[np.float32]:
    """Return a cube on a finer grid, normalized like the view.

    Parameters
    ----------
    volume, view
        The same image.
    corner
        Base position of the cube's first base voxel, shape (3,).
    edge
        In base units.
    voxels_per_unit
        Voxels of the cube per base unit.
    """
    n = voxels_per_unit
    affine = view.grid.affine_lps.copy()
    affine[:3, :3] /= n
    affine[:3, 3] = view.grid.to_lps_mm(corner - 0.5 + 0.5 / n)
    grid = VoxelGrid((n * edge,) * 3, affine)
    seen = sample_smoothly(volume.array, volume.grid, grid, view.darkest)
    inside = _inside(volume.grid, grid)
    return np.where(inside, view.scale.apply(seen), np.float32(0))


def intensity_scale(values: npt.NDArray[np.floating]) -> IntensityScale:
    """Return the robust normalization of a volume's intensities.

    The 0.5th and 99.5th percentile bound the values; the darkest becomes 0 and the
    standard deviation 1: independent of scanner units, robust against a few bright
    voxels. What lies outside the image is 0 too and so looks like air, for the
    network and for the zero padding of its convolutions: where the image ends should
    say nothing about where a landmark is.
    """
    low, high = np.percentile(values, [0.5, 99.5])
    clipped = np.clip(values, low, high)
    width = max(float(clipped.std()), 1e-6 * max(abs(float(high)), 1e-6))
    offset = float(low)
    ceiling = (float(high) - offset) / width * 1.2
    return IntensityScale(offset, width, ceiling)


def sample_smoothly(
    array: npt.NDArray[np.generic], grid: VoxelGrid, target: VoxelGrid, outside: float
) -> npt.NDArray[np.float32]:
    """Return the array on a target grid, averaged where the target is coarser.

    Linear interpolation alone skips voxels when the target is much coarser, which
    aliases texture into structure; the mean over 2x2x2 sub-voxels does not.

    Parameters
    ----------
    array, grid
        What is seen, and where its voxels are.
    target
        Where it is wanted.
    outside
        Value beyond the array. Sub-voxels at its rim take part with it, so it must
        be in the array's own units; 0 could be brighter than anything inside.
    """
    coarse = target.spacing_mm.min() > 1.5 * grid.spacing_mm.min()
    n = 2 if coarse else 1
    spacing = target.affine_lps[:3, :3] / n
    affine = np.eye(4)
    affine[:3, :3] = spacing
    affine[:3, 3] = target.affine_lps[:3, 3] - spacing.sum(axis=1) * (n - 1) / 2
    i, j, k = target.shape_ijk
    finer = VoxelGrid((n * i, n * j, n * k), affine)
    sampled = resample(array, grid, finer, outside=outside).astype(
        np.float32, copy=False
    )
    return _means_of_blocks(sampled) if coarse else sampled


def _means_of_blocks(sampled: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return means over 2x2x2 voxels.

    Summed in numpy's own order, along i first, so that results are those of its mean,
    which takes fifteen times as long.
    """
    i, j, k = (n // 2 for n in sampled.shape)
    blocks = sampled.reshape(i, 2, j, 2, k, 2)
    pairs = blocks[:, 0] + blocks[:, 1]
    total = pairs[:, :, 0, :, 0] + pairs[:, :, 1, :, 0]
    total += pairs[:, :, 0, :, 1]
    total += pairs[:, :, 1, :, 1]
    total /= 8
    return total


def _padded(inner: VoxelGrid, margin: int) -> VoxelGrid:
    shape = np.array(inner.shape_ijk)
    wanted = shape + 2 * margin
    full = np.maximum(np.ceil(wanted / COARSEST_LEVEL), 2).astype(int) * COARSEST_LEVEL
    before = (full - shape) // 2
    affine = inner.affine_lps.copy()
    affine[:3, 3] = inner.to_lps_mm(-before)
    return VoxelGrid((int(full[0]), int(full[1]), int(full[2])), affine)


def _inside(grid: VoxelGrid, target: VoxelGrid) -> npt.NDArray[np.bool_]:
    """Return which target voxels lie in the imaged block."""
    axes = [np.arange(n, dtype=np.float64) for n in target.shape_ijk]
    to_source = np.linalg.inv(grid.affine_lps) @ target.affine_lps
    inside = np.ones(target.shape_ijk, dtype=bool)
    for row, n_voxels in zip(to_source[:3], grid.shape_ijk, strict=True):
        index = (
            row[0] * axes[0][:, None, None]
            + row[1] * axes[1][None, :, None]
            + row[2] * axes[2][None, None, :]
            + row[3]
        )
        inside &= (index >= -0.5) & (index <= n_voxels - 0.5)
    return inside
