"""Bladder, rectum, prostate with seminal vesicles, or uterus."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import centered_ellipsoid, intersect
from napari_midrl.phantom.shapes import around, ball, local, moved, rod, solid, tube
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Organ, Patient

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

FAT, WALL = Tissue.VISCERAL_FAT, Tissue.BOWEL_WALL


def pelvis_organs(patient: Patient) -> list[Shape]:
    """Return the organs of the small pelvis in paint order."""
    organs = [
        *_muscles(patient),
        *_rectum(patient),
        solid(_bladder(patient), (0, WALL), (3.2, Tissue.URINE), wobble_mm=1.5),
    ]
    if patient.prostate is None:
        return [*organs, *_uterus(patient)]
    return [*organs, *_prostate(patient, patient.prostate)]


def _bladder(patient: Patient) -> Organ:
    """Return the bladder; in men it rests on the prostate."""
    bladder, gland = patient.bladder, patient.prostate
    if gland is None:
        return bladder
    x, y, _ = bladder.center
    z = gland.center[2] + gland.half_mm[2] + 0.93 * bladder.half_mm[2]
    return replace(bladder, center=(x, min(y, gland.center[1] - 4), z))


def _muscles(patient: Patient) -> list[Shape]:
    """Return the inner obturators and the piriform muscles along the wall."""
    h = patient.height_mm
    muscle = (0.0, Tissue.MUSCLE)
    shapes = []
    for leg in patient.legs:
        s = leg.side
        shapes += [
            ball((s * 47.0, 0.0, 0.497 * h), (12, 40, 34), muscle),
            rod(
                (s * 28.0, 62.0, 0.522 * h),
                (s * 84.0, 36.0, 0.512 * h),
                (11, 10),
                muscle,
            ),
        ]
    return shapes


def rectal_gas(patient: Patient) -> Point:
    """Return the middle of the gas in the rectum."""
    return 3.0, _rectum_y(patient) - 3, 0.500 * patient.height_mm


def _rectum_y(patient: Patient) -> float:
    """Return where the rectum runs; in men against the back of the prostate."""
    if patient.prostate is None:
        return 42.0
    return patient.prostate.center[1] + patient.prostate.half_mm[1] + 21


def _rectum(patient: Patient) -> list[Shape]:
    """Return rectum and anal canal, with stool and gas."""
    h = patient.height_mm
    y = _rectum_y(patient)
    path: list[Point] = [
        (0, y - 10, 0.470 * h),
        (0, y - 2, 0.484 * h),
        (2, y, 0.498 * h),
        (4, 56, 0.522 * h),
        (6, 40, 0.545 * h),
    ]
    return [
        ball((0, 42, 0.507 * h), (30, 26, 0.026 * h), (0, FAT)),
        *tube(path, [11, 13, 18, 19, 14], (0, WALL), (3.6, Tissue.BOWEL_CONTENT)),
        ball(
            rectal_gas(patient),
            (9, 6, 17),
            (0, Tissue.GAS),
            onto=frozenset({Tissue.BOWEL_CONTENT}),
        ),
        rod((0, y - 12, 0.462 * h), (0, y - 10, 0.474 * h), (9, 9), (0, Tissue.MUSCLE)),
    ]


def _uterus(patient: Patient) -> list[Shape]:
    """Return womb with its cavity, vagina and ovaries with follicles."""
    h = patient.height_mm
    bladder = patient.bladder
    cervix = (0.0, 20.0, 0.500 * h)
    top = (
        bladder.center[0] + 5,
        min(bladder.center[1] + 0.5 * bladder.half_mm[1], 6.0),
        bladder.center[2] + bladder.half_mm[2] + 22,
    )
    ovaries = [
        shape
        for s in (1, -1)
        for shape in (
            ball((s * 42.0, 14.0, 0.525 * h), (11, 9, 15), (0, Tissue.UTERUS)),
            ball((s * 44.0, 12.0, 0.527 * h), (4, 4, 5), (0, Tissue.SYNOVIAL_FLUID)),
        )
    ]
    return [
        *ovaries,
        rod((0, 8, 0.470 * h), cervix, (9, 12), (0, Tissue.MUSCLE)),
        rod(cervix, top, (14, 23), (0, Tissue.UTERUS)),
        rod(
            moved(cervix, z=8), moved(top, z=-4), (2.0, 3.4), (0, Tissue.BOWEL_CONTENT)
        ),
    ]


def _prostate(patient: Patient, gland: Organ) -> list[Shape]:
    """Return zones, capsule, urethra, seminal vesicles and the muscles beside."""
    a, b, c = gland.half_mm
    tz = patient.prostate_tz_share ** (1 / 3)
    center = gland.center
    x, y, z = center

    def transition(slab: Slab) -> Array:
        u, v, w = local(slab, gland)
        edge = centered_ellipsoid(
            u,
            v + np.float32(0.24 * b),
            w - np.float32(0.08 * c),
            (0.86 * tz * a, 0.86 * tz * b, 0.90 * tz * c),
        )
        return edge + 0.8 * slab.noise("coarse")

    def stroma(slab: Slab) -> Array:
        # The fibromuscular stroma in front is dark on every contrast.
        u, v, w = local(slab, gland)
        whole = centered_ellipsoid(u, v, w, gland.half_mm)
        return intersect(
            whole, v + np.float32(0.74 * b), np.abs(u) - np.float32(0.45 * a)
        )

    box = around(center, margin=max(gland.half_mm) + 6)
    vesicles = [
        shape
        for s in (1, -1)
        for shape in tube(
            [
                moved(center, x=s * 4, y=b + 1, z=c - 2),
                moved(center, x=s * 20, y=b + 5, z=c + 9),
                moved(center, x=s * 38, y=b + 10, z=c + 15),
            ],
            [4.5, 6.0, 4.5],
            (0, WALL),
            (1.3, Tissue.SEMINAL_VESICLE),
        )
    ]
    levators = [
        rod(
            (x + s * (a + 7), y - 6, z + 8),
            (x + s * 13, y + 12, z - c - 14),
            (4.5, 4.5),
            (0, Tissue.MUSCLE),
        )
        for s in (1, -1)
    ]
    urethra = [
        moved(center, y=-0.30 * b, z=c),
        moved(center, y=-0.24 * b),
        moved(center, y=0.05 * b, z=-c - 3),
    ]
    bulb: list[Point] = [
        (0, y + 2, z - c - 6),
        (0, y - 6, z - c - 26),
        (0, y - 46, z - c - 34),
    ]
    return [
        ball(moved(center, y=2), (a + 9, b + 7, c + 6), (0, FAT)),
        *levators,
        *tube(bulb, [8, 13, 11], (0, Tissue.MUSCLE), (3.0, Tissue.SEMINAL_VESICLE)),
        ball(
            moved(center, y=-b - 4, z=4),
            (0.7 * a, 5, 0.7 * c),
            (0, Tissue.VENOUS_BLOOD),
        ),
        solid(gland, (0, Tissue.TENDON), (1.0, Tissue.PROSTATE_PZ), wobble_mm=0.5),
        Shape(
            *box,
            transition,
            ((0, Tissue.TENDON), (0.9, Tissue.PROSTATE_TZ)),
            onto=frozenset({Tissue.PROSTATE_PZ, Tissue.TENDON}),
        ),
        Shape(*box, stroma, ((0, Tissue.MUSCLE),)),
        *tube(urethra, [1.6, 2.0, 1.6], (0, Tissue.SEMINAL_VESICLE)),
        *vesicles,
    ]
