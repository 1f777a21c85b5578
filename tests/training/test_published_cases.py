"""What the published agents learn from."""

import pytest

from napari_midrl.agents.preprocessing import own_slice_axis
from napari_midrl.data.progress import finish
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED
from napari_midrl.training.published_cases import all_cases, whole_body_cases


@pytest.fixture(scope="module")
def regional():
    return finish(all_cases(n_whole_bodies=0, n_breasts=1, n_prostates=1))


def test_a_breast_shows_its_nipple_and_a_prostate_its_prostate(regional):
    shown = {}
    for volume, points in regional:
        (name,) = points
        shown.setdefault(name, set()).add(volume.sequence.kind)
    assert shown["prostate"] >= {SequenceKind.T2W, SequenceKind.ADC}
    assert shown["nipple"] >= {
        SequenceKind.T1W,
        SequenceKind.T2W_FS,
        SequenceKind.DCE,
        SequenceKind.DCE_SUBTRACTION,
    }


def test_slices_are_those_of_the_acquisition(regional):
    axes = {next(iter(points)): own_slice_axis(v.grid) for v, points in regional}
    assert axes == {"nipple": "L", "prostate": "S"}


@pytest.mark.slow
def test_whole_bodies_are_coronal_in_six_images():
    cases = finish(whole_body_cases(n_patients=1))
    assert len(cases) == 6
    for volume, points in cases:
        assert set(points) == {"left knee", "left trochanter", "heart", "left kidney"}
        assert own_slice_axis(volume.grid) == "P"
    assert str(FIRST_TRAINING_SEED) in cases[0][0].provenance.source
