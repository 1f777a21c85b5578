"""Digital patients as training cases: the close views show what the whole ones do."""

import numpy as np
import pytest
import torch

from napari_midrl.data.sequence import SequenceKind
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED, draw_patient
from napari_midrl.training.digital_patient import (
    CONFIG,
    LANDMARKS,
    digital_case,
)


def first_seed(wanted):
    return next(
        seed
        for seed in range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 500)
        if wanted(draw_patient(seed))
    )


@pytest.fixture(scope="module")
def case():
    """Of a woman with one kidney: two landmarks do not exist."""
    return digital_case(
        first_seed(lambda p: p.sex == "female" and p.anomalies.missing_kidney)
    )


def test_what_a_patient_lacks_has_no_place(case):
    missing = case.targets_lps_mm.isnan().any(dim=1)
    names = [name for name, gone in zip(LANDMARKS, missing, strict=True) if gone]
    assert "prostate" in names
    assert len([name for name in names if "kidney" in name]) == 1
    assert len(names) == 2
    near = case.surroundings
    assert torch.equal(near.origins_lps_mm.isnan().any(dim=1), missing)
    for image in near.images:
        assert not image[missing].any()
        assert image[~missing].flatten(1).any(dim=1).all()


def test_surroundings_are_the_case_at_twice_the_resolution(case):
    """The same contrast at the same place, physical or random.

    Not alike to the last voxel: where fat and water cancel, at rims and thin sheets, it
    depends on the size of a voxel.
    """
    near, whole = case.surroundings, case.images
    assert len(near.images) == len(whole)
    assert near.spacing_mm * 2 == float(case.spacing_mm[0])
    found = []
    for image, fine in zip(whole, near.images, strict=True):
        for row in (~case.targets_lps_mm.isnan().any(dim=1)).nonzero()[:, 0]:
            # Means of 2x2x2 voxels, and the case at their middles.
            blocks = fine[row].float().reshape(25, 2, 25, 2, 25, 2).mean((1, 3, 5))
            first = near.origins_lps_mm[row] + near.spacing_mm / 2
            corner = (first - case.origin_lps_mm) / case.spacing_mm
            index = [corner[n] + torch.arange(25.0) for n in range(3)]
            ijk = torch.stack(torch.meshgrid(*index, indexing="ij"), dim=-1).round()
            size = torch.tensor(image.shape)
            inside = ((ijk >= 0) & (ijk < size)).all(dim=-1)
            same = image[tuple(ijk[inside].long().T)].float()
            found.append(np.corrcoef(blocks[inside], same)[0, 1])
    assert np.median(found) > 0.85
    assert np.min(found) > 0.6


def test_contrasts_differ_from_one_another(case):
    images = [image[::4, ::4, ::4].float().flatten() for image in case.images]
    assert (
        len(images) == CONFIG.data.n_physical_contrasts + CONFIG.data.n_random_contrasts
    )
    likeness = np.corrcoef(torch.stack(images).numpy())
    assert np.abs(likeness - np.eye(len(images))).max() < 0.999


@pytest.fixture(scope="module")
def first():
    return digital_case(FIRST_TRAINING_SEED)


def assert_same(ones, others):
    for one, other in zip(ones, others, strict=True):
        assert torch.equal(one, other)


def test_the_same_number_is_the_same_case(first):
    again = digital_case(FIRST_TRAINING_SEED)
    assert_same(first.images, again.images)
    assert_same(first.surroundings.images, again.surroundings.images)


def test_what_is_left_out_is_gone_and_the_rest_as_it_was(first):
    """T2w is the second of the images, and the first of those that regions show."""
    without = digital_case(FIRST_TRAINING_SEED, without=frozenset({SequenceKind.T2W}))
    again = first.regional[0]
    kept = [n for n in range(len(first.images)) if n not in (1, again)]
    assert_same(without.images, [first.images[n] for n in kept])
    near = first.surroundings.images
    assert_same(without.surroundings.images, [near[n] for n in kept])
    assert [kept[n] for n in without.regional] == list(first.regional[1:])


def test_regions_are_shown_in_their_own_sequences_and_in_random_contrast(first):
    data = CONFIG.data
    n_of_region = 1 + data.n_regional_contrasts + data.n_random_contrasts
    assert first.regional == tuple(range(len(first.images)))[-n_of_region:]
    # Fat of the two T2w images lies apart: along the body, and across it.
    assert not torch.equal(first.images[1], first.images[first.regional[0]])


def test_some_landmarks_keep_their_own_surroundings(first):
    some = first.of_landmarks([4, 0])
    assert torch.equal(some.targets_lps_mm, first.targets_lps_mm[[4, 0]])
    near, all_near = some.surroundings, first.surroundings
    assert torch.equal(near.origins_lps_mm, all_near.origins_lps_mm[[4, 0]])
    assert torch.equal(near.images[2][0], all_near.images[2][4])
