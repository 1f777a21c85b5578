"""Where the pelvis of a patient lies: its level, size and the symphysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_midrl.phantom.patient import Leg, Patient

    Point = tuple[float, float, float]

SYMPHYSIS_DROP_MM = 24.0
"""How far the middle of the symphysis lies below the femoral heads."""
SYMPHYSIS_HALF_MM = (11.0, 21.0)
"""Half thickness and half length of the pubic body along the symphysis."""
GAP_MM = (25.5, 34.5)
"""From the back of the symphysis to the middle of the prostate, least and most."""


@dataclass(frozen=True)
class PelvicFrame:
    """The pelvis in the body's frame; lengths in mm.

    Parameters
    ----------
    level_mm
        Height of the femoral heads, the mean of both.
    scale
        Size relative to a man with heads 88 mm from the midline.
    symphysis
        Its middle.
    lean_deg
        How far its upper end leans forward.
    """

    level_mm: float
    scale: float
    symphysis: Point
    lean_deg: float

    def at(self, x: float, y: float, z: float) -> Point:
        """Return a point given at standard size from the middle of the hips."""
        k = self.scale
        return k * x, k * y, self.level_mm + k * z


def hip_level_mm(legs: tuple[Leg, Leg]) -> float:
    """Return the mean height of the femoral heads."""
    return 0.5 * (legs[0].hip[2] + legs[1].hip[2])


def pelvic_frame(patient: Patient) -> PelvicFrame:
    """Return where the pelvis of a patient lies."""
    rng = np.random.default_rng([patient.seed, 41])
    gap, lean = 30 + np.clip(rng.normal(0, 2.2), -4.5, 4.5), rng.normal(38, 5)
    level = hip_level_mm(patient.legs)
    scale = (patient.legs[0].hip[0] - patient.legs[1].hip[0]) / 176
    if patient.prostate is None:
        back = -44.0
    else:
        # A big gland takes the room between itself and the bone.
        gap = np.clip(max(gap, patient.prostate.half_mm[1] + 8), *GAP_MM)
        back = patient.prostate.center[1] - gap
    thin, long = SYMPHYSIS_HALF_MM
    angle = np.radians(lean)
    half_depth = 1 / np.hypot(np.cos(angle) / thin, np.sin(angle) / long)
    middle = (0.0, float(back - half_depth), level - SYMPHYSIS_DROP_MM)
    return PelvicFrame(level, float(scale), middle, float(lean))
