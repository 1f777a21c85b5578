"""Voxel indices, LPS and RAS: known answers and properties."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_midrl.geometry.affine import (
    apply_affine,
    axis_codes,
    directions_of,
    flip_affine_lps_ras,
    flip_lps_ras,
    shear_of,
    spacing_of,
)

# Oblique by 30 degrees about z, spacing 2 x 3 x 4 mm, k runs down: left-handed.
C, S = np.cos(np.pi / 6), np.sin(np.pi / 6)
AFFINE = np.array(
    [
        [2 * C, -3 * S, 0, 10.0],
        [2 * S, 3 * C, 0, -20.0],
        [0, 0, -4, 30.0],
        [0, 0, 0, 1.0],
    ]
)
POINTS = hnp.arrays(np.float64, (4, 3), elements=st.floats(-500, 500))


def test_a_hand_worked_point():
    """Voxel (1, 2, 3): 2 mm along i, 6 along j, 12 down from (10, -20, 30)."""
    expected = [10 + 2 * C - 6 * S, -20 + 2 * S + 6 * C, 30 - 12]
    np.testing.assert_allclose(apply_affine(AFFINE, [1, 2, 3]), expected)


def test_many_points_of_any_shape():
    points = np.zeros((5, 2, 3))
    assert apply_affine(AFFINE, points).shape == (5, 2, 3)
    np.testing.assert_array_equal(apply_affine(AFFINE, points)[4, 1], [10, -20, 30])


def test_the_affine_is_taken_apart():
    np.testing.assert_allclose(spacing_of(AFFINE), [2, 3, 4])
    np.testing.assert_allclose(directions_of(AFFINE) * [2, 3, 4], AFFINE[:3, :3])
    assert shear_of(AFFINE) < 1e-12
    sheared = AFFINE.copy()
    sheared[:3, 1] += 0.1 * sheared[:3, 0]
    assert shear_of(sheared) > 0.05


@given(points=POINTS)
@settings(deadline=None)
def test_flipping_twice_changes_nothing(points):
    np.testing.assert_array_equal(flip_lps_ras(flip_lps_ras(points)), points)


@given(points=POINTS)
@settings(deadline=None)
def test_flipping_the_affine_flips_its_points(points):
    """The frame belongs to the result, not to the voxel axes."""
    by_affine = apply_affine(flip_affine_lps_ras(AFFINE), points)
    np.testing.assert_allclose(by_affine, flip_lps_ras(apply_affine(AFFINE, points)))


@pytest.mark.parametrize("a", "LR")
@pytest.mark.parametrize("b", "PA")
@pytest.mark.parametrize("c", "SI")
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (2, 1, 0)])
def test_axis_codes_agree_with_nibabel(a, b, c, order):
    """nibabel names the same voxel axes from the RAS affine."""
    codes = np.array([a, b, c])[list(order)]
    signs = np.array([1 if letter in "LPS" else -1 for letter in (a, b, c)])
    tilt = directions_of(AFFINE) @ np.diag([1, 1, -1])
    affine = np.eye(4)
    affine[:3, :3] = (tilt * signs)[:, list(order)] * [0.5, 2, 7]
    assert axis_codes(affine) == "".join(codes)
    assert nib.aff2axcodes(flip_affine_lps_ras(affine)) == tuple(codes)


@pytest.mark.parametrize(
    ("affine", "points", "reason"),
    [
        (np.eye(3), [1, 2, 3], r"affine must have shape \(4, 4\), got \(3, 3\)"),
        (np.eye(4), [1, 2], r"points must have shape \(\*any, 3\), got \(2,\)"),
        (np.eye(4), 1.0, r"points must have shape"),
    ],
)
def test_wrong_shapes_are_named(affine, points, reason):
    with pytest.raises(ValueError, match=reason):
        apply_affine(affine, points)
