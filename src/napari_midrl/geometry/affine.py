"""Voxel indices to millimeters, and LPS to RAS; frames are flipped only here.

World coordinates inside the package are LPS+ millimeters: x grows to the
patient's Left, y to Posterior, z to Superior, as in DICOM and ITK. RAS+ (NIfTI,
old Slicer files) differs by the sign of x and y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

_FLIP_XY = np.diag([-1.0, -1.0, 1.0, 1.0])


def apply_affine(affine: npt.ArrayLike, points: npt.ArrayLike) -> Array:
    """Return points mapped by a 4x4 affine.

    Parameters
    ----------
    affine
        Homogeneous matrix, shape (4, 4).
    points
        Shape (*any, 3).

    Returns
    -------
    mapped
        Shape (*any, 3), in the frame and unit the affine leads to.

    Raises
    ------
    ValueError
        If a shape is wrong.
    """
    matrix = np.asarray(affine, dtype=np.float64)
    xyz = np.asarray(points, dtype=np.float64)
    if matrix.shape != (4, 4):
        msg = f"affine must have shape (4, 4), got {matrix.shape}"
        raise ValueError(msg)
    if xyz.ndim < 1 or xyz.shape[-1] != 3:
        msg = f"points must have shape (*any, 3), got {xyz.shape}"
        raise ValueError(msg)
    mapped: Array = xyz @ matrix[:3, :3].T + matrix[:3, 3]
    return mapped


def flip_lps_ras(points: npt.ArrayLike) -> Array:
    """Return points with x and y negated: LPS mm to RAS mm, or back."""
    return apply_affine(_FLIP_XY, points)


def flip_affine_lps_ras(affine: npt.ArrayLike) -> Array:
    """Return an affine whose world frame went from LPS to RAS, or back."""
    flipped: Array = _FLIP_XY @ np.asarray(affine, dtype=np.float64)
    return flipped


def spacing_of(affine: npt.ArrayLike) -> Array:
    """Return millimeters per voxel along i, j, k; shape (3,)."""
    columns = np.asarray(affine, dtype=np.float64)[:3, :3]
    spacing_mm: Array = np.linalg.norm(columns, axis=0)
    return spacing_mm


def directions_of(affine: npt.ArrayLike) -> Array:
    """Return unit vectors of the voxel axes as columns; shape (3, 3)."""
    columns = np.asarray(affine, dtype=np.float64)[:3, :3]
    directions: Array = columns / spacing_of(affine)
    return directions


def shear_of(affine: npt.ArrayLike) -> float:
    """Return the largest cosine between two voxel axes; 0 means orthogonal."""
    directions = directions_of(affine)
    return float(np.abs(directions.T @ directions - np.eye(3)).max())


def axis_codes(affine_lps: npt.ArrayLike) -> str:
    """Return where the voxel axes point to, one letter each, such as ``"LPS"``.

    The letter is the anatomical direction closest to increasing i, j and k. It
    describes the *voxel axes*; the world frame is LPS whatever they are.
    """
    directions = directions_of(affine_lps).copy()
    letters = ["", "", ""]
    for _ in range(3):
        world, voxel = np.unravel_index(np.abs(directions).argmax(), (3, 3))
        positive = directions[world, voxel] > 0
        letters[voxel] = ("LPS" if positive else "RAI")[world]
        directions[world, :] = 0
        directions[:, voxel] = 0
    return "".join(letters)
