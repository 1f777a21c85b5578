"""How some patients lie otherwise than most: arms, knees, and the turn of the body.

Most lie straight with the arms beside the trunk. Specification phantom.md, 6c: the
range of shapes must exceed reality, arms in and out of the image included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    Point = tuple[float, float, float]
    Chance = Callable[[str], np.random.Generator]

ArmPosture = Literal["beside", "up", "on the belly", "spread"]

ARMS_UP_SHARE = 0.15
ARMS_ON_BELLY_SHARE = 0.06
ARMS_SPREAD_SHARE = 0.08
TILTED_SHARE = 0.15
BENT_KNEES_SHARE = 0.12
LEGS_APART_SHARE = 0.10
TURNED_LEGS_SHARE = 0.15

MAX_TILT_DEG = (6.0, 6.0, 12.0)
"""About L, P and S."""

MAX_SHIFT_MM = 50.0


@dataclass(frozen=True)
class Posture:
    """What a patient's pose adds to that of a patient who lies straight.

    Parameters
    ----------
    arms
        Where they are.
    arm_spread
        Sine of the angle that the arms open further.
    tilt_deg, shift_mm
        Turn about L, P, S and shift along them.
    knee_lift_mm, knees_apart_mm
        How far a cushion lifts both knees, and how far each is moved outwards.
    leg_turn_deg
        Outward turn of the left and of the right leg.
    """

    arms: ArmPosture
    arm_spread: float
    tilt_deg: Point
    shift_mm: Point
    knee_lift_mm: float
    knees_apart_mm: float
    leg_turn_deg: tuple[float, float]


def draw_posture(chance: Chance) -> Posture:
    """Return how a patient lies.

    Parameters
    ----------
    chance
        Gives the random numbers of a named part; no part shifts another.
    """
    arms = _draw_arms(chance("arm posture"))
    tilt, shift = _draw_tilt(chance("tilt"))
    knees, legs = chance("knee posture"), chance("leg posture")
    lift, apart = knees.uniform(25, 70), knees.uniform(12, 35)
    bent = knees.random() < BENT_KNEES_SHARE
    wide = knees.random() < LEGS_APART_SHARE
    left, right = legs.uniform(-3, 12, 2)
    turned = legs.random() < TURNED_LEGS_SHARE
    spread = float(chance("arm spread").uniform(0.09, 0.19))
    return Posture(
        arms=arms,
        arm_spread=spread if arms == "spread" else 0.0,
        tilt_deg=tilt,
        shift_mm=shift,
        knee_lift_mm=float(lift) if bent else 0.0,
        knees_apart_mm=float(apart) if wide else 0.0,
        leg_turn_deg=(float(left), float(right)) if turned else (0.0, 0.0),
    )


def _draw_arms(rng: np.random.Generator) -> ArmPosture:
    """Return where the arms are."""
    drawn = rng.random()
    bounds: tuple[tuple[ArmPosture, float], ...] = (
        ("up", ARMS_UP_SHARE),
        ("on the belly", ARMS_ON_BELLY_SHARE),
        ("spread", ARMS_SPREAD_SHARE),
    )
    for posture, share in bounds:
        if drawn < share:
            return posture
        drawn -= share
    return "beside"


def _draw_tilt(rng: np.random.Generator) -> tuple[Point, Point]:
    """Return turn in degrees and shift in mm of those who lie askew; else zeros."""
    a, b, c = (float(t * rng.uniform(-1, 1)) for t in MAX_TILT_DEG)
    x, z = (float(s) for s in rng.uniform(-MAX_SHIFT_MM, MAX_SHIFT_MM, 2))
    y = float(rng.uniform(-25, 25))
    if rng.random() >= TILTED_SHARE:
        return (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    return (a, b, c), (x, y, z)
