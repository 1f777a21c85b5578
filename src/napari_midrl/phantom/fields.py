"""Smooth random fields that are the same at every point of space on every grid.

A field is a periodic lattice of random numbers, smoothed by cubic B-splines. On an
axis-aligned grid that is three small matrix products, so it costs little, and it is
anchored in millimeters: another grid through the same points gives the same values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SplineField:
    """A random field with mean 0 and standard deviation 1.

    Parameters
    ----------
    lattice
        Random numbers at the knots, shape (a, b, c); it repeats in every direction.
    knot_mm
        Distance of the knots along x, y, z, mm.
    """

    lattice: Array
    knot_mm: tuple[float, float, float]

    def on_axes(self, x_mm: Array, y_mm: Array, z_mm: Array) -> Array:
        """Return the field on the product of three axes; shape (x, y, z)."""
        axes = (x_mm, y_mm, z_mm)
        weights, block = [], self.lattice
        for axis, coordinates in enumerate(axes):
            weight, knots = _weights(coordinates, self.knot_mm[axis])
            weights.append(weight)
            block = block.take(knots % self.lattice.shape[axis], axis=axis)
        block = np.tensordot(weights[0], block, (1, 0))
        block = np.matmul(weights[1], block)
        field: Array = np.matmul(block, weights[2].T)
        return field

    def at(self, points_mm: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the field at single points; shape (*any,)."""
        points = np.asarray(points_mm, dtype=np.float64)
        flat = points.reshape(-1, 3).astype(np.float32)
        values = [self.on_axes(p[0:1], p[1:2], p[2:3]).item() for p in flat]
        return np.array(values).reshape(points.shape[:-1])


def spline_field(
    rng: np.random.Generator,
    knot_mm: tuple[float, float, float],
    shape: tuple[int, int, int] = (32, 32, 48),
) -> SplineField:
    """Return a random field whose bumps are about two knots wide."""
    lattice = rng.standard_normal(shape, dtype=np.float32)
    # A cubic B-spline keeps (151/315)^3 of white noise's variance on average.
    return SplineField(lattice * np.float32((315 / 151) ** 1.5), knot_mm)


def _weights(
    coordinates_mm: Array, knot_mm: float
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Return B-spline weights (points, knots) and the knots' numbers."""
    position = np.asarray(coordinates_mm, dtype=np.float64) / knot_mm
    cell = np.floor(position).astype(np.int64)
    first, last = int(cell.min()) - 1, int(cell.max()) + 2
    t = position - cell
    cubic = (
        np.stack(
            [
                (1 - t) ** 3,
                3 * t**3 - 6 * t**2 + 4,
                -3 * t**3 + 3 * t**2 + 3 * t + 1,
                t**3,
            ],
            axis=1,
        )
        / 6
    )
    weights = np.zeros((len(position), last - first + 1), np.float32)
    rows = np.arange(len(position))
    for offset in range(4):
        weights[rows, cell - 1 + offset - first] = cubic[:, offset]
    return weights, np.arange(first, last + 1)
