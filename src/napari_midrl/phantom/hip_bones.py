"""Hip bones: ilium, socket, pubis and ischium, with the joints between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.pelvic_frame import SYMPHYSIS_HALF_MM, pelvic_frame
from napari_midrl.phantom.sdf import (
    capsule,
    ellipsoid,
    intersect,
    rotation_xyz,
    smooth_union,
)
from napari_midrl.phantom.shapes import FAT_ONLY, around, ball, moved
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Leg, Patient
    from napari_midrl.phantom.pelvic_frame import PelvicFrame

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

CORTEX, YELLOW, RED = Tissue.CORTICAL_BONE, Tissue.YELLOW_MARROW, Tissue.RED_MARROW
JOINT_MM = 2.2
"""From the femoral head to the socket."""


def pelvis_bones(patient: Patient) -> list[Shape]:
    """Return the hip bones of both sides, their marrow and the symphysis."""
    frame = pelvic_frame(patient)
    wide = 1.10 if patient.sex == "female" else 1.0
    shapes = []
    for leg in patient.legs:
        r = leg.head_radius_mm + JOINT_MM
        shapes += [
            *_ilium(leg, 0.600 * patient.height_mm),
            _lower_hip_bone(leg, frame, wide),
            ball(leg.hip, (r, r, r), (0, Tissue.CARTILAGE)),
        ]
    return [*shapes, *_fatty_marrow(patient, frame), _symphysis(frame)]


def trabeculae(patient: Patient) -> Shape:
    """Return the struts of bone that darken the fat in hips and thigh bones."""
    frame = pelvic_frame(patient)
    level = np.float32(frame.level_mm)

    def distance(slab: Slab) -> Array:
        # A constant distance paints a constant share of every voxel.
        fades = np.clip((np.abs(slab.z - level + 12) - 45) / 30, 0, 1)
        share = 0.20 * (1 - fades) + 0.07 * slab.noise("fine")
        cover: Array = np.float32(0.5) - np.clip(share, 0, 0.42).astype(np.float32)
        return cover * np.float32(slab.edge_mm)

    low, high = frame.at(-160, -100, -90), frame.at(160, 100, 64)
    return Shape(low, high, distance, ((0, CORTEX),), onto=frozenset({YELLOW, RED}))


def _lower_hip_bone(leg: Leg, frame: PelvicFrame, wide: float) -> Shape:
    """Return socket, pubis and ischium of one side in one piece."""
    s, hip, r = leg.side, leg.hip, leg.head_radius_mm
    k = frame.scale
    lean = rotation_xyz(frame.lean_deg, 0, 0)
    body = moved(frame.symphysis, x=s * 14 * k)
    top = moved(frame.symphysis, x=s * 22 * k, y=-2, z=9 * k)
    bottom = moved(frame.symphysis, x=s * 13 * k, y=8, z=-13 * k)
    ahead = moved(hip, x=-s * (r - 2), y=-19, z=4)
    behind = moved(hip, x=-s * (r - 2), y=30, z=14)
    tuber = frame.at(s * 56 * wide, 40, -44)
    socket_at = np.array([s * 0.72, -0.15, -0.52], np.float32)
    socket_at /= np.linalg.norm(socket_at)

    def distance(slab: Slab) -> Array:
        x, y, z = slab.x, slab.y, slab.z
        dx, dy, dz = (c - np.float32(h) for c, h in zip((x, y, z), hip, strict=True))
        far = np.sqrt(dx * dx + dy * dy + dz * dz)
        cup = np.abs(far - np.float32(r + 6.5)) - np.float32(4.5)
        out = dx * socket_at[0] + dy * socket_at[1] + dz * socket_at[2]
        cup = intersect(cup, out - np.float32(7))
        thin, long = SYMPHYSIS_HALF_MM
        pubis = ellipsoid(x, y, z, body, (14 * k, thin, long * k), lean)
        ramus = capsule(x, y, z, ahead, top, 9.5 * k, 8 * k)
        column = capsule(x, y, z, behind, moved(tuber, z=14), 12.5 * k, 12 * k)
        seat = ellipsoid(x, y, z, tuber, (13 * k, 15 * k, 23 * k))
        lower = capsule(x, y, z, bottom, moved(tuber, y=-8, z=-12), 5.5 * k, 8 * k)
        front = smooth_union(smooth_union(pubis, ramus, 8), lower, 6)
        back = smooth_union(column, seat, 9)
        whole = smooth_union(smooth_union(front, back, 5), cup, 14)
        rough = whole + np.float32(0.5) * slab.noise("coarse")
        return intersect(rough, np.float32(r + JOINT_MM) - far, 2.2 - s * x)

    points = hip, body, tuber, bottom
    box = around(*points, margin=r + 16)
    return Shape(*box, distance, ((0, CORTEX), (1.7, RED)))


def _fatty_marrow(patient: Patient, frame: PelvicFrame) -> list[Shape]:
    """Return the patches where age has turned red marrow into fat."""
    level = np.float32(frame.level_mm + 20)
    threshold = np.float32(np.interp(patient.age_years, [25, 75], [-0.3, 0.9]))

    def distance(slab: Slab) -> Array:
        patch = slab.noise("wobble") + 0.5 * slab.noise("coarse") - threshold
        above: Array = np.maximum(slab.z - level, 0) * np.float32(0.1)
        return 0.55 * patch + above

    low, high = frame.at(-120, -100, -90), frame.at(120, 90, 60)
    return [Shape(low, high, distance, ((0, YELLOW),), onto=frozenset({RED}))]


def _symphysis(frame: PelvicFrame) -> Shape:
    """Return the disc between the pubic bodies."""
    lean = rotation_xyz(frame.lean_deg, 0, 0)
    thin, long = SYMPHYSIS_HALF_MM

    def distance(slab: Slab) -> Array:
        half = (3.2, thin, long * frame.scale)
        return ellipsoid(slab.x, slab.y, slab.z, frame.symphysis, half, lean)

    box = around(frame.symphysis, margin=long + 6)
    return Shape(*box, distance, ((0, Tissue.TENDON), (1.2, Tissue.CARTILAGE)))


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
