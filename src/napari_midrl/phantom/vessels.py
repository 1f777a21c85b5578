"""Arteries and veins of the legs and arms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.phantom.shapes import moved, rod, tube
from napari_midrl.phantom.tissues import Tissue

if TYPE_CHECKING:
    from napari_midrl.phantom.paint import Shape
    from napari_midrl.phantom.patient import Arm, Leg, Patient

    Point = tuple[float, float, float]

ARTERY, VEIN = Tissue.ARTERIAL_BLOOD, Tissue.VENOUS_BLOOD


def limb_vessels(patient: Patient) -> list[Shape]:
    """Return femoral, popliteal and brachial vessels, and the saphenous veins."""
    return [
        *[shape for leg in patient.legs for shape in _leg_vessels(leg)],
        *[shape for arm in patient.arms for shape in _arm_vessels(arm)],
    ]


def _leg_vessels(leg: Leg) -> list[Shape]:
    """Return the vessels from the groin to the calf, fat around them."""
    s, (hx, _, hz) = leg.side, leg.hip
    x, y, z = leg.knee
    path: list[Point] = [
        (hx - s * 16, -56.0, hz + 8),
        (hx - s * 12, -46.0, hz - 60),
        (0.55 * hx + 0.45 * x - s * 6, -8.0, 0.5 * (hz + z)),
        (x + s * 2, y + 32, z + 60),
        (x + s * 2, y + 36, z),
        (x + s * 6, y + 32, z - 70),
    ]
    beside = [moved(p, x=-s * 9.5, y=3.0) for p in path]
    saphenous: list[Point] = [
        (hx - s * 22, -58.0, hz - 30),
        (0.6 * hx + 0.4 * x - s * 52, -14.0, 0.5 * (hz + z)),
        (x - s * 46, y + 16, z),
    ]
    sheath = [moved(p, x=-s * 4.5, y=1.5) for p in path]
    fat = tube(sheath, [14.5, 13, 9, 9, 11, 6], (0, Tissue.VISCERAL_FAT))
    return [
        *fat,
        *tube(path, [5.0, 4.6, 4.0, 3.6, 3.2, 2.4], (0, Tissue.MUSCLE), (0.8, ARTERY)),
        *tube(beside, [6.4, 5.8, 4.6, 4.4, 4.0, 2.8], (0, VEIN)),
        *tube(saphenous, [2.2, 2.0, 1.8], (0, VEIN)),
    ]


def _arm_vessels(arm: Arm) -> list[Shape]:
    """Return the brachial vessels on the inner side."""
    s = arm.side
    start, end = (
        moved(arm.shoulder, x=-s * 24, z=50 * arm.up),
        moved(arm.elbow, x=-s * 16, y=-12),
    )
    return [
        rod(start, end, (3.4, 2.6), (0, ARTERY)),
        rod(moved(start, y=7), moved(end, y=6), (3.2, 2.6), (0, VEIN)),
    ]
