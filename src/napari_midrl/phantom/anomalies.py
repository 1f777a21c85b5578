"""What some patients have and most have not: rare, and drawn more often than found.

Shares follow the section "Anomalies to draw" of the specification (phantom.md, 4),
which asks for rare findings in 1 to 5 % of the patients that agents learn from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    Point = tuple[float, float, float]
    Chance = Callable[[str], np.random.Generator]

MISSING_KIDNEY_SHARE = 0.04
HIP_PROSTHESIS_SHARE = 0.04
KNEE_PROSTHESIS_SHARE = 0.04
BOTH_SIDES_SHARE = 0.2
"""Of the patients with an artificial joint."""

LIVER_CYST_SHARE = 0.10
RENAL_CYST_SHARES = (0.03, 0.33)
"""Up to 40 years and from 70 years on; linear between."""

TUMOR_AT_NIPPLE_SHARE = 0.35
"""Of the women with a breast tumor."""


@dataclass(frozen=True)
class Cyst:
    """A ball of clear fluid in a kidney or in the liver.

    Parameters
    ----------
    place
        From the middle of the organ along its axes, as shares of its half axes.
    radius_mm
        Of the ball.
    side
        Of the kidney: +1 for the left, -1 for the right; 0 in the liver.
    """

    place: Point
    radius_mm: float
    side: int = 0


@dataclass(frozen=True)
class Anomalies:
    """The anomalies of one patient; sides are +1 for the left, -1 for the right.

    Parameters
    ----------
    missing_kidney
        Side without a kidney; 0 where both are there.
    artificial_hips, artificial_knees
        Sides with a metal joint. Stem and cup spare the lesser trochanter, and the
        knee keeps its cap.
    renal_cysts, liver_cysts
        Balls of fluid.
    """

    missing_kidney: int
    artificial_hips: tuple[int, ...]
    artificial_knees: tuple[int, ...]
    renal_cysts: tuple[Cyst, ...]
    liver_cysts: tuple[Cyst, ...]


def draw_anomalies(chance: Chance, age_years: float) -> Anomalies:
    """Return the anomalies of a patient.

    Parameters
    ----------
    chance
        Gives the random numbers of a named part; no part shifts another.
    age_years
        Renal cysts come with age.
    """
    kidney = chance("missing kidney")
    side = 1 if kidney.random() < 0.5 else -1
    missing = side if kidney.random() < MISSING_KIDNEY_SHARE else 0
    cysts = _draw_cysts(
        chance("renal cysts"),
        float(np.interp(age_years, [40, 70], RENAL_CYST_SHARES)),
        reach=(0.75, 1.05),
        sides=(1, -1),
    )
    return Anomalies(
        missing_kidney=missing,
        artificial_hips=_draw_joints(chance("hip prosthesis"), HIP_PROSTHESIS_SHARE),
        artificial_knees=_draw_joints(chance("knee prosthesis"), KNEE_PROSTHESIS_SHARE),
        renal_cysts=tuple(c for c in cysts if c.side != missing or missing == 0),
        liver_cysts=_draw_cysts(
            chance("liver cysts"), LIVER_CYST_SHARE, reach=(0.2, 0.75), sides=(0,)
        ),
    )


def draw_hyperplasia(chance: Chance, age_years: float) -> float:
    """Return how many times its usual volume the prostate has; old men's vary more."""
    spread = float(np.interp(age_years, [35, 70], [0.05, 0.42]))
    return float(
        np.exp(np.clip(chance("hyperplasia").normal(0, 1), -1.2, 2.5) * spread)
    )


def _draw_joints(rng: np.random.Generator, share: float) -> tuple[int, ...]:
    """Return the sides with an artificial joint."""
    side = 1 if rng.random() < 0.5 else -1
    both = rng.random() < BOTH_SIDES_SHARE
    if rng.random() >= share:
        return ()
    return (1, -1) if both else (side,)


def _draw_cysts(
    rng: np.random.Generator,
    share: float,
    reach: tuple[float, float],
    sides: tuple[int, ...],
) -> tuple[Cyst, ...]:
    """Return one to four cysts, or none, in any direction from the middle."""
    if rng.random() >= share:
        return ()
    cysts = []
    for _ in range(int(rng.integers(1, 5))):
        direction = rng.normal(size=3)
        x, y, z = direction / np.linalg.norm(direction) * rng.uniform(*reach)
        radius = float(np.clip(rng.lognormal(np.log(10), 0.45), 4, 32))
        side = int(rng.choice(sides))
        cysts.append(Cyst((float(x), float(y), float(z)), radius, side))
    return tuple(cysts)


def place_tumor_at_nipple(
    rng: np.random.Generator, center: Point, half_mm: Point
) -> Point:
    """Return where a tumor lies, mm from the nipple; in some women it touches it.

    An enhancing tumor beside the enhancing nipple is the likeliest thing to take for
    it. The nipple itself stays in place.
    """
    angle = rng.uniform(0, 2 * np.pi)
    behind = rng.uniform(7, 13)
    if rng.random() >= TUMOR_AT_NIPPLE_SHARE:
        return center
    beside = 4 + 0.8 * max(half_mm[0], half_mm[2])
    return float(beside * np.cos(angle)), behind, float(beside * np.sin(angle))
