"""Organs of chest, abdomen and pelvis, spine and ribs, as shapes to paint."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import centered_ellipsoid, ellipsoid, rotated
from napari_midrl.phantom.skeleton import around, ball, moved, rod
from napari_midrl.phantom.surface import trunk_distance
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Organ, Patient
    from napari_midrl.phantom.surface import Surface

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

INNER = frozenset({Tissue.VISCERAL_FAT})
FAT = Tissue.VISCERAL_FAT


def solid(organ: Organ, *layers: tuple[float, Tissue], wobble: float = 0.0) -> Shape:
    """Return an ellipsoidal organ, its edge moved by smooth noise."""
    rotation = organ.rotation

    def distance(slab: Slab) -> Array:
        d = ellipsoid(slab.x, slab.y, slab.z, organ.center, organ.half_mm, rotation)
        return d + np.float32(wobble) * slab.noise("wobble") if wobble else d

    box = around(organ.center, margin=max(organ.half_mm) + 5 + 2 * wobble)
    return Shape(*box, distance, layers)


def spine_line(patient: Patient, z: Array) -> tuple[Array, Array]:
    """Return x and y of the middle of the vertebral bodies at a height."""
    h = patient.height_mm
    knots = (
        np.array([0.47, 0.50, 0.53, 0.56, 0.60, 0.64, 0.68, 0.74, 0.79, 0.84, 0.88]) * h
    )
    lumbar = patient.lordosis_mm
    y = np.array([78, 84, 74, 42, 18 - lumbar, 20 - lumbar, 33, 48, 46, 28, 12.0])
    x = patient.spine_sway_mm * np.sin(z / h * 22.0)
    return x.astype(np.float32), np.interp(z, knots, y).astype(np.float32)


def cavities(patient: Patient, surface: Surface) -> list[Shape]:
    """Return the room inside the trunk: abdominal fat below, lungs above."""
    h = patient.height_mm

    def room(slab: Slab, thick: float) -> Array:
        fat = slab.look(surface.fat) * np.float32(patient.subcutaneous_mm)
        d = trunk_distance(surface, slab, fat + np.float32(thick))
        _, spine_y = spine_line(patient, slab.z)
        behind = slab.y - spine_y - np.float32(20)
        side = np.abs(slab.x) * np.float32(0.55)
        return np.maximum(d, behind - np.maximum(side - 18, 0) * 0.9)

    def abdomen(slab: Slab) -> Array:
        d = room(slab, 15.0)
        taper = np.float32(0.495 * h) - slab.z
        bowl = ellipsoid(
            slab.x, slab.y, slab.z, (0, 5, 0.585 * h), (150, 150, 0.105 * h)
        )
        d = np.where(slab.z < 0.58 * h, np.maximum(d, bowl), d)
        return np.maximum(d, taper)

    def chest(slab: Slab) -> Array:
        d = room(slab, 17.0)
        apex = ellipsoid(
            slab.x, slab.y, slab.z, (0, 12, 0.70 * h), (138 * h / 1700, 150, 0.113 * h)
        )
        return np.maximum(np.maximum(d, apex), diaphragm(patient, slab))

    return [
        Shape((-190, -220, 0.47 * h), (190, 130, 0.74 * h), abdomen, ((0, FAT),)),
        Shape((-170, -180, 0.62 * h), (170, 140, 0.83 * h), chest, ((0, Tissue.LUNG),)),
    ]


def diaphragm(patient: Patient, slab: Slab) -> Array:
    """Return how far a point lies below the diaphragm, mm; the right dome is higher."""
    scale = np.float32(patient.height_mm / 1700)
    x, y = slab.x / scale, slab.y / scale
    right = ((x + 66) ** 2 + 0.8 * (y + 5) ** 2) * np.float32(1 / 125)
    left = ((x - 72) ** 2 + 0.8 * (y + 5) ** 2) * np.float32(1 / 125) + 16
    fall = np.minimum(right, left)
    fall = np.where(y > 20, fall + (y - 20) * np.float32(0.35), fall)
    top = np.float32(patient.dome_mm + 14) - fall * np.float32(1.0)
    below: Array = (top - slab.z) * np.float32(0.75)
    return below


def chest_organs(patient: Patient) -> list[Shape]:
    """Return mediastinum, great vessels, heart and lung vessels."""
    h = patient.height_mm
    hx, hy, hz = patient.heart.center
    half = patient.heart.half_mm
    mediastinum = ball((6, 0, 0.765 * h), (34, 62, 0.065 * h), (0, FAT))
    pericardium = _heart_body(patient, 5.0, FAT)
    arch_z = hz + 92
    art, ven = Tissue.ARTERIAL_BLOOD, Tissue.VENOUS_BLOOD
    return [
        mediastinum,
        rod((0, 20, hz - 60), (0, 10, hz + 60), (24, 24), (0, FAT)),
        *[
            rod(
                (s * 30, 12, hz + 28),
                (s * (60 + 14 * n), -20 + 22 * n, hz + 70 - 44 * n),
                (7.5, 2.0),
                (0, ven),
            )
            for s in (1, -1)
            for n in range(4)
        ],
        rod((-6, -18, hz + 38), (-8, -22, arch_z), (15, 14), (0, art)),
        rod((-8, -22, arch_z), (16, 26, arch_z - 4), (14, 12), (0, art)),
        rod((-30, -8, hz + 20), (-28, -10, arch_z + 20), (9.5, 9), (0, ven)),
        rod((10, -34, hz + 34), (22, 0, hz + 60), (13, 12), (0, ven)),
        rod(
            (0, 8, hz + 75),
            (0, 8, 0.85 * h),
            (8.5, 8.5),
            (0, Tissue.CARTILAGE),
            (2.0, Tissue.GAS),
        ),
        pericardium,
        _heart_body(patient, 0.0, Tissue.MYOCARDIUM),
        *_chambers(patient),
        ball((hx - 30, hy + 22, hz + half[2] * 0.6), (26, 24, 22), (0, ven)),
        ball((hx + 2, hy + 34, hz + half[2] * 0.7), (28, 20, 20), (0, art)),
    ]


def _heart_body(patient: Patient, grow: float, tissue: Tissue) -> Shape:
    """Return the outside of the heart, pointed at the apex."""
    organ = patient.heart
    rotation = organ.rotation

    def distance(slab: Slab) -> Array:
        d = [
            c - np.float32(o)
            for c, o in zip((slab.x, slab.y, slab.z), organ.center, strict=True)
        ]
        u, v, w = rotated(*d, rotation)
        pinch = 1 + np.clip(u / np.float32(organ.half_mm[0]), -0.6, 1) * np.float32(
            0.22
        )
        return centered_ellipsoid(u, v * pinch, w * pinch, organ.half_mm) - np.float32(
            grow
        )

    return Shape(*around(organ.center, margin=80), distance, ((0, tissue),))


def _chambers(patient: Patient) -> list[Shape]:
    """Return the two ventricles' blood."""
    a, b, c = patient.heart.half_mm
    base = np.array(patient.heart.center)
    turn = patient.heart.rotation

    def at(u: float, v: float, w: float) -> Point:
        p = base + turn @ np.array([u, v, w])
        return float(p[0]), float(p[1]), float(p[2])

    def chamber(center: Point, half: Point, tissue: Tissue) -> Shape:
        def distance(slab: Slab) -> Array:
            return ellipsoid(slab.x, slab.y, slab.z, center, half, turn)

        return Shape(*around(center, margin=max(half) + 4), distance, ((0, tissue),))

    return [
        chamber(at(6, 10, 4), (0.62 * a, 0.47 * b, 0.52 * c), Tissue.ARTERIAL_BLOOD),
        chamber(at(-2, -27, -4), (0.66 * a, 0.27 * b, 0.66 * c), Tissue.VENOUS_BLOOD),
    ]


def abdomen_organs(patient: Patient) -> list[Shape]:
    """Return liver, spleen, stomach, pancreas, kidneys and great vessels."""
    h = patient.height_mm
    dome = patient.dome_mm
    kx, ky, kz = patient.kidneys[0].center
    art, ven = Tissue.ARTERIAL_BLOOD, Tissue.VENOUS_BLOOD
    wall, content = Tissue.BOWEL_WALL, Tissue.BOWEL_CONTENT
    _, spine_y = spine_line(patient, np.array([0.60 * h, 0.66 * h], np.float32))
    front = float(spine_y[0]) - 30
    return [
        _liver(patient),
        ball((-58, -48, dome - 92), (15, 19, 27), (0, wall), (1.5, Tissue.GALLBLADDER)),
        ball((52, -22, dome - 52), (44, 42, 46), (0, wall), (4, content)),
        ball((60, -48, dome - 42), (26, 16, 26), (0, Tissue.GAS)),
        rod(
            (30, -42, dome - 92),
            (-30, -40, dome - 108),
            (24, 17),
            (0, wall),
            (4, content),
        ),
        solid(patient.spleen, (0, Tissue.SPLEEN), wobble=1.5),
        rod((70, 18, kz + 48), (-20, -22, kz + 8), (10, 13), (0, Tissue.PANCREAS)),
        *_kidneys(patient),
        rod(
            (12, float(spine_y[1]) - 34, 0.70 * h),
            (10, front, 0.60 * h),
            (10.5, 9),
            (0, art),
        ),
        rod(
            (-17, float(spine_y[1]) - 30, 0.71 * h),
            (-15, front + 3, 0.60 * h),
            (11.5, 11.5),
            (0, ven),
        ),
        *[
            rod(
                (s * 4 - 2, front + dy, 0.60 * h),
                (s * 52, 22.0 + dy, 0.535 * h),
                (r, r),
                (0, t),
            )
            for s in (1, -1)
            for dy, r, t in ((0.0, 6.0, art), (9.0, 7.0, ven))
        ],
    ]


def _liver(patient: Patient) -> Shape:
    """Return the liver: under the right dome, wedge-shaped towards the left."""
    size = 1.06 * patient.liver_size * patient.height_mm / 1700
    dome = patient.dome_mm
    tail = dome - 150 * size

    def distance(slab: Slab) -> Array:
        body = ellipsoid(
            slab.x, slab.y, slab.z, (-72, -4, dome - 66 * size), (96, 96, 98 * size)
        )
        left = ellipsoid(
            slab.x, slab.y, slab.z, (-8, -42, dome - 40 * size), (78, 48, 46 * size)
        )
        whole = np.minimum(body, left)
        edge = (
            np.float32(tail + 66)
            + slab.x * np.float32(0.62)
            + slab.y * np.float32(-0.25)
            - slab.z
            + 3 * slab.noise("wobble")
        ) * np.float32(0.8)
        d = np.maximum(whole, edge)
        return np.maximum(d, np.float32(3.0) - diaphragm(patient, slab))

    return Shape(
        (-190, -140, tail - 30),
        (80, 110, dome + 20),
        distance,
        ((0, Tissue.LIVER),),
        onto=frozenset({Tissue.VISCERAL_FAT}),
    )


def _kidneys(patient: Patient) -> list[Shape]:
    """Return both kidneys with pyramids and sinus, in a bed of fat."""
    shapes = []
    for side, organ in zip((1, -1), patient.kidneys, strict=True):
        turn = organ.rotation
        a, b, c = organ.half_mm
        hilum = np.array(organ.center) + turn @ np.array([-side * 0.62 * a, 0, 0])
        sinus = (float(hilum[0]), float(hilum[1]), float(hilum[2]))

        def medulla(slab: Slab, organ: Organ = organ, side: int = side) -> Array:
            d = [
                p - np.float32(o)
                for p, o in zip((slab.x, slab.y, slab.z), organ.center, strict=True)
            ]
            u, v, w = rotated(*d, organ.rotation)
            a, b, c = organ.half_mm
            whole = centered_ellipsoid(u, v, w, organ.half_mm) + np.float32(8.0)
            angle = np.arctan2(w * np.float32(a / c), side * u + np.float32(0.5 * a))
            columns = np.cos(angle * np.float32(7.0)) * np.float32(3.5) + np.float32(
                0.6
            )
            return np.maximum(whole, -columns)

        def pelvis(slab: Slab, c0: Point = sinus, organ: Organ = organ) -> Array:
            a, b, c = organ.half_mm
            return ellipsoid(
                slab.x,
                slab.y,
                slab.z,
                c0,
                (0.62 * a, 0.36 * b, 0.46 * c),
                organ.rotation,
            )

        bed = tuple(x + 9 for x in organ.half_mm)
        box = around(organ.center, margin=c + 8)
        shapes += [
            Shape(
                *around(organ.center, margin=c + 16),
                lambda slab, organ=organ, bed=bed: ellipsoid(
                    slab.x, slab.y, slab.z, organ.center, bed, organ.rotation
                ),
                ((0, FAT),),
            ),
            solid(organ, (0, Tissue.KIDNEY_CORTEX)),
            Shape(
                *box,
                medulla,
                ((0, Tissue.KIDNEY_MEDULLA),),
                onto=frozenset({Tissue.KIDNEY_CORTEX}),
            ),
            Shape(*box, pelvis, ((0, FAT),)),
            rod(
                sinus, moved(sinus, x=-side * 26, y=-14), (4.0, 3.0), (0, Tissue.URINE)
            ),
        ]
    return shapes


def pelvis_organs(patient: Patient) -> list[Shape]:
    """Return bladder, rectum, and prostate or uterus."""
    h = patient.height_mm
    bladder = patient.bladder
    wall, content = Tissue.BOWEL_WALL, Tissue.BOWEL_CONTENT
    shapes = [
        rod((0, 34, 0.475 * h), (0, 48, 0.53 * h), (15, 17), (0, wall), (4, content)),
        ball((3, 34, 0.51 * h), (7, 6, 14), (0, Tissue.GAS)),
        rod(
            (0, 48, 0.53 * h), (30, 40, 0.575 * h), (17, 14), (0, wall), (3.5, content)
        ),
        solid(bladder, (0, Tissue.BOWEL_WALL), (3.5, Tissue.URINE)),
    ]
    if patient.prostate is None:
        top = moved(bladder.center, y=bladder.half_mm[1] + 14, z=8)
        cervix = (0.0, 12.0, 0.495 * h)
        shapes.append(rod(cervix, top, (12, 20), (0, Tissue.UTERUS)))
        return shapes
    p = patient.prostate
    a, b, c = p.half_mm
    tz = patient.prostate_tz_share ** (1 / 3)
    shapes += [
        solid(p, (0, Tissue.PROSTATE_PZ), wobble=0.5),
        ball(
            moved(p.center, y=-0.22 * b, z=0.08 * c),
            (0.84 * tz * a, 0.86 * tz * b, 0.9 * tz * c),
            (0, Tissue.PROSTATE_TZ),
        ),
        *[
            rod(
                moved(p.center, x=s * 5, y=b + 2, z=c - 2),
                moved(p.center, x=s * 34, y=b + 12, z=c + 16),
                (5.5, 4.5),
                (0, wall),
                (1.2, Tissue.SEMINAL_VESICLE),
            )
            for s in (1, -1)
        ],
    ]
    return shapes


def bowel(patient: Patient) -> list[Shape]:
    """Return colon and small bowel: tubes with wall, content and some gas."""
    h = patient.height_mm
    rng = np.random.default_rng([patient.seed, 77])
    wall, content = Tissue.BOWEL_WALL, Tissue.BOWEL_CONTENT
    wide = patient.girth * h / 1700
    shapes = []
    path: list[Point] = [
        (-78 * wide, -38, 0.565 * h),
        (-84 * wide, -30, 0.60 * h),
        (-82 * wide, -28, 0.635 * h),
        (-30, -72, 0.628 * h),
        (35, -72, 0.63 * h),
        (86 * wide, -15, 0.655 * h),
        (94 * wide, 5, 0.615 * h),
        (90 * wide, -5, 0.575 * h),
        (60, 8, 0.545 * h),
        (25, 25, 0.55 * h),
    ]
    for n, (a, b) in enumerate(zip(path[:-1], path[1:], strict=True)):
        inside = Tissue.GAS if n in (2, 3) else content
        shapes.append(rod(a, b, (19 - n * 0.5, 18 - n * 0.5), (0, wall), (2.2, inside)))
    for _ in range(44):
        start = np.array(
            [
                rng.uniform(-66, 66) * wide,
                rng.uniform(-70, -8),
                rng.uniform(0.535, 0.625) * h,
            ]
        )
        step = rng.normal(0, (30, 14, 16))
        r = rng.uniform(8.5, 13)
        a = (float(start[0]), float(start[1]), float(start[2]))
        b = moved(a, *(float(x) for x in step))
        shape = rod(a, b, (r, r * 0.9), (0, wall), (2.4, content))
        shapes.append(shape)
    return [_inside(shape) for shape in shapes]


def _inside(shape: Shape) -> Shape:
    """Return a shape that only fills what is fat or bowel so far."""
    return replace(
        shape,
        onto=frozenset({FAT, Tissue.BOWEL_WALL, Tissue.BOWEL_CONTENT, Tissue.GAS}),
    )


def spine(patient: Patient) -> list[Shape]:
    """Return vertebrae, discs, canal with cord, and sacrum."""
    h = patient.height_mm
    low, high = 0.558 * h, 0.875 * h
    pitch = _pitches(low, high)

    def place(slab: Slab) -> tuple[Array, Array]:
        x0, y0 = spine_line(patient, slab.z)
        return slab.x - x0, slab.y - y0

    def body(slab: Slab) -> Array:
        dx, dy = place(slab)
        size = np.interp(slab.z, [low, 0.66 * h, high], [1.0, 0.88, 0.5]).astype(
            np.float32
        )
        column = np.sqrt((dx / (24 * size)) ** 2 + (dy / (17 * size)) ** 2)
        d = (column - 1) * 17 * size
        return np.maximum(
            np.maximum(d, np.float32(low) - slab.z), slab.z - np.float32(high)
        )

    def disc(slab: Slab) -> Array:
        gap = np.abs(slab.z - pitch[np.abs(slab.z[..., None] - pitch).argmin(axis=-1)])
        half = np.interp(slab.z, [low, high], [5.2, 2.4]).astype(np.float32)
        return np.maximum(gap - half, body(slab))

    def canal(slab: Slab) -> Array:
        dx, dy = place(slab)
        d = np.sqrt(dx * dx + (dy - 26) ** 2 * np.float32(1.25)) - np.float32(8.5)
        return np.maximum(d, np.float32(0.535 * h) - slab.z)

    def cord(slab: Slab) -> Array:
        dx, dy = place(slab)
        d = np.sqrt((dx * np.float32(0.8)) ** 2 + (dy - 26) ** 2) - np.float32(4.4)
        return np.maximum(d, np.float32(0.645 * h) - slab.z)

    def arch(slab: Slab) -> Array:
        dx, dy = place(slab)
        step = np.abs(slab.z - pitch[np.abs(slab.z[..., None] - pitch).argmin(axis=-1)])
        spinous = np.maximum(np.abs(dx) - 3.5, np.abs(dy - 46) - 18)
        ring = np.abs(np.sqrt(dx * dx + (dy - 25) ** 2) - 14) - 4
        sideways = np.maximum(np.abs(dy - 26) - 5, np.abs(dx) - 34)
        d = np.minimum(np.minimum(spinous, ring), np.maximum(sideways, 9 - step))
        return np.maximum(
            np.maximum(d, 7 - step), np.maximum(low - slab.z, slab.z - high)
        ).astype(np.float32)

    def sacrum(slab: Slab) -> Array:
        dx, dy = place(slab)
        up = (slab.z - np.float32(0.475 * h)) / np.float32(low - 0.475 * h)
        width = np.float32(10) + np.float32(46) * np.clip(up, 0, 1)
        d = np.maximum(
            np.abs(dx) - width, np.abs(dy - 2) - (6 + 13 * np.clip(up, 0, 1))
        )
        return np.maximum(
            np.maximum(d, np.float32(0.475 * h) - slab.z), slab.z - np.float32(low - 4)
        ).astype(np.float32)

    red, cortex = Tissue.RED_MARROW, Tissue.CORTICAL_BONE
    return [
        Shape((-60, -30, 0.47 * h), (60, 130, low), sacrum, ((0, cortex), (1.8, red))),
        Shape(
            (-45, -60, low - 5), (45, 110, high + 5), arch, ((0, cortex), (1.5, red))
        ),
        Shape((-45, -60, low - 5), (45, 90, high + 5), body, ((0, cortex), (1.5, red))),
        Shape(
            (-45, -60, low - 5),
            (45, 90, high + 5),
            disc,
            ((0, Tissue.DISC_ANNULUS), (2.2, Tissue.DISC_NUCLEUS)),
        ),
        Shape(
            (-30, -10, 0.53 * h),
            (30, 130, high + 20),
            canal,
            ((0, FAT), (1.5, Tissue.CSF)),
        ),
        Shape((-30, -10, 0.64 * h), (30, 110, high + 20), cord, ((0, Tissue.CORD),)),
    ]


def _pitches(low: float, high: float) -> Array:
    """Return the heights of the discs, closer together towards the neck."""
    steps = np.interp(np.arange(26), [0, 4, 10, 17, 25], [37, 35, 28, 22, 17])
    levels = low + np.concatenate([[0.0], np.cumsum(steps)])
    return levels[levels < high].astype(np.float32)


def ribs(patient: Patient, surface: Surface) -> list[Shape]:
    """Return twelve pairs of ribs sloping down to the front, and the breast bone."""
    h = patient.height_mm
    lowest, highest = 0.625 * h, 0.815 * h
    spacing = (highest - lowest) / 11

    def distance(slab: Slab) -> Array:
        fat = slab.look(surface.fat) * np.float32(patient.subcutaneous_mm)
        wall = trunk_distance(surface, slab, fat + np.float32(11))
        phase = (
            slab.z + slab.y * np.float32(0.42) + 0.03 * np.abs(slab.x)
        ) / np.float32(spacing)
        phase = phase - np.round(phase)
        along = phase * np.float32(spacing * 0.92)
        d = np.sqrt(
            (wall * np.float32(1.25)) ** 2 + (along * np.float32(0.8)) ** 2
        ) - np.float32(5)
        gap = np.float32(16) - np.abs(slab.x)
        return np.maximum(d, gap)

    return [
        Shape(
            (-175, -190, lowest),
            (175, 150, highest),
            distance,
            ((0, Tissue.CORTICAL_BONE), (1.6, Tissue.RED_MARROW)),
            onto=frozenset(
                {Tissue.MUSCLE, Tissue.LUNG, Tissue.VISCERAL_FAT, Tissue.FAT}
            ),
        )
    ]


def limb_vessels(patient: Patient) -> list[Shape]:
    """Return the femoral vessels of both legs."""
    shapes = []
    for leg in patient.legs:
        s, (hx, _, hz) = leg.side, leg.hip
        groin = (hx - s * 10, -38.0, hz + 4)
        behind = (leg.knee[0], leg.knee[1] + 34, leg.knee[2] + 40)
        low = (leg.knee[0] + s * 2, leg.knee[1] + 36, leg.knee[2] - 60)
        for dx, r, tissue in (
            (0.0, 4.2, Tissue.ARTERIAL_BLOOD),
            (-s * 8.5, 5.0, Tissue.VENOUS_BLOOD),
        ):
            shapes += [
                rod(
                    (s * 52.0 + dx, 18, hz + 36),
                    moved(groin, x=dx),
                    (r, r),
                    (0, tissue),
                ),
                rod(
                    moved(groin, x=dx),
                    moved(behind, x=dx * 0.6),
                    (r, r * 0.85),
                    (0, tissue),
                ),
                rod(
                    moved(behind, x=dx * 0.6),
                    moved(low, x=dx * 0.6),
                    (r * 0.8, r * 0.6),
                    (0, tissue),
                ),
            ]
    return shapes
