"""Bones of the limbs, cartilage and patella, as shapes to paint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import capsule, ellipsoid, intersect, smooth_union
from napari_midrl.phantom.shapes import around, ball, moved, point, rod
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Arm, Leg

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

CORTEX, YELLOW, RED = Tissue.CORTICAL_BONE, Tissue.YELLOW_MARROW, Tissue.RED_MARROW


def leg_bones(leg: Leg) -> list[Shape]:
    """Return femur, tibia, fibula, patella and their cartilage."""
    return [
        *_knee_cartilage(leg),
        _femur(leg),
        *_shin(leg),
        *_patella(leg),
    ]


def _femur(leg: Leg) -> Shape:
    """Return the thigh bone in one piece; its cortex is thick along the shaft."""
    knee_z = leg.knee[2]

    def distance(slab: Slab) -> Array:
        upper = _upper_femur(leg, slab)
        return smooth_union(upper, _lower_femur(leg, slab), 5)

    def cortex_mm(slab: Slab) -> Array:
        top = leg.shaft_top[2]
        levels = [knee_z + 40, knee_z + 110, top - 120, top - 20, top + 30]
        depth = np.interp(slab.z, levels, [1.4, 6.0, 6.0, 4.0, 1.6])
        return depth.astype(np.float32)

    low, high = around(leg.hip, leg.greater_trochanter, leg.knee, margin=40)
    return Shape(low, high, distance, ((0, CORTEX),), shell=cortex_mm, core=YELLOW)


def _upper_femur(leg: Leg, slab: Slab) -> Array:
    """Return the distance to head, neck, both trochanters and the upper shaft."""
    s = leg.side
    shaft = moved(leg.shaft_top, z=-6)
    middle = _between(leg.shaft_top, leg.knee, 0.52, y=-9)
    base = moved(leg.shaft_top, x=-s * 2, y=2, z=26)
    x, y, z = slab.x, slab.y, slab.z
    whole = capsule(x, y, z, shaft, middle, 15.5, 13.6)
    if float(z.max()) > shaft[2] - 60:
        head = ellipsoid(x, y, z, leg.hip, (leg.head_radius_mm,) * 3)
        neck = capsule(x, y, z, leg.hip, base, 14.5, 17.0)
        greater = ellipsoid(x, y, z, leg.greater_trochanter, (13, 19, 21))
        stem = capsule(x, y, z, base, shaft, 17.0, 15.5)
        lesser = ellipsoid(x, y, z, leg.lesser_trochanter, (8.5, 8.5, 12.5))
        whole = smooth_union(
            smooth_union(head, neck, 6), smooth_union(stem, whole, 6), 10
        )
        whole = smooth_union(smooth_union(whole, greater, 10), lesser, 7)
    return whole


def _lower_femur(leg: Leg, slab: Slab) -> Array:
    """Return the distance to the lower shaft flaring into two condyles."""
    s, (x0, y0, z0) = leg.side, leg.knee
    x, y, z = slab.x, slab.y, slab.z
    top = _between(leg.shaft_top, leg.knee, 0.5, y=-9)
    shaft = capsule(x, y, z, top, (x0, y0 - 4, z0 + 62), 13.6, 17.0)
    if float(z.min()) > z0 + 130:
        return shaft
    flare = ellipsoid(x, y, z, (x0, y0 - 2, z0 + 34), (36, 24, 40))
    medial = ellipsoid(x, y, z, (x0 - s * 22, y0 + 8, z0 + 17), (18, 28, 20))
    lateral = ellipsoid(x, y, z, (x0 + s * 21, y0 + 7, z0 + 16), (18, 27, 19))
    condyles = np.minimum(medial, lateral)
    return smooth_union(smooth_union(shaft, flare, 14), condyles, 9)


def _knee_cartilage(leg: Leg) -> list[Shape]:
    """Return cartilage between the bones of the knee, menisci and tendons."""
    s, (x0, y0, z0) = leg.side, leg.knee
    px, py, pz = leg.patella
    _, half_y, half_z = leg.patella_half_mm
    tendon = Tissue.TENDON
    return [
        ball((x0, y0 - 14, z0 - 8), (20, 18, 22), (0, Tissue.VISCERAL_FAT)),
        ball((x0, y0 + 4, z0 + 4), (38, 28, 12), (0, Tissue.CARTILAGE)),
        ball((x0 - s * 21, y0 + 9, z0 + 16), (20.5, 30.5, 22.5), (0, Tissue.CARTILAGE)),
        ball((x0 + s * 20, y0 + 8, z0 + 15), (20.5, 29.5, 21.5), (0, Tissue.CARTILAGE)),
        ball((x0, py + half_y + 3, pz), (19, 5, 16), (0, Tissue.CARTILAGE)),
        rod(
            (px, py - 2, pz + half_z),
            (px, py + 4, pz + half_z + 55),
            (4.5, 5.5),
            (0, tendon),
        ),
        rod(
            (px, py, pz - half_z),
            (x0 + s * 3, y0 - 36, z0 - 38),
            (3.5, 3.5),
            (0, tendon),
        ),
        rod(
            (x0, y0 + 4, z0 + 14), (x0 + s * 3, y0 - 6, z0 - 8), (3.2, 3.2), (0, tendon)
        ),
    ]


def _shin(leg: Leg) -> list[Shape]:
    """Return tibia and fibula."""
    s, (x0, y0, z0) = leg.side, leg.knee
    plateau = (x0, y0 + 2, z0 - 14)
    neck = (x0 + s * 0, y0 - 6, z0 - 58)
    low = moved(leg.ankle, x=-s * 4)

    def distance(slab: Slab) -> Array:
        x, y, z = slab.x, slab.y, slab.z
        head = np.maximum(
            ellipsoid(x, y, z, (x0, y0 + 3, z0 - 16), (39, 26, 30)),
            z - np.float32(z0 - 4),
        )
        shaft = capsule(x, y, z, neck, low, 15.5, 11.5)
        stem = capsule(x, y, z, plateau, neck, 24, 15.5)
        return smooth_union(smooth_union(head, stem, 8), shaft, 8)

    def cortex_mm(slab: Slab) -> Array:
        thickness: Array = np.interp(
            np.float32(z0) - slab.z, [30, 90], [1.4, 5.0]
        ).astype(np.float32)
        return thickness

    fibula = (x0 + s * 35, y0 + 20, z0 - 26)
    foot = moved(leg.ankle, x=s * 26, y=6)
    return [
        Shape(
            *around(leg.knee, low, margin=48),
            distance,
            ((0, CORTEX),),
            shell=cortex_mm,
            core=YELLOW,
        ),
        rod(fibula, foot, (7.5, 6.5), (0, CORTEX), (3.0, YELLOW)),
        ball(fibula, (11, 12, 15), (0, CORTEX), (1.8, YELLOW)),
    ]


def _patella(leg: Leg) -> list[Shape]:
    """Return the knee cap, flat behind."""

    def distance(slab: Slab) -> Array:
        whole = ellipsoid(slab.x, slab.y, slab.z, leg.patella, leg.patella_half_mm)
        return intersect(
            whole, slab.y - np.float32(leg.patella[1] + 0.75 * leg.patella_half_mm[1])
        )

    layers = ((0.0, CORTEX), (1.5, YELLOW))
    return [Shape(*around(leg.patella, margin=28), distance, layers)]


def _between(a: Point, b: Point, share: float, y: float = 0.0) -> Point:
    """Return a point on the way from one point to another."""
    p = (1 - share) * np.array(a) + share * np.array(b)
    return moved(point(p), y=y)


def arm_bones(arm: Arm) -> list[Shape]:
    """Return humerus, forearm bones and a scapula."""
    s, (x, y, z) = arm.side, arm.shoulder
    ahead, across = arm.hand, "z" if arm.hand[0] else "y"
    palm = moved(arm.wrist, x=20 * ahead[0], z=20 * ahead[2])
    hand = moved(arm.wrist, x=s * 4 + 60 * ahead[0], y=-4, z=60 * ahead[2])
    bone = ((0.0, CORTEX), (3.2, YELLOW))
    thin = ((0.0, CORTEX), (1.4, RED))
    head = (x + s * 6, y, z + 4)
    return [
        rod(head, arm.elbow, (11.5, 11.0), *bone),
        ball(head, (23, 23, 24), (0, CORTEX), (1.4, YELLOW)),
        ball(arm.elbow, (26, 14, 16), (0, CORTEX), (1.4, YELLOW)),
        rod(moved(arm.elbow, y=6), moved(arm.wrist, x=-s * 14), (8.5, 6), *bone),
        rod(moved(arm.elbow, x=s * 14), moved(arm.wrist, x=s * 12), (7, 9.5), *bone),
        *[
            rod(
                moved(palm, **{across: f}),
                moved(hand, **{across: 1.25 * f}),
                (4.5, 4),
                *thin,
            )
            for f in (-20.0, -7.0, 6.0, 18.0)
        ],
        rod((x - s * 24, y + 18, z - 12), (x - s * 76, y + 58, z - 120), (6, 5), *thin),
        rod((x - s * 24, y + 18, z - 10), (x - s * 92, y + 62, z - 20), (6, 5), *thin),
        rod((x - s * 10, y + 6, z + 30), (s * 16, y - 70, z + 4), (6.5, 8), *thin),
    ]
