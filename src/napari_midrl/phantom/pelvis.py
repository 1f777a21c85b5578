"""Bladder and rectum, and in women the uterus."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.pelvic_frame import pelvic_frame
from napari_midrl.phantom.prostate import prostate_shapes
from napari_midrl.phantom.sdf import centered_ellipsoid, smooth_intersect
from napari_midrl.phantom.shapes import around, ball, local, moved, rod, tube
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Organ, Patient

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

FAT, WALL = Tissue.VISCERAL_FAT, Tissue.BOWEL_WALL
_ROOM = frozenset({Tissue.MUSCLE, Tissue.FAT})


def pelvis_organs(patient: Patient) -> list[Shape]:
    """Return the organs of the small pelvis in paint order."""
    organs = [
        *_piriform_muscles(patient),
        *_rectum(patient),
        _bladder_shape(patient),
    ]
    if patient.prostate is None:
        return [*organs, *_uterus(patient)]
    return [*organs, *prostate_shapes(patient, patient.prostate)]


def _bladder_shape(patient: Patient) -> Shape:
    """Return the bladder, flat where it lies on other organs, its wall muscular."""
    bladder = _bladder(patient)
    rng = np.random.default_rng([patient.seed, 43])
    wall_mm = float(rng.uniform(2.6, 5.0))
    _, b, c = bladder.half_mm

    def distance(slab: Slab) -> Array:
        u, v, w = local(slab, bladder)
        whole = centered_ellipsoid(u, v, w, bladder.half_mm)
        # It sinks flat upon what lies below, and the bowel dents its roof.
        roof = w - np.float32(0.92 * c) + np.float32(0.10) * v
        base = -w - np.float32(0.88 * c)
        flat = smooth_intersect(smooth_intersect(whole, roof, 14), base, 14)
        found: Array = flat + np.float32(0.05 * b) * slab.noise("wobble")
        return found

    box = around(bladder.center, margin=max(bladder.half_mm) + 10)
    return Shape(*box, distance, ((0, Tissue.MUSCLE), (wall_mm, Tissue.URINE)))


def _bladder(patient: Patient) -> Organ:
    """Return the bladder; in men it rests on the prostate."""
    bladder, gland = patient.bladder, patient.prostate
    if gland is None:
        return bladder
    x, _, _ = bladder.center
    z = gland.center[2] + gland.half_mm[2] + 0.78 * bladder.half_mm[2]
    # It fills backwards as far as the vesicles allow, and always behind the pubis.
    y = gland.center[1] - 14 + 0.12 * bladder.half_mm[1]
    return replace(bladder, center=(x, y, z))


def _piriform_muscles(patient: Patient) -> list[Shape]:
    """Return the piriform muscles, from the sacrum to the greater trochanters."""
    frame = pelvic_frame(patient)
    return [
        rod(
            frame.at(s * 26, 66, 26),
            frame.at(s * 88, 42, 14),
            (11, 9),
            (0.0, Tissue.MUSCLE),
        )
        for s in (1, -1)
    ]


@dataclass(frozen=True)
class _Filling:
    """What is in the rectum, and how wide that makes it, mm."""

    content: Tissue
    radius_mm: float
    gas_share: float


def _rectal_filling(patient: Patient) -> _Filling:
    """Return collapsed, stool, gas or gel."""
    rng = np.random.default_rng([patient.seed, 44])
    kind = rng.choice(4, p=[0.34, 0.30, 0.26, 0.10])
    wide = float(rng.uniform(0, 1))
    return (
        _Filling(Tissue.BOWEL_WALL, 9.0 + 2.5 * wide, 0.0),
        _Filling(Tissue.BOWEL_CONTENT, 13.0 + 5.5 * wide, 0.35),
        _Filling(Tissue.GAS, 13.0 + 7.0 * wide, 0.0),
        _Filling(Tissue.SEMINAL_VESICLE, 14.0 + 5.0 * wide, 0.25),
    )[kind]


def rectal_gas(patient: Patient) -> Point:
    """Return the middle of the gas in the rectum, or where it would be."""
    x, y, z = _rectum_path(patient)[2]
    return x, y - 3, z + 4


def _rectum_path(patient: Patient) -> list[Point]:
    """Return where the rectum runs; in men against the back of the prostate."""
    frame = pelvic_frame(patient)
    r, gland = _rectal_filling(patient).radius_mm, patient.prostate
    if gland is None:
        front, z = frame.symphysis[1] + 74, frame.level_mm - 12
    else:
        front, z = gland.center[1] + 0.97 * gland.half_mm[1] + 1.0, gland.center[2]
    y = front + r
    rng = np.random.default_rng([patient.seed, 45])
    aside = rng.normal(0, 3, 3)
    return [
        (0, y + 4, z - 60),
        (0, front + 9, z - 32),
        (float(aside[0]), y, z - 4),
        (float(aside[1]), y + 7, z + 20),
        (float(2 * aside[2]), y + 5, z + 46),
        (8 + float(2 * aside[2]), y - 6, z + 76),
    ]


def _rectum(patient: Patient) -> list[Shape]:
    """Return rectum and anal canal with what is in them."""
    path, filling = _rectum_path(patient), _rectal_filling(patient)
    r = filling.radius_mm
    wall_mm = 3.0 if r > 12 else 3.6
    radii = [9, 10, r, 1.08 * r, 0.95 * r, max(0.8 * r, 9)]
    content = tube(path[1:], radii[1:], (wall_mm, filling.content))
    sphincter = tube(path[:2], [11, 11], (0, Tissue.MUSCLE), (4.5, WALL))
    shapes = [
        *tube(path, [s + 4 for s in radii], (0, FAT), onto=_ROOM),
        *sphincter,
        *tube(path[1:], radii[1:], (0, Tissue.MUSCLE), (1.6, WALL)),
        *content,
    ]
    if filling.content is Tissue.BOWEL_WALL:
        # The folds of a collapsed rectum hold a little mucus.
        return [*shapes, *tube(path[1:], [1.5] * 5, (0, Tissue.BOWEL_CONTENT))]
    if filling.content is Tissue.BOWEL_CONTENT:
        shapes.append(_stool(path[2], r))
    if filling.gas_share:
        half = (0.6 * r, filling.gas_share * r, 0.9 * r)
        gas = ball(
            rectal_gas(patient),
            half,
            (0, Tissue.GAS),
            onto=frozenset({filling.content}),
        )
        shapes.append(gas)
    return shapes


def _stool(center: Point, radius_mm: float) -> Shape:
    """Return the dry lumps and bubbles in what the rectum holds."""

    def distance(slab: Slab) -> Array:
        lumps: Array = 2 * (slab.noise("coarse") + slab.noise("fine") + np.float32(0.2))
        return lumps

    low, high = around(center, margin=radius_mm + 40)
    return Shape(
        low,
        high,
        distance,
        ((0, Tissue.PANCREAS),),
        onto=frozenset({Tissue.BOWEL_CONTENT}),
    )


def _uterus(patient: Patient) -> list[Shape]:
    """Return womb with its zones, vagina, urethra and ovaries with follicles."""
    frame = pelvic_frame(patient)
    rng = np.random.default_rng([patient.seed, 46])
    bladder = patient.bladder
    rectum = _rectum_path(patient)[2]
    vagina_y = rectum[1] - _rectal_filling(patient).radius_mm - 6
    cervix = (float(rng.normal(0, 4)), vagina_y - 4, frame.level_mm + 14)
    top = (
        bladder.center[0] + 5,
        min(bladder.center[1] + 0.5 * bladder.half_mm[1], 6.0),
        bladder.center[2] + bladder.half_mm[2] + 22,
    )
    fertile = patient.age_years < 51
    size = 1.0 if fertile else 0.68
    ovaries = []
    for s in (1, -1):
        at = (s * 42.0, 14.0 + float(rng.normal(0, 6)), frame.level_mm + 22)
        ovaries.append(ball(at, (12 * size, 9, 15 * size), (0, Tissue.UTERUS)))
        if fertile:
            for _ in range(5):
                x, y, z = rng.uniform(-7, 7, 3).tolist()
                r = float(rng.uniform(1.8, 4.5))
                follicle = (0.0, Tissue.SYNOVIAL_FLUID)
                ovaries.append(ball(moved(at, x, 0.6 * y, z), (r, r, r), follicle))
    inner, fundus = moved(cervix, z=8), moved(top, z=-4)
    low = (0.0, vagina_y - 8, frame.level_mm - 56)
    urethra_y = frame.symphysis[1] + 26
    return [
        *ovaries,
        *[
            rod(moved(low, x=s * 6), moved(cervix, x=s * 7), (4, 6), (0, WALL))
            for s in (1, 0, -1)
        ],
        rod(
            (0, urethra_y, frame.level_mm - 54),
            (0, urethra_y + 4, bladder.center[2] - 0.8 * bladder.half_mm[2]),
            (6.5, 6.5),
            (0, Tissue.MUSCLE),
            (2.6, Tissue.UTERUS),
        ),
        rod(cervix, top, (14, 23 * size), (0, Tissue.UTERUS)),
        rod(inner, fundus, (6.5, 9 * size), (0, Tissue.MUSCLE)),
        rod(inner, fundus, (2.0, 5.0 * size), (0, Tissue.SEMINAL_VESICLE)),
    ]
