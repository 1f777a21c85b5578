"""The recipe of the brain agents: what it learns from, and what it refuses."""

import numpy as np
import pytest
import torch

from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import finish
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError, LandmarkFileError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.training import brain_afids
from napari_midrl.training.brain_afids import (
    LANDMARKS,
    RECIPE,
    TRAINING_FILES,
    brain_cases,
)

POSITIONS = {name: (float(n), -2.0 * n, 30.0) for n, name in enumerate(LANDMARKS)}


@pytest.fixture
def templates(monkeypatch, tmp_path):
    """Stored right to left and back to front, as templates are; the fiducials exact."""
    affine = np.diag([-2.0, -2.0, 3.0, 1.0])
    affine[:3, 3] = (90.0, 126.0, -72.0)
    array = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4)
    volume = Volume(array, VoxelGrid(array.shape, affine), "template")
    positions = dict(POSITIONS)

    def placed(_path):
        return LandmarkSet(tuple(Landmark(n, p) for n, p in positions.items()))

    monkeypatch.setattr(brain_afids, "read_image", lambda _path: volume)
    monkeypatch.setattr(brain_afids, "read_landmarks", placed)
    return tmp_path, volume, positions


def test_the_images_held_back_for_testing_are_not_learned_from():
    names = [name for pair in TRAINING_FILES for name in pair]
    assert not any("avg152" in name or "MNI152Lin" in name for name in names)


def test_a_case_keeps_every_voxel_and_landmark_at_its_place(templates):
    folder, volume, _ = templates
    case = finish(brain_cases(folder))[0]
    assert len(finish(brain_cases(folder))) == len(TRAINING_FILES)
    expected = torch.tensor([POSITIONS[name] for name in LANDMARKS])
    assert torch.equal(case.targets_lps_mm, expected)
    brightest = np.unravel_index(int(volume.array.argmax()), volume.array.shape)
    found = np.unravel_index(int(case.images[0].argmax()), case.images[0].shape)
    # The axes run to L, P, S now, so a place is origin plus index times spacing.
    place = case.origin_lps_mm + torch.tensor(found) * case.spacing_mm
    np.testing.assert_allclose(place, volume.grid.to_lps_mm(brightest), atol=2.1)
    assert case.images[0].min() == 0
    assert case.images[0].max() == 1


def test_a_file_that_lacks_fiducials_is_refused_by_name(templates):
    folder, _, positions = templates
    del positions["PC"]
    with pytest.raises(LandmarkFileError, match=r"lacks \['PC'\]") as caught:
        finish(brain_cases(folder))
    assert caught.value.path == folder / TRAINING_FILES[0][1]


def test_no_folder_is_an_error():
    with pytest.raises(InputError, match="folder"):
        finish(brain_cases(None))


def test_every_landmark_has_a_note_and_an_agent():
    assert set(RECIPE.landmark_notes) == set(RECIPE.landmarks)
    assert RECIPE.config.n_landmarks == len(RECIPE.landmarks)
    assert RECIPE.landmark_notes["R MB"] == "right mammillary body"
