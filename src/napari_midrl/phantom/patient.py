"""A digital patient as numbers: one frozen record, all of its chance drawn first.

Lengths are mm in the body's own frame: x to the Left, y to Posterior, z up from the
soles, the midline at x = 0 and the hip joints at y = 0. The pose carries it to LPS.

Proportions follow Drillis and Contini and the morphometry cited beside each draw.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_midrl.phantom.anomalies import (
    Anomalies,
    draw_anomalies,
    draw_hyperplasia,
    place_tumor_at_nipple,
)
from napari_midrl.phantom.fields import SplineField, spline_field
from napari_midrl.phantom.pelvic_frame import hip_level_mm
from napari_midrl.phantom.posture import (
    MAX_SHIFT_MM,
    MAX_TILT_DEG,
    Posture,
    draw_posture,
)
from napari_midrl.phantom.sdf import rotation_xyz

if TYPE_CHECKING:
    import numpy.typing as npt

    Point = tuple[float, float, float]
    Sex = Literal["female", "male"]

FIRST_TRAINING_SEED = 100_000
"""Patients from here on are for training; users, tests and measurements draw small
numbers."""

HEAVY_SHARE = 0.35
"""Of the patients, overweight to obese."""

LOW_KIDNEY_SHARE = 0.05
TURNED_KIDNEY_SHARE = 0.06
"""Of the kidneys; a hilum that looks forwards is the common malrotation."""


@dataclass(frozen=True, eq=False)
class Pose:
    """How the body lies in the scanner: turned, shifted, and slightly bent."""

    rotation: npt.NDArray[np.float64]
    isocenter_mm: Point
    offset_lps_mm: Point
    bends: tuple[SplineField, ...]
    bend_mm: float


@dataclass(frozen=True)
class Leg:
    """Joints of one leg; `side` is +1 for the left, -1 for the right."""

    side: int
    hip: Point
    head_radius_mm: float
    shaft_top: Point
    lesser_trochanter: Point
    greater_trochanter: Point
    knee: Point
    patella: Point
    patella_half_mm: Point
    ankle: Point


@dataclass(frozen=True)
class Arm:
    """Joints of one arm, and the axis along which the hand points."""

    side: int
    shoulder: Point
    elbow: Point
    wrist: Point
    radius_mm: float
    hand: Point

    @property
    def up(self) -> int:
        """+1 for an arm beside the head, -1 for one that hangs down."""
        return 1 if self.elbow[2] > self.shoulder[2] else -1


@dataclass(frozen=True)
class Organ:
    """An ellipsoidal organ: center, half axes, and turns about x, y, z in degrees."""

    center: Point
    half_mm: Point
    turn_deg: Point

    @property
    def rotation(self) -> npt.NDArray[np.float64]:
        """Columns are the organ's own axes."""
        return rotation_xyz(*self.turn_deg)


@dataclass(frozen=True)
class Breast:
    """One breast; a man's has no protrusion."""

    side: int
    center_x_mm: float
    center_z_mm: float
    radius_mm: float
    protrusion_mm: float
    gland_share: float


@dataclass(frozen=True, eq=False)
class Patient:
    """Everything that makes one digital patient differ from the next.

    Of `kidneys`, left first, a missing one keeps its place: `anomalies` says which.
    """

    seed: int
    sex: Sex
    age_years: float
    height_mm: float
    bmi: float
    girth: float
    subcutaneous_mm: float
    visceral_fat: float
    muscularity: float
    posture: Posture
    pose: Pose
    legs: tuple[Leg, Leg]
    arms: tuple[Arm, Arm]
    kidneys: tuple[Organ, Organ]
    heart: Organ
    spleen: Organ
    liver_size: float
    dome_mm: float
    bladder: Organ
    prostate: Organ | None
    prostate_tz_share: float
    breasts: tuple[Breast, Breast]
    tumor_side: int
    tumor: Organ | None
    spine_sway_mm: float
    lordosis_mm: float
    anomalies: Anomalies


def draw_patient(seed: int, sex: Sex | None = None) -> Patient:
    """Return the digital patient of that number.

    Parameters
    ----------
    seed
        The same number gives the same anatomy, on every grid and at every time.
    sex
        Fix it; None lets the seed decide.

    Returns
    -------
    patient
        All parameters of body and pose. About one woman in four has a breast tumor;
        `Anomalies` has the shares of what is rarer.
    """
    rng = _stream(seed, "body")
    drawn: Sex = "female" if rng.random() < 0.5 else "male"
    chosen = drawn if sex is None else sex
    female = chosen == "female"
    height = float(np.clip(rng.normal(1630 if female else 1756, 62), 1480, 1920))
    bmi = float(np.clip(rng.lognormal(np.log(23.6), 0.13), 18.0, 34.0))
    bmi = _draw_weight(_stream(seed, "weight"), bmi)
    girth = float((bmi / 23) ** 0.5)
    muscularity = float(np.clip(rng.normal(1.0, 0.08), 0.8, 1.2))
    fat = (15.0 if female else 9.0) * (bmi / 23) ** 1.7 * rng.lognormal(0, 0.22)
    visceral = float(np.clip(rng.normal((bmi - 18) / 14, 0.15), 0.05, 1.0))
    age = float(rng.uniform(22, 75))
    organs = _stream(seed, "organs")
    chance = partial(_stream, seed)
    anomalies, posture = draw_anomalies(chance, age), draw_posture(chance)
    legs = _draw_legs(_stream(seed, "legs"), height, posture, female=female)
    prostate = None
    if not female:
        grown = draw_hyperplasia(chance, age)
        level = hip_level_mm(legs)
        prostate = _draw_prostate(_stream(seed, "prostate"), level, age, grown)
    tumor_side, tumor = _draw_tumor(_stream(seed, "tumor"), female=female)
    if tumor is not None:
        place = _stream(seed, "tumor at nipple")
        center = place_tumor_at_nipple(place, tumor.center, tumor.half_mm)
        tumor = replace(tumor, center=center)
    return Patient(
        seed=seed,
        sex=chosen,
        age_years=age,
        height_mm=height,
        bmi=bmi,
        girth=girth,
        subcutaneous_mm=float(np.clip(fat, 4, 40)),
        visceral_fat=visceral,
        muscularity=muscularity,
        posture=posture,
        pose=_draw_pose(_stream(seed, "pose"), height, posture),
        legs=legs,
        arms=_draw_arms(_stream(seed, "arms"), height, girth, posture, female=female),
        kidneys=_placed_kidneys(
            _stream(seed, "kidney places"),
            _draw_kidneys(
                _stream(seed, "kidneys"), height, alone=anomalies.missing_kidney != 0
            ),
            visceral,
            girth,
        ),
        heart=_draw_heart(_stream(seed, "heart"), height, female=female),
        spleen=_organ(
            organs,
            ((76.0 if female else 84.0) * girth, 8, 0.662 * height),
            (6, 7, 8),
            (32, 54, 58),
            (20, 15, -35),
        ),
        liver_size=float(organs.normal(1.0, 0.07)),
        dome_mm=float(0.688 * height + organs.normal(0, 12)),
        bladder=_draw_bladder(_stream(seed, "bladder"), height),
        prostate=prostate,
        prostate_tz_share=_transition_share(prostate),
        breasts=_draw_breasts(_stream(seed, "breasts"), height, bmi, female=female),
        tumor_side=tumor_side,
        tumor=tumor,
        spine_sway_mm=float(organs.normal(0, 3)),
        lordosis_mm=float(organs.normal(0, 5)),
        anomalies=anomalies,
    )


def _draw_weight(rng: np.random.Generator, bmi: float) -> float:
    """Return the body mass index, raised in heavy patients as in real populations."""
    factor = rng.uniform(1.1, 1.5)
    heavy = rng.random() < HEAVY_SHARE
    return float(np.clip(bmi * factor, 18.0, 37.0)) if heavy else bmi


def _stream(seed: int, part: str) -> np.random.Generator:
    """Return the chance of one body part, which no other part can shift."""
    return np.random.default_rng([seed, zlib.crc32(part.encode())])


def _organ(
    rng: np.random.Generator, center: Point, spread: Point, half: Point, turn: Point
) -> Organ:
    """Return an organ scattered about its usual place, size and direction."""
    scale = rng.lognormal(0, 0.06)
    middle = np.array(center) + np.clip(rng.normal(size=3), -2.5, 2.5) * spread
    axes = np.array(half) * scale * rng.lognormal(0, 0.05, 3)
    angles = np.array(turn) + rng.normal(0, 5, 3)
    return Organ(_point(middle), _point(axes), _point(angles))


def _point(values: npt.NDArray[np.float64]) -> Point:
    """Return three plain numbers."""
    return float(values[0]), float(values[1]), float(values[2])


def _draw_pose(rng: np.random.Generator, height: float, posture: Posture) -> Pose:
    """Return turns of a few degrees, a table off-center by cm, and soft bends."""
    turn = np.clip(rng.normal(0, (1.2, 1.2, 2.5)), -6, 6)
    turn = np.clip(turn + posture.tilt_deg, -np.array(MAX_TILT_DEG), MAX_TILT_DEG)
    offset = rng.normal(0, (9, 9, 22)) + posture.shift_mm
    offset = np.clip(offset, -MAX_SHIFT_MM, MAX_SHIFT_MM)
    bends = tuple(
        spline_field(rng, (170.0, 170.0, 210.0), (8, 8, 16)) for _ in range(3)
    )
    return Pose(
        rotation_xyz(*turn), (0.0, 0.0, 0.555 * height), _point(offset), bends, 3.5
    )


def _draw_legs(
    rng: np.random.Generator, height: float, posture: Posture, *, female: bool
) -> tuple[Leg, Leg]:
    """Return both legs: joints on the lines that the morphometry gives."""
    hip_z = (0.515 + np.clip(rng.normal(0, 0.006), -0.015, 0.015)) * height
    hip_x = rng.normal(0.0515 if female else 0.0500, 0.0015) * height
    head = rng.normal(22.3 if female else 25.2, 1.2)
    offset, drop = rng.normal(42.9, 4.0), rng.normal(42.8 * height / 1756, 4.0)
    knee_z = (0.272 + np.clip(rng.normal(0, 0.005), -0.012, 0.012)) * height
    knee_gap = rng.normal(0.052, 0.006) * height
    bend = rng.normal(4.0, 5.0)
    sizes = np.array([22.4, 11.2, 18.5]) * (0.92 if female else 1.0)
    legs = []
    for side, outward_deg in zip((1, -1), posture.leg_turn_deg, strict=True):
        jitter = rng.normal(0, 1, 12)
        hip = np.array([side * (hip_x + jitter[0]), jitter[1], hip_z + 2 * jitter[2]])
        low = hip[2] - drop + jitter[3]
        shaft = np.array([hip[0] + side * (offset + jitter[4]), -4.0, low])
        inward, back = 14 + 0.8 * jitter[5], 12 + 0.8 * jitter[6]
        lesser = shaft + np.array([-side * inward, back, 0.0])
        greater = np.array([shaft[0] + side * 12, 10.0, hip[2] - 4 + 2 * jitter[7]])
        knee = np.array(
            [
                side * max(knee_gap + 3 * jitter[8], 62),
                bend + 10,
                knee_z + 2 * jitter[9],
            ]
        )
        half = sizes * np.exp(0.06 * jitter[10])
        before = 46 * half[1] / 11.2
        offset_patella = [side * 1.5 + 0.5 * jitter[11], -before, 0.017 * height]
        patella = knee + np.array(offset_patella)
        ankle = np.array([side * max(knee_gap * 0.9, 55), 22.0, 0.042 * height])
        turn = rotation_xyz(0, 0, side * outward_deg).T
        shaft, lesser, greater = (
            hip + (p - hip) @ turn for p in (shaft, lesser, greater)
        )
        moved = np.array([side * posture.knees_apart_mm, -posture.knee_lift_mm, 0.0])
        patella = knee + (patella - knee) @ turn + moved
        knee = knee + moved
        ankle = ankle + 1.1 * moved * (1, 0, 0)
        legs.append(
            Leg(
                side,
                _point(hip),
                float(head),
                _point(shaft),
                _point(lesser),
                _point(greater),
                _point(knee),
                _point(patella),
                _point(half),
                _point(ankle),
            )
        )
    return legs[0], legs[1]


def _draw_arms(
    rng: np.random.Generator,
    height: float,
    girth: float,
    posture: Posture,
    *,
    female: bool,
) -> tuple[Arm, Arm]:
    """Return both arms: beside the trunk, on the belly, or beside the head."""
    shoulder_x = (0.098 if female else 0.106) * height * (0.6 + 0.4 * girth)
    radius = (40.0 if female else 47.0) * girth
    # A stout trunk pushes the arms aside.
    aside = 130 * max(girth - 1.08, 0.0) * height / 1700
    arms = []
    for side in (1, -1):
        spread, bend, swing = (
            rng.uniform(0.03, 0.11),
            rng.uniform(-0.10, 0.04),
            rng.normal(20, 8),
        )
        spread += posture.arm_spread
        upper, lower = 0.186 * height, 0.146 * height
        shoulder = np.array([side * shoulder_x, 28.0, 0.812 * height])
        down = -upper * np.sqrt(1 - spread**2)
        elbow = shoulder + np.array([side * (upper * spread + aside), swing, down])
        turn = spread + bend - 0.05
        down = -lower * np.sqrt(1 - turn**2)
        wrist = elbow + np.array([side * lower * turn, -35.0, down])
        hand = (0.0, 0.0, -1.0)
        if posture.arms == "up":
            hand = (0.0, 0.0, 1.0)
            shoulder = shoulder * (0.94, 1, 1) + (0, 0, 0.017 * height)
            lean = np.array([side * 2.5 * spread, 0, 0.95])
            elbow = shoulder + upper * lean - (0, swing, 0)
            wrist = elbow + lower * np.array([-side * 0.4, 0.1, 0.9])
        elif posture.arms == "on the belly":
            hand = (-1.0 * side, 0.0, 0.0)
            belly = -107 * girth * height / 1700 - 85 * (girth - 1)
            wrist = np.array(
                [side * (62 + swing), belly - 0.5 * radius, elbow[2] + 150 * bend]
            )
        joints = _point(shoulder), _point(elbow), _point(wrist)
        arms.append(Arm(side, *joints, float(radius), hand))
    return arms[0], arms[1]


def _draw_kidneys(
    rng: np.random.Generator, height: float, *, alone: bool
) -> tuple[Organ, Organ]:
    """Return the left and the right kidney; the right one usually lies lower.

    A kidney that is `alone` has grown to do the work of two.
    """
    level = 0.646 * height + np.clip(rng.normal(0, 10), -25, 25)
    drop = np.clip(rng.normal(18, 11), -12, 48)
    size = rng.normal(1.0, 0.07) * (height / 1700) ** 0.5
    if alone:
        size *= 1.12
    kidneys = []
    for side, z in ((1, level), (-1, level - drop)):
        center = (side * (60 + rng.normal(0, 4)), 36 + rng.normal(0, 4), z)
        half = np.array([27.5, 23.0, 55.0]) * size * rng.lognormal(0, 0.04, 3)
        # Poles splay outwards and forwards at the lower end; the hilum looks forward.
        turn = (10 + rng.normal(0, 4), -side * (14 + rng.normal(0, 4)), side * 30.0)
        kidneys.append(Organ(center, _point(half), turn))
    return kidneys[0], kidneys[1]


def _placed_kidneys(
    rng: np.random.Generator,
    kidneys: tuple[Organ, Organ],
    visceral_fat: float,
    girth: float,
) -> tuple[Organ, Organ]:
    """Return the kidneys where the fat about them holds them, some low or turned.

    Fat behind a kidney pushes it forwards and outwards; in thin patients it lies deep
    beside the spine.
    """
    slim, placed = 60 * max(1 - girth, 0.0), []
    for kidney, side in zip(kidneys, (1, -1), strict=True):
        forward = rng.uniform(4, 9) + slim + 16 * visceral_fat * rng.uniform(0.6, 1.2)
        outward = rng.normal(1, 3) - slim + 9 * visceral_fat * rng.uniform(0.3, 1.0)
        tilt, lean, hilum = rng.normal(0, (5, 4, 8))
        sunk, turned = rng.uniform(18, 50), rng.uniform(20, 60)
        low = sunk if rng.random() < LOW_KIDNEY_SHARE else 0.0
        hilum += turned if rng.random() < TURNED_KIDNEY_SHARE else 0.0
        x, y, z = kidney.center
        about_x, about_y, about_z = kidney.turn_deg
        center = (x + side * outward, y - forward - 0.3 * low, z - low)
        turn = (about_x + tilt, about_y + lean - 5 * side, about_z + side * hilum)
        placed.append(replace(kidney, center=center, turn_deg=turn))
    return placed[0], placed[1]


def _draw_heart(rng: np.random.Generator, height: float, *, female: bool) -> Organ:
    """Return the heart, long axis to the left, front and below."""
    center = (
        28 + np.clip(rng.normal(0, 6), -14, 14),
        -34 + np.clip(rng.normal(0, 5), -12, 12),
        0.735 * height + np.clip(rng.normal(0, 9), -22, 22),
    )
    size = rng.normal(0.94 if female else 1.0, 0.05)
    half = (64 * size, 44 * size, 47 * size)
    return Organ(center, half, (0.0, 33 + rng.normal(0, 6), -42 + rng.normal(0, 4)))


def _draw_bladder(rng: np.random.Generator, height: float) -> Organ:
    """Return a bladder of 30 to 400 mL."""
    radius = (np.exp(rng.uniform(np.log(40), np.log(330))) * 1e3 / 4.19) ** (1 / 3)
    half = np.array([1.16, 0.98, 0.88]) * radius
    center = (rng.normal(0, 2.5), -28 + 0.12 * radius, 0.502 * height + 0.9 * half[2])
    return Organ(center, _point(half), (-8.0, 0.0, 0.0))


def _draw_prostate(
    rng: np.random.Generator, level_mm: float, age: float, grown: float
) -> Organ:
    """Return a gland that grows with age (mL: 22 at 30, 30 at 50, 45 at 65).

    Its apex lies 7 mm above the lower end of the symphysis whatever its size, so a
    big gland reaches up into the bladder.
    """
    milliliters = np.interp(age, [25, 50, 65, 75], [21, 29, 42, 48]) * rng.lognormal(
        0, 0.25
    )
    milliliters = np.clip(milliliters * grown, 18, 110)
    radius = float((milliliters * 1e3 / 4.19 / (0.7 * 0.85)) ** (1 / 3))
    apex = level_mm - 34
    center = (
        rng.normal(0, 2.0),
        -14 + np.clip(rng.normal(0, 3), -7, 7),
        apex + 0.85 * radius + np.clip(rng.normal(0, 5), -11, 11),
    )
    return Organ(
        center, (radius, 0.7 * radius, 0.85 * radius), (rng.normal(-12, 5), 0.0, 0.0)
    )


def _transition_share(prostate: Organ | None) -> float:
    """Return how much of the gland is transition zone: hyperplasia grows there."""
    if prostate is None:
        return 0.0
    milliliters = 4.19e-3 * float(np.prod(prostate.half_mm))
    return float(np.interp(milliliters, [18, 30, 60, 110], [0.22, 0.32, 0.58, 0.74]))


def _draw_breasts(
    rng: np.random.Generator, height: float, bmi: float, *, female: bool
) -> tuple[Breast, Breast]:
    """Return both breasts; the sides differ a little."""
    gap = (np.clip(rng.normal(98, 8), 80, 118) if female else rng.normal(105, 7)) * (
        bmi / 23
    ) ** 0.35
    level = (0.722 if female else 0.728) * height + np.clip(rng.normal(0, 9), -20, 20)
    radius = np.clip(rng.normal(60, 6) * (bmi / 23) ** 0.5, 46, 80) if female else 38.0
    protrusion = np.clip(rng.normal(46, 10) * (bmi / 23), 24, 80) if female else 0.0
    gland = float(np.clip(rng.beta(1.4, 2.4), 0.08, 0.8)) if female else 0.04
    breasts = []
    for side in (1, -1):
        x, z, size = rng.normal(0, 3), rng.normal(0, 4), rng.normal(1, 0.03)
        breasts.append(
            Breast(
                side,
                float(side * (gap + x)),
                float(level + z),
                float(radius * size),
                float(protrusion * size),
                gland,
            )
        )
    return breasts[0], breasts[1]


def _draw_tumor(rng: np.random.Generator, *, female: bool) -> tuple[int, Organ | None]:
    """Return the side of the breast that is studied and, in some women, a tumor.

    Its center is given from the nipple.
    """
    side = 1 if rng.random() < 0.7 else -1
    radius = rng.uniform(5, 12)
    behind = (rng.uniform(-18, 18), rng.uniform(16, 30), rng.uniform(-18, 18))
    shape = _point(radius * rng.lognormal(0, 0.15, 3))
    if not female or rng.random() >= 0.28:
        return side, None
    return side, Organ(behind, shape, _point(rng.uniform(-40, 40, 3)))
