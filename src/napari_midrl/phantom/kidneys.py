"""Kidneys in their fat, with cysts, vessels and ureters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import centered_ellipsoid, intersect
from napari_midrl.phantom.shapes import (
    FAT_ONLY,
    around,
    ball,
    local,
    moved,
    point,
    rod,
    tube,
)
from napari_midrl.phantom.spine import spine_y_mm
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Organ, Patient

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

FAT = Tissue.VISCERAL_FAT
BED = Tissue.FAT
"""The fat about a kidney; the bowel, which is painted later, does not enter it."""

_RENAL = frozenset({Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA})
_SOFT = frozenset(Tissue) - {
    Tissue.MUSCLE,
    Tissue.FAT,
    Tissue.CORTICAL_BONE,
    Tissue.RED_MARROW,
}
"""What the fat about a kidney may displace: not the wall of the body."""

THINNEST_BED_MM = 2.0
"""Even lean people have fat between a kidney and spleen, liver and muscle."""

_BOW = 0.16
"""How far the poles bend to the spine, as a share of half the width."""


def kidneys(patient: Patient) -> list[Shape]:
    """Return the kidneys that are there, and the cysts on them."""
    rng = np.random.default_rng([patient.seed, 49])
    anomalies = patient.anomalies
    shapes = []
    for organ, side in zip(patient.kidneys, (1, -1), strict=True):
        bed_mm = THINNEST_BED_MM + 12 * patient.visceral_fat * rng.uniform(0.5, 1.2)
        hollow = float(rng.uniform(0.85, 1.2))
        if side == anomalies.missing_kidney:
            continue
        shapes += _kidney(organ, side, bed_mm, hollow)
        shapes += _vessels(patient, organ, side)
        for cyst in anomalies.renal_cysts:
            if cyst.side == side:
                place = organ.rotation @ (np.array(organ.half_mm) * cyst.place)
                center = point(np.array(organ.center) + place)
                radius = (cyst.radius_mm,) * 3
                shapes.append(
                    ball(center, radius, (0, Tissue.URINE), onto=_SOFT | {BED})
                )
    return shapes


def _kidney(organ: Organ, side: int, bed_mm: float, hollow: float) -> list[Shape]:
    """Return a kidney with pyramids, sinus and pelvis in its bed of fat."""
    a, b, c = organ.half_mm

    def bowed(slab: Slab, organ: Organ = organ) -> tuple[Array, Array, Array]:
        u, v, w = local(slab, organ)
        # The mean of (w / c)^2 over an ellipsoid is a fifth: the centroid stays.
        bend = (w * np.float32(1 / c)) ** 2 - np.float32(0.2)
        return u + np.float32(side * _BOW * a) * bend, v, w

    def whole(slab: Slab) -> Array:
        return centered_ellipsoid(*bowed(slab), organ.half_mm) + slab.noise("wobble")

    def sinus(slab: Slab) -> Array:
        u, v, w = local(slab, organ)
        inward = np.float32(-side * 0.74 * a)
        half = (0.60 * a * hollow, 0.32 * b * hollow, 0.44 * c * hollow)
        return centered_ellipsoid(u - inward, v, w, half) + 2.2 * slab.noise("coarse")

    def pyramids(slab: Slab) -> Array:
        u, v, w = bowed(slab)
        inner = centered_ellipsoid(u, v, w, organ.half_mm) + np.float32(7.0)
        # Cones stand around the sinus, cortex dips between them.
        angle = np.arctan2(w * np.float32(a / c), side * u + np.float32(0.45 * a))
        rows = np.cos(angle * 7) * np.float32(3.8) + np.cos(v * np.float32(0.24)) * 3
        return intersect(inner, -rows + slab.noise("coarse"))

    def pelvis(slab: Slab) -> Array:
        u, v, w = local(slab, organ)
        inward = np.float32(-side * 0.80 * a)
        return centered_ellipsoid(u - inward, v, w, (0.30 * a, 0.14 * b, 0.20 * c))

    bed = (a + bed_mm, b + bed_mm, c + bed_mm)

    # Most of its fat lies behind a kidney.
    farther_back = replace(organ, center=moved(organ.center, y=0.35 * bed_mm))

    def fat(slab: Slab) -> Array:
        lumpy = np.float32(0.25 * bed_mm) * slab.noise("wobble")
        return centered_ellipsoid(*bowed(slab, farther_back), bed) + lumpy

    box = around(organ.center, margin=c + 8)
    cortex = Tissue.KIDNEY_CORTEX
    return [
        Shape(*around(organ.center, margin=max(bed) + 4), fat, ((0, BED),), _SOFT),
        Shape(*box, whole, ((0, cortex),)),
        Shape(*box, pyramids, ((0, Tissue.KIDNEY_MEDULLA),), frozenset({cortex})),
        Shape(*box, sinus, ((0, FAT),), _RENAL),
        Shape(*box, pelvis, ((0, Tissue.URINE),), FAT_ONLY),
    ]


def _vessels(patient: Patient, organ: Organ, side: int) -> list[Shape]:
    """Return renal artery, renal vein and ureter; the left vein crosses the aorta."""
    x, y, z = organ.center
    a = organ.half_mm[0]
    hilum = point(np.array(organ.center) + organ.rotation @ (-side * 0.9 * a, 0.0, 0.0))
    front = spine_y_mm(patient, z + 8) - 28
    artery = (side * 16.0, front + 2, z + 6)
    vein: list[Point] = [
        hilum,
        (0.3 * x + side * 10, front - 9, z + 6),
        (-14.0, front - 8, z + 10),
    ]
    ureter: list[Point] = [
        hilum,
        (side * 34.0, y - 18, z - 50),
        (side * 38.0, 6.0, z - 130),
    ]
    return [
        rod(
            hilum, artery, (2.6, 3.2), (0, Tissue.ARTERIAL_BLOOD), onto=FAT_ONLY | {BED}
        ),
        *tube(vein, [3.8, 4.6, 5.0], (0, Tissue.VENOUS_BLOOD), onto=FAT_ONLY | {BED}),
        *tube(
            ureter,
            [3.2, 2.4, 2.2],
            (0, Tissue.BOWEL_WALL),
            (1.2, Tissue.URINE),
            onto=FAT_ONLY | {BED},
        ),
    ]
