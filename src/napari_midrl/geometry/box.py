"""Boxes in the patient: an agent's field of view, and how two of them overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

# The twelve edges of the unit cube as pairs of corner numbers; corner n has the
# binary digits of n as its (x, y, z).
BOX_EDGES = np.array(
    [(a, a | bit) for a in range(8) for bit in (1, 2, 4) if not a & bit]
)


def box_corners(center: npt.ArrayLike, size: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the eight corners of axis-parallel boxes.

    Parameters
    ----------
    center
        Shape (*any, 3), in any frame and unit.
    size
        Full edge lengths, shape (*any, 3), same frame and unit.

    Returns
    -------
    corners
        Shape (*any, 8, 3); `BOX_EDGES` says which are joined.
    """
    unit = np.array([[n >> axis & 1 for axis in range(3)] for n in range(8)]) - 0.5
    corners: npt.NDArray[np.float64] = (
        np.asarray(center, dtype=np.float64)[..., None, :]
        + np.asarray(size, dtype=np.float64)[..., None, :] * unit
    )
    return corners


def box_overlap(
    offset: npt.ArrayLike, size: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return Dice and IoU of two equal boxes whose centers are `offset` apart.

    The overlap the paper reports: a fixed-size box at the agent against one at the
    landmark, neither cut off at the image border.

    Parameters
    ----------
    offset
        Difference of the centers, shape (*any, n_axes).
    size
        Edge lengths, shape (n_axes,), same unit.

    Returns
    -------
    dice, iou
        Between 0 and 1, shape (*any).

    Notes
    -----
    Dice is the product of (1 - abs(d) / s) over the axes; IoU = Dice / (2 - Dice).

    References
    ----------
    .. [1] Parekh et al. (2020), Proc. MIDL, PMLR 121, 588-600,
       https://proceedings.mlr.press/v121/parekh20a.html
    """
    share = 1 - np.abs(np.asarray(offset, dtype=np.float64)) / np.asarray(size)
    dice: npt.NDArray[np.float64] = np.clip(share, 0, None).prod(axis=-1)
    iou: npt.NDArray[np.float64] = dice / (2 - dice)
    return dice, iou
