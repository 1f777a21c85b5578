"""Distances to simple bodies: negative inside, millimeters, nearly exact at the skin.

Every function takes coordinate arrays of one shape and returns float32 of that shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[np.float32]
    Floats = npt.NDArray[np.floating[Any]]
    Point = tuple[float, float, float]

_TINY = np.float32(1e-6)


def table(z: Array, knots: Sequence[float], values: Sequence[float]) -> Array:
    """Return a table over height, linear between its knots, constant beyond."""
    found: Array = np.interp(z, knots, values).astype(np.float32)
    return found


def smooth_table(
    z: Array, knots: Sequence[float], values: Sequence[float], step_mm: float = 4.0
) -> Array:
    """Return a table over height without corners, sampled every few millimeters."""
    fine = np.arange(knots[0] - 60.0, knots[-1] + 60.0, step_mm)
    level = np.interp(fine, knots, values)
    for _ in range(2):
        padded = np.pad(level, 4, mode="edge")
        level = np.convolve(padded, np.full(9, 1 / 9), mode="valid")
    position = np.clip((z - np.float32(fine[0])) / np.float32(step_mm), 0, None)
    index = np.minimum(position.astype(np.int32), len(fine) - 2)
    share = np.minimum(position - index, 1).astype(np.float32)
    level = level.astype(np.float32)
    low = level[index]
    found: Array = low + share * (level[index + 1] - low)
    return found


def ellipsoid(
    x: Array,
    y: Array,
    z: Array,
    center: Point,
    half_axes: Point,
    rotation: npt.NDArray[np.float64] | None = None,
) -> Array:
    """Return the distance to an ellipsoid; rotation's columns are its axes."""
    dx, dy, dz = (
        x - np.float32(center[0]),
        y - np.float32(center[1]),
        z - np.float32(center[2]),
    )
    if rotation is not None:
        dx, dy, dz = rotated(dx, dy, dz, rotation)
    return centered_ellipsoid(dx, dy, dz, half_axes)


def centered_ellipsoid(dx: Array, dy: Array, dz: Array, half_axes: Point) -> Array:
    """Return the distance to an ellipsoid at the origin along the axes."""
    a, b, c = (np.float32(h) for h in half_axes)
    u, v, w = dx / a, dy / b, dz / c
    u2, v2, w2 = u * u, v * v, w * w
    # The small terms keep 0 / 0 at the very center at minus the least half axis.
    least = np.float32(min(half_axes))
    k0 = np.sqrt(u2 + v2 + w2 + _TINY)
    k1 = np.sqrt(u2 / (a * a) + v2 / (b * b) + w2 / (c * c) + _TINY / (least * least))
    distance: Array = ((k0 - 1) * k0 / k1).astype(np.float32, copy=False)
    return distance


def rotated(
    dx: Array, dy: Array, dz: Array, rotation: npt.NDArray[np.float64]
) -> tuple[Array, Array, Array]:
    """Return coordinates along the columns of a rotation matrix."""
    r = rotation.astype(np.float32)
    return (
        dx * r[0, 0] + dy * r[1, 0] + dz * r[2, 0],
        dx * r[0, 1] + dy * r[1, 1] + dz * r[2, 1],
        dx * r[0, 2] + dy * r[1, 2] + dz * r[2, 2],
    )


def rotation_xyz(x_deg: float, y_deg: float, z_deg: float) -> npt.NDArray[np.float64]:
    """Return the rotation about x, then y, then z (degrees)."""
    (cx, cy, cz) = np.cos(np.radians([x_deg, y_deg, z_deg]))
    (sx, sy, sz) = np.sin(np.radians([x_deg, y_deg, z_deg]))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    matrix: npt.NDArray[np.float64] = about_z @ about_y @ about_x
    return matrix


def capsule(
    x: Array,
    y: Array,
    z: Array,
    start: Point,
    end: Point,
    start_radius: float,
    end_radius: float | None = None,
) -> Array:
    """Return the distance to a rod with round ends and a linear taper."""
    a, b = np.asarray(start, np.float32), np.asarray(end, np.float32)
    d = b - a
    dx, dy, dz = x - a[0], y - a[1], z - a[2]
    t = (dx * d[0] + dy * d[1] + dz * d[2]) / np.float32(max(float(d @ d), 1e-6))
    np.clip(t, 0, 1, out=t)
    dx -= t * d[0]
    dy -= t * d[1]
    dz -= t * d[2]
    far: Array = np.sqrt(dx * dx + dy * dy + dz * dz)
    if end_radius is None or end_radius == start_radius:
        far -= np.float32(start_radius)
        return far
    far -= np.float32(start_radius) + t * np.float32(end_radius - start_radius)
    return far


def oval(u: Array, v: Array, boxiness: float = 0.0) -> Array:
    """Return a radius that is 1 on an ellipse, or on a rounder box, in (u, v)."""
    u2, v2 = u * u, v * v
    squared = u2 + v2
    if boxiness:
        squared = np.maximum(squared - np.float32(boxiness) * u2 * v2, 0)
    radius: Array = np.sqrt(squared)
    return radius


def smooth_union(first: Array, second: Array, width_mm: float) -> Array:
    """Return the union of two bodies with a fillet of about `width_mm`."""
    w = np.float32(width_mm)
    overlap = np.maximum(w - np.abs(first - second), 0)
    merged: Array = np.minimum(first, second) - overlap * overlap / (4 * w)
    return merged


def smooth_intersect(first: Array, second: Array, width_mm: float) -> Array:
    """Return the common part of two bodies with a rounded edge."""
    return -smooth_union(-first, -second, width_mm)


def intersect(first: Floats, *others: Floats) -> Array:
    """Return what lies inside all bodies: the greatest distance."""
    found = first.astype(np.float32, copy=False)
    for other in others:
        found = np.maximum(found, other.astype(np.float32, copy=False))
    return found


def unite(first: Floats, *others: Floats) -> Array:
    """Return what lies inside any body: the least distance."""
    found = first.astype(np.float32, copy=False)
    for other in others:
        found = np.minimum(found, other.astype(np.float32, copy=False))
    return found
