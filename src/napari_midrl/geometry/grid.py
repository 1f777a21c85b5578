"""A regular voxel grid in the patient, and resampling from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk  # noqa: N813

from napari_midrl.geometry.affine import (
    apply_affine,
    axis_codes,
    directions_of,
    shear_of,
    spacing_of,
)

if TYPE_CHECKING:
    from typing import Any

    import numpy.typing as npt

COARSER = 1.5
"""How much coarser than k another axis must be to count as the slice axis."""

MAX_SHEAR = 1e-4
"""Largest cosine between two voxel axes that still counts as orthogonal."""

_N_TURNED = 8


@dataclass(frozen=True, eq=False)
class VoxelGrid:
    """Where the voxels of an array lie in the patient.

    Parameters
    ----------
    shape_ijk
        Voxels along i, j, k.
    affine_lps
        Voxel index (center of voxel) to LPS mm. Shape (4, 4), orthogonal axes; it
        may be oblique, anisotropic and left-handed.

    Raises
    ------
    ValueError
        If the shape is not three positive numbers, or the affine is not finite,
        not invertible, or sheared.
    """

    shape_ijk: tuple[int, int, int]
    affine_lps: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape_ijk)
        affine = np.array(self.affine_lps, dtype=np.float64)
        if len(shape) != 3 or min(shape) < 1:
            msg = f"shape_ijk must be three positive numbers, got {self.shape_ijk}"
            raise ValueError(msg)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            msg = f"affine_lps must be a finite (4, 4) matrix, got {affine!r}"
            raise ValueError(msg)
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            msg = "affine_lps cannot be inverted: a voxel axis has no length"
            raise ValueError(msg)
        if shear_of(affine) > MAX_SHEAR:
            msg = f"voxel axes are not orthogonal: cosine {shear_of(affine):.2g}"
            raise ValueError(msg)
        affine.setflags(write=False)
        object.__setattr__(self, "shape_ijk", shape)
        object.__setattr__(self, "affine_lps", affine)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, VoxelGrid)
            and self.shape_ijk == other.shape_ijk
            and np.array_equal(self.affine_lps, other.affine_lps)
        )

    def __hash__(self) -> int:
        return hash((self.shape_ijk, self.affine_lps.tobytes()))

    @property
    def spacing_mm(self) -> npt.NDArray[np.float64]:
        """Millimeters per voxel along i, j, k; shape (3,)."""
        return spacing_of(self.affine_lps)

    @property
    def axis_codes(self) -> str:
        """Anatomical direction of increasing i, j, k, such as ``"LPS"``."""
        return axis_codes(self.affine_lps)

    @property
    def slice_axis(self) -> int:
        """The voxel axis that counts the slices: 0, 1 or 2.

        That is k (2), as DICOM stacks and files made of them have it, unless the
        voxels are at least 1.5 times longer along another axis, as in a file whose
        axes were turned after the acquisition.
        """
        coarsest = int(np.argmax(self.spacing_mm))
        turned = self.spacing_mm[coarsest] >= COARSER * self.spacing_mm[2]
        return coarsest if turned else 2

    @property
    def size_mm(self) -> npt.NDArray[np.float64]:
        """Edge lengths of the imaged block along i, j, k; shape (3,)."""
        size: npt.NDArray[np.float64] = self.spacing_mm * np.array(self.shape_ijk)
        return size

    @property
    def corners_lps_mm(self) -> npt.NDArray[np.float64]:
        """Centers of the eight corner voxels; shape (8, 3)."""
        corners_ijk = np.array(
            [
                [i, j, k]
                for i in (0, self.shape_ijk[0] - 1)
                for j in (0, self.shape_ijk[1] - 1)
                for k in (0, self.shape_ijk[2] - 1)
            ]
        )
        return self.to_lps_mm(corners_ijk)

    @property
    def center_lps_mm(self) -> npt.NDArray[np.float64]:
        """Middle of the block; shape (3,)."""
        return self.to_lps_mm((np.array(self.shape_ijk) - 1) / 2)

    def to_lps_mm(self, position_ijk: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return world positions of (continuous) voxel indices; shape (*any, 3)."""
        return apply_affine(self.affine_lps, position_ijk)

    def to_ijk(self, position_lps_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return continuous voxel indices of world positions; shape (*any, 3)."""
        return apply_affine(np.linalg.inv(self.affine_lps), position_lps_mm)

    def contains(self, position_lps_mm: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return whether positions lie in the block, its outer half voxels included."""
        ijk = self.to_ijk(position_lps_mm)
        low = (ijk >= -0.5).all(axis=-1)
        high = (ijk <= np.array(self.shape_ijk) - 0.5).all(axis=-1)
        return np.asarray(low & high)

    def is_axis_aligned(self, tolerance_degrees: float = 0.1) -> bool:
        """Return whether every voxel axis runs along a patient axis."""
        cosines = np.abs(directions_of(self.affine_lps)).max(axis=0)
        return bool(cosines.min() >= np.cos(np.radians(tolerance_degrees)))

    def bounding_grid(self, spacing_mm: npt.ArrayLike) -> VoxelGrid:
        """Return the smallest axis-aligned LPS grid that covers this block.

        Its first voxel's outer corner is the block's lowest L, P, S corner, so the
        whole imaged block, outer half voxels included, is covered.

        Parameters
        ----------
        spacing_mm
            Of the new grid, along L, P, S; one number or three.
        """
        step_mm = np.broadcast_to(np.asarray(spacing_mm, dtype=np.float64), (3,))
        half_mm = np.abs(self.affine_lps[:3, :3]).sum(axis=1) / 2
        low = self.corners_lps_mm.min(axis=0) - half_mm
        high = self.corners_lps_mm.max(axis=0) + half_mm
        # A block a hair longer than n voxels (rounding in a header) gets n voxels.
        shape = np.maximum(np.ceil((high - low) / step_mm - 1e-3), 1).astype(int)
        affine = np.diag([*step_mm, 1.0])
        # Centered, so that what ceil() added is shared by both sides.
        affine[:3, 3] = (low + high) / 2 - (shape - 1) / 2 * step_mm
        return VoxelGrid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def axis_aligned_view(
    array: npt.NDArray[np.generic], grid: VoxelGrid
) -> tuple[npt.NDArray[np.generic], VoxelGrid]:
    """Return a view of the array whose axes i, j, k run to L, P, S, and its grid.

    Axes are permuted and flipped, nothing is resampled, so it is exact for every
    axis-aligned grid; a residual rotation stays in the returned affine.

    Parameters
    ----------
    array
        Shape (i, j, k), that of the grid.
    grid
        Any orthogonal grid.
    """
    directions = directions_of(grid.affine_lps).copy()
    order = [0, 0, 0]
    flipped = [False, False, False]
    for _ in range(3):
        world, voxel = np.unravel_index(np.abs(directions).argmax(), (3, 3))
        order[world] = int(voxel)
        flipped[world] = bool(directions[world, voxel] < 0)
        directions[world, :] = 0
        directions[:, voxel] = 0
    view = array.transpose(order)[
        tuple(slice(None, None, -1 if f else 1) for f in flipped)
    ]
    to_old = np.zeros((4, 4))
    to_old[3, 3] = 1
    for new_axis, (old_axis, flip) in enumerate(zip(order, flipped, strict=True)):
        to_old[old_axis, new_axis] = -1 if flip else 1
        to_old[old_axis, 3] = grid.shape_ijk[old_axis] - 1 if flip else 0
    shape = view.shape
    return view, VoxelGrid((shape[0], shape[1], shape[2]), grid.affine_lps @ to_old)


def to_sitk(array: npt.NDArray[np.generic], grid: VoxelGrid) -> sitk.Image:
    """Return a SimpleITK image of the same voxels at the same places."""
    image = sitk.GetImageFromArray(_turned_over(array))
    image.SetSpacing(tuple(grid.spacing_mm))
    image.SetOrigin(tuple(grid.affine_lps[:3, 3]))
    image.SetDirection(_itk_direction(grid))
    return image


def _turned_over(array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Return the voxels as ITK has them in memory, shape (k, j, i)."""
    turned = array.transpose(2, 1, 0)
    if turned.flags.c_contiguous:
        return turned
    voxels = np.empty(turned.shape, turned.dtype)
    # Lines of memory are used whole, which is four times faster than row by row.
    for i in range(0, turned.shape[2], _N_TURNED):
        voxels[:, :, i : i + _N_TURNED] = turned[:, :, i : i + _N_TURNED]
    return voxels


def _itk_direction(grid: VoxelGrid) -> tuple[float, ...]:
    """Return the direction cosines, row by row.

    ITK cannot invert a matrix that holds subnormal numbers: it finds every point
    outside the image, without an error. Rounding moves a point by picometers at most.
    """
    return tuple(directions_of(grid.affine_lps).round(14).ravel())


def resample(
    array: npt.NDArray[np.generic],
    grid: VoxelGrid,
    target: VoxelGrid,
    *,
    nearest: bool = False,
    outside: float = 0.0,
) -> npt.NDArray[np.generic]:
    """Return the array as seen on another grid.

    Parameters
    ----------
    array
        Shape (i, j, k), that of `grid`.
    grid, target
        Where the voxels are, and where they are wanted.
    nearest
        Take the nearest voxel (labels) instead of interpolating linearly.
    outside
        Value where the target lies outside the source.

    Returns
    -------
    resampled
        Shape of the target; the input's type with `nearest`, else float32.
    """
    if array.shape != grid.shape_ijk:
        msg = f"array must have the grid's shape {grid.shape_ijk}, got {array.shape}"
        raise ValueError(msg)
    part, part_grid = _part_seen_from(array, grid, target)
    if part.size == 0:
        return np.full(target.shape_ijk, outside, part.dtype if nearest else np.float32)
    as_it_is = nearest or is_small_integer(part.dtype)
    image = to_sitk(part if as_it_is else part.astype(np.float32), part_grid)
    resampled = sitk.Resample(
        image,
        target.shape_ijk,
        sitk.Transform(),
        sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear,
        tuple(target.affine_lps[:3, 3]),
        tuple(target.spacing_mm),
        _itk_direction(target),
        outside,
        sitk.sitkUnknown if nearest else sitk.sitkFloat32,
    )
    out: npt.NDArray[np.generic] = sitk.GetArrayFromImage(resampled).transpose(2, 1, 0)
    return out


def is_small_integer(dtype: np.dtype[Any]) -> bool:
    """Return whether values are whole numbers that float32 holds exactly.

    A large volume of these need not be copied as float32 before it is interpolated.
    """
    is_integer = dtype.kind in "iu" and dtype.isnative
    return is_integer and np.can_cast(dtype, np.float32)


def _part_seen_from(
    array: npt.NDArray[np.generic], grid: VoxelGrid, target: VoxelGrid
) -> tuple[npt.NDArray[np.generic], VoxelGrid]:
    """Return the block of the source that a target grid can touch.

    A small target in a large source (the cubes of a fine search) must not cost a copy
    of the whole source.
    """
    corners_ijk = grid.to_ijk(target.corners_lps_mm)
    # One voxel for interpolation, one for rounding at the source's outer half voxel.
    low = np.clip(np.floor(corners_ijk.min(axis=0)) - 2, 0, None).astype(int)
    high = np.floor(corners_ijk.max(axis=0)).astype(int) + 4
    high = np.clip(high, low, np.array(grid.shape_ijk))
    part = array[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    if part.size == 0:
        return part, grid
    affine = grid.affine_lps.copy()
    affine[:3, 3] = grid.to_lps_mm(low)
    return part, VoxelGrid((part.shape[0], part.shape[1], part.shape[2]), affine)
