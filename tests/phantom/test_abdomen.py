"""What an eye checks first in an image of the abdomen: kidneys, fat, brightness."""

import numpy as np
import pytest

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.paint import new_slab
from napari_midrl.phantom.patient import HEAVY_SHARE, draw_patient
from napari_midrl.phantom.render import TissueMap, patient_landmarks, tissue_map
from napari_midrl.phantom.sequences import default_contrast, signal_tables
from napari_midrl.phantom.tissues import N_TISSUES, Tissue
from napari_midrl.phantom.training_views import (
    FATTY_LIVER_SHARE,
    jittered_relaxation,
    physical_contrast,
)

RENAL = [Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA]
FATS = [Tissue.VISCERAL_FAT, Tissue.FAT]
N_DRAWN = 300


@pytest.fixture(scope="module")
def drawn():
    return [draw_patient(seed) for seed in range(N_DRAWN)]


def kidney_map(patient, side="left", spacing_mm=2.5):
    """Return the tissues about one kidney."""
    n = round(170 / spacing_mm)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    middle = np.array(patient_landmarks(patient)[f"{side} kidney"])
    affine[:3, 3] = middle - (n - 1) / 2 * spacing_mm
    return tissue_map(patient, VoxelGrid((n, n, n), affine))


def one_voxel_of_each_tissue():
    label = np.arange(N_TISSUES, dtype=np.uint8).reshape(-1, 1, 1)
    none, flat = np.zeros_like(label), np.zeros(label.shape, np.int8)
    grid = VoxelGrid(label.shape, np.diag([3.0, 3.0, 3.0, 1.0]))
    return TissueMap(grid, label, none, none, flat, flat, none)


def ratios_to_fat(kind, tissue):
    """Return a tissue's signal relative to visceral fat, in many drawn contrasts."""
    tissues, found = one_voxel_of_each_tissue(), []
    for seed in range(N_DRAWN):
        image = physical_contrast(tissues, kind, 1.5, np.random.default_rng(seed))
        found.append(float(image[tissue, 0, 0] / image[Tissue.VISCERAL_FAT, 0, 0]))
    return np.array(found)


@pytest.mark.parametrize("field_tesla", [1.5, 3.0])
@pytest.mark.parametrize(
    ("brighter", "darker"),
    [
        (Tissue.LIVER, Tissue.SPLEEN),
        (Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA),
        (Tissue.VISCERAL_FAT, Tissue.LIVER),
        (Tissue.LIVER, Tissue.MUSCLE),
    ],
)
def test_t1_weighted_images_rank_tissues_as_readers_know(field_tesla, brighter, darker):
    contrast = default_contrast(SequenceKind.T1W, field_tesla)
    water, fat = signal_tables(contrast, field_tesla)
    signal = np.abs(water + fat)
    assert signal[brighter] > 1.05 * signal[darker]


def test_the_long_axes_of_kidneys_converge_upwards(drawn):
    inwards = [
        -side * kidney.rotation[0, 2]
        for patient in drawn
        for kidney, side in zip(patient.kidneys, (1, -1), strict=True)
    ]
    assert np.mean(np.array(inwards) > 0) > 0.9


def test_some_kidneys_lie_low_and_most_right_ones_lower(drawn):
    drop = [p.kidneys[0].center[2] - p.kidneys[1].center[2] for p in drawn]
    level = [k.center[2] / p.height_mm for p in drawn for k in p.kidneys]
    assert 0.8 < np.mean(np.array(drop) > 0) < 0.99
    assert 0.01 < np.mean(np.array(level) < 0.615) < 0.12


def test_patients_are_slim_to_obese(drawn):
    heavy = np.mean([patient.bmi > 29 for patient in drawn])
    assert 0.5 * HEAVY_SHARE < heavy < HEAVY_SHARE + 0.05
    assert min(patient.bmi for patient in drawn) < 19.5


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("seed", [0, 3, 8])
def test_the_landmark_is_the_centroid_of_the_drawn_kidney(seed, side):
    """Parenchyma alone, so that the sinus pulls it outwards by 2 mm."""
    patient = draw_patient(seed)
    drawn = kidney_map(patient, side)
    place = np.array(patient_landmarks(patient)[f"{side} kidney"])
    where = drawn.grid.to_lps_mm(np.argwhere(np.isin(drawn.label, RENAL)))
    assert np.abs(where.mean(axis=0) - place).max() < 4


def share_of_fat_about(kidney):
    """Return how much of what lies 5 mm outside a kidney is fat."""
    inside = np.isin(kidney.label, RENAL)
    near = np.zeros_like(inside)
    for axis in range(3):
        for step in (-2, 2):
            near |= np.roll(inside, step, axis)
    return np.isin(kidney.label[near & ~inside], FATS).mean()


def test_fat_surrounds_the_kidneys_of_stout_patients_but_not_of_thin_ones(drawn):
    whole = [p for p in drawn if p.anomalies.missing_kidney == 0]
    thin = [p for p in whole if p.visceral_fat < 0.15][:4]
    stout = [p for p in whole if p.visceral_fat > 0.95][:4]
    little, much = (
        np.mean([share_of_fat_about(kidney_map(patient)) for patient in group])
        for group in (thin, stout)
    )
    assert little < 0.6
    assert much > little + 0.12


def share_against_the_spleen(kidney):
    """Return how much of a kidney's surface has the spleen for a neighbor."""
    inside = np.isin(kidney.label, RENAL)
    beside = np.zeros_like(inside)
    for axis in range(3):
        for step in (-1, 1):
            beside |= np.roll(inside, step, axis)
    return (kidney.label[beside & ~inside] == Tissue.SPLEEN).mean()


def test_fat_parts_even_a_thin_patients_kidney_from_the_spleen(drawn):
    whole = [p for p in drawn if p.anomalies.missing_kidney == 0]
    thinnest = sorted(whole, key=lambda patient: patient.visceral_fat)[:4]
    for patient in thinnest:
        assert share_against_the_spleen(kidney_map(patient, spacing_mm=1.5)) < 0.02


def test_a_snug_body_leaves_no_seam_of_fat():
    """Two half spaces meet amid a voxel: its rest belongs to the second one."""
    axes = tuple(np.arange(n, dtype=np.float32) for n in (9, 3, 3))
    for snug, rest in ((True, Tissue.LIVER), (False, Tissue.VISCERAL_FAT)):
        slab = new_slab(draw_patient(1).pose, axes, {}, edge_mm=2.0)
        x = axes[0][:, None, None] + np.zeros((9, 3, 3), np.float32)
        slab.blend(np.full_like(x, -9), Tissue.VISCERAL_FAT)
        slab.blend(x - np.float32(4), Tissue.SPLEEN)
        fat_only = frozenset({Tissue.VISCERAL_FAT})
        slab.blend(-4 - x, Tissue.LIVER, fat_only, snug=snug)
        assert slab.front[4, 1, 1] == Tissue.SPLEEN
        assert slab.behind[4, 1, 1] == rest
        assert 0 < slab.veil[4, 1, 1] < 255


def test_one_liver_in_four_is_fatty():
    fractions = np.array(
        [
            jittered_relaxation(np.random.default_rng(seed))[Tissue.LIVER].fat_fraction
            for seed in range(N_DRAWN)
        ]
    )
    fatty = fractions > 0.11
    assert 0.5 * FATTY_LIVER_SHARE < fatty.mean() < FATTY_LIVER_SHARE + 0.05
    assert fractions.max() > 0.28


@pytest.mark.parametrize(
    ("kind", "tissue", "low", "high"),
    [
        (SequenceKind.DIXON_FAT, Tissue.LIVER, 0.06, 0.25),
        (SequenceKind.DIXON_FAT, Tissue.SPLEEN, 0.01, 0.055),
        (SequenceKind.DIXON_FAT, Tissue.RED_MARROW, 0.20, 0.40),
        (SequenceKind.T1W, Tissue.LIVER, 0.50, 0.80),
        (SequenceKind.T1W, Tissue.KIDNEY_CORTEX, 0.33, 0.55),
    ],
)
def test_drawn_contrasts_reach_from_one_ratio_to_another(kind, tissue, low, high):
    """Relative to fat, between what scanners with weak and strong weighting give."""
    found = ratios_to_fat(kind, tissue)
    assert np.percentile(found, 5) < low * 1.05
    assert np.percentile(found, 95) > high * 0.95
