"""Patients lie otherwise as often as stated, and stay inside the image."""

from collections import Counter
from dataclasses import replace
from zlib import crc32

import numpy as np
import pytest

from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom import patient as patients
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.posture import (
    ARMS_ON_BELLY_SHARE,
    ARMS_SPREAD_SHARE,
    ARMS_UP_SHARE,
    BENT_KNEES_SHARE,
    LEGS_APART_SHARE,
    MAX_TILT_DEG,
    TILTED_SHARE,
    TURNED_LEGS_SHARE,
    Posture,
    draw_posture,
)
from napari_midrl.phantom.protocols import protocol_grid, whole_body_protocols
from napari_midrl.phantom.render import patient_landmarks, tissue_map
from napari_midrl.phantom.tissues import Tissue

N_DRAWN = 2000
STRAIGHT = Posture("beside", 0.0, (0, 0, 0), (0, 0, 0), 0.0, 0.0, (0.0, 0.0))
BONE = {Tissue.YELLOW_MARROW, Tissue.CORTICAL_BONE}


@pytest.fixture
def draw_lying(monkeypatch):
    """Return a function that draws a patient who lies as told, otherwise straight."""

    def draw(seed, sex=None, **changes):
        posture = replace(STRAIGHT, **changes)
        monkeypatch.setattr(patients, "draw_posture", lambda chance: posture)
        return draw_patient(seed, sex)

    return draw


def test_every_posture_has_its_share():
    postures = [
        draw_posture(lambda part, n=n: np.random.default_rng([n, crc32(part.encode())]))
        for n in range(N_DRAWN)
    ]
    arms = Counter(posture.arms for posture in postures)
    expected = {
        "up": ARMS_UP_SHARE,
        "on the belly": ARMS_ON_BELLY_SHARE,
        "spread": ARMS_SPREAD_SHARE,
    }
    found = {name: arms[name] / N_DRAWN for name in expected}
    expected |= {
        "tilted": TILTED_SHARE,
        "bent": BENT_KNEES_SHARE,
        "apart": LEGS_APART_SHARE,
        "turned": TURNED_LEGS_SHARE,
    }
    found["tilted"] = np.mean([any(p.tilt_deg) for p in postures])
    found["bent"] = np.mean([p.knee_lift_mm > 0 for p in postures])
    found["apart"] = np.mean([p.knees_apart_mm > 0 for p in postures])
    found["turned"] = np.mean([any(p.leg_turn_deg) for p in postures])
    for name, share in expected.items():
        spread = (share * (1 - share) / N_DRAWN) ** 0.5
        assert abs(found[name] - share) < 3 * spread, name


def test_the_tail_of_tilts_is_long_but_bounded():
    """Turn about the long axis, and shift to the left."""
    drawn = [draw_patient(seed) for seed in range(400)]
    turns = np.array([patient.pose.rotation for patient in drawn])
    about_s = np.degrees(np.arctan2(turns[:, 1, 0], turns[:, 0, 0]))

    assert np.abs(about_s).max() <= MAX_TILT_DEG[2] + 1e-6
    assert 0.02 < (np.abs(about_s) > 8).mean() < 0.10
    offsets = np.array([patient.pose.offset_lps_mm for patient in drawn])
    assert 40 < np.abs(offsets[:, 0]).max() <= 50


@pytest.mark.parametrize("first", range(0, 120, 40))
def test_every_landmark_lies_inside_the_image_however_the_patient_lies(first):
    (protocol, *_) = whole_body_protocols()
    for seed in range(first, first + 40):
        patient = draw_patient(seed)
        grid = protocol_grid(patient, protocol)
        for name, position in patient_landmarks(patient).items():
            assert grid.contains(position), (seed, name)


def test_a_straight_patient_is_not_shifted_by_the_posture_of_others(draw_lying):
    """Feature by feature: arms change arms alone, knees change knees alone."""
    straight = patient_landmarks(draw_lying(11))
    assert patient_landmarks(draw_lying(11, arms="up")) == straight
    bent = patient_landmarks(draw_lying(11, knee_lift_mm=50.0))
    moved = {name for name, position in bent.items() if position != straight[name]}
    assert moved == {"left knee", "right knee"}
    gap = np.array(bent["left knee"]) - straight["left knee"]
    assert gap[1] == pytest.approx(-50, abs=4)


def beside_the_trunk(patient):
    """Return the tissue of columns beside the trunk, hip to rib cage."""
    affine = np.diag([6.0, 6.0, 6.0, 1.0])
    height = patient.height_mm
    low = (0.52 - 0.555) * height
    affine[:3, 3] = (195 * max(patient.girth, 1.0), -150, low)
    shape = (24, 50, round((0.70 - 0.52) * height / 6))
    return tissue_map(patient, VoxelGrid(shape, affine)).label


@pytest.mark.parametrize("seed", range(4))
def test_arms_that_are_up_are_not_beside_the_trunk(draw_lying, seed):
    up = beside_the_trunk(draw_lying(seed, arms="up"))
    beside = beside_the_trunk(draw_lying(seed))
    assert (up != Tissue.AIR).sum() == 0
    assert (beside != Tissue.AIR).sum() > 300


@pytest.mark.parametrize("seed", range(3))
def test_turned_and_bent_legs_keep_their_landmarks_in_bone(draw_lying, seed):
    patient = draw_lying(
        seed, knee_lift_mm=60.0, knees_apart_mm=30.0, leg_turn_deg=(12.0, -3.0)
    )
    for name, position in patient_landmarks(patient).items():
        if "knee" in name or "trochanter" in name:
            affine = np.diag([1.5, 1.5, 1.5, 1.0])
            affine[:3, 3] = np.array(position) - 6
            label = tissue_map(patient, VoxelGrid((9, 9, 9), affine)).label
            assert Tissue(int(label[4, 4, 4])) in BONE, name


def test_a_hand_on_the_belly_lies_in_front_of_it(draw_lying):
    patient = draw_lying(4, "male", arms="on the belly")
    for arm in patient.arms:
        assert arm.wrist[1] < -100
        assert abs(arm.wrist[0]) < 120
        assert arm.up == -1
