"""Inside of the trunk: abdominal cavity, lungs, diaphragm, ribs, muscles along it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import ellipsoid, intersect
from napari_midrl.phantom.shapes import FAT_ONLY, snug, tube
from napari_midrl.phantom.spine import spine_line, spine_y_mm
from napari_midrl.phantom.surface import trunk_distance
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Patient
    from napari_midrl.phantom.surface import Surface

    Array = npt.NDArray[np.float32]

FAT = Tissue.VISCERAL_FAT


def cavities(patient: Patient, surface: Surface) -> list[Shape]:
    """Return the room inside the trunk: abdominal fat below, lungs above."""
    h = patient.height_mm
    scale, strong = h / 1700, patient.muscularity
    # Weight widens the chest, not the lungs.
    stout = 15 + 150 * max(patient.girth - 1.06, 0.0)

    def room(slab: Slab, thick: float, flank: float) -> Array:
        fat = slab.look(surface.fat) * np.float32(patient.subcutaneous_mm)
        wall = np.float32(thick) + np.float32(flank / 120**2) * slab.x * slab.x
        inside = trunk_distance(surface, slab, fat + wall)
        spine_x, spine_y = spine_line(patient, slab.z)
        # Two gutters beside the spine; the muscles of the back stay behind them.
        side = np.maximum(np.abs(slab.x - spine_x) - 20, 0)
        behind = slab.y - spine_y - 8 - np.minimum(side * np.float32(0.78), 38)
        return intersect(inside, behind * np.float32(0.85))

    def abdomen(slab: Slab) -> Array:
        x, y, z = slab.x, slab.y, slab.z
        bowl = ellipsoid(x, y, z, (0, -8, 0.600 * h), (138 * scale, 140, 0.103 * h))
        upper = np.where(z < 0.60 * h, bowl, np.float32(-60))
        return intersect(
            room(slab, 9.5 * strong, 8.0), upper, 3 - diaphragm(patient, slab)
        )

    def flank(slab: Slab, inset: float) -> Array:
        fat = slab.look(surface.fat) * np.float32(patient.subcutaneous_mm)
        return trunk_distance(surface, slab, fat + np.float32(inset))

    def layers(slab: Slab) -> Array:
        return intersect(flank(slab, 2.0), slab.y - 36)

    def sheets(slab: Slab) -> Array:
        # A little fat between the flat muscles of the wall.
        depth = np.abs(flank(slab, 6.0) - slab.noise("wobble"))
        return intersect(depth + np.float32(0.5), slab.y - 36)

    def chest(slab: Slab) -> Array:
        x, y, z = slab.x, slab.y, slab.z
        dome = ellipsoid(x, y, z, (0, 14, 0.71 * h), (158 * scale, 150, 0.108 * h))
        apex = np.where(z < 0.71 * h, np.float32(-60), dome)
        return intersect(room(slab, stout, 0.0), apex, diaphragm(patient, slab))

    wall = ((-230.0, -250.0, 0.59 * h), (230.0, 60.0, 0.70 * h))
    muscle, fat = Tissue.MUSCLE, Tissue.FAT
    return [
        Shape(*wall, layers, ((0, muscle),), frozenset({fat}), snug=True),
        Shape(*wall, sheets, ((0, fat),), frozenset({muscle})),
        Shape((-220, -240, 0.49 * h), (220, 130, 0.74 * h), abdomen, ((0, FAT),)),
        Shape((-170, -180, 0.62 * h), (170, 150, 0.83 * h), chest, ((0, Tissue.LUNG),)),
    ]


def diaphragm(patient: Patient, slab: Slab) -> Array:
    """Return how far a point lies below the diaphragm, mm; the right dome is higher."""
    scale = np.float32(patient.height_mm / 1700 * max(patient.girth, 1.0))
    x, y = slab.x / scale, slab.y / scale
    depth = np.float32(0.8) * (y + 5) ** 2
    right = ((x + 64) ** 2 + depth) * np.float32(1 / 125)
    left = ((x - 72) ** 2 + depth) * np.float32(1 / 125) + 16
    # A smooth minimum joins the domes.
    fall = np.minimum(right, left) - np.maximum(18 - np.abs(right - left), 0) ** 2 / 72
    fall = fall + np.maximum(y - 20, 0) * np.float32(0.35)
    below: Array = (np.float32(patient.dome_mm + 14) - fall - slab.z) * np.float32(0.75)
    return below


def ribs(patient: Patient, surface: Surface) -> list[Shape]:
    """Return ribs that slope down to the front, and the breast bone."""
    h = patient.height_mm
    lowest, highest = 0.625 * h, 0.815 * h
    spacing = (highest - lowest) / 11

    def distance(slab: Slab) -> Array:
        fat = slab.look(surface.fat) * np.float32(patient.subcutaneous_mm)
        wall = trunk_distance(surface, slab, fat + np.float32(10))
        # The lower ribs slope more, and the lowest end in the flank.
        lower = np.clip((np.float32(0.73 * h) - slab.z) / np.float32(0.1 * h), 0, 1)
        slope = slab.y * (np.float32(0.42) + np.float32(0.4) * lower)
        slope += np.abs(slab.x) * np.float32(0.05)
        end = (np.float32(0.70 * h) - slab.z) * np.float32(0.9) - 110 - slab.y
        phase = (slab.z + slope + 2.5 * slab.noise("bundle")) / np.float32(spacing)
        along = (phase - np.round(phase)) * np.float32(spacing * 0.92)
        section = np.sqrt((wall * 1.5) ** 2 + (along * np.float32(0.78)) ** 2)
        return intersect(section - np.float32(5.2), 18 - np.abs(slab.x), end)

    def sternum(slab: Slab) -> Array:
        fat = slab.look(surface.fat) * np.float32(patient.subcutaneous_mm)
        wall = trunk_distance(surface, slab, fat + np.float32(7))
        plate = intersect(np.abs(wall) - 5, np.abs(slab.x) - 15, slab.y + 30)
        return intersect(plate, np.float32(0.715 * h) - slab.z)

    onto = frozenset({Tissue.MUSCLE, Tissue.LUNG, FAT, Tissue.FAT})
    bone = ((0.0, Tissue.CORTICAL_BONE), (1.5, Tissue.RED_MARROW))
    box = ((-175.0, -190.0, lowest), (175.0, 150.0, highest))
    front = ((-60.0, -190.0, 0.70 * h), (60.0, 20.0, 0.81 * h))
    return [Shape(*box, distance, bone, onto), Shape(*front, sternum, bone, onto)]


def back_muscles(patient: Patient) -> list[Shape]:
    """Return psoas, quadratus lumborum and the crura, and the fat in the back."""
    h = patient.height_mm
    muscle = (0.0, Tissue.MUSCLE)
    size = patient.muscularity * h / 1700
    shapes = []
    for leg in patient.legs:
        s = leg.side
        hx, _, hz = leg.hip
        middle, upper = spine_y_mm(patient, 0.60 * h), spine_y_mm(patient, 0.655 * h)
        psoas = [
            (s * 24.0, upper + 4, 0.655 * h),
            (s * 38.0, middle + 2, 0.61 * h),
            (s * 52.0, 12.0, 0.572 * h),
            (0.85 * hx, -26.0, 0.538 * h),
            (hx - s * 4, -33.0, hz + 2),
        ]
        radii = [9 * size, 19 * size, 23 * size, 21 * size, 15 * size]
        shapes += tube(psoas, radii, muscle, onto=FAT_ONLY)
        lumborum = [(s * 52.0, upper + 24, 0.65 * h), (s * 74.0, middle + 26, 0.60 * h)]
        shapes += tube(lumborum, [6 * size, 13 * size], muscle, onto=FAT_ONLY)
        top = spine_y_mm(patient, 0.70 * h)
        crus = [
            (s * 17.0, top - 24, 0.70 * h),
            (s * 22.0, upper - 16, 0.66 * h),
            (s * 16.0, upper - 20, 0.635 * h),
        ]
        shapes += tube(crus, [5, 5.5, 4], muscle, onto=FAT_ONLY)
    return [_fat_streaks(patient), *snug(shapes)]


def _fat_streaks(patient: Patient) -> Shape:
    """Return fat between the bundles of the muscles of the back, more with age."""
    h = patient.height_mm
    rng = np.random.default_rng([patient.seed, 44])
    aging = np.interp(patient.age_years, [25, 75], [0.1, 1.0])
    thick = 0.2 + 0.7 * aging * rng.uniform(0.3, 1.4) + 0.3 * patient.visceral_fat

    def distance(slab: Slab) -> Array:
        x0, y0 = spine_line(patient, slab.z)
        beside = np.abs(slab.x - x0) - 66
        before = y0 + 26 - slab.y
        streaks = np.abs(slab.noise("bundle") + np.float32(0.25)) * 5
        return intersect(streaks - np.float32(thick), beside, before)

    box = ((-80.0, 20.0, 0.57 * h), (80.0, 140.0, 0.78 * h))
    return Shape(*box, distance, ((0, Tissue.FAT),), frozenset({Tissue.MUSCLE}))
