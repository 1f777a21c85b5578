"""The digital patient is the same on every grid, and looks like a human inside."""

import numpy as np
import pytest

from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.render import patient_landmarks, tissue_map
from napari_midrl.phantom.tissues import Tissue

EXPECTED = {
    "knee": {Tissue.YELLOW_MARROW},
    "trochanter": {Tissue.YELLOW_MARROW, Tissue.CORTICAL_BONE},
    "heart": {Tissue.MYOCARDIUM, Tissue.ARTERIAL_BLOOD, Tissue.VENOUS_BLOOD},
    "kidney": {
        Tissue.KIDNEY_CORTEX,
        Tissue.KIDNEY_MEDULLA,
        Tissue.VISCERAL_FAT,
        Tissue.URINE,
    },
    "nipple": {Tissue.NIPPLE},
    "prostate": {Tissue.PROSTATE_PZ, Tissue.PROSTATE_TZ},
}


def cube(center_lps_mm, n=9, spacing_mm=1.5):
    """Return a small grid with its middle voxel at a point."""
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = np.array(center_lps_mm) - (n - 1) / 2 * spacing_mm
    return VoxelGrid((n, n, n), affine)


def whole_body(spacing_mm=4.0):
    """Return a coarse grid over a whole patient."""
    shape = tuple(round(size / spacing_mm) for size in (560, 400, 1400))
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = (-280, -200, -720)
    return VoxelGrid(shape, affine)


@pytest.fixture(scope="module")
def bodies():
    """Return a coarse whole-body map of a woman and of a man."""
    return {
        sex: (patient, tissue_map(patient, whole_body()))
        for sex in ("female", "male")
        for patient in [draw_patient(3, sex)]
    }


@pytest.mark.parametrize("seed", range(12))
def test_every_landmark_lies_in_its_own_tissue(seed):
    """Pose and bends move the landmark and the tissue alike."""
    patient = draw_patient(seed)
    for name, position in patient_landmarks(patient).items():
        tissues = tissue_map(patient, cube(position))
        assert Tissue(int(tissues.label[4, 4, 4])) in EXPECTED[name.split()[-1]], name


def test_the_same_seed_gives_the_same_tissue_on_another_grid():
    """A fine block and a flipped, permuted coarse grid agree at shared points."""
    patient = draw_patient(5)
    center = patient_landmarks(patient)["left kidney"]
    fine = cube(center, n=33, spacing_mm=3.0)
    affine = np.zeros((4, 4))
    affine[:3, :3] = np.array([[0, 6.0, 0], [0, 0, -6.0], [-6.0, 0, 0]])
    affine[:3, 3] = fine.to_lps_mm([0, 32, 32])
    affine[3, 3] = 1
    coarse = VoxelGrid((17, 17, 17), affine)
    a = tissue_map(patient, fine).label
    b = tissue_map(patient, coarse).label
    index = np.stack(np.meshgrid(*[np.arange(17)] * 3, indexing="ij"), -1)
    at = np.round(fine.to_ijk(coarse.to_lps_mm(index))).astype(int)

    # Edges are as wide as a voxel, so a few voxels at edges may differ.
    assert (a[tuple(np.moveaxis(at, -1, 0))] == b).mean() > 0.93


def test_two_calls_give_equal_maps_and_another_seed_a_different_one():
    grid = cube((0, 0, 0), n=24, spacing_mm=6.0)
    first = tissue_map(draw_patient(7), grid)
    again = tissue_map(draw_patient(7), grid)
    other = tissue_map(draw_patient(8), grid)

    for name in ("label", "other", "other_share", "fine", "coarse", "depth_mm"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert (first.label != other.label).mean() > 0.05


def test_the_liver_is_on_the_right_and_the_spleen_on_the_left(bodies):
    """World coordinates are LPS: the patient's right is negative."""
    for patient, tissues in bodies.values():
        heart_l = patient_landmarks(patient)["heart"][0]
        for tissue, sign in ((Tissue.LIVER, -1), (Tissue.SPLEEN, 1)):
            where = tissues.grid.to_lps_mm(np.argwhere(tissues.label == tissue))
            assert sign * (where[:, 0].mean() - heart_l + 28) > 30


@pytest.mark.parametrize(
    ("tissues", "low_ml", "high_ml"),
    [
        ((Tissue.LIVER,), 700, 2300),
        ((Tissue.SPLEEN,), 60, 450),
        ((Tissue.KIDNEY_CORTEX, Tissue.KIDNEY_MEDULLA), 180, 480),
        ((Tissue.LUNG,), 1800, 7000),
        ((Tissue.MYOCARDIUM,), 100, 450),
    ],
)
def test_organ_volumes_are_those_of_adults(bodies, tissues, low_ml, high_ml):
    for _, drawn in bodies.values():
        milliliters = np.isin(drawn.label, tissues).sum() * 0.064
        assert low_ml < milliliters < high_ml


def test_only_men_have_a_prostate_and_only_women_have_breast_gland(bodies):
    woman, man = bodies["female"], bodies["male"]
    assert "prostate" not in patient_landmarks(woman[0])
    assert "prostate" in patient_landmarks(man[0])
    assert not np.isin(woman[1].label, [Tissue.PROSTATE_PZ, Tissue.PROSTATE_TZ]).any()
    assert (man[1].label == Tissue.PROSTATE_PZ).any()
    assert (woman[1].label == Tissue.BREAST_GLAND).any()
    assert not (man[1].label == Tissue.BREAST_GLAND).any()


def test_an_oblique_grid_is_refused():
    c, s = np.cos(0.3), np.sin(0.3)
    affine = np.array([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    with pytest.raises(ValueError, match="axis-aligned"):
        tissue_map(draw_patient(1), VoxelGrid((4, 4, 4), affine))
