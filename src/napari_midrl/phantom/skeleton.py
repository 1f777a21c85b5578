"""Bones of the limbs and the pelvis, cartilage and patella, as shapes to paint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import capsule, ellipsoid, intersect, smooth_union
from napari_midrl.phantom.shapes import FAT_ONLY, around, ball, moved, point, rod
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Arm, Leg, Patient

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
        neck = capsule(x, y, z, leg.hip, base, 15.0, 19.0)
        greater = ellipsoid(x, y, z, leg.greater_trochanter, (13, 19, 21))
        stem = capsule(x, y, z, base, shaft, 19.0, 15.5)
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


def pelvis_bones(patient: Patient) -> list[Shape]:
    """Return ilium, socket, pubis and ischium of both sides."""
    shapes = []
    height = patient.height_mm
    wide = 1.06 if patient.sex == "female" else 1.0
    for leg in patient.legs:
        s, (hx, hy, hz) = leg.side, leg.hip
        r = leg.head_radius_mm
        symphysis = (s * 9.0, -60.0, 0.496 * height)
        tuber = (s * 58.0 * wide, 34.0, 0.463 * height)
        thin = ((0.0, CORTEX), (1.6, RED))
        shapes += [
            *_ilium(leg, 0.600 * height),
            _socket(leg),
            rod((hx - s * r, hy - 14, hz - 2), symphysis, (10, 8), *thin),
            rod((hx - s * 4, hy + 20, hz - 16), tuber, (15, 15), *thin),
            rod(symphysis, tuber, (7, 8), *thin),
            ball(leg.hip, (r + 3.0,) * 3, (0, Tissue.CARTILAGE)),
        ]
    shapes.append(ball((0.0, -60.0, 0.496 * height), (4, 9, 17), (0, Tissue.CARTILAGE)))
    return shapes


def _ilium(leg: Leg, crest_z: float) -> list[Shape]:
    """Return the iliac wing, a curved plate up to the crest, and the iliacus on it."""
    s, (hx, _, hz) = leg.side, leg.hip
    low_z = hz + 4
    tall = crest_z - low_z

    def distance(slab: Slab) -> Array:
        y = slab.y
        up = (slab.z - np.float32(low_z)) / np.float32(tall)
        outward = np.float32(hx * s - 2) + up * np.float32(40)
        bow = (y + np.float32(18)) / np.float32(95)
        sheet = outward - bow * bow * np.float32(58) + np.float32(6)
        half = (
            np.float32(5)
            + np.float32(9) * np.clip(0.35 - up, 0, 1)
            + np.float32(4) * np.clip(up - 0.82, 0, 1) * 4
        )
        plate = (np.abs(slab.x * np.float32(s) - sheet) - half) * np.float32(0.85)
        middle_y = np.float32(6) + 14 * up
        reach = np.float32(42) + np.float32(50) * np.clip(up * 1.5, 0, 1)
        rim = np.sqrt(
            ((y - middle_y) / reach) ** 2 + np.maximum(up / np.float32(1.0), 0) ** 4
        )
        edge = (rim - 1) * np.float32(60)
        return intersect(plate, edge, np.float32(low_z) - slab.z)

    inner, outer = sorted((s * 10.0, s * 190.0))
    low = (inner, -120.0, low_z - 16)
    high = (outer, 130.0, crest_z + 14)
    muscle = ((-15.0, Tissue.MUSCLE),)
    return [
        Shape(low, high, distance, muscle, onto=FAT_ONLY),
        Shape(low, high, distance, ((0, CORTEX), (1.8, RED))),
    ]


def _socket(leg: Leg) -> Shape:
    """Return the cup of the hip joint, open outwards and downwards."""
    s, r = leg.side, leg.head_radius_mm
    out = np.array([s * 0.72, -0.15, -0.52], np.float32)
    out /= np.linalg.norm(out)

    def distance(slab: Slab) -> Array:
        d = [
            c - np.float32(h)
            for c, h in zip((slab.x, slab.y, slab.z), leg.hip, strict=True)
        ]
        far = np.sqrt(d[0] ** 2 + d[1] ** 2 + d[2] ** 2)
        shell = np.abs(far - np.float32(r + 7.5)) - np.float32(5.0)
        opening = d[0] * out[0] + d[1] * out[1] + d[2] * out[2] - np.float32(7)
        return intersect(shell, opening)

    return Shape(*around(leg.hip, margin=r + 18), distance, ((0, CORTEX), (1.6, RED)))


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
