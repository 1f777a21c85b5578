"""Breast gland, nipple, and the tumor behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import ellipsoid, intersect
from napari_midrl.phantom.shapes import around, ball
from napari_midrl.phantom.surface import breast_base, nipple_position
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Breast, Patient
    from napari_midrl.phantom.surface import Surface

    Array = npt.NDArray[np.float32]

_FAT = frozenset({Tissue.FAT, Tissue.BREAST_GLAND})


def breast_tissue(patient: Patient, surface: Surface) -> list[Shape]:
    """Return gland, tumor and nipple of both breasts."""
    shapes = []
    for breast in patient.breasts:
        nipple = nipple_position(surface, breast)
        if breast.protrusion_mm > 0:
            shapes.append(_gland(breast, surface))
            if patient.tumor is not None and breast.side == patient.tumor_side:
                x, y, z = (
                    n + t for n, t in zip(nipple, patient.tumor.center, strict=True)
                )
                tumor = ball((x, y, z), patient.tumor.half_mm, (0, Tissue.TUMOR))
                shapes.append(tumor)
        size = 6.0 if breast.protrusion_mm > 0 else 3.6
        x, y, z = nipple
        shapes.append(
            ball((x, y + 1.5, z), (size, size + 0.5, size), (0, Tissue.NIPPLE))
        )
        disc = (3.0 * size, 2.4, 3.0 * size)
        shapes.append(ball((x, y + 3.5, z), disc, (0, Tissue.NIPPLE)))
    return shapes


def _gland(breast: Breast, surface: Surface) -> Shape:
    """Return the gland: a ragged cone behind the nipple."""
    bx, by, bz = breast_base(surface, breast)
    nx, ny, nz = nipple_position(surface, breast)
    depth = by - ny
    center = (0.5 * (bx + nx), ny + 0.52 * depth, 0.5 * (bz + nz))
    r = breast.radius_mm
    half = (0.66 * r, 0.52 * depth, 0.62 * r)
    ragged = np.float32(9.0)
    threshold = np.float32(1.2 - 2.6 * breast.gland_share)

    def distance(slab: Slab) -> Array:
        d = ellipsoid(slab.x, slab.y, slab.z, center, half)
        lobes = slab.noise("coarse") * np.float32(0.75) + slab.noise(
            "wobble"
        ) * np.float32(0.7)
        forward = np.clip((center[1] - slab.y) / np.float32(max(depth, 1)), 0, 1)
        return intersect(
            d, (threshold - lobes - forward * 2) * ragged * np.float32(0.6)
        )

    box = around(center, margin=max(half) + 6)
    return Shape(*box, distance, ((0, Tissue.BREAST_GLAND),), onto=_FAT)
