"""The manifest is valid, and napari opens, saves and lists what it promises."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

from napari_midrl.io.images import write_nifti
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.plugin.readers import get_landmark_reader, get_volume_reader

pytestmark = pytest.mark.gui


def manifest():
    return PluginManifest.from_distribution("napari-midrl")


def test_every_command_can_be_imported():
    manifest().validate_imports()


def test_the_root_links_to_the_packaged_manifest():
    root = Path(__file__).parents[2]
    assert (root / "napari.yaml").resolve() == (
        root / "src/napari_midrl/napari.yaml"
    ).resolve()


def test_preferences_have_the_defaults_of_the_manifest():
    """Two places hold them; they must say the same."""
    configured = {
        key: prop.default
        for group in manifest().contributions.configurations.values()
        for key, prop in group.properties.items()
    }
    assert configured == {f.name: f.default for f in fields(Preferences)}


def test_a_nifti_opens_in_its_place(tmp_path, fakes):
    path = tmp_path / "t2w.nii.gz"
    volume = fakes.make_volume()
    write_nifti(volume, path)
    read = get_volume_reader(str(path))
    ((data, options, kind),) = read(str(path))
    assert kind == "image"
    assert options["metadata"]["midrl"]["volume"].array.shape == volume.array.shape
    np.testing.assert_allclose(
        options["translate"], volume.grid.corners_lps_mm.min(axis=0)[::-1], atol=1e-3
    )
    assert data.shape[::-1] == volume.array.shape


def test_foreign_files_are_left_to_others(tmp_path):
    note = tmp_path / "note.csv"
    note.write_text("name,value\na,1\n")
    assert get_landmark_reader(str(note)) is None
    (tmp_path / "empty").mkdir()
    assert get_volume_reader(str(tmp_path / "empty")) is None


def test_a_landmark_table_opens_as_points_and_saves_again(
    make_napari_viewer, tmp_path, fakes
):
    from napari_midrl.data.landmarks import Landmark, LandmarkSet
    from napari_midrl.io.landmarks import write_landmarks

    source, target = tmp_path / "a.csv", tmp_path / "b.mrk.json"
    marks = LandmarkSet((Landmark("AC", (1.5, -2.5, 30.0)), Landmark("PC", (0, 25, 1))))
    write_landmarks(marks, source)
    viewer = make_napari_viewer()
    viewer.open(str(source), plugin="napari-midrl")
    assert viewer.layers[0].data[0].tolist() == [30.0, -2.5, 1.5]
    viewer.layers.save(str(target), plugin="napari-midrl")
    assert read_landmarks(target)["AC"].position_lps_mm == (1.5, -2.5, 30.0)
