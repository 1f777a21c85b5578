"""The body's outline: trunk, legs, arms and breasts as one distance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import LEVEL_MM
from napari_midrl.phantom.sdf import (
    capsule,
    ellipsoid,
    intersect,
    oval,
    smooth_intersect,
    smooth_table,
    smooth_union,
)
from napari_midrl.phantom.shapes import moved

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Distance, Slab
    from napari_midrl.phantom.patient import Arm, Breast, Leg, Patient

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

_HEIGHTS = np.arange(1100, dtype=np.float32) * np.float32(LEVEL_MM)

# Share of body height: half width, front, back (mm at 1.70 m and BMI 23).
_TRUNK_MALE = (
    (0.455, 150, -80, 100),
    (0.490, 163, -92, 113),
    (0.515, 166, -97, 118),
    (0.550, 156, -100, 110),
    (0.600, 143, -106, 92),
    (0.640, 140, -109, 88),
    (0.680, 146, -114, 93),
    (0.720, 154, -118, 101),
    (0.760, 156, -110, 108),
    (0.795, 148, -86, 103),
    (0.820, 118, -62, 90),
    (0.840, 78, -47, 72),
    (0.870, 58, -50, 58),
    (0.960, 60, -56, 60),
)
_TRUNK_FEMALE = (
    (0.455, 156, -76, 104),
    (0.490, 172, -88, 118),
    (0.515, 174, -94, 122),
    (0.550, 160, -98, 112),
    (0.600, 134, -98, 86),
    (0.640, 126, -98, 80),
    (0.680, 132, -102, 86),
    (0.720, 140, -105, 95),
    (0.760, 142, -96, 100),
    (0.795, 134, -74, 94),
    (0.820, 106, -54, 82),
    (0.840, 70, -42, 66),
    (0.870, 52, -46, 54),
    (0.960, 56, -52, 56),
)
# Share of body height: half width and half depth of a leg, how far behind the knee.
_LEG = (
    (0.030, 30, 40, 12),
    (0.070, 31, 36, 14),
    (0.120, 38, 41, 12),
    (0.170, 50, 52, 10),
    (0.210, 56, 58, 8),
    (0.245, 53, 57, -1),
    (0.272, 55, 60, -10),
    (0.300, 57, 62, -12),
    (0.360, 69, 74, -8),
    (0.420, 81, 85, -2),
    (0.465, 86, 92, 4),
    (0.495, 82, 92, 6),
    (0.525, 70, 84, 8),
    (0.560, 44, 62, 10),
)


@dataclass(frozen=True, eq=False)
class Surface:
    """Tables over height that give the outline of one patient.

    Parameters
    ----------
    half_width, front, back
        Of the trunk, mm.
    leg_width, leg_depth
        Half axes of a leg, mm.
    leg_x, leg_y
        Middle of the left and of the right leg, mm.
    fat
        Thickness of the subcutaneous fat relative to the patient's own.
    """

    half_width: Array
    front: Array
    back: Array
    leg_width: Array
    leg_depth: Array
    leg_x: tuple[Array, Array]
    leg_y: tuple[Array, Array]
    fat: Array


def make_surface(patient: Patient) -> Surface:
    """Return the outline of a patient."""
    height, girth = patient.height_mm, patient.girth
    scale = height / 1700
    trunk = np.array(_TRUNK_FEMALE if patient.sex == "female" else _TRUNK_MALE)
    levels = trunk[:, 0] * height
    neck = np.interp(levels / height, [0.80, 0.85], [1, 0])
    widen = scale * (1 + (girth - 1) * (0.35 + 0.65 * neck))
    belly = 85 * (girth - 1) * np.exp(-(((levels / height - 0.615) / 0.07) ** 2))
    leg = np.array(_LEG)
    leg_levels = leg[:, 0] * height
    thick = scale * (
        1 + (girth - 1) * np.interp(leg[:, 0], [0.1, 0.272, 0.4], [0.4, 0.35, 1])
    )
    # Thick fat under the skin is laid on the muscles of the waist, not taken from them.
    laid_on = max(patient.subcutaneous_mm - 9, 0) * np.interp(
        levels / height, [0.57, 0.60, 0.66, 0.72], [0, 0.75, 0.75, 0]
    )
    fat = [
        (0.05, 0.3),
        (0.2, 0.5),
        (0.28, 0.45),
        (0.36, 0.8),
        (0.48, 1.1),
        (0.56, 1.45),
        (0.63, 1.3),
        (0.72, 0.55),
        (0.80, 0.55),
        (0.88, 0.5),
    ]
    return Surface(
        half_width=_profile(levels, trunk[:, 1] * widen + laid_on),
        front=_profile(levels, trunk[:, 2] * widen - belly - laid_on),
        back=_profile(levels, trunk[:, 3] * widen + laid_on),
        leg_width=_profile(leg_levels, leg[:, 1] * thick),
        leg_depth=_profile(leg_levels, leg[:, 2] * thick),
        leg_x=_leg_line(patient, leg_levels, axis=0),
        leg_y=_leg_line(patient, leg_levels, axis=1, shift=leg[:, 3] * scale),
        fat=_profile([h * height for h, _ in fat], [f for _, f in fat]),
    )


def _profile(levels: npt.ArrayLike, values: npt.ArrayLike) -> Array:
    """Return a smooth table over height."""
    return smooth_table(
        _HEIGHTS, np.asarray(levels, float).tolist(), np.asarray(values, float).tolist()
    )


def _leg_line(
    patient: Patient,
    levels: npt.NDArray[np.float64],
    axis: int,
    shift: npt.NDArray[np.float64] | None = None,
) -> tuple[Array, Array]:
    """Return where the middle of each leg runs, left first."""
    lines = []
    for leg in patient.legs:
        top = leg.hip[axis] + (leg.side * 10 if axis == 0 else 0)
        line = np.interp(
            levels,
            [leg.ankle[2], leg.knee[2], leg.hip[2]],
            [0.9 * leg.knee[0] if axis == 0 else leg.knee[1], leg.knee[axis], top],
        )
        lines.append(_profile(levels, line if shift is None else line + shift))
    return lines[0], lines[1]


def trunk_distance(surface: Surface, slab: Slab, inset: Array | float = 0.0) -> Array:
    """Return the distance to the trunk, or to an inset copy of it."""
    front, back = slab.look(surface.front), slab.look(surface.back)
    half = (back - front) * np.float32(0.5) - inset
    width = slab.look(surface.half_width) - inset
    return _oval_distance(
        slab.x, slab.y - (front + back) * np.float32(0.5), width, half, 0.3
    )


def _oval_distance(dx: Array, dy: Array, a: Array, b: Array, boxiness: float) -> Array:
    """Return the distance to an upright column of oval section."""
    u, v = dx / a, dy / b
    radius = oval(u, v, boxiness)
    plain = np.sqrt(u * u + v * v)
    slope = np.sqrt((u / a) ** 2 + (v / b) ** 2) + np.float32(1e-6)
    distance: Array = (radius - 1) * plain / slope
    # In the middle the quotient tends to 0 / 0; the half axes bound the depth.
    middle = plain < np.float32(0.05)
    found: Array = np.where(middle, -np.minimum(a, b), distance)
    return found


def leg_distance(surface: Surface, leg: Leg, slab: Slab) -> Array:
    """Return the distance to one leg, open above the groin."""
    n = 0 if leg.side > 0 else 1
    dx = slab.x - slab.look(surface.leg_x[n])
    dy = slab.y - slab.look(surface.leg_y[n])
    side = _oval_distance(
        dx, dy, slab.look(surface.leg_width), slab.look(surface.leg_depth), 0.1
    )
    return intersect(side, slab.z - np.float32(leg.hip[2] + 85))


def arm_distance(arm: Arm, slab: Slab) -> Array:
    """Return the distance to one arm with its hand."""
    r = arm.radius_mm
    x, y, z = slab.x, slab.y, slab.z
    upper = capsule(x, y, z, arm.shoulder, arm.elbow, 1.12 * r, 0.86 * r)
    lower = capsule(x, y, z, arm.elbow, arm.wrist, 0.88 * r, 0.60 * r)
    hand_at = moved(
        arm.wrist,
        x=arm.side * 4 + 70 * arm.hand[0],
        y=-4,
        z=70 * arm.hand[2],
    )
    half = (85, 0.42 * r, 0.85 * r) if arm.hand[0] else (0.42 * r, 0.85 * r, 85)
    hand = ellipsoid(x, y, z, hand_at, half)
    limb = smooth_union(smooth_union(upper, lower, 25), hand, 30)
    top = arm.shoulder
    neck = (0.22 * top[0], top[1] - 4, top[2] + 52)
    chest = (0.62 * top[0], top[1] - 14, top[2] - 90)
    girdle = capsule(x, y, z, top, neck, 0.92 * r, 0.5 * r)
    flank = capsule(x, y, z, top, chest, r, 0.8 * r)
    return smooth_union(smooth_union(limb, girdle, 30), flank, 40)


def breast_base(surface: Surface, breast: Breast) -> tuple[float, float, float]:
    """Return the skin of the chest wall where the breast stands on it."""
    row = round(breast.center_z_mm / LEVEL_MM)
    front, back = float(surface.front[row]), float(surface.back[row])
    u = min(abs(breast.center_x_mm) / float(surface.half_width[row]), 0.98)
    # Solve u² + v² - boxiness u² v² = 1 for v.
    v = np.sqrt((1 - u * u) / (1 - 0.3 * u * u))
    y = (front + back) / 2 - (back - front) / 2 * float(v)
    return breast.center_x_mm, y, breast.center_z_mm


def nipple_position(surface: Surface, breast: Breast) -> tuple[float, float, float]:
    """Return the middle of the nipple at the apex of the breast, body frame."""
    x, y, z = breast_base(surface, breast)
    droop = 0.12 * breast.protrusion_mm
    outward = 0.10 * breast.protrusion_mm * breast.side
    return x + outward, y - breast.protrusion_mm - 1.0, z - droop


def breast_distance(surface: Surface, breast: Breast, slab: Slab) -> Array:
    """Return the distance to the mound of one breast, wide below and lean above."""
    x, y, _ = breast_base(surface, breast)
    _, apex, nipple_z = nipple_position(surface, breast)
    depth = y - apex + 18
    dx, dy, dz = (
        slab.x - np.float32(x),
        slab.y - np.float32(y + 18),
        slab.z - np.float32(nipple_z),
    )
    forward = np.clip(-dy / np.float32(depth), 0, 1)
    dx = dx - np.float32(0.10 * breast.protrusion_mm * breast.side) * forward
    up = np.maximum(dz, 0) * np.float32(0.78)
    dz = np.minimum(dz, 0) + up
    r = breast.radius_mm
    # Behind its base the breast ends soon, so that it does not thicken the wall.
    deep = np.where(dy > 0, np.float32(26), np.float32(depth))
    u, v, w = dx / np.float32(r), dy / deep, dz / np.float32(0.95 * r)
    radius = np.sqrt(u * u + v * v + w * w)
    slope = np.sqrt(
        (u / r) ** 2 + (v / deep) ** 2 + (w / (0.95 * r)) ** 2
    ) + np.float32(1e-6)
    distance: Array = (radius - 1) * radius / slope
    return distance


def body_distance(
    surface: Surface, patient: Patient, slab: Slab
) -> tuple[Array, Array]:
    """Return the distance to the skin, mm, with the breasts and without.

    The distance to the arms alone is kept in the slab as ``arms``.
    """
    wall = np.full(slab.x.shape, 60, np.float32)
    for part in _trunk_and_legs(surface, patient):
        _merge(wall, part, slab)
    arms = np.full(slab.x.shape, 60, np.float32)
    for part in _arms(patient):
        _merge(arms, part, slab)
    slab.known["arms"] = arms
    wall = smooth_union(wall, arms, 16.0)
    if patient.sex == "male":
        return wall, wall
    skin = wall.copy()
    for breast in patient.breasts:
        _merge(skin, _breast_part(surface, breast), slab)
    return skin, wall


@dataclass(frozen=True)
class _Part:
    """A part of the body, where it can be, and how wide its fillet is, mm."""

    low_mm: Point
    high_mm: Point
    distance: Distance
    fillet_mm: float


def _merge(distance: Array, part: _Part, slab: Slab) -> None:
    """Join a part of the body to what is there."""
    box = slab.box(part.low_mm, part.high_mm)
    if box is not None:
        added = part.distance(slab.cut(box))
        distance[box] = smooth_union(distance[box], added, part.fillet_mm)


def _trunk_and_legs(surface: Surface, patient: Patient) -> list[_Part]:
    """Return trunk and legs."""
    h = patient.height_mm
    groin = np.float32(0.462 * h)
    parts = [
        _Part(
            (-320, -320, 0.44 * h),
            (320, 250, 1.1 * h),
            lambda slab: smooth_intersect(
                trunk_distance(surface, slab), groin - slab.z, 70
            ),
            1.0,
        )
    ]
    for leg in patient.legs:
        inner, outer = sorted((leg.side * -30.0, leg.side * 290.0))
        low, high = (inner, -200.0, -40.0), (outer, 220.0, leg.hip[2] + 100)
        parts.append(_Part(low, high, partial(leg_distance, surface, leg), 26.0))
    return parts


def _arms(patient: Patient) -> list[_Part]:
    """Return both arms with their shoulders."""
    parts = []
    for arm in patient.arms:
        # The hand may lie beyond the midline, in front, or above the shoulder.
        tip = arm.wrist[0] + 160 * arm.hand[0]
        inner, outer = sorted((arm.side * min(0.0, arm.side * tip), arm.side * 420.0))
        joints = arm.shoulder, arm.elbow, arm.wrist
        low = (inner, min(-150.0, arm.wrist[1] - 60), min(p[2] for p in joints) - 190)
        high = (outer, 190.0, max(arm.shoulder[2] + 120, arm.wrist[2] + 190))
        parts.append(_Part(low, high, partial(arm_distance, arm), 1.0))
    return parts


def _breast_part(surface: Surface, breast: Breast) -> _Part:
    """Return one breast."""
    x, y, z = breast_base(surface, breast)
    r = breast.radius_mm + 25
    low = (x - r, y - breast.protrusion_mm - 25, z - r)
    high = (x + r, y + 75, z + 1.35 * r)
    return _Part(low, high, partial(breast_distance, surface, breast), 16.0)
