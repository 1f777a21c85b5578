"""Arrows and basins as arrays: where they lie, which way they point, what they say."""

import numpy as np
import pytest

from napari_midrl.data.policy import Basin, BasinBlock, PolicyField, PolicyScale
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.plugin.policy_layers import (
    arrow_lines,
    basin_color,
    basins_layer,
    extent_lps_mm,
    plane_points,
    return_colors,
    spacing_mm,
)
from napari_midrl.plugin.policy_words import arrows_text, basins_text

AXES = {"L": 0, "P": 1, "S": 2}
BOX = np.array([[-40.0, -30, 100], [50, 20, 160]])


def field_of(*ways):
    points = np.arange(3.0 * len(ways)).reshape(-1, 3) * 10
    returns = np.linspace(-1, 2, len(ways))
    regions = np.array([[[-90.0] * 3, [90.0] * 3]])
    return PolicyField(points, np.array(ways, dtype=float), returns, regions)


@pytest.mark.parametrize("axis", AXES.values(), ids=AXES)
def test_points_of_a_plane_lie_in_it_and_in_the_box(axis):
    position = BOX[:, axis].mean() + 0.7
    points = plane_points(BOX, axis, position, 8.0)
    assert (points[:, axis] == position).all()
    assert (points >= BOX[0]).all()
    assert (points <= BOX[1]).all()
    across = [n for n in range(3) if n != axis]
    assert (points[:, across] % 8.0 == 0).all()
    # -40 to 48, -24 to 16, 104 to 160, in eights.
    assert len(points) == {0: 6 * 8, 1: 12 * 8, 2: 12 * 6}[axis]


def test_a_plane_beside_the_box_has_no_points():
    assert plane_points(BOX, 2, 161.0, 8.0).shape == (0, 3)


@pytest.mark.parametrize("width_mm", [60.0, 400.0, 1300.0])
def test_about_as_many_arrows_fit_across_any_slice(width_mm):
    apart_mm = spacing_mm(PolicyScale(16.0), width_mm, flat=True)
    assert 18 <= width_mm / apart_mm <= 37
    assert np.log2(apart_mm / 16.0) % 1 == 0


def test_a_small_cube_has_arrows_in_a_wide_view_too():
    assert spacing_mm(PolicyScale(4.0, 1), 1300.0, flat=True) == 8.0


def test_an_arrow_in_the_plane_is_a_shaft_and_two_barbs_at_its_tip():
    """In napari's axes, (z, y, x); centered on its point."""
    vectors, owner = arrow_lines(field_of([0, -1, 0]), 2, 10.0, flat=True)
    assert owner.tolist() == [0, 0, 0]
    (begin, along), *barbs = vectors
    np.testing.assert_allclose(along / np.linalg.norm(along), [0, -1, 0])
    point_zyx = np.array([20.0, 10, 0])
    np.testing.assert_allclose(begin + along / 2, point_zyx)
    for start, way in barbs:
        np.testing.assert_allclose(start, begin + along)
        assert way @ along < 0
        assert way[0] == 0
    assert np.cross(barbs[0][1], along)[0] * np.cross(barbs[1][1], along)[0] < 0


@pytest.mark.parametrize(
    ("axis", "away"), [(2, [0, 0, 1]), (1, [0, 1, 0]), (0, [-1, 0, 0])]
)
def test_moves_across_a_slice_are_crosses_and_diamonds(axis, away):
    """Axial is seen from the feet, coronal from the front, sagittal from the left."""
    field = field_of(away, -np.array(away), [0, 0, 0])
    vectors, owner = arrow_lines(field, axis, 10.0, flat=True)
    assert owner.tolist() == [0, 0, 1, 1, 1, 1]
    across = 2 - axis
    assert (vectors[:, 1, across] == 0).all()
    for row in (0, 1):
        own = vectors[owner == row]
        middle = (own[:, 0] + own[:, 1] / 2).mean(axis=0)
        np.testing.assert_allclose(middle, field.points_lps_mm[row][::-1])


def test_in_space_a_move_across_the_plane_is_an_arrow_too():
    vectors, owner = arrow_lines(field_of([0, 0, 1]), 2, 10.0, flat=False)
    assert owner.tolist() == [0, 0, 0]
    assert vectors[0, 1, 0] > 0
    assert (vectors[1:, 1, 0] < 0).all()


def test_who_stays_has_no_arrow():
    vectors, owner = arrow_lines(field_of([0, 0, 0]), 2, 10.0, flat=False)
    assert vectors.shape == (0, 2, 3)
    assert len(owner) == 0


def test_more_expected_is_brighter_and_beyond_the_ends_is_their_color():
    colors = return_colors(np.array([-9.0, -1, 0, 1, 2, 9]))
    luma = colors[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luma[1:5]) > 0).all()
    np.testing.assert_array_equal(colors[0], colors[1])
    np.testing.assert_array_equal(colors[4], colors[5])


def test_basins_lie_where_their_starts_are():
    affine = np.diag([8.0, 8, 16, 1])
    affine[:3, 3] = (-20, 30, 400)
    labels = np.zeros((3, 4, 5), dtype=np.int32)
    labels[2, 0, 4] = 1
    block = BasinBlock(labels, VoxelGrid(labels.shape, affine))
    data, options, kind = basins_layer(block, 1, "#E69F00", name="b")
    (where,) = np.argwhere(data)
    world = np.array(options["translate"]) + where * options["scale"]
    np.testing.assert_allclose(world[::-1], block.grid.to_lps_mm([2, 0, 4]))
    assert kind == "labels"


def test_every_basin_has_a_color_and_the_first_that_of_the_landmark():
    colors = [basin_color(n, "#E69F00") for n in range(8)]
    assert colors[0] == "#E69F00"
    assert len(set(colors)) == 8
    assert basin_color(8, "#E69F00") == basin_color(99, "#E69F00")


def test_the_text_tells_the_shares_and_where_they_rest():
    basins = [Basin((0, 0, 0), s) for s in (0.61, 0.37, 0.015, 0.005)]
    text = basins_text(basins, "#E69F00")
    assert "61%" in text
    assert 'href="basin 1"' in text
    assert "2% in 2 smaller" in text
    assert "No start" in basins_text([], "#E69F00")


def test_the_text_leads_to_a_close_up_that_is_not_in_sight():
    assert arrows_text(PolicyScale(4.0, 1), 7, 2) == ""
    text = arrows_text(PolicyScale(4.0, 1), 0, 2)
    assert 'href="region 1"' in text
    assert "4 mm" in text


def test_the_extent_of_a_grid_includes_its_outer_half_voxels():
    affine = np.diag([-2.0, 3, 4, 1])
    np.testing.assert_allclose(
        extent_lps_mm(VoxelGrid((5, 5, 5), affine)), [[-9, -1.5, -2], [1, 13.5, 18]]
    )
