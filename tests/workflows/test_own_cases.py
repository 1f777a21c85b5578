"""``midrl train own-cases``: what the annotation dock exports can be learned from."""

import numpy as np
import pytest

from napari_midrl.annotation.commands import Place
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.images import read_image, write_nifti
from napari_midrl.io.model_store import read_card, read_pack
from napari_midrl.io.protocols import find_protocol
from napari_midrl.localizers.packs import localizer_of
from napari_midrl.workflows.annotate import open_session
from napari_midrl.workflows.annotation_cases import case_rows
from napari_midrl.workflows.export_dataset import export_dataset
from napari_midrl.workflows.train import train_pack

TINY = """
[network]
base_mm = 4.0
channels = [4, 4, 4]
fine_channels = 4
n_hidden = 4
has_detail = false

[view]
extent_mm = [[40.0, 40.0, 40.0], [50.0, 50.0, 50.0]]
whole_share = 0.0

[[stage]]
n_updates = 2
n_starts = 4
n_fine_landmarks = 1
"""
SPLITS = {"case-0": "train", "case-1": "train", "case-2": "test"}


@pytest.fixture
def data_set(tmp_path):
    """Three annotated images as a data set, one of them for testing."""
    protocol = find_protocol("midrl")
    images = tmp_path / "images"
    grid = VoxelGrid((16, 16, 16), np.diag([4.0, 4.0, 4.0, 1.0]))
    for seed, name in enumerate(SPLITS):
        path = images / name / "image.nii.gz"
        path.parent.mkdir(parents=True)
        rng = np.random.default_rng(seed)
        array = rng.integers(0, 900, grid.shape_ijk).astype(np.int16)
        write_nifti(Volume(array, grid, name), path)
        file = path.parent / "image.ann.midrl.json"
        session = open_session(read_image(path), protocol, "Ann", file)
        session.apply(Place("heart", (20.0, 30.0 + seed, 40.0)))
        session.apply(Place("left kidney", (40.0, 30.0, 20.0 + seed)))
    rows = finish(case_rows(images, protocol, "Ann"))
    export_dataset(rows, SPLITS, tmp_path / "set", protocol)
    return tmp_path / "set"


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def test_agents_learn_from_an_exported_data_set(data_set, tiny, tmp_path):
    out = tmp_path / "out"
    folder = finish(train_pack("own-cases", out, data=data_set, config=tiny))
    card = read_card(folder)
    assert card.landmarks == ["heart", "left kidney"]
    assert "case-0, case-1" in card.training.data
    assert "Held out: case-2" in card.training.data
    assert "medical device" in card.limits
    volume = read_image(tmp_path / "images" / "case-2" / "image.nii.gz")
    search = localizer_of(read_pack(folder)).localize(
        volume, SearchSettings(n_starts=2)
    )
    assert [r.name for r in finish(search).results] == card.landmarks


def test_a_missing_image_is_named_before_anything_is_written(data_set, tiny, tmp_path):
    (tmp_path / "images" / "case-2" / "image.nii.gz").unlink()
    with pytest.raises(InputError, match="case-2"):
        finish(train_pack("own-cases", tmp_path / "a", data=data_set, config=tiny))
    assert not (tmp_path / "a").exists()


def test_without_cases_the_recipe_says_what_it_needs(tiny, tmp_path):
    with pytest.raises(InputError, match="data set"):
        finish(train_pack("own-cases", tmp_path / "out", config=tiny))


def test_two_trainings_with_one_seed_agree(data_set, tiny, tmp_path):
    one, two = (
        finish(train_pack("own-cases", tmp_path / n, data=data_set, config=tiny))
        for n in "ab"
    )
    assert read_card(one).weights_sha256 == read_card(two).weights_sha256
