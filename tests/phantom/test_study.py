"""Acquisitions and studies: geometry, names, determinism, training views."""

import numpy as np
import pytest

from napari_midrl.data.progress import finish
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.acquire import acquire, kspace_crop
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.protocols import (
    breast_protocols,
    prostate_protocols,
    protocol_grid,
    whole_body_protocols,
)
from napari_midrl.phantom.render import patient_landmarks, tissue_map
from napari_midrl.phantom.study import phantom_study
from napari_midrl.phantom.training_views import (
    _drawn_fat_shift,
    physical_contrast,
    random_contrast,
)


@pytest.fixture(scope="module")
def quick_study():
    """Return the small sample study of one patient, with its progress."""
    reports = []
    study, landmarks = finish(phantom_study(1, quick=True), reports.append)
    return study, landmarks, reports


def test_the_sample_study_has_three_registered_volumes(quick_study):
    study, landmarks, reports = quick_study
    kinds = [volume.sequence.kind for volume in study.volumes]
    k = SequenceKind

    assert kinds == [k.T1W, k.DIXON_WATER, k.T2W]
    for volume in study.volumes:
        assert volume.provenance.source == "phantom 1"
        assert volume.grid.axis_codes == "LIP"
        for landmark in landmarks:
            assert volume.grid.contains(landmark.position_lps_mm)
    assert reports[-1].done == reports[-1].total


def test_the_same_seed_gives_the_same_voxels(quick_study):
    again, landmarks = finish(phantom_study(1, quick=True))

    assert landmarks == quick_study[1]
    for first, second in zip(quick_study[0].volumes, again.volumes, strict=True):
        assert first.content_hash == second.content_hash


def test_an_unknown_region_is_named():
    with pytest.raises(ValueError, match="knee"):
        finish(phantom_study(1, regions=("knee",)))


def test_a_man_has_no_breast_study_and_the_message_says_why():
    assert draw_patient(0).sex == "male"
    with pytest.raises(ValueError, match="patient 0 is male"):
        finish(phantom_study(0, regions=("breast",)))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("sex", ["female", "male"])
def test_every_landmark_lies_inside_the_whole_body_image(seed, sex):
    patient = draw_patient(seed, sex)
    for protocol in whole_body_protocols():
        grid = protocol_grid(patient, protocol)
        for position in patient_landmarks(patient).values():
            assert grid.contains(position)


def test_regional_images_are_centered_on_their_landmark():
    woman, man = draw_patient(2, "female"), draw_patient(2, "male")
    side = "left" if woman.tumor_side > 0 else "right"
    for protocol in breast_protocols():
        grid = protocol_grid(woman, protocol)
        assert grid.contains(patient_landmarks(woman)[f"{side} nipple"])
        assert grid.axis_codes == "PIL"
        np.testing.assert_allclose(grid.size_mm[:2], 180, atol=0.5)
    for protocol in prostate_protocols():
        grid = protocol_grid(man, protocol)
        assert grid.contains(patient_landmarks(man)["prostate"])
        assert grid.axis_codes == "LPS"


@pytest.fixture(scope="module")
def small_body():
    """Return a patient and the tissue of a block about the left kidney."""
    patient = draw_patient(4, "female")
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = np.array(patient_landmarks(patient)["left kidney"]) - 72
    return patient, tissue_map(patient, VoxelGrid((48, 48, 48), affine))


def test_dixon_water_and_fat_add_up_to_the_in_phase_image(small_body):
    patient, tissues = small_body
    dixon = whole_body_protocols()[2]
    in_phase, opposed, water, fat = (
        volume.array.astype(float) for volume in acquire(patient, dixon, tissues)
    )

    inside = opposed <= in_phase
    np.testing.assert_allclose((water + fat)[inside], in_phase[inside], atol=2)
    assert inside.mean() > 0.7


def test_contrast_agent_brightens_and_the_subtraction_is_the_difference(small_body):
    patient, tissues = small_body
    volumes = acquire(patient, breast_protocols()[2], tissues)
    before, after, *_, subtraction = (v.array.astype(float) for v in volumes)

    assert [v.sequence.phase for v in volumes] == [0, 1, 2, 3, None]
    np.testing.assert_allclose(subtraction, np.maximum(after - before, 0), atol=2)
    cortex = tissues.label == 14
    assert after[cortex].mean() > 1.3 * before[cortex].mean()


def test_diffusion_finds_the_coefficient_of_the_kidney(small_body):
    patient, tissues = small_body
    *images, adc = acquire(patient, prostate_protocols()[1], tissues)

    assert [v.sequence.b_value_s_mm2 for v in images] == [0, 400, 800]
    cortex = (tissues.label == 14) & (tissues.other_share == 0)
    assert np.median(adc.array[cortex]) == pytest.approx(1940, rel=0.1)


def test_noise_in_air_is_rician(small_body):
    """Magnitude of complex noise: mean over deviation is that of Rayleigh."""
    patient, _ = small_body
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = (-60, -60, 2000)
    air = tissue_map(patient, VoxelGrid((40, 40, 40), affine))
    (volume,) = acquire(patient, prostate_protocols()[0], air)
    noise = volume.array.astype(float)

    assert noise.mean() / noise.std() == pytest.approx(1.913, rel=0.06)


def test_cropped_k_space_keeps_a_constant_and_removes_the_finest_waves():
    crop = kspace_crop(64, 0.6)

    np.testing.assert_allclose(crop @ np.ones(64), 1, atol=1e-5)
    np.testing.assert_allclose(crop @ (-1.0) ** np.arange(64), 0, atol=1e-5)


def test_training_views_are_finite_and_change_with_their_random_numbers(small_body):
    _, tissues = small_body
    rng = np.random.default_rng(0)
    first, second = random_contrast(tissues, rng), random_contrast(tissues, rng)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert first.min() >= 0
    assert np.abs(first - second).max() > 0.1
    again = random_contrast(tissues, np.random.default_rng(0))
    np.testing.assert_array_equal(first, again)
    for kind in set(SequenceKind) - {SequenceKind.UNKNOWN}:
        image = physical_contrast(tissues, kind, 3.0, rng)
        assert image.dtype == np.float32
        assert image.shape == tissues.label.shape
        assert np.isfinite(image).all()
        assert image.max() > 0


def test_training_views_shift_fat_as_acquisitions_do():
    """Mostly to the feet, whichever way the voxels run."""
    upright = VoxelGrid((9, 9, 9), np.diag([4.0, 4.0, 4.0, 1.0]))
    coronal = np.array([[2.0, 0, 0, 0], [0, 0, 2, 0], [0, -2, 0, 0], [0, 0, 0, 1]])
    found = {}
    for name, grid in (("up", upright), ("down", VoxelGrid((9, 9, 9), coronal))):
        shifts = [
            _drawn_fat_shift(grid, np.random.default_rng(seed), along_body=True)
            for seed in range(500)
        ]
        found[name] = np.array(
            [grid.affine_lps[:3, axis] * voxels for axis, voxels in shifts]
        )
    np.testing.assert_allclose(found["up"], found["down"], atol=1e-6)
    to_feet = found["up"][:, 2] < 0
    assert 0.65 < to_feet.mean() < 0.85
    assert -4 <= found["up"][:, 2].min() < -3.5
    assert np.abs(found["up"][:, :2]).max() <= 2


def test_training_views_of_a_region_shift_fat_across_the_body():
    grid = VoxelGrid((9, 9, 9), np.diag([4.0, 4.0, 4.0, 1.0]))
    shifts = [
        _drawn_fat_shift(grid, np.random.default_rng(seed), along_body=False)
        for seed in range(200)
    ]
    assert {axis for axis, _ in shifts} == {0, 1}
    voxels = np.array([voxels for _, voxels in shifts])
    assert 0.45 < np.abs(voxels).max() <= 0.5
    assert abs(voxels.mean()) < 0.05
