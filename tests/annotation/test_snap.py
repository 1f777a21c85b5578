"""A click ends on the top of a blob, wherever between voxels that is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_midrl.annotation.snap import Extremum, snapped
from napari_midrl.data.volume import Volume
from napari_midrl.geometry.grid import VoxelGrid

# Oblique, anisotropic, left-handed.
AFFINE = np.eye(4)
AFFINE[:3, :3] = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, -1]]) * (1, 1.5, 2)
AFFINE[:3, 3] = (-20, 30, 100)
GRID = VoxelGrid((24, 20, 16), AFFINE)
INDICES = np.stack(np.meshgrid(*map(np.arange, GRID.shape_ijk), indexing="ij"), -1)


def blob(center_ijk, sign=1.0, sigma_voxels=2.0):
    away = ((INDICES - np.array(center_ijk)) ** 2).sum(-1)
    values = sign * 1000 * np.exp(-away / (2 * sigma_voxels**2))
    return Volume(values, GRID, "blob")


def mm(ijk):
    return tuple(GRID.to_lps_mm(ijk).tolist())


@given(st.tuples(*[st.floats(7, 9)] * 3))
@settings(max_examples=30, deadline=None)
def test_the_top_of_a_blob_is_found_between_voxels(center):
    found = snapped(blob(center), mm((8.6, 7.2, 7.9)), radius_mm=6)

    np.testing.assert_allclose(GRID.to_ijk(found), center, atol=0.1)


def test_a_dark_blob_is_found_by_its_own_name():
    volume = blob((8.25, 7, 8), sign=-1)

    dark = snapped(volume, mm((8, 8, 8)), Extremum.DARKEST)
    np.testing.assert_allclose(GRID.to_ijk(dark), (8.25, 7, 8), atol=0.1)


def test_the_slope_of_a_blob_is_no_extremum():
    """The blob's top is out of reach; the highest voxel in reach is only its slope."""
    assert snapped(blob((8, 7, 8)), mm((15, 7, 8)), radius_mm=4) is None


def test_a_flat_image_has_none():
    flat = Volume(np.ones(GRID.shape_ijk), GRID, "flat")

    assert snapped(flat, mm((8, 8, 8))) is None


def test_the_radius_is_in_mm_along_every_axis():
    """Two voxels along k are 4 mm."""
    volume = blob((8, 7, 10))

    assert snapped(volume, mm((8, 7, 8)), radius_mm=3.9) is None
    assert snapped(volume, mm((8, 7, 8)), radius_mm=4.1) is not None


def test_the_brighter_of_two_is_taken():
    values = blob((6, 7, 8), sigma_voxels=1).array * 2
    values = values + blob((11, 7, 8), sigma_voxels=1).array
    found = snapped(Volume(values, GRID, "two"), mm((9, 7, 8)), radius_mm=5)

    np.testing.assert_allclose(GRID.to_ijk(found), (6, 7, 8), atol=0.1)


@pytest.mark.parametrize("corner", [(0, 0, 0), (23, 19, 15)])
def test_the_edge_of_the_image_may_be_an_extremum(corner):
    found = snapped(blob(corner), mm(corner))

    np.testing.assert_allclose(GRID.to_ijk(found), corner, atol=1e-9)


def test_outside_of_the_image_there_is_none():
    assert snapped(blob((8, 7, 8)), mm((80, 7, 8))) is None


def test_voxels_that_are_no_number_are_passed_over():
    values = blob((8, 7, 8)).array.copy()
    values[9, 7, 8] = np.nan
    found = snapped(Volume(values, GRID, "hole"), mm((8, 7, 8)))

    assert np.abs(GRID.to_ijk(found) - (8, 7, 8)).max() <= 0.5
