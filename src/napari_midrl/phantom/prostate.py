"""Prostate with its zones and nodules, seminal vesicles and the veins around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.sdf import capsule, centered_ellipsoid, intersect, unite
from napari_midrl.phantom.shapes import around, ball, local, moved, point, tube
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Organ, Patient

    Array = npt.NDArray[np.float32]
    Point = tuple[float, float, float]

FAT, PZ, TZ = Tissue.VISCERAL_FAT, Tissue.PROSTATE_PZ, Tissue.PROSTATE_TZ
GLANDULAR, STROMAL = Tissue.SEMINAL_VESICLE, Tissue.MUSCLE
TUMOR_SHARE = 0.25
"""Of men above fifty; fewer before."""
RESECTED_SHARE = 0.06
"""Of men above fifty, whose urethra is wide open after a resection."""


@dataclass(frozen=True)
class Nodule:
    """A nodule of hyperplasia: its place in half axes of the gland, size, kind."""

    place: Point
    radius_mm: float
    glandular: bool


def draw_nodules(patient: Patient, gland: Organ) -> tuple[Nodule, ...]:
    """Return nodules of the transition zone; a big gland has many."""
    rng = np.random.default_rng([patient.seed, 47])
    milliliters = 4.19e-3 * float(np.prod(gland.half_mm))
    reach = _transition_reach(patient)
    nodules = []
    for _ in range(round(float(np.interp(milliliters, [20, 35, 100], [1, 6, 17])))):
        side, across = rng.choice((-1, 1)), rng.uniform(0.25, 0.72)
        up, ahead = rng.uniform(-0.45, 0.62), rng.uniform(-0.62, 0.22)
        radius = float(gland.half_mm[0] * rng.uniform(0.09, 0.27))
        place = point(np.array([side * across * reach, ahead * reach, up]))
        # Its middle is a landmark, which no nodule hides.
        away = float(np.linalg.norm(np.array(place) * np.array(gland.half_mm)))
        radius = min(radius, 0.7 * away - 2)
        nodules.append(Nodule(place, radius, bool(rng.random() < 0.6)))
    return tuple(nodules)


def _transition_reach(patient: Patient) -> float:
    """Return the size of the transition zone as a share of the gland's axes."""
    return float(patient.prostate_tz_share ** (1 / 3))


def prostate_shapes(patient: Patient, gland: Organ) -> list[Shape]:
    """Return the gland in paint order, with what hangs on it."""
    rng = np.random.default_rng([patient.seed, 48])
    box = around(gland.center, margin=max(gland.half_mm) + 10)
    return [
        *_bulb(gland),
        _plexus(gland, box),
        *_vesicles(gland, rng),
        _peripheral_zone(gland, box, float(rng.uniform(0.02, 0.11))),
        _patches(box, float(rng.uniform(0.5, 2.2))),
        *_transition_zone(patient, gland, box),
        *_interstitium(box, float(rng.uniform(0.6, 1.2))),
        *_tumor(patient, gland),
        _anterior_stroma(gland, box, float(rng.uniform(0.60, 0.80))),
        *_ducts(patient, gland),
    ]


def _bulb(gland: Organ) -> list[Shape]:
    """Return the bulb of the penis with its muscle."""
    _, _, c = gland.half_mm
    x, y, z = gland.center
    path: list[Point] = [
        (x, y + 2, z - c - 6),
        (0, y - 6, z - c - 26),
        (0, y - 46, z - c - 34),
    ]
    return tube(path, [7, 12, 11], (0, Tissue.MUSCLE), (3.0, Tissue.SEMINAL_VESICLE))


def _outline(slab: Slab, gland: Organ) -> Array:
    """Return the distance to the gland: a chestnut, dented behind, small below."""
    a, b, c = gland.half_mm
    u, v, w = local(slab, gland)
    low = np.clip(-w / np.float32(c), 0, 1)
    dent = np.float32(0.10 * b) * np.exp(-((u / np.float32(0.3 * a)) ** 2))
    v = np.where(v > 0, v + dent, v)
    return centered_ellipsoid(u * (1 + 0.10 * low), v, w, gland.half_mm)


def _plexus(gland: Organ, box: tuple[Point, Point]) -> Shape:
    """Return the veins and bands in the fat before the gland and beside it."""
    b = gland.half_mm[1]

    def distance(slab: Slab) -> Array:
        v = local(slab, gland)[1]
        layer = np.abs(_outline(slab, gland) - np.float32(3.2)) - 3.0
        layer = layer + np.maximum(v - np.float32(0.75 * b), 0)
        veins = 1.4 * (np.abs(slab.noise("coarse") + 0.6 * slab.noise("fine")) - 0.85)
        return intersect(layer, veins)

    return Shape(
        *box, distance, ((0, Tissue.BOWEL_WALL),), onto=frozenset({FAT, Tissue.FAT})
    )


def _vesicles(gland: Organ, rng: np.random.Generator) -> list[Shape]:
    """Return the seminal vesicles: a wound-up tube on each side, some small."""
    _, b, c = gland.half_mm
    size = float(np.clip(rng.lognormal(-0.1, 0.22), 0.55, 1.4))
    shapes = []
    for s in (1, -1):
        lift, back = rng.normal(0, 3, 2).tolist()
        root = moved(gland.center, x=s * 5, y=0.62 * b, z=0.86 * c)
        tip = moved(root, x=s * 32, y=7 + back, z=11 + lift)
        own = size * float(rng.lognormal(0, 0.1))

        def distance(
            slab: Slab, root: Point = root, tip: Point = tip, own: float = own
        ) -> Array:
            x, y, z = slab.x, slab.y, slab.z
            whole = capsule(x, y, z, root, tip, 4.0 * own, 6.5 * own)
            return whole + 1.6 * slab.noise("coarse")

        def lumen(
            slab: Slab, root: Point = root, tip: Point = tip, own: float = own
        ) -> Array:
            x, y, z = slab.x, slab.y, slab.z
            whole = capsule(x, y, z, root, tip, 4.0 * own, 6.5 * own)
            folds = 1.0 - 2.2 * np.abs(slab.noise("fine") + slab.noise("coarse"))
            return intersect(whole + 1.6 * slab.noise("coarse") + 1.2, folds)

        box = around(root, tip, margin=12 * own + 6)
        shapes.append(Shape(*box, distance, ((0, Tissue.BOWEL_WALL),)))
        shapes.append(Shape(*box, lumen, ((0, Tissue.SEMINAL_VESICLE),)))
    return shapes


def _peripheral_zone(gland: Organ, box: tuple[Point, Point], rough: float) -> Shape:
    """Return the whole gland as peripheral zone in a thin dark capsule."""
    a = gland.half_mm[0]

    def distance(slab: Slab) -> Array:
        edge: Array = _outline(slab, gland)
        return edge + np.float32(rough * 0.2 * a) * slab.noise("coarse")

    return Shape(*box, distance, ((0, Tissue.TENDON), (0.9, PZ)))


def _patches(box: tuple[Point, Point], threshold: float) -> Shape:
    """Return streaks and wedges of the peripheral zone that old inflammation dims."""

    def distance(slab: Slab) -> Array:
        mixed = slab.noise("coarse") + 0.7 * slab.noise("bundle")
        dim: Array = 2.0 * (np.float32(threshold) - mixed)
        return dim

    return Shape(*box, distance, ((0, TZ),), onto=frozenset({PZ}))


def _transition_zone(
    patient: Patient, gland: Organ, box: tuple[Point, Point]
) -> list[Shape]:
    """Return both lobes of the transition zone, their pseudocapsule and nodules."""
    a, b, c = gland.half_mm
    reach = _transition_reach(patient)
    rng = np.random.default_rng([patient.seed, 49])
    uneven = rng.normal(0, 0.05)

    def distance(slab: Slab) -> Array:
        u, v, w = local(slab, gland)
        lobes = []
        for s in (1, -1):
            wide = reach * (1 + s * uneven)
            du = u - np.float32(s * 0.30 * wide * a)
            dv = v + np.float32((0.24 - 0.16 * reach) * b)
            dw = w - np.float32(0.12 * c)
            half = (0.56 * wide * a, 0.78 * reach * b, 0.86 * reach * c)
            lobes.append(centered_ellipsoid(du, dv, dw, half))
        edge = unite(*lobes) + 0.7 * slab.noise("coarse")
        return intersect(edge, _outline(slab, gland) + 1.6)

    onto = frozenset({PZ, TZ, STROMAL})
    rim = (0.0, Tissue.MUSCLE), (0.6, TZ)
    shapes = [Shape(*box, distance, rim, onto=onto)]
    turn = gland.rotation
    for nodule in draw_nodules(patient, gland):
        at = point(np.array(gland.center) + turn @ (np.array(nodule.place) * (a, b, c)))
        r = nodule.radius_mm
        half = point(r * rng.uniform(0.8, 1.2, 3))
        inside = GLANDULAR if nodule.glandular else Tissue.UTERUS
        layers = (0.0, STROMAL), (0.5, inside)
        shapes.append(ball(at, half, *layers, onto=frozenset({TZ})))
    return shapes


def _interstitium(box: tuple[Point, Point], much: float) -> list[Shape]:
    """Return the stroma among the glands, too fine to see but as a darker shade."""
    shapes = []
    for tissue, share in ((PZ, 0.18), (TZ, 0.28)):

        def distance(slab: Slab, share: float = share) -> Array:
            # A constant distance paints a constant share of every voxel.
            mixed = 1 + 0.45 * slab.noise("fine") + 0.45 * slab.noise("coarse")
            cover = np.clip(np.float32(share * much) * mixed, 0.03, 0.42)
            return (np.float32(0.5) - cover) * np.float32(slab.edge_mm)

        layer = ((0.0, STROMAL),)
        shapes.append(Shape(*box, distance, layer, onto=frozenset({tissue})))
    return shapes


def _tumor(patient: Patient, gland: Organ) -> list[Shape]:
    """Return a dark lesion in some men, mostly in the peripheral zone."""
    rng = np.random.default_rng([patient.seed, 50])
    share = TUMOR_SHARE * float(np.interp(patient.age_years, [35, 50], [0.1, 1]))
    chosen, angle = rng.random() < share, rng.uniform(0.15, 0.85) * np.pi
    up, deep = rng.uniform(-0.5, 0.5), rng.uniform(0.68, 0.84)
    size = min(rng.uniform(3.5, 8.5), 0.45 * min(gland.half_mm))
    half = point(size * rng.uniform(0.7, 1.2, 3))
    if not chosen:
        return []
    round_ = float(np.sqrt(1 - up * up))
    place = np.array([np.cos(angle) * round_, np.sin(angle) * round_, up]) * deep
    at = np.array(gland.center) + gland.rotation @ (place * np.array(gland.half_mm))
    onto = frozenset({PZ, TZ, Tissue.TENDON})
    return [ball(point(at), half, (0, Tissue.TUMOR), onto=onto)]


def _anterior_stroma(gland: Organ, box: tuple[Point, Point], start: float) -> Shape:
    """Return the fibromuscular stroma in front, dark on every contrast."""
    a, b, _ = gland.half_mm

    def distance(slab: Slab) -> Array:
        u, v, _ = local(slab, gland)
        # It tapers backwards between the lobes.
        front = v + np.float32(start * b) + np.abs(u) * np.float32(0.45)
        return intersect(
            _outline(slab, gland) - 1.5,
            front + 1.2 * slab.noise("coarse"),
            np.abs(u) - np.float32(0.6 * a),
        )

    return Shape(*box, distance, ((0, STROMAL),))


def _ducts(patient: Patient, gland: Organ) -> list[Shape]:
    """Return the urethra, open after a resection, and the ejaculatory ducts."""
    _, b, c = gland.half_mm
    rng = np.random.default_rng([patient.seed, 51])
    old = patient.age_years > 50
    knee = moved(gland.center, y=-0.30 * b)
    urethra = [
        moved(gland.center, y=-0.30 * b, z=0.96 * c),
        knee,
        moved(gland.center, y=-0.05 * b, z=-c - 8),
    ]
    shapes = tube(urethra, [2.6, 3.0, 2.8], (0, Tissue.UTERUS))
    for s in (1, -1):
        duct = [
            moved(gland.center, x=s * 3, y=0.6 * b, z=0.8 * c),
            moved(knee, x=2 * s),
        ]
        shapes += tube(
            duct, [1.5, 1.2], (0, Tissue.UTERUS), (0.6, Tissue.SEMINAL_VESICLE)
        )
    if old and rng.random() < RESECTED_SHARE:
        wide = float(rng.uniform(5, 9))
        shapes += tube(urethra[:2], [wide, 2.5], (0, Tissue.URINE))
    return shapes
