"""Building blocks of the anatomy: balls, rods, tubes and turned organs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import capsule, centered_ellipsoid, ellipsoid, rotated
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Organ

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]
    Layer = tuple[float, Tissue]

FAT_ONLY = frozenset({Tissue.VISCERAL_FAT})


def point(values: npt.ArrayLike) -> Point:
    """Return three plain numbers."""
    x, y, z = np.asarray(values, dtype=np.float64).tolist()
    return x, y, z


def moved(start: Point, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Point:
    """Return a point shifted by millimeters."""
    return start[0] + x, start[1] + y, start[2] + z


def around(*points: Point, margin: float) -> tuple[Point, Point]:
    """Return the box around points with a margin, mm."""
    cloud = np.array(points)
    return point(cloud.min(axis=0) - margin), point(cloud.max(axis=0) + margin)


def rod(
    start: Point,
    end: Point,
    radii: tuple[float, float],
    *layers: Layer,
    onto: frozenset[Tissue] | None = None,
) -> Shape:
    """Return a rod with round ends, one radius at each end."""

    def distance(slab: Slab) -> Array:
        return capsule(slab.x, slab.y, slab.z, start, end, *radii)

    box = around(start, end, margin=max(radii) + 4)
    return Shape(*box, distance, layers, onto)


def ball(
    center: Point,
    half_mm: Point,
    *layers: Layer,
    onto: frozenset[Tissue] | None = None,
) -> Shape:
    """Return an ellipsoid along the body's axes."""

    def distance(slab: Slab) -> Array:
        return ellipsoid(slab.x, slab.y, slab.z, center, half_mm)

    return Shape(*around(center, margin=max(half_mm) + 4), distance, layers, onto)


def solid(
    organ: Organ,
    *layers: Layer,
    wobble_mm: float = 0.0,
    onto: frozenset[Tissue] | None = None,
) -> Shape:
    """Return a turned ellipsoid, its edge moved by smooth noise."""

    def distance(slab: Slab) -> Array:
        edge = centered_ellipsoid(*local(slab, organ), organ.half_mm)
        if wobble_mm:
            edge = edge + np.float32(wobble_mm) * slab.noise("wobble")
        return edge

    box = around(organ.center, margin=max(organ.half_mm) + 5 + 2 * wobble_mm)
    return Shape(*box, distance, layers, onto)


def local(slab: Slab, organ: Organ) -> tuple[Array, Array, Array]:
    """Return coordinates along an organ's own axes, mm from its center."""
    x, y, z = (np.float32(c) for c in organ.center)
    return rotated(slab.x - x, slab.y - y, slab.z - z, organ.rotation)


def tube(
    path: Sequence[Point],
    radii: Sequence[float],
    *layers: Layer,
    onto: frozenset[Tissue] | None = None,
) -> list[Shape]:
    """Return a bent tube, painted layer by layer so that no wall crosses its bore.

    Parameters
    ----------
    path
        Points along the middle.
    radii
        Outer radius at each point, mm.
    layers
        From outside in, each with the depth where it begins.
    onto
        Only these tissues, and the tube's own, are painted over.
    """
    allowed = None if onto is None else onto | {tissue for _, tissue in layers}
    return [
        rod(
            path[n],
            path[n + 1],
            (max(radii[n] - depth, 0.5), max(radii[n + 1] - depth, 0.5)),
            (0.0, tissue),
            onto=allowed,
        )
        for depth, tissue in layers
        for n in range(len(path) - 1)
    ]


def restricted(shapes: Iterable[Shape], onto: frozenset[Tissue]) -> list[Shape]:
    """Return shapes that only cover some tissues."""
    return [replace(shape, onto=onto) for shape in shapes]


def snug(shapes: Iterable[Shape]) -> list[Shape]:
    """Return shapes that touch what is there already, without a seam between."""
    return [replace(shape, snug=True) for shape in shapes]
