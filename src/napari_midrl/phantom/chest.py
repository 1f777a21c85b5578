"""Heart, great vessels, airways and the vessels of the lungs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import centered_ellipsoid
from napari_midrl.phantom.shapes import around, ball, local, moved, point, rod, tube
from napari_midrl.phantom.spine import spine_y_mm
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Patient

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

FAT = Tissue.VISCERAL_FAT
ARTERY, VEIN = Tissue.ARTERIAL_BLOOD, Tissue.VENOUS_BLOOD
_WALL = (0.0, Tissue.BOWEL_WALL)


def chest_organs(patient: Patient) -> list[Shape]:
    """Return mediastinum, heart, great vessels, airways and lung vessels."""
    return [
        *_mediastinum(patient),
        *_lung_vessels(patient),
        *_great_vessels(patient),
        *_heart(patient),
    ]


def _mediastinum(patient: Patient) -> list[Shape]:
    """Return the fat between the lungs, and fat pads beside the heart."""
    h = patient.height_mm
    hx, hy, hz = patient.heart.center
    fat = (0.0, FAT)
    back = spine_y_mm(patient, hz) - 14
    pad = 10 + 16 * patient.visceral_fat
    return [
        rod((4, -10, 0.765 * h), (4, 0, 0.815 * h), (32, 26), fat),
        rod((2, back, hz - 70), (2, back, 0.80 * h), (22, 22), fat),
        rod((-6, hy - 8, hz + 20), (0, -34, 0.79 * h), (26, 24), fat),
        ball((hx + 34, hy - 26, hz - 48), (pad, pad, 0.9 * pad), fat),
        ball((hx - 52, hy - 16, hz - 46), (pad, pad, 0.8 * pad), fat),
    ]


def _great_vessels(patient: Patient) -> list[Shape]:
    """Return aorta with its arch, venae cavae, lung trunk, windpipe and gullet."""
    h = patient.height_mm
    hx, hy, hz = patient.heart.center
    top = hz + 98
    back = spine_y_mm(patient, hz) - 26
    arch: list[Point] = [
        (hx - 30, hy + 4, hz + 30),
        (hx - 42, hy + 2, hz + 66),
        (hx - 32, hy + 10, top - 4),
        (hx - 12, hy + 32, top + 4),
        (16, back - 14, top - 8),
        (20, back, top - 34),
        (17, back + 2, hz),
        (11, spine_y_mm(patient, 0.70 * h) - 30, 0.70 * h),
    ]
    wall = (0.0, Tissue.MUSCLE)
    neck = [
        tube([(x0, y0, top), (x1, -6, 0.86 * h)], [r, r], wall, (1.2, ARTERY))
        for x0, y0, x1, r in ((-14, hy + 24, -34, 6.5), (4, hy + 36, 30, 6.0))
    ]
    cava: list[Point] = [
        (-34, hy + 8, hz + 44),
        (-36, hy + 2, top - 6),
        (-30, -8, 0.80 * h),
    ]
    trunk: list[Point] = [
        (hx - 16, hy - 6, hz + 40),
        (hx - 10, hy + 6, hz + 62),
        (hx + 4, hy + 30, hz + 66),
    ]
    across: list[Point] = [
        (hx + 22, hy + 38, hz + 62),
        (hx - 24, hy + 36, hz + 58),
        (-48, hy + 36, hz + 52),
    ]
    windpipe: list[Point] = [(0, 4, 0.87 * h), (-2, 10, hz + 96), (-2, 14, hz + 78)]
    bronchi = [
        tube(
            [(-2, 14, hz + 80), (s * 36, 18, hz + 50)],
            [8, 6],
            (0, Tissue.TENDON),
            (1.5, Tissue.GAS),
        )
        for s in (1, -1)
    ]
    gullet: list[Point] = [
        (3, 24, 0.86 * h),
        (3, back - 12, hz + 60),
        (10, back - 18, hz - 50),
    ]
    return [
        *tube(arch, [16, 16, 15, 14, 13, 12, 11.5, 11], wall, (1.6, ARTERY)),
        *[shape for pair in neck for shape in pair],
        *tube(cava, [11, 10, 9], wall, (1.0, VEIN)),
        *tube(trunk, [15, 14, 13], wall, (1.2, VEIN)),
        *tube(across, [10, 10, 8], wall, (1.0, VEIN)),
        *tube(windpipe, [10, 10, 10], (0, Tissue.TENDON), (2.0, Tissue.GAS)),
        *[shape for pair in bronchi for shape in pair],
        *tube(gullet, [8, 8, 8], _WALL),
        rod((-22, hy + 22, hz - 20), (-22, hy + 34, hz - 64), (12, 12), (0, VEIN)),
    ]


def _heart(patient: Patient) -> list[Shape]:
    """Return pericardial fat, muscle, both ventricles and both atria."""
    organ = patient.heart
    a, b, c = organ.half_mm
    turn, center = organ.rotation, np.array(organ.center)
    fat_mm = 2.5 + 4 * patient.visceral_fat

    def pointed(slab: Slab) -> Array:
        u, v, w = local(slab, organ)
        pinch = 1 + np.clip(u / np.float32(a), -0.6, 1) * np.float32(0.22)
        return centered_ellipsoid(u, v * pinch, w * pinch, organ.half_mm)

    def padded(slab: Slab) -> Array:
        lumpy = fat_mm * (1 + np.float32(0.5) * slab.noise("wobble"))
        return (pointed(slab) - lumpy).astype(np.float32)

    def chamber(at: Point, half: Point, tissue: Tissue, rough: float) -> Shape:
        middle = point(center + turn @ np.array(at))

        def distance(slab: Slab) -> Array:
            u, v, w = local(slab, organ)
            shifted = (np.float32(n) for n in at)
            du, dv, dw = (p - n for p, n in zip((u, v, w), shifted, strict=True))
            edge = centered_ellipsoid(du, dv, dw, half)
            return edge + np.float32(rough) * slab.noise("coarse")

        return Shape(*around(middle, margin=max(half) + 6), distance, ((0, tissue),))

    box = around(organ.center, margin=86)
    return [
        Shape(*box, padded, ((0, FAT),)),
        chamber(
            (-0.62 * a, 0.05 * b, 0.50 * c), (0.44 * a, 0.62 * b, 0.50 * c), ARTERY, 0.5
        ),
        chamber(
            (-0.66 * a, -0.42 * b, -0.10 * c), (0.42 * a, 0.48 * b, 0.62 * c), VEIN, 0.5
        ),
        Shape(*box, pointed, ((0, Tissue.MYOCARDIUM),)),
        chamber(
            (0.10 * a, 0.22 * b, 0.08 * c), (0.60 * a, 0.45 * b, 0.50 * c), ARTERY, 1.4
        ),
        chamber(
            (-0.06 * a, -0.60 * b, -0.10 * c), (0.66 * a, 0.26 * b, 0.66 * c), VEIN, 1.4
        ),
        chamber(
            (-0.74 * a, 0.14 * b, 0.30 * c), (0.34 * a, 0.56 * b, 0.48 * c), ARTERY, 0.5
        ),
    ]


def _lung_vessels(patient: Patient) -> list[Shape]:
    """Return a branching tree of vessels in each lung, thinner at every fork."""
    rng = np.random.default_rng([patient.seed, 41])
    _, hy, hz = patient.heart.center
    shapes: list[Shape] = []

    def grow(
        start: Point, way: npt.NDArray[np.float64], radius: float, depth: int
    ) -> None:
        length = rng.uniform(22, 36) * (0.86 ** (4 - depth))
        end = point(np.array(start) + way * length)
        tissue = VEIN if radius > 4 else Tissue.MUSCLE
        shapes.append(
            rod(
                start,
                end,
                (radius, radius * 0.82),
                (0, tissue),
                onto=frozenset({Tissue.LUNG}),
            )
        )
        if depth == 0:
            return
        for _ in range(2):
            turned = way + rng.normal(0, 0.62, 3)
            grow(end, turned / np.linalg.norm(turned), radius * 0.74, depth - 1)

    for s in (1, -1):
        root = (s * 36.0, hy + 38, hz + 40)
        for way in (
            (0.6, -0.3, 0.8),
            (0.75, 0.25, -0.6),
            (0.7, -0.6, -0.35),
            (0.8, 0.5, 0.35),
        ):
            direction = np.array(way) * [s, 1, 1]
            grow(
                moved(root, z=way[2] * 8), direction / np.linalg.norm(direction), 5.6, 4
            )
    return shapes
