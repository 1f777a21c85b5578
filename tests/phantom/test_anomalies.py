"""Rare findings come as often as stated, and spare the landmarks that stay."""

from dataclasses import replace

import numpy as np
import pytest

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.anomalies import (
    HIP_PROSTHESIS_SHARE,
    KNEE_PROSTHESIS_SHARE,
    LIVER_CYST_SHARE,
    MISSING_KIDNEY_SHARE,
    TUMOR_AT_NIPPLE_SHARE,
    Cyst,
)
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.pose import to_lps_mm
from napari_midrl.phantom.render import patient_landmarks, tissue_map
from napari_midrl.phantom.sequences import default_contrast, signal_tables
from napari_midrl.phantom.shapes import moved
from napari_midrl.phantom.tissues import Tissue

N_DRAWN = 2000
PLAIN = {
    "missing_kidney": 0,
    "artificial_hips": (),
    "artificial_knees": (),
    "renal_cysts": (),
    "liver_cysts": (),
}
RENAL = [Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA]


@pytest.fixture(scope="module")
def drawn():
    return [draw_patient(seed) for seed in range(N_DRAWN)]


def patient_with(seed, sex="male", **anomalies):
    """Return a patient with these anomalies and no other."""
    patient = draw_patient(seed, sex)
    return replace(patient, anomalies=replace(patient.anomalies, **(PLAIN | anomalies)))


def block(center_lps_mm, size_mm=120.0, spacing_mm=3.0):
    """Return a cubic grid about a point."""
    n = round(size_mm / spacing_mm)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = np.array(center_lps_mm) - (n - 1) / 2 * spacing_mm
    return VoxelGrid((n, n, n), affine)


def tissue_at(patient, position_lps_mm):
    middle = tissue_map(patient, block(position_lps_mm, size_mm=13.5, spacing_mm=1.5))
    return Tissue(int(middle.label[4, 4, 4]))


@pytest.mark.parametrize(
    ("what", "share"),
    [
        ("missing_kidney", MISSING_KIDNEY_SHARE),
        ("artificial_hips", HIP_PROSTHESIS_SHARE),
        ("artificial_knees", KNEE_PROSTHESIS_SHARE),
        ("liver_cysts", LIVER_CYST_SHARE),
    ],
)
def test_a_rare_finding_has_its_share(drawn, what, share):
    """Within three standard deviations of a binomial."""
    found = np.mean([bool(getattr(patient.anomalies, what)) for patient in drawn])
    assert abs(found - share) < 3 * (share * (1 - share) / N_DRAWN) ** 0.5


def test_renal_cysts_come_with_age(drawn):
    young, old = (
        np.mean([bool(p.anomalies.renal_cysts) for p in drawn if low < p.age_years < h])
        for low, h in ((0, 40), (65, 99))
    )
    assert young < 0.06
    assert 0.22 < old < 0.42


def test_some_tumors_lie_right_beside_the_nipple(drawn):
    tumors = [patient.tumor for patient in drawn if patient.tumor is not None]
    gaps = [np.hypot(t.center[0], t.center[2]) - max(t.half_mm) for t in tumors]
    near = [t.center[1] < 14 for t in tumors]

    assert np.mean(near) == pytest.approx(TUMOR_AT_NIPPLE_SHARE, abs=0.09)
    assert max(gap for gap, close in zip(gaps, near, strict=True) if close) < 5


@pytest.mark.parametrize("side", [1, -1])
def test_a_missing_kidney_has_neither_landmark_nor_tissue(side):
    name, other = ("left kidney", "right kidney")[::side]
    whole = patient_with(6)
    single = patient_with(6, missing_kidney=side)
    place = patient_landmarks(whole)[name]
    grid = block(place)

    assert np.isin(tissue_map(whole, grid).label, RENAL).any()
    assert not np.isin(tissue_map(single, grid).label, RENAL).any()
    assert set(patient_landmarks(whole)) - set(patient_landmarks(single)) == {name}
    assert patient_landmarks(single)[other] == patient_landmarks(whole)[other]


def test_anomalies_leave_the_landmarks_where_they_were():
    cysts = (Cyst((0.6, 0.5, 0.5), 14, 1),)
    plain = patient_with(9)
    marked = patient_with(
        9, artificial_hips=(1, -1), artificial_knees=(1, -1), renal_cysts=cysts
    )
    assert patient_landmarks(marked) == patient_landmarks(plain)


@pytest.mark.parametrize("seed", range(6))
def test_metal_spares_the_lesser_trochanter_and_the_knee_cap(seed):
    patient = patient_with(seed, artificial_hips=(1, -1), artificial_knees=(1, -1))
    found = patient_landmarks(patient)
    bone = {Tissue.YELLOW_MARROW, Tissue.CORTICAL_BONE}
    for side in ("left", "right"):
        assert tissue_at(patient, found[f"{side} trochanter"]) in bone
        assert tissue_at(patient, found[f"{side} knee"]) is Tissue.YELLOW_MARROW


def test_an_artificial_joint_is_a_void_only_where_it_is():
    patient = patient_with(2, artificial_hips=(1,), artificial_knees=(-1,))
    left, right = patient.legs
    hip = to_lps_mm(patient.pose, left.hip)
    keel = moved(right.knee, z=-35)

    assert tissue_at(patient, hip) is Tissue.METAL
    assert tissue_at(patient, to_lps_mm(patient.pose, keel)) is Tissue.METAL
    other_hip = to_lps_mm(patient.pose, right.hip)
    assert tissue_at(patient, other_hip) is Tissue.YELLOW_MARROW


def test_the_rim_of_metal_is_bright_in_a_spin_echo_and_void_in_a_gradient_echo():
    kinds = SequenceKind
    for kind, low, high in ((kinds.T1W, 0.4, 2.0), (kinds.DIXON_IN, 0.0, 0.02)):
        water, fat = signal_tables(default_contrast(kind, 3.0), 3.0)
        signal = np.abs(water + fat)
        assert signal[Tissue.METAL] < 1e-4
        assert low <= signal[Tissue.METAL_RIM] <= high


def test_cysts_are_fluid_on_their_own_kidney_and_in_the_liver():
    cyst = Cyst((0.0, 0.0, 0.9), 14.0)
    inside = Cyst((-0.2, -0.3, 0.3), 14.0)
    patient = patient_with(
        3, renal_cysts=(replace(cyst, side=-1),), liver_cysts=(inside,)
    )
    for organ, has_cyst in zip(patient.kidneys, (False, True), strict=True):
        top = np.array(organ.center) + organ.rotation @ (0, 0, 0.9 * organ.half_mm[2])
        found = tissue_at(patient, to_lps_mm(patient.pose, top))
        assert (found is Tissue.URINE) == has_cyst
    liver = (-76 - 18, -2 - 27, patient.dome_mm - 70 + 28.5)
    assert tissue_at(patient, to_lps_mm(patient.pose, liver)) is Tissue.URINE
