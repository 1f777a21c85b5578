"""Muscle groups: the flesh is shared out among seeds, and fat lies between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.hip_muscles import (
    GLUTEUS_MAXIMUS,
    gluteal_streaks,
    hip_squares,
)
from napari_midrl.phantom.pelvic_frame import pelvic_frame
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Arm, Leg, Patient
    from napari_midrl.phantom.surface import Surface

    Array = npt.NDArray[np.float32]
    Mask = npt.NDArray[np.bool_]
    Seeds = tuple[tuple[float, ...], ...]

# Where a muscle runs, as a share of the leg's half axes: outwards, backwards.
_THIGH = (
    (0.12, -0.74),
    (0.68, -0.30),
    (0.10, -0.36),
    (-0.42, -0.40),
    (-0.68, -0.44),
    (-0.62, 0.00),
    (-0.30, 0.34),
    (-0.88, 0.22),
    (0.42, 0.58),
    (0.02, 0.74),
    (-0.38, 0.70),
)
_CALF = (
    (0.38, -0.58),
    (0.80, 0.05),
    (0.02, 0.36),
    (0.46, 0.74),
    (-0.46, 0.70),
    (0.10, -0.06),
    (0.62, -0.34),
)
# Upper arm: biceps, brachialis, triceps' heads. Forearm: flexors and extensors.
_UPPER_ARM = ((-0.15, -0.62), (0.20, -0.22), (-0.35, 0.50), (0.25, 0.62), (0.70, 0.20))
_FOREARM = ((-0.45, -0.50), (0.30, -0.62), (0.70, 0.05), (0.25, 0.60), (-0.45, 0.40))
# In the trunk: x and y in mm at 1.70 m, from and to as shares of body height.
_TRUNK = (
    (42, 96, 0.45, 0.585),
    (88, 88, 0.47, 0.565),
    (112, 40, 0.52, 0.60),
    (142, 6, 0.46, 0.545),
    (62, 62, 0.485, 0.515),
    (22, 84, 0.575, 0.80),
    (50, 76, 0.575, 0.80),
    (44, 40, 0.53, 0.66),
    (96, 52, 0.60, 0.66),
    (128, 20, 0.60, 0.70),
    (116, 84, 0.66, 0.76),
    (60, 98, 0.70, 0.83),
    (80, -88, 0.72, 0.80),
    (30, -92, 0.56, 0.70),
    (118, -40, 0.58, 0.70),
    (30, -12, 0.46, 0.49),
    (108, -22, 0.50, 0.53),
    (104, 50, 0.74, 0.80),
    (134, 78, 0.74, 0.79),
    (110, 62, 0.812, 0.83),
    (160, 60, 0.72, 0.76),
    (212, 24, 0.74, 0.83),
    (176, -12, 0.77, 0.83),
    (170, 70, 0.78, 0.83),
    (120, -52, 0.74, 0.80),
)
_FLESH = frozenset({Tissue.MUSCLE})


def paint_septa(slab: Slab, patient: Patient, surface: Surface) -> None:
    """Paint the fat between muscles and give every muscle its own shade."""
    h = patient.height_mm
    for arm in patient.arms:
        _paint_arm(slab, patient, arm)
    for leg in patient.legs:
        _paint_leg(slab, patient, leg, surface)
    part = _part(slab, (-260, -200, 0.44 * h), (260, 180, 0.85 * h))
    if part is None:
        return
    here = (part.front == Tissue.MUSCLE) & (part.known["shade"] == 0)
    here &= part.z > _gluteal_fold(part, h)
    hip = here & (part.z < np.float32(0.545 * h) + 6 * part.noise("wobble"))
    _paint_hip(part, hip, patient)
    here &= ~hip
    if here.any():
        scale = np.float32(h / 1700)
        x = np.abs(part.x[here]) / scale + 3.5 * part.noise("bundle")[here]
        y = part.y[here] / scale + 3.5 * part.noise("wobble")[here]
        z = part.z[here]
        _paint(part, here, _squares(x, y, _TRUNK, z, h), patient)


def _paint_hip(part: Slab, here: Mask, patient: Patient) -> None:
    """Paint the septa about the hip and the streaks of the gluteus maximus."""
    if not here.any():
        return
    x = np.abs(part.x[here]) + 3 * part.noise("bundle")[here]
    y, z = part.y[here] + 3 * part.noise("wobble")[here], part.z[here]
    squares = hip_squares(pelvic_frame(patient), x, y, z)
    nearest = _paint(part, here, squares, patient, loose=1.7)
    gluteus = np.zeros(here.shape, bool)
    gluteus[here] = nearest == GLUTEUS_MAXIMUS
    if gluteus.any():
        rng = np.random.default_rng([patient.seed, 6])
        thick = 0.1 + 0.5 * rng.random() * patient.age_years / 60
        noise = part.noise("coarse")[gluteus]
        patchy = 0.5 + noise + part.noise("bundle")[gluteus]
        streaks = np.full(here.shape, 60, np.float32)
        at = part.x[gluteus], part.y[gluteus], part.z[gluteus]
        streaks[gluteus] = gluteal_streaks(*at, noise) - thick * patchy
        part.blend(streaks, Tissue.FAT, _FLESH)


def _part(
    slab: Slab, low: tuple[float, float, float], high: tuple[float, float, float]
) -> Slab | None:
    """Return the voxels of a box of the body; None if there is no flesh."""
    box = slab.box(low, high)
    return None if box is None else slab.cut(box)


def _gluteal_fold(part: Slab, height: float) -> Array:
    """Return where the trunk's muscles end: lower behind than in front, unevenly."""
    sloped = np.float32(0.484 * height) - part.y * np.float32(0.38)
    fold: Array = sloped + np.float32(9) * part.noise("wobble")
    return fold


def _paint_leg(slab: Slab, patient: Patient, leg: Leg, surface: Surface) -> None:
    """Paint the septa of thigh and calf."""
    n = 0 if leg.side > 0 else 1
    inner, outer = sorted((leg.side * -20.0, leg.side * 230.0))
    knee_z, top = leg.knee[2], 0.53 * patient.height_mm
    for low, high, seeds in (
        (knee_z + 8, top, _THIGH),
        (-20.0, knee_z - 28, _CALF),
    ):
        part = _part(slab, (inner, -180, low), (outer, 190, high))
        if part is None:
            continue
        width, depth = part.look(surface.leg_width), part.look(surface.leg_depth)
        dx = (part.x - part.look(surface.leg_x[n])) * np.float32(leg.side)
        here = (part.front == Tissue.MUSCLE) & (np.abs(dx) < width * np.float32(1.25))
        here &= (part.z >= low) & (part.z < high) & (part.known["shade"] == 0)
        if seeds is _THIGH:
            here &= part.z <= _gluteal_fold(part, patient.height_mm)
        if not here.any():
            continue
        dy = part.y[here] - part.look(surface.leg_y[n])[here]
        u = (dx[here] + 3.5 * part.noise("bundle")[here]) / np.float32(0.92)
        v = (dy + 3.5 * part.noise("wobble")[here]) / np.float32(0.92)
        wide, deep = width[here], depth[here]
        squares = [(u - a * wide) ** 2 + (v - b * deep) ** 2 for a, b in seeds]
        _paint(part, here, squares, patient)


def _paint_arm(slab: Slab, patient: Patient, arm: Arm) -> None:
    """Paint the septa of upper arm and forearm."""
    r = arm.radius_mm
    for start, end, radius, seeds in (
        (arm.shoulder, arm.elbow, 0.98 * r, _UPPER_ARM),
        (arm.elbow, arm.wrist, 0.76 * r, _FOREARM),
    ):
        inset = 70 if start is arm.shoulder else 25
        bottom, top = sorted((end[2] - 20 * arm.up, start[2] + inset * arm.up))
        if (end[2] - start[2]) * arm.up < inset + 20:
            continue
        low = (min(start[0], end[0]) - 70, -150.0, bottom)
        part = _part(slab, low, (max(start[0], end[0]) + 70, 190.0, top))
        if part is None:
            continue
        share = (part.z - np.float32(end[2])) / np.float32(start[2] - end[2])
        dx = part.x - np.float32(end[0]) - share * np.float32(start[0] - end[0])
        dy = part.y - np.float32(end[1]) - share * np.float32(start[1] - end[1])
        here = (part.front == Tissue.MUSCLE) & (part.z > bottom) & (part.z < top)
        here &= dx * dx + dy * dy < np.float32((1.3 * r) ** 2)
        if here.any():
            u = dx[here] * np.float32(arm.side) + 2.5 * part.noise("bundle")[here]
            v = dy[here] + 2.5 * part.noise("wobble")[here]
            _paint(
                part,
                here,
                _squares(u / radius, v / radius, seeds, scale=radius),
                patient,
            )


def _squares(
    u: Array,
    v: Array,
    seeds: Seeds,
    z: Array | None = None,
    height: float = 1.0,
    scale: float = 1.0,
) -> list[Array]:
    """Return squared distances to seeds, which may end at heights."""
    squares = []
    for seed in seeds:
        square = ((u - seed[0]) ** 2 + (v - seed[1]) ** 2) * np.float32(scale * scale)
        if z is not None:
            below = np.float32(seed[2] * height) - z
            above = z - np.float32(seed[3] * height)
            beyond = np.maximum(np.maximum(below, above), 0)
            square = square + beyond * beyond
        squares.append(square)
    return squares


def _nearest_two(squares: list[Array]) -> tuple[Array, npt.NDArray[np.uint8]]:
    """Return half the gap of the two least distances, and the nearest one's number."""
    first = np.full(squares[0].shape, 1e9, np.float32)
    second = first.copy()
    number = np.zeros(first.shape, np.uint8)
    for n, squared in enumerate(squares):
        nearer = squared < first
        second = np.minimum(second, np.maximum(first, squared))
        number[nearer] = n
        first = np.minimum(first, squared)
    gap: Array = (np.sqrt(second) - np.sqrt(first)) * np.float32(0.5)
    return gap, number


def _paint(
    part: Slab,
    here: Mask,
    squares: list[Array],
    patient: Patient,
    loose: float = 1.0,
) -> npt.NDArray[np.uint8]:
    """Blend fat into the gaps, note each muscle's shade; return which is nearest."""
    gap, nearest = _nearest_two(squares)
    tones = np.random.default_rng([patient.seed, 5]).normal(0, 1, 32)
    part.known["shade"][here] = tones.astype(np.float32)[nearest]
    thick = np.float32(loose * (0.35 + 0.035 * patient.subcutaneous_mm))
    distance = np.full(part.x.shape, 60, np.float32)
    distance[here] = gap - thick * (1 + 0.6 * part.noise("bundle")[here])
    part.blend(distance, Tissue.FAT, _FLESH)
    return nearest
