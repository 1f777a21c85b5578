"""Tests for napari_midrl.agents.preprocessing."""

import itertools

import numpy as np
import pytest

from napari_midrl.agents.preprocessing import (
    axis_order,
    cut_slice,
    gray_values,
    oriented_volume,
)
from napari_midrl.data.volume import Volume
from napari_midrl.errors import SearchError
from napari_midrl.geometry.grid import VoxelGrid

IDENTITY = np.eye(4)


def volume_of(array, affine=IDENTITY):
    array = np.asarray(array)
    return Volume(array, VoxelGrid(array.shape, affine), "test")


def test_gray_values_run_from_the_10th_to_the_99th_percentile():
    """0 to 1000: below 100 is black, above 990 white, the middle in between."""
    gray = gray_values(volume_of(np.arange(1001.0).reshape(7, 11, 13))).ravel()
    assert gray.dtype == np.uint8
    assert gray[:101].max() == 0
    assert gray[990:].min() == 255
    assert gray[600] == round((600 - 100) / 890 * 255)


@pytest.mark.parametrize("value", [0, 5, np.nan, np.inf])
def test_a_constant_or_broken_volume_is_refused_by_name(value):
    with pytest.raises(SearchError, match="'test' cannot be searched"):
        gray_values(volume_of(np.full((4, 4, 4), value, np.float32)))


def test_scale_and_offset_of_the_intensities_do_not_matter():
    array = np.random.default_rng(0).normal(size=(5, 6, 7))
    one, other = gray_values(volume_of(array)), gray_values(volume_of(900 * array - 40))
    assert np.abs(one.astype(int) - other).max() <= 1


@pytest.mark.parametrize(
    ("slice_axis", "order"), [("S", (0, 1, 2)), ("P", (0, 2, 1)), ("L", (1, 2, 0))]
)
def test_the_slice_axis_comes_last(slice_axis, order):
    assert axis_order(slice_axis) == order
    with pytest.raises(ValueError, match="'L', 'P' or 'S'"):
        axis_order("X")


@pytest.mark.parametrize("slice_axis", "LPS")
def test_all_48_ways_to_save_a_patient_are_the_same_searched_volume(slice_axis):
    """Permuted and flipped arrays with the affines that undo it: same in the end."""
    rng = np.random.default_rng(0)
    array = rng.normal(size=(3, 4, 5))
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = (-7, 8, 9)
    wanted = oriented_volume(volume_of(array, affine), slice_axis)
    for order in itertools.permutations(range(3)):
        for flips in itertools.product((False, True), repeat=3):
            saved = array.transpose(order)
            to_old = np.zeros((4, 4))
            to_old[3, 3] = 1
            for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
                to_old[old, new] = -1 if flip else 1
                to_old[old, 3] = array.shape[old] - 1 if flip else 0
            saved = saved[tuple(slice(None, None, -1 if f else 1) for f in flips)]
            again = oriented_volume(volume_of(saved, affine @ to_old), slice_axis)
            np.testing.assert_array_equal(again.array, wanted.array)
            np.testing.assert_allclose(again.grid.affine_lps, wanted.grid.affine_lps)


def test_a_slice_keeps_its_place_in_the_patient():
    angle = 0.3
    affine = np.eye(4)
    affine[:3, :3] = [
        [np.cos(angle), -np.sin(angle), 0],
        [np.sin(angle), np.cos(angle), 0],
        [0, 0, 1],
    ] @ np.diag([1.0, -2.0, 3.0])
    affine[:3, 3] = (4, 5, 6)
    oriented = oriented_volume(
        volume_of(np.random.default_rng(0).normal(size=(5, 6, 7)), affine), "P"
    )
    chosen = cut_slice(oriented, 2)
    assert chosen.grid.shape_ijk == (5, 7, 1)
    np.testing.assert_allclose(
        chosen.grid.to_lps_mm([3, 4, 0]), oriented.grid.to_lps_mm([3, 4, 2])
    )
    np.testing.assert_array_equal(chosen.array[:, :, 0], oriented.array[:, :, 2])
    with pytest.raises(SearchError, match="slices 0 to 5, got 6"):
        cut_slice(oriented, 6)
