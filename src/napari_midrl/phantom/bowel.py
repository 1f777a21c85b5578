"""Colon and small bowel: long tubes with wall, content and some gas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.shapes import FAT_ONLY, point, snug, tube
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Shape
    from napari_midrl.phantom.patient import Patient

    Point = tuple[float, float, float]

_ONTO = frozenset(
    {Tissue.VISCERAL_FAT, Tissue.BOWEL_WALL, Tissue.BOWEL_CONTENT, Tissue.GAS}
)


def bowel(patient: Patient) -> list[Shape]:
    """Return small bowel loops, then the colon that frames them."""
    rng = np.random.default_rng([patient.seed, 77])
    loops = [*_small_bowel(patient, rng), *_sigmoid(patient, rng)]
    return [*_mesentery(patient), *snug([*loops, *_colon(patient, rng)])]


def _mesentery(patient: Patient) -> list[Shape]:
    """Return vessels that fan out from the root of the mesentery into the fat."""
    rng = np.random.default_rng([patient.seed, 78])
    h, wide = patient.height_mm, patient.girth * patient.height_mm / 1700
    root = np.array([2.0, -38.0, 0.642 * h])
    front = -66 - 60 * (patient.girth - 0.8)
    shapes = []
    for _ in range(15):
        reach = (rng.uniform(-84, 84) * wide, front * rng.uniform(0.5, 1.05))
        end = np.array([*reach, h * rng.uniform(0.565, 0.665)])
        middle = 0.5 * (root + end) + rng.normal(0, 9, 3)
        path = [point(root + rng.normal(0, (8, 5, 20))), point(middle), point(end)]
        radii = [2.2, 1.7, 0.9]
        shapes += tube(path, radii, (0.0, Tissue.VENOUS_BLOOD), onto=FAT_ONLY)
    return shapes


def _small_bowel(patient: Patient, rng: np.random.Generator) -> list[Shape]:
    """Return winding loops of changing caliber; the fat thins them out."""
    h, wide = patient.height_mm, patient.girth * patient.height_mm / 1700
    front = -58 - 60 * (patient.girth - 0.8)
    low = np.array([-92 * wide, front, 0.524 * h])
    high = np.array([92 * wide, 4, 0.648 * h])
    shapes: list[Shape] = []
    for _ in range(int(46 - 32 * patient.visceral_fat)):
        path = _walk(rng, low, high, int(rng.integers(7, 12)))
        caliber = rng.uniform(9.5, 14)
        radii = caliber * rng.uniform(0.78, 1.15, len(path))
        content = Tissue.GAS if rng.random() < 0.07 else Tissue.BOWEL_CONTENT
        layers = [(0.0, Tissue.BOWEL_WALL), (2.2, content)]
        if rng.random() < 0.25:
            # A collapsed loop shows wall only.
            layers, radii = layers[:1], radii * 0.62
        shapes += tube(path, radii.tolist(), *layers, onto=_ONTO)
    return shapes


def _sigmoid(patient: Patient, rng: np.random.Generator) -> list[Shape]:
    """Return loops of sigmoid and ileum that lie deep in the pelvis."""
    h = patient.height_mm
    low, high = np.array([-70.0, -20.0, 0.526 * h]), np.array([70.0, 52.0, 0.592 * h])
    shapes: list[Shape] = []
    for _ in range(int(22 - 10 * patient.visceral_fat)):
        path = _walk(rng, low, high, int(rng.integers(4, 8)))
        radii = rng.uniform(9, 14) * rng.uniform(0.8, 1.15, len(path))
        layers = ((0.0, Tissue.BOWEL_WALL), (2.4, Tissue.BOWEL_CONTENT))
        shapes += tube(path, radii.tolist(), *layers, onto=_ONTO)
    return shapes


def _walk(
    rng: np.random.Generator,
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    n: int,
) -> list[Point]:
    """Return a smooth random walk that turns back at the walls of a box."""
    here = rng.uniform(low, high)
    way = rng.normal(0, (1, 0.5, 0.8))
    path = [point(here)]
    for _ in range(n):
        way = 0.62 * way / np.linalg.norm(way) + rng.normal(0, (0.6, 0.4, 0.55))
        step = here + 18 * way / np.linalg.norm(way)
        way = np.where((step < low) | (step > high), -way, way)
        here = np.clip(here + 18 * way / np.linalg.norm(way), low, high)
        path.append(point(here))
    return path


def _colon(patient: Patient, rng: np.random.Generator) -> list[Shape]:
    """Return the colon from the right flank to the sigmoid, with bulges."""
    h, wide = patient.height_mm, patient.girth * patient.height_mm / 1700
    front = -62 - 50 * (patient.girth - 0.9)
    corners: list[Point] = [
        (-80 * wide, -30, 0.560 * h),
        (-92 * wide, 14, 0.590 * h),
        (-90 * wide, 12, 0.628 * h),
        (-66 * wide, front * 0.8, 0.630 * h),
        (-20, front, 0.618 * h),
        (40, front, 0.624 * h),
        (82 * wide, -20, 0.655 * h),
        (94 * wide, 24, 0.640 * h),
        (94 * wide, 30, 0.600 * h),
        (88 * wide, 14, 0.566 * h),
        (64, -16, 0.545 * h),
        (24, 12, 0.556 * h),
        (6, 40, 0.545 * h),
    ]
    shapes = []
    wall = (0.0, Tissue.BOWEL_WALL)
    for n in range(len(corners) - 1):
        path = _between(corners[n], corners[n + 1], 4, rng)
        base = np.interp(n, [0, 4, 8, 11], [23, 19, 15, 13]) * rng.uniform(0.85, 1.15)
        radii = base * (1 + 0.14 * np.array([-1, 1, -1, 1, -1]))
        content = (
            Tissue.GAS if n in (4, 5) or rng.random() < 0.15 else Tissue.BOWEL_CONTENT
        )
        shapes += tube(path, radii.tolist(), wall, (2.4, content), onto=_ONTO)
    return shapes


def _between(a: Point, b: Point, n: int, rng: np.random.Generator) -> list[Point]:
    """Return points on the way, the inner ones shaken."""
    line = np.linspace(a, b, n + 1)
    line[1:-1] += rng.normal(0, 3.0, (n - 1, 3))
    return [point(p) for p in line]
