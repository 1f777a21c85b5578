"""From a pack on disk to landmarks that name their image."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.data.landmarks import LandmarkSource, LandmarkStatus
from napari_midrl.data.progress import SearchProgress, finish
from napari_midrl.data.sequence import Sequence, SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.trajectory import LandmarkResult, Localization, SearchState
from napari_midrl.data.volume import Volume
from napari_midrl.errors import PackError, SearchError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io import model_store
from napari_midrl.io.model_store import CARD_NAME, WEIGHTS_NAME, write_pack
from napari_midrl.workflows import localize
from napari_midrl.workflows.localize import (
    as_landmarks,
    available_packs,
    load_localizer,
    locate,
    pack_info,
)

CONFIG = {
    "base_mm": 4.0,
    "channels": [4, 4, 4],
    "fine_channels": 4,
    "n_hidden": 4,
}
CARD = {
    "name": "tiny",
    "title": "Tiny agents",
    "version": "1",
    "description": "For tests.",
    "architecture": "midrl-dense",
    "config": CONFIG,
    "landmarks": ["AC", "PC"],
    "training": {
        "recipe": "none",
        "data": "none",
        "licence": "none",
        "seed": 0,
        "n_updates": 0,
        "seconds": 0.0,
    },
    "intended_use": "Tests.",
    "limits": "Not a medical device.",
}
QUICK = SearchSettings(n_starts=2, device="cpu")


def tensors(seed=0):
    torch.manual_seed(seed)
    network = DenseQNetwork(DenseQConfig(n_landmarks=2, **CONFIG))
    return {name: t.numpy() for name, t in network.state_dict().items()}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A user's pack of the name "tiny", the only one on the machine."""
    shipped, own = tmp_path / "package", tmp_path / "user"
    monkeypatch.setattr(model_store.resources, "files", lambda _name: shipped)
    monkeypatch.setattr(model_store.platformdirs, "user_data_dir", lambda _name: own)
    monkeypatch.setattr(localize, "_engines", {})
    write_pack(own / "packs" / "tiny", CARD, tensors())
    return own / "packs" / "tiny"


@pytest.fixture
def volume():
    array = np.random.default_rng(0).uniform(0, 900, (24, 20, 22)).astype(np.float32)
    grid = VoxelGrid(array.shape, np.diag([-3.0, 3.0, 3.0, 1.0]))
    sequence = Sequence(SequenceKind.DWI, b_value_s_mm2=800.0)
    return Volume(array, grid, "DWI b=800", sequence, frame_of_reference_uid="1.2.3")


def test_a_pack_in_the_user_folder_is_listed(tiny):
    (pack,) = available_packs()
    assert pack.name == "tiny"
    assert pack.title == "Tiny agents"
    assert pack.landmarks == ("AC", "PC")
    assert pack.card["training"]["licence"] == "none"


def test_a_pack_is_listed_by_the_name_it_is_found_by(tiny):
    """A copied folder keeps the name on its card; two entries must not be one."""
    tiny.rename(tiny.with_name("copy"))
    (pack,) = available_packs()
    assert pack.name == "copy"
    assert pack_info("copy").card["name"] == "tiny"


def test_a_broken_pack_does_not_hide_the_others(tiny, caplog):
    broken = tiny.with_name("broken")
    broken.mkdir()
    (broken / CARD_NAME).write_text("{")
    assert [pack.name for pack in available_packs()] == ["tiny"]
    assert "broken" in caplog.text
    with pytest.raises(PackError, match="broken"):
        pack_info("broken")


def test_packs_are_listed_without_torch():
    """A fresh interpreter: the list must be there before torch is loaded."""
    code = (
        "import sys\n"
        "from napari_midrl.workflows.localize import available_packs\n"
        "available_packs()\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("tiny")
def test_a_search_goes_from_a_name_to_positions(volume):
    reports = []
    found = finish(locate(volume, "tiny", QUICK), reports.append)
    assert reports[0].text == "loading the engine"
    assert any(isinstance(report, SearchProgress) for report in reports)
    assert [result.name for result in found.results] == ["AC", "PC"]
    assert len(found.trajectories) == 4
    assert found.localizer == "tiny"
    assert found.model_sha256 == pack_info("tiny").card["weights_sha256"]


@pytest.mark.usefixtures("volume")
def test_a_pack_may_be_given_by_its_folder(tiny):
    assert finish(load_localizer(str(tiny))).landmarks == ("AC", "PC")


@pytest.mark.usefixtures("tiny")
def test_a_pack_is_loaded_once():
    reports = []
    first = finish(load_localizer("tiny"), reports.append)
    second = finish(load_localizer("tiny"), reports.append)
    assert first is second
    assert len(reports) == 1


def test_a_pack_trained_anew_is_loaded_anew(tiny):
    first = finish(load_localizer("tiny"))
    write_pack(tiny, CARD, tensors(seed=1))
    assert finish(load_localizer("tiny")) is not first


def test_damaged_weights_stop_the_search_before_it_begins(tiny, volume):
    content = bytearray((tiny / WEIGHTS_NAME).read_bytes())
    content[-1] ^= 1
    (tiny / WEIGHTS_NAME).write_bytes(content)
    with pytest.raises(PackError, match="SHA-256"):
        finish(locate(volume, "tiny", QUICK))


@pytest.mark.usefixtures("tiny")
def test_an_unknown_landmark_and_an_unknown_pack_are_named(volume):
    with pytest.raises(SearchError, match="knee"):
        finish(locate(volume, "tiny", SearchSettings(("knee",), device="cpu")))
    with pytest.raises(PackError, match=r"'heart'.*'tiny'"):
        finish(locate(volume, "heart", QUICK))


def test_landmarks_name_their_image_and_their_model(volume):
    results = (
        LandmarkResult("AC", SearchState.FOUND, (1.0, 2.0, 3.0), 0.5, 0.75, 30, 0.75),
        LandmarkResult("PC", SearchState.OUTSIDE, None, 0.5, 0.75, 30, 0.75),
    )
    found = Localization(results, (), "tiny", "ab" * 32, 1.5, "cpu")
    landmarks = as_landmarks(found, volume)
    assert landmarks.image_name == "DWI b=800"
    assert landmarks.image_sha256 == volume.content_hash
    assert landmarks.sequence == "DWI b=800"
    assert landmarks.frame_of_reference_uid == "1.2.3"
    assert landmarks.model_sha256 == "ab" * 32
    assert landmarks["AC"].position_lps_mm == (1.0, 2.0, 3.0)
    assert landmarks["AC"].source == LandmarkSource.MODEL
    assert landmarks["AC"].rater == "tiny"
    assert landmarks["AC"].confidence == 0.75
    assert landmarks["PC"].status == LandmarkStatus.UNDEFINED
    assert landmarks["PC"].description == "outside the volume"
