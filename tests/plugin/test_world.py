"""Volumes and points keep their places between patient and viewer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from napari.layers import Image, Points

from napari_midrl.data.landmarks import Landmark, LandmarkSet, LandmarkSource
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.plugin.colors import landmark_colors
from napari_midrl.plugin.layers import landmarks_layer
from napari_midrl.plugin.points import is_edited, landmarks_of_points
from napari_midrl.plugin.world import volume_layer, volume_of, world_zyx_mm

ORIENTATIONS = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def oriented_affine(order, signs, rotation=None):
    """Return an anisotropic affine with permuted, flipped, rotated axes."""
    affine = np.eye(4)
    spacing_mm = (0.7, 1.3, 3.1)
    affine[:3, :3] = 0
    for axis, (world, sign) in enumerate(zip(order, signs, strict=True)):
        affine[world, axis] = sign * spacing_mm[axis]
    if rotation is not None:
        affine[:3, :3] = rotation @ affine[:3, :3]
    affine[:3, 3] = (-31.5, 12.25, 104.0)
    return affine


def layer_of(volume):
    data, options, kind = volume_layer(volume)
    assert kind == "image"
    return Image(data, **options)


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_every_voxel_is_drawn_where_it_lies_in_the_patient(order, signs):
    """All 48 orientations; the value under the point proves the data moved along."""
    rng = np.random.default_rng(1)
    array = rng.normal(size=(5, 6, 4)).astype(np.float32)
    grid = VoxelGrid(array.shape, oriented_affine(order, signs))
    layer = layer_of(Volume(array, grid, "v"))
    assert not layer.metadata["midrl"]["resampled"]
    for ijk in [(0, 0, 0), (4, 5, 3), (1, 2, 3), (4, 0, 2)]:
        world = world_zyx_mm(grid.to_lps_mm(ijk))
        at = np.asarray(layer.world_to_data(world))
        assert np.abs(at - np.round(at)).max() < 1e-4
        assert layer.data[tuple(np.round(at).astype(int))] == array[ijk]
        back = grid.to_ijk(world_zyx_mm(layer.data_to_world(at)))
        assert np.abs((back - ijk) * grid.spacing_mm).max() < 0.01


def test_an_oblique_volume_is_resampled_in_place():
    """A blob keeps its center of mass, and the source volume comes back untouched."""
    c, s = np.cos(0.35), np.sin(0.35)
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array(
        [[1, 0, 0], [0, c, -s], [0, s, c]]
    )
    affine = oriented_affine((2, 0, 1), (-1, 1, -1), rotation)
    affine[:3, :3] /= np.linalg.norm(affine[:3, :3], axis=0)
    shape = (40, 36, 44)
    grid = VoxelGrid(shape, affine)
    ijk = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    center = np.array([22.0, 15.0, 25.0])
    array = np.exp(-((ijk - center) ** 2).sum(axis=-1) / 18).astype(np.float32)
    volume = Volume(array, grid, "oblique")
    layer = layer_of(volume)
    assert layer.metadata["midrl"]["resampled"]
    weights = np.asarray(layer.data, dtype=float)
    at = np.array(
        [
            (weights * index).sum() / weights.sum()
            for index in np.meshgrid(*map(np.arange, weights.shape), indexing="ij")
        ]
    )
    found = world_zyx_mm(layer.data_to_world(at))
    assert np.abs(found - grid.to_lps_mm(center)).max() < 0.05
    again, warnings = volume_of(layer)
    assert again.content_hash == volume.content_hash
    assert warnings == ()


def test_a_layer_from_elsewhere_is_taken_with_a_warning():
    """Scale and translate place it; the warning says what was assumed."""
    layer = Image(
        np.zeros((4, 5, 6)), scale=(3, 2, 1), translate=(30, 20, 10), name="other"
    )
    volume, warnings = volume_of(layer)
    assert volume.array.shape == (6, 5, 4)
    np.testing.assert_allclose(volume.grid.to_lps_mm((1, 1, 1)), (11, 22, 33))
    assert "not opened by this plugin" in warnings[0]


def test_a_rotated_layer_from_elsewhere_is_refused_by_name():
    with pytest.warns(UserWarning, match="Non-orthogonal"):
        layer = Image(np.zeros((4, 5, 6)), rotate=(10, 0, 0), name="turned")
    with pytest.raises(InputError, match="'turned' is rotated"):
        volume_of(layer)


def points_of(landmarks):
    data, options, _ = landmarks_layer(
        landmarks, landmark_colors([m.name for m in landmarks]), name="landmarks"
    )
    return Points(data, **options)


MODEL = LandmarkSet(
    (
        Landmark("AC", (1.0, 2.0, 3.0), source=LandmarkSource.MODEL, rater="x"),
        Landmark("PC", (4.0, 5.0, 6.0), source=LandmarkSource.MODEL, rater="x"),
    )
)


def test_landmarks_survive_the_layer_unchanged():
    data, options, _ = points_of(MODEL).as_layer_data_tuple()
    assert landmarks_of_points(data, options) == MODEL
    assert not is_edited(data, options)


def test_a_moved_point_is_a_persons_and_a_deleted_one_is_undefined():
    """A correction must never be filed as the model's opinion."""
    layer = points_of(MODEL)
    layer.data = np.add(layer.data, [[0, 0, 2.0], [0, 0, 0]])
    layer.selected_data = {1}
    layer.remove_selected()
    data, options, _ = layer.as_layer_data_tuple()
    corrected = landmarks_of_points(data, options)
    assert corrected["AC"].source == LandmarkSource.HUMAN
    assert corrected["AC"].position_lps_mm == (3.0, 2.0, 3.0)
    assert corrected["PC"].position_lps_mm is None
    assert is_edited(data, options)


def test_points_in_pixels_or_with_steps_are_refused():
    with pytest.raises(InputError, match="3D"):
        landmarks_of_points(np.zeros((2, 4)), {"name": "agents"})
    with pytest.raises(InputError, match="mm"):
        landmarks_of_points(np.zeros((2, 3)), {"units": ("pixel",) * 3})
