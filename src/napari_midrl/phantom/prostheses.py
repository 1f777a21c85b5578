"""Artificial hips and knees: metal, and the signal that it takes from around it.

An image shows the void, not the metal: it is wider by some millimeters, ragged, and
rimmed by signal that belongs elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import capsule, ellipsoid, intersect, unite
from napari_midrl.phantom.shapes import around, moved
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Distance, Slab
    from napari_midrl.phantom.patient import Leg

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]


def artificial_hip(leg: Leg) -> list[Shape]:
    """Return cup, head and stem; the lesser trochanter lies beside the thin stem."""
    s, hip = leg.side, leg.hip
    base = moved(leg.shaft_top, x=-s * 2, y=2, z=26)
    tip = moved(leg.shaft_top, x=-s * 3, y=-4, z=-105)
    out = np.array([s * 0.72, -0.15, -0.52], np.float32)

    def joint(slab: Slab) -> Array:
        x, y, z = slab.x, slab.y, slab.z
        head = ellipsoid(x, y, z, hip, (16.0,) * 3)
        neck = capsule(x, y, z, hip, base, 6.5, 8.0)
        dx, dy, dz = (c - np.float32(h) for c, h in zip((x, y, z), hip, strict=True))
        shell = np.abs(np.sqrt(dx * dx + dy * dy + dz * dz) - np.float32(24)) - 3
        cup = intersect(shell, dx * out[0] + dy * out[1] + dz * out[2])
        return unite(head, neck, cup)

    def stem(slab: Slab) -> Array:
        return capsule(slab.x, slab.y, slab.z, base, tip, 7.0, 4.0)

    return [
        _bloomed(stem, around(base, tip, margin=20), 2.5),
        _bloomed(joint, around(hip, base, margin=50), 8.0),
    ]


def artificial_knee(leg: Leg) -> list[Shape]:
    """Return the shell on the condyles and the tray on the tibia with its keel.

    The knee cap stays; the void ends behind it.
    """
    s, (x0, y0, z0) = leg.side, leg.knee
    keel = moved(leg.knee, y=1, z=-16), moved(leg.knee, y=-2, z=-58)

    def metal(slab: Slab) -> Array:
        x, y, z = slab.x, slab.y, slab.z
        medial = ellipsoid(x, y, z, (x0 - s * 22, y0 + 8, z0 + 17), (18, 27, 20))
        lateral = ellipsoid(x, y, z, (x0 + s * 21, y0 + 7, z0 + 16), (18, 26, 19))
        flange = ellipsoid(x, y, z, (x0, y0 - 2, z0 + 30), (30, 20, 30))
        shell = np.abs(unite(medial, lateral, flange) + 5) - 7
        shell = intersect(shell, z - np.float32(z0 + 48))
        across = ellipsoid(x, y, np.zeros_like(z), (x0, y0 + 3, 0.0), (36, 23, 30))
        tray = intersect(across, np.abs(z - np.float32(z0 - 10)) - 4)
        return unite(shell, tray, capsule(x, y, z, *keel, 7.0, 5.0))

    return [_bloomed(metal, around(leg.knee, margin=90), 6.0)]


def _bloomed(metal: Distance, box: tuple[Point, Point], bloom_mm: float) -> Shape:
    """Return the void about a metal body, ragged, in places with a bright rim."""

    def distance(slab: Slab) -> Array:
        ragged = 1 + 0.25 * slab.noise("coarse")
        return metal(slab) - np.float32(bloom_mm) * ragged

    def rim(slab: Slab) -> Array:
        patches: Array = np.clip(0.5 + 0.8 * slab.noise("wobble"), 0, 1.2)
        patches *= np.float32(0.45 * bloom_mm)
        return patches

    outer = ((0.0, Tissue.METAL_RIM),)
    return Shape(*box, distance, outer, shell=rim, core=Tissue.METAL)
