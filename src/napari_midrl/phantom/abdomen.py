"""Liver, gall bladder, spleen, stomach, pancreas, duodenum and great vessels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.kidneys import kidneys
from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import ellipsoid, intersect, smooth_union
from napari_midrl.phantom.shapes import (
    FAT_ONLY,
    around,
    ball,
    moved,
    point,
    rod,
    snug,
    solid,
    tube,
)
from napari_midrl.phantom.spine import spine_y_mm
from napari_midrl.phantom.tissues import Tissue
from napari_midrl.phantom.trunk import diaphragm

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Patient

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

FAT = Tissue.VISCERAL_FAT
ARTERY, VEIN = Tissue.ARTERIAL_BLOOD, Tissue.VENOUS_BLOOD

_STOMACH = (Tissue.BOWEL_WALL, Tissue.BOWEL_CONTENT, Tissue.GAS)
_INSIDE = frozenset({FAT, Tissue.LIVER, *_STOMACH})


def abdomen_organs(patient: Patient) -> list[Shape]:
    """Return the organs of the upper abdomen in paint order."""
    rng = np.random.default_rng([patient.seed, 50])
    filled = rng.uniform(0.55, 1.25)
    gall = ball(
        point(rng.normal((-56, -52, patient.dome_mm - 96), 6)),
        point(np.array([14, 17, 27]) * filled),
        (0, Tissue.BOWEL_WALL),
        (1.4, Tissue.GALLBLADDER),
    )
    return [
        *snug([_liver(patient)]),
        *_liver_vessels(patient),
        *_liver_cysts(patient),
        gall,
        *_stomach(patient),
        solid(patient.spleen, (0, Tissue.SPLEEN), wobble_mm=1.8, onto=_INSIDE),
        *kidneys(patient),
        *_great_vessels(patient),
        *snug(_pancreas(patient)),
        *snug(_duodenum(patient)),
    ]


def _pancreas(patient: Patient) -> list[Shape]:
    """Return the pancreas, which fat divides into lobules, with the splenic vein."""
    kz = patient.kidneys[0].center[2]
    path: list[Point] = [
        (-34, -22, kz + 6),
        (-10, -34, kz + 14),
        (24, -20, kz + 28),
        (66, 14, kz + 46),
    ]
    lobules = 0.2 + 1.6 * patient.visceral_fat

    def clefts(slab: Slab) -> Array:
        return np.abs(slab.noise("coarse")) * 5 - np.float32(lobules)

    box = around(*path, margin=16)
    gland = tube(path, [15, 11, 10, 9], (0, Tissue.PANCREAS), onto=FAT_ONLY)
    cleft = Shape(*box, clefts, ((0, FAT),), frozenset({Tissue.PANCREAS}))
    behind = [moved(p, y=9, z=-2) for p in path[1:]]
    return [
        *gland,
        cleft,
        *tube(behind, [4.5, 3.8, 3.2], (0, VEIN), onto=FAT_ONLY | {Tissue.PANCREAS}),
    ]


def _duodenum(patient: Patient) -> list[Shape]:
    """Return the duodenum, a loop about the head of the pancreas."""
    rng = np.random.default_rng([patient.seed, 45])
    kz = patient.kidneys[1].center[2]
    y = spine_y_mm(patient, kz) - 46
    loop: list[Point] = [
        (-34, y - 6, kz + 34),
        (-52, y + 8, kz + 16),
        (-50, y + 12, kz - 18),
        (-22, y + 2, kz - 34),
        (24, y - 2, kz - 26),
        (44, y - 8, kz - 6),
    ]
    path = [point(np.array(p) + rng.normal(0, 4, 3)) for p in loop]
    radii = (rng.uniform(8, 13) * rng.uniform(0.8, 1.2, len(path))).tolist()
    layers = ((0, Tissue.BOWEL_WALL), (2.4, Tissue.BOWEL_CONTENT))
    return tube(path, radii, *layers, onto=FAT_ONLY)


def _liver(patient: Patient) -> Shape:
    """Return the liver: under the right dome, wedge-shaped towards the left.

    Its lower edge rises to the left, steeper in some than in others.
    """
    rng = np.random.default_rng([patient.seed, 46])
    slope, lower = rng.uniform(0.6, 1.0), rng.normal(8, 12)
    size = 1.14 * patient.liver_size * patient.height_mm / 1700
    dome = patient.dome_mm
    tail = dome - 150 * size

    def distance(slab: Slab) -> Array:
        x, y, z = slab.x, slab.y, slab.z
        right = ellipsoid(x, y, z, (-76, -2, dome - 70 * size), (98, 98, 104 * size))
        left = ellipsoid(x, y, z, (-6, -44, dome - 38 * size), (80, 48, 44 * size))
        bumps = 4 * slab.noise("wobble") + 9 * np.sin(y * np.float32(1 / 26))
        rise = (x + 76) * np.float32(slope)
        edge = np.float32(tail + 30 + lower) + rise + y * np.float32(0.12) - z
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
    """Return the stomach, fluid behind and gas in front as the patient lies supine.

    In some it is empty and folded, in others full after a meal.
    """
    rng = np.random.default_rng([patient.seed, 47])
    dome, full = patient.dome_mm, rng.uniform(0.5, 1.0)
    path: list[Point] = [
        (58, 0, dome - 34),
        (60, -22, dome - 56 - 6 * full),
        (40, -48, dome - 70 - 24 * full),
        (6, -58, dome - 78 - 28 * full),
        (-24, -50, dome - 84 - 14 * full),
    ]
    radii = [max(r * full, 11.0) for r in (30, 35, 27, 21, 14)]
    layers = ((0, Tissue.BOWEL_WALL), (4.0, Tissue.BOWEL_CONTENT))
    free = FAT_ONLY | {Tissue.LIVER} if full > 0.75 else FAT_ONLY
    wall = tube(path, radii, *layers, onto=free)
    bubble = full * rng.uniform(0.5, 1.1)
    gas = ball(
        (58, -36 - 6 * full, dome - 56),
        (24 * bubble, 15 * bubble, 26 * bubble),
        (0, Tissue.GAS),
        onto=frozenset({Tissue.BOWEL_CONTENT}),
    )
    return [*snug(wall), gas]


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
    rng = np.random.default_rng([patient.seed, 48])
    aged = np.interp(patient.age_years, [25, 75], [0.85, 1.08]) * rng.uniform(0.92, 1.1)
    # Breath and filling make the vena cava round or flat: two tubes, side by side.
    flat = rng.uniform(1.5, 7.0)
    round_ = (11 - 0.55 * flat) * rng.uniform(0.9, 1.1)
    shapes = tube(aorta, [11 * aged, 10.5 * aged, 9.5 * aged], wall, (1.4, ARTERY))
    for depth, tissue in (wall, (0.8, VEIN)):
        for dx in (-flat, flat):
            beside = [moved(p, x=dx - 2, y=10 - round_) for p in cava]
            shapes += tube(beside, [round_ - depth] * 3, (0, tissue))
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
