"""Liver, gall bladder, spleen, stomach, pancreas, kidneys and great vessels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import (
    centered_ellipsoid,
    ellipsoid,
    intersect,
    smooth_union,
)
from napari_midrl.phantom.shapes import (
    FAT_ONLY,
    around,
    ball,
    local,
    point,
    rod,
    solid,
    tube,
)
from napari_midrl.phantom.spine import spine_y_mm
from napari_midrl.phantom.tissues import Tissue
from napari_midrl.phantom.trunk import diaphragm

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Organ, Patient

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

FAT = Tissue.VISCERAL_FAT
ARTERY, VEIN = Tissue.ARTERIAL_BLOOD, Tissue.VENOUS_BLOOD

_SOFT = frozenset(Tissue) - {
    Tissue.MUSCLE,
    Tissue.FAT,
    Tissue.CORTICAL_BONE,
    Tissue.RED_MARROW,
}
"""What the fat about a kidney may displace: not the wall of the body."""


def abdomen_organs(patient: Patient) -> list[Shape]:
    """Return the organs of the upper abdomen in paint order."""
    dome = patient.dome_mm
    gall = ball(
        (-56, -52, dome - 96),
        (14, 17, 27),
        (0, Tissue.BOWEL_WALL),
        (1.4, Tissue.GALLBLADDER),
    )
    kz = patient.kidneys[0].center[2]
    pancreas: list[Point] = [
        (-34, -22, kz + 6),
        (-10, -34, kz + 14),
        (24, -20, kz + 28),
        (66, 14, kz + 46),
    ]
    return [
        _liver(patient),
        *_liver_vessels(patient),
        *_liver_cysts(patient),
        gall,
        *_stomach(patient),
        solid(patient.spleen, (0, Tissue.SPLEEN), wobble_mm=1.8),
        *tube(pancreas, [15, 11, 10, 9], (0, Tissue.PANCREAS), onto=FAT_ONLY),
        *_kidneys(patient),
        *_great_vessels(patient),
    ]


def _liver(patient: Patient) -> Shape:
    """Return the liver: under the right dome, wedge-shaped towards the left."""
    size = 1.14 * patient.liver_size * patient.height_mm / 1700
    dome = patient.dome_mm
    tail = dome - 150 * size

    def distance(slab: Slab) -> Array:
        x, y, z = slab.x, slab.y, slab.z
        right = ellipsoid(x, y, z, (-76, -2, dome - 70 * size), (98, 98, 104 * size))
        left = ellipsoid(x, y, z, (-6, -44, dome - 38 * size), (80, 48, 44 * size))
        bumps = 3 * slab.noise("wobble")
        edge = np.float32(tail + 36) + x * np.float32(0.55) - y * np.float32(0.2) - z
        # The porta and the bed of the gall bladder notch the lower face.
        notch = np.float32(20) - ellipsoid(x, y, z, (-34, -20, tail + 20), (26, 44, 40))
        whole = smooth_union(right, left, 20)
        body = intersect(whole, (edge + bumps) * np.float32(0.85), notch - 20)
        return intersect(body, 3 - diaphragm(patient, slab))

    box = ((-190.0, -150.0, tail - 30), (80.0, 120.0, dome + 24))
    return Shape(*box, distance, ((0, Tissue.LIVER),), onto=FAT_ONLY)


def _liver_vessels(patient: Patient) -> list[Shape]:
    """Return hepatic and portal veins that fork inside the liver."""
    rng = np.random.default_rng([patient.seed, 43])
    dome = patient.dome_mm
    onto = frozenset({Tissue.LIVER})
    shapes = []
    for start, ends in (
        (
            (-24.0, 14.0, dome - 26),
            [(-110, 30, dome - 70), (-80, -50, dome - 70), (-20, -60, dome - 50)],
        ),
        (
            (-34.0, -14.0, dome - 92),
            [(-100, 20, dome - 100), (-90, -40, dome - 60), (-20, -56, dome - 62)],
        ),
    ):
        for end in ends:
            a, b = np.array(start), np.array(end, float)
            middle = point((a + b) / 2 + rng.normal(0, 5, 3))
            shapes.append(rod(start, middle, (5.0, 3.8), (0, VEIN), onto=onto))
            for _ in range(3):
                tip = point(b + rng.normal(0, 18, 3))
                shapes.append(rod(middle, tip, (3.4, 1.2), (0, VEIN), onto=onto))
    return shapes


def _stomach(patient: Patient) -> list[Shape]:
    """Return the stomach, fluid behind and gas in front as the patient lies supine."""
    dome = patient.dome_mm
    path: list[Point] = [
        (58, 0, dome - 34),
        (60, -22, dome - 62),
        (40, -48, dome - 92),
        (6, -58, dome - 104),
        (-24, -50, dome - 98),
    ]
    radii = [30, 35, 27, 21, 14]
    wall = tube(path, radii, (0, Tissue.BOWEL_WALL), (4.0, Tissue.BOWEL_CONTENT))
    gas = ball(
        (58, -42, dome - 56),
        (24, 15, 26),
        (0, Tissue.GAS),
        onto=frozenset({Tissue.BOWEL_CONTENT}),
    )
    return [*wall, gas]


def _liver_cysts(patient: Patient) -> list[Shape]:
    """Return fluid in the right lobe of the liver."""
    middle, half = np.array([-76, -2, patient.dome_mm - 70]), np.array([90, 90, 95])
    return [
        ball(
            point(middle + half * cyst.place),
            (cyst.radius_mm,) * 3,
            (0, Tissue.URINE),
            onto=frozenset({Tissue.LIVER, VEIN}),
        )
        for cyst in patient.anomalies.liver_cysts
    ]


def _kidneys(patient: Patient) -> list[Shape]:
    """Return the kidneys that are there, and the cysts on them."""
    anomalies = patient.anomalies
    shapes = []
    for organ, side in zip(patient.kidneys, (1, -1), strict=True):
        if side == anomalies.missing_kidney:
            continue
        shapes += _kidney(organ, side)
        for cyst in anomalies.renal_cysts:
            if cyst.side == side:
                place = organ.rotation @ (np.array(organ.half_mm) * cyst.place)
                center = point(np.array(organ.center) + place)
                radius = (cyst.radius_mm,) * 3
                shapes.append(ball(center, radius, (0, Tissue.URINE), onto=_SOFT))
    return shapes


def _kidney(organ: Organ, side: int) -> list[Shape]:
    """Return a kidney with pyramids, sinus and pelvis in its bed of fat."""
    a, b, c = organ.half_mm
    turn, center = organ.rotation, np.array(organ.center)

    def sinus(slab: Slab) -> Array:
        u, v, w = local(slab, organ)
        inward = np.float32(-side * 0.70 * a)
        hollow = centered_ellipsoid(u - inward, v, w, (0.62 * a, 0.34 * b, 0.46 * c))
        return hollow + 1.5 * slab.noise("coarse")

    def pyramids(slab: Slab) -> Array:
        u, v, w = local(slab, organ)
        inner = centered_ellipsoid(u, v, w, organ.half_mm) + np.float32(7.5)
        # Cones stand around the sinus, cortex dips between them.
        angle = np.arctan2(w * np.float32(a / c), side * u + np.float32(0.45 * a))
        rows = np.cos(angle * 7) * np.float32(3.8) + np.cos(v * np.float32(0.19)) * 2
        return intersect(inner, -rows)

    def pelvis(slab: Slab) -> Array:
        u, v, w = local(slab, organ)
        inward = np.float32(-side * 0.72 * a)
        return centered_ellipsoid(u - inward, v, w, (0.30 * a, 0.14 * b, 0.20 * c))

    box = around(organ.center, margin=c + 8)
    hilum = point(center + turn @ np.array([-side * 1.0 * a, 0, 0]))
    toward = (side * 14.0, organ.center[1] - 26, organ.center[2] + 4)
    ureter: list[Point] = [
        hilum,
        (side * 34.0, organ.center[1] - 18, organ.center[2] - 50),
        (side * 38.0, 6.0, organ.center[2] - 130),
    ]
    bed = tuple(x + 10 for x in organ.half_mm)

    def fat(slab: Slab) -> Array:
        return centered_ellipsoid(*local(slab, organ), (bed[0], bed[1], bed[2]))

    renal = frozenset({Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA})
    return [
        Shape(*around(organ.center, margin=c + 18), fat, ((0, FAT),), onto=_SOFT),
        solid(organ, (0, Tissue.KIDNEY_CORTEX), wobble_mm=0.7),
        Shape(
            *box,
            pyramids,
            ((0, Tissue.KIDNEY_MEDULLA),),
            onto=frozenset({Tissue.KIDNEY_CORTEX}),
        ),
        Shape(*box, sinus, ((0, FAT),), onto=renal),
        Shape(*box, pelvis, ((0, Tissue.URINE),), onto=FAT_ONLY),
        rod(hilum, toward, (3.2, 3.6), (0, ARTERY), onto=FAT_ONLY),
        *tube(
            ureter,
            [3.2, 2.4, 2.2],
            (0, Tissue.BOWEL_WALL),
            (1.2, Tissue.URINE),
            onto=FAT_ONLY,
        ),
    ]


def _great_vessels(patient: Patient) -> list[Shape]:
    """Return aorta and vena cava down to the groin."""
    h = patient.height_mm
    upper, fork = spine_y_mm(patient, 0.70 * h), spine_y_mm(patient, 0.60 * h) - 28
    wall = (0.0, Tissue.MUSCLE)
    middle = spine_y_mm(patient, 0.65 * h) - 28
    aorta: list[Point] = [
        (11, upper - 30, 0.70 * h),
        (9, middle, 0.65 * h),
        (6, fork, 0.605 * h),
    ]
    cava: list[Point] = [
        (-22, upper - 36, 0.715 * h),
        (-18, middle, 0.65 * h),
        (-14, fork + 2, 0.60 * h),
    ]
    shapes = [
        *tube(aorta, [11, 10.5, 9.5], wall, (1.4, ARTERY)),
        *tube(cava, [12, 12, 11], wall, (0.8, VEIN)),
    ]
    for leg in patient.legs:
        s, (hx, _, hz) = leg.side, leg.hip
        for dy, r, tissue in ((0.0, 6.5, ARTERY), (9.0, 7.0, VEIN)):
            path: list[Point] = [
                (s * 3.0 - (4 if tissue == VEIN else 0), fork + dy, 0.60 * h),
                (s * 40.0, 16.0 + dy, 0.557 * h),
                (s * 62.0, -8.0 + dy, 0.532 * h),
                (hx - s * (10 + dy), -44.0, hz + 10),
            ]
            shapes += tube(path, [r, r, r * 0.9, r * 0.8], wall, (0.9, tissue))
    return shapes
