"""Muscle groups: the flesh is shared out among seeds, and fat lies between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Leg, Patient
    from napari_midrl.phantom.surface import Surface

    Array = npt.NDArray[np.float32]

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
# In the trunk: x and y in mm at 1.70 m, from and to as shares of body height.
_TRUNK = (
    (42, 92, 0.47, 0.585),
    (88, 84, 0.49, 0.565),
    (112, 40, 0.52, 0.60),
    (136, 12, 0.47, 0.545),
    (22, 84, 0.575, 0.80),
    (50, 76, 0.575, 0.80),
    (44, 40, 0.53, 0.66),
    (96, 52, 0.60, 0.66),
    (128, 20, 0.60, 0.70),
    (112, 78, 0.66, 0.80),
    (60, 96, 0.70, 0.82),
    (80, -84, 0.72, 0.80),
    (30, -92, 0.56, 0.70),
    (118, -40, 0.58, 0.70),
    (30, -10, 0.47, 0.49),
    (108, -22, 0.50, 0.53),
)
_FLESH = frozenset({Tissue.MUSCLE})


def paint_septa(slab: Slab, patient: Patient, surface: Surface) -> None:
    """Paint the fat between muscles and give every muscle its own shade."""
    h = patient.height_mm
    shade = slab.known["shade"]
    for leg in patient.legs:
        n = 0 if leg.side > 0 else 1
        inner, outer = sorted((leg.side * -20.0, leg.side * 260.0))
        for low, high, seeds in (
            (leg.knee[2], 0.475 * h, _THIGH),
            (-20.0, leg.knee[2] - 4, _CALF),
        ):
            box = slab.box((inner, -180, low), (outer, 190, high))
            if box is None:
                continue
            part = slab.cut(box)
            here = (part.z >= low) & (part.z < high) & (part.front == Tissue.MUSCLE)
            if here.any():
                gap, nearest = _limb(part, leg, surface, n, seeds, here)
                _paint(part, here, gap, nearest, shade[box], patient)
    box = slab.box((-190, -200, 0.47 * h), (190, 180, 0.83 * h))
    if box is not None:
        part = slab.cut(box)
        here = (part.front == Tissue.MUSCLE) & (part.z > 0.475 * h)
        if here.any():
            gap, nearest = _trunk(part, patient, here)
            _paint(part, here, gap, nearest, shade[box], patient)


def _limb(
    part: Slab,
    leg: Leg,
    surface: Surface,
    n: int,
    seeds: tuple[tuple[float, float], ...],
    here: npt.NDArray[np.bool_],
) -> tuple[Array, npt.NDArray[np.uint8]]:
    """Return distance to the next muscle and the muscle's number."""
    level = part.level[here]
    width, depth = surface.leg_width.take(level), surface.leg_depth.take(level)
    dx = (part.x[here] - surface.leg_x[n].take(level)) * np.float32(leg.side)
    dy = part.y[here] - surface.leg_y[n].take(level)
    dx += 3.5 * part.noise("bundle")[here]
    dy += 3.5 * part.noise("wobble")[here]
    fields = [
        (dx - np.float32(0.92 * u) * width) ** 2
        + (dy - np.float32(0.92 * v) * depth) ** 2
        for u, v in seeds
    ]
    return _nearest_two(fields)


def _trunk(
    part: Slab, patient: Patient, here: npt.NDArray[np.bool_]
) -> tuple[Array, npt.NDArray[np.uint8]]:
    """Return distance to the next muscle of the trunk and the muscle's number."""
    h = patient.height_mm
    scale = np.float32(h / 1700)
    x = np.abs(part.x[here]) / scale + 3.5 * part.noise("bundle")[here]
    y = part.y[here] / scale + 3.5 * part.noise("wobble")[here]
    z = part.z[here]
    fields = []
    for u, v, low, high in _TRUNK:
        beyond = np.maximum(
            np.maximum(np.float32(low * h) - z, z - np.float32(high * h)), 0
        )
        fields.append((x - u) ** 2 + (y - v) ** 2 + beyond * beyond)
    return _nearest_two(fields)


def _nearest_two(fields: list[Array]) -> tuple[Array, npt.NDArray[np.uint8]]:
    """Return half the gap of the two least distances, and the nearest one's number."""
    first = np.full(fields[0].shape, 1e9, np.float32)
    second = first.copy()
    number = np.zeros(first.shape, np.uint8)
    for n, squared in enumerate(fields):
        nearer = squared < first
        second = np.minimum(second, np.maximum(first, squared))
        number[nearer] = n
        first = np.minimum(first, squared)
    gap: Array = (np.sqrt(second) - np.sqrt(first)) * np.float32(0.5)
    return gap, number


def _paint(
    part: Slab,
    here: npt.NDArray[np.bool_],
    gap: Array,
    nearest: npt.NDArray[np.uint8],
    shade: npt.NDArray[np.float32],
    patient: Patient,
) -> None:
    """Blend fat into the gaps of the marked voxels and note each muscle's shade."""
    tones = np.random.default_rng([patient.seed, 5]).normal(0, 1, 32).astype(np.float32)
    shade[here] = tones[nearest]
    thick = np.float32(0.35 + 0.035 * patient.subcutaneous_mm)
    distance = np.full(part.x.shape, 60, np.float32)
    distance[here] = gap - thick * (1 + 0.7 * part.noise("bundle")[here])
    part.blend(distance, Tissue.FAT, _FLESH)
