"""Room of the small pelvis: its fat, the muscular floor and the fossae behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.phantom.paint import Shape
from napari_midrl.phantom.pelvic_frame import pelvic_frame
from napari_midrl.phantom.sdf import intersect, oval
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.phantom.paint import Slab
    from napari_midrl.phantom.patient import Patient

    Array = npt.NDArray[np.float32]

FAT, MUSCLE = Tissue.VISCERAL_FAT, Tissue.MUSCLE
# The sheets in the fat under the skin are tendon.
_FLESH = frozenset({Tissue.MUSCLE, Tissue.FAT, Tissue.VISCERAL_FAT, Tissue.TENDON})
# Height from the femoral heads; half width; front behind the symphysis; back. In mm.
_FUNNEL = (
    (-62, 8, 36, 62),
    (-46, 13, 14, 74),
    (-30, 21, 4, 76),
    (-14, 28, 1, 84),
    (0, 34, -2, 94),
    (15, 42, -5, 112),
    (30, 47, -8, 122),
    (60, 55, -12, 126),
)


def pelvic_room(patient: Patient) -> list[Shape]:
    """Return the fat about the pelvic organs, their floor, fossae and the cleft."""
    frame = pelvic_frame(patient)
    k, level = frame.scale, frame.level_mm
    rng = np.random.default_rng([patient.seed, 42])
    slack = float(np.clip(rng.normal(1.0, 0.08), 0.85, 1.2))
    lean = float(0.8 + 0.4 * patient.visceral_fat)
    cleft_mm, askew = float(rng.uniform(22, 42)), float(rng.normal(0, 0.03))

    def funnel(slab: Slab) -> Array:
        rows = np.array(_FUNNEL)
        heights = level + k * rows[:, 0]
        low = slab.z
        half = np.interp(low, heights, k * slack * rows[:, 1])
        gland = patient.prostate
        if gland is not None:
            up = (low - np.float32(gland.center[2])) / np.float32(gland.half_mm[2] + 3)
            section = np.sqrt(np.maximum(1 - up * up, 0)) * gland.half_mm[0] + 4.5
            half = np.maximum(half, np.where(np.abs(up) < 1, section, 0))
        front = frame.symphysis[1] + 9 + np.interp(low, heights, k * rows[:, 2])
        back = frame.symphysis[1] + 9 + np.interp(low, heights, k * rows[:, 3])
        deep = 0.5 * (back - front)
        u = (slab.x - askew * (low - level)) / half
        v = (slab.y - 0.5 * (front + back)) / deep
        # Beyond its corners a boxy oval has no sense.
        ring = (
            oval(np.clip(u, -1.3, 1.3), np.clip(v, -1.3, 1.3), 0.55) - 1
        ) * np.minimum(half, deep)
        found: Array = (ring + 1.2 * slab.noise("wobble")).astype(np.float32)
        return intersect(found, np.float32(level - 64 * k) - low)

    def outside(slab: Slab) -> Array:
        roof = level + 36 * k + 8 * slab.noise("wobble") - 0.25 * np.abs(slab.y)
        return intersect(-funnel(slab), slab.z - roof.astype(np.float32))

    def floor(slab: Slab) -> Array:
        return intersect(funnel(slab), slab.z - np.float32(level + 10 * k))

    def room(slab: Slab) -> Array:
        return intersect(funnel(slab) + 3.8, slab.z - np.float32(level + 62 * k))

    def fossa(slab: Slab) -> Array:
        up = (slab.z - np.float32(level)) / np.float32(k)
        fill = np.interp(up, [-95, -70, -20, 12, 38, 52], [0.3, 0.9, 1.0, 0.8, 0.3, 0])
        opened = np.clip(7 + 0.68 * (slab.y - 2), 0, 48) * fill * lean * k
        edge = np.abs(slab.x) - opened + 2.5 * slab.noise("wobble")
        return intersect(0.8 * edge.astype(np.float32), 3 - slab.y, up - 50)

    def beside_skin(slab: Slab) -> tuple[Array, Array]:
        below = np.where(slab.y > 30, -slab.known["skin"], np.float32(99))
        off = np.abs(slab.x + 1.5 * slab.noise("wobble"))
        high = np.maximum((slab.z - np.float32(level)) * np.float32(0.9), 0)
        return (below + high).astype(np.float32), off.astype(np.float32)

    def cleft(slab: Slab) -> Array:
        below, off = beside_skin(slab)
        return intersect(off - 1.3, below - np.float32(cleft_mm))

    def gap(slab: Slab) -> Array:
        below, off = beside_skin(slab)
        opened = np.maximum(14 - below, 0) * np.float32(0.3)
        return (off + 1.6 - opened).astype(np.float32)

    low, high = frame.at(-90, -110, -100), frame.at(90, 150, 68)
    behind = frame.at(-12, 40, -110), frame.at(12, 150, 50)
    onto_fat = frozenset({Tissue.VISCERAL_FAT})
    return [
        Shape(low, high, outside, ((0, MUSCLE),), onto=onto_fat),
        Shape(
            frame.at(-56, 0, -100),
            frame.at(56, 160, 56),
            fossa,
            ((0, Tissue.FAT),),
            onto=_FLESH,
        ),
        Shape(low, high, floor, ((0, MUSCLE),), onto=_FLESH),
        Shape(low, high, room, ((0, FAT),), onto=_FLESH),
        Shape(*behind, cleft, ((0, Tissue.SKIN),)),
        Shape(*behind, gap, ((0, Tissue.AIR),)),
    ]
