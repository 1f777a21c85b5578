"""Grids place voxels in the patient; moving between grids moves no anatomy."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_midrl.geometry.grid import (
    VoxelGrid,
    axis_aligned_view,
    resample,
    to_sitk,
)


def rotation(angles_degrees):
    """A rotation about z, then y, then x."""
    matrix = np.eye(3)
    for (a, b), angle in zip(
        [(0, 1), (2, 0), (1, 2)], np.radians(angles_degrees), strict=True
    ):
        turn = np.eye(3)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def make_affine(
    angles=(37, -23, 11), spacing=(0.7, 1.3, 4.2), flip=(1, 1, -1), order=(0, 1, 2)
):
    """Oblique, anisotropic, left-handed, far from the origin."""
    affine = np.eye(4)
    columns = rotation(angles) * np.array(flip) * np.array(spacing)
    affine[:3, :3] = columns[:, list(order)]
    affine[:3, 3] = [-212.3, 148.9, 951.2]
    return affine


SHAPE = (7, 6, 5)
GRIDS = st.builds(
    lambda angles, spacing, flip, order: VoxelGrid(
        SHAPE, make_affine(angles, spacing, flip, order)
    ),
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(0.2, 9)] * 3),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.permutations(range(3)),
)
QUICK = settings(deadline=None, max_examples=60)


@QUICK
@given(grid=GRIDS, position=st.tuples(*[st.floats(-3, 9)] * 3))
def test_there_and_back(grid, position):
    world = grid.to_lps_mm(position)
    np.testing.assert_allclose(grid.to_ijk(world), position, atol=1e-9)


@QUICK
@given(grid=GRIDS, position=st.tuples(*[st.floats(-3, 9)] * 3))
def test_itk_puts_voxels_at_the_same_place(grid, position):
    image = to_sitk(np.zeros(SHAPE, np.float32), grid)
    by_itk = image.TransformContinuousIndexToPhysicalPoint(position)
    np.testing.assert_allclose(grid.to_lps_mm(position), by_itk, atol=1e-6)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("part", [np.s_[:], np.s_[3:22, ::2, 1:5]])
def test_itk_holds_the_same_voxels_whatever_their_order_in_memory(order, part):
    array = np.array(np.arange(23 * 6 * 5).reshape(23, 6, 5), np.int32, order=order)
    array = array[part]
    image = to_sitk(array, VoxelGrid(array.shape, make_affine()))
    assert np.array_equal(sitk.GetArrayFromImage(image), array.transpose(2, 1, 0))


def test_itk_holds_the_same_voxels():
    array = np.arange(210).reshape(SHAPE).astype(np.int16)
    image = to_sitk(array, VoxelGrid(SHAPE, make_affine()))
    assert image.GetPixel(6, 2, 4) == array[6, 2, 4]


def test_hand_worked_facts():
    affine = np.diag([2.0, 3, 4, 1])
    affine[:3, 3] = [10, 20, 30]
    grid = VoxelGrid((5, 6, 7), affine)
    assert grid.axis_codes == "LPS"
    np.testing.assert_array_equal(grid.size_mm, [10, 18, 28])
    np.testing.assert_array_equal(grid.center_lps_mm, [14, 27.5, 42])
    np.testing.assert_array_equal(grid.corners_lps_mm[0], [10, 20, 30])
    np.testing.assert_array_equal(grid.corners_lps_mm[7], [18, 35, 54])


def test_the_outer_half_voxels_belong_to_the_block():
    grid = VoxelGrid((2, 2, 2), np.eye(4))
    inside = grid.contains([[-0.5] * 3, [1.5] * 3, [-0.51, 0, 0], [0, 0, 1.51]])
    assert inside.tolist() == [True, True, False, False]


@QUICK
@given(grid=GRIDS, spacing=st.floats(0.5, 5))
def test_the_bounding_grid_covers_the_block(grid, spacing):
    """Every point of the block, to its outer corners, lies in the new grid."""
    box = grid.bounding_grid(spacing)
    corners = np.array(list(itertools.product([-0.5, 6.5], [-0.5, 5.5], [-0.5, 4.5])))
    low = box.to_ijk(grid.to_lps_mm(corners))
    assert low.min() >= -0.5 - 2e-3
    assert (low.max(axis=0) <= np.array(box.shape_ijk) - 0.5 + 2e-3).all()
    assert box.axis_codes == "LPS"
    # Not larger than needed: one voxel less would not do.
    world = grid.to_lps_mm(corners)
    extent = world.max(axis=0) - world.min(axis=0)
    assert ((np.array(box.shape_ijk) - 1) * spacing < extent + 1e-6).all()


def test_the_bounding_grid_of_an_aligned_grid_is_that_grid():
    affine = np.diag([2.0, 3, 4, 1])
    affine[:3, 3] = [10, 20, 30]
    grid = VoxelGrid((5, 6, 7), affine)
    box = grid.bounding_grid([2, 3, 4])
    assert box.shape_ijk == grid.shape_ijk
    np.testing.assert_allclose(box.affine_lps, grid.affine_lps)


ORIENTATIONS = list(
    itertools.product(
        itertools.permutations(range(3)), itertools.product((1, -1), repeat=3)
    )
)


@pytest.mark.parametrize(("order", "flip"), ORIENTATIONS)
def test_the_aligned_view_moves_no_voxel(order, flip):
    """All 48 orientations, 10 degrees oblique: values stay at their place."""
    grid = VoxelGrid(SHAPE, make_affine((10, 5, -5), flip=flip, order=order))
    array = np.arange(210).reshape(SHAPE)
    view, there = axis_aligned_view(array, grid)
    assert there.axis_codes == "LPS"
    assert np.shares_memory(view, array)
    for ijk in [(0, 0, 0), (6, 5, 4), (1, 4, 2)]:
        new = there.to_ijk(grid.to_lps_mm(ijk))
        np.testing.assert_allclose(new, new.round(), atol=1e-9)
        assert view[tuple(new.round().astype(int))] == array[ijk]


@pytest.mark.parametrize(("order", "flip"), ORIENTATIONS)
def test_itk_orients_the_same_way(order, flip):
    """DICOMOrient to LPS gives the same voxels and the same origin."""
    grid = VoxelGrid(SHAPE, make_affine((10, 5, -5), flip=flip, order=order))
    array = np.arange(210, dtype=np.int16).reshape(SHAPE)
    view, there = axis_aligned_view(array, grid)
    image = sitk.DICOMOrient(to_sitk(array, grid), "LPS")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image).T, view)
    np.testing.assert_allclose(image.GetOrigin(), there.affine_lps[:3, 3], atol=1e-6)


@QUICK
@given(source=GRIDS, target=GRIDS)
def test_resampling_keeps_a_linear_field(source, target):
    """A field linear in LPS mm is the same function on every grid."""
    middle = source.center_lps_mm
    source = VoxelGrid((12, 12, 12), source.affine_lps)
    weights = np.array([0.3, -0.2, 0.5])
    ijk = np.stack(np.meshgrid(*[np.arange(12)] * 3, indexing="ij"), -1)
    field = (source.to_lps_mm(ijk) - middle) @ weights

    seen = resample(field, source, target, outside=np.nan)

    there = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    world = target.to_lps_mm(there)
    inside = source.to_ijk(world)
    well_inside = ((inside > 0.01) & (inside < 10.99)).all(axis=-1)
    expected = (world - middle) @ weights
    np.testing.assert_allclose(seen[well_inside], expected[well_inside], atol=2e-3)


def test_resampling_onto_the_same_grid_changes_nothing():
    grid = VoxelGrid(SHAPE, make_affine())
    array = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    np.testing.assert_allclose(resample(array, grid, grid), array, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, ">i2"])
def test_small_integers_are_seen_as_they_are_in_float32(dtype):
    """They are not copied as float32 first; what lies between them is no integer."""
    values = np.random.default_rng(0).integers(0, 120, (9, 8, 7))
    grid = VoxelGrid(values.shape, make_affine((3, -4, 5), (2, 1.5, 3), (1, 1, 1)))
    target = VoxelGrid((8, 9, 10), make_affine((8, 1, 2), (1.7, 1.1, 2), (1, -1, 1)))
    seen = resample(values.astype(dtype), grid, target, outside=-0.5)
    expected = resample(values.astype(np.float32), grid, target, outside=-0.5)
    assert seen.dtype == np.float32
    assert np.array_equal(seen, expected)
    assert (expected % 1 != 0).any()


def test_labels_stay_labels():
    grid = VoxelGrid(SHAPE, make_affine())
    labels = np.random.default_rng(0).choice([0, 7, 200], SHAPE).astype(np.uint8)
    seen = resample(labels, grid, grid.bounding_grid(0.9), nearest=True)
    assert seen.dtype == np.uint8
    assert set(np.unique(seen)) <= {0, 7, 200}


def test_outside_is_what_was_asked_for():
    grid = VoxelGrid((2, 2, 2), np.eye(4))
    far = np.eye(4)
    far[:3, 3] = 100
    seen = resample(np.ones((2, 2, 2)), grid, VoxelGrid((3, 3, 3), far), outside=-5)
    assert (seen == -5).all()


def test_an_array_of_another_shape_is_refused():
    grid = VoxelGrid((2, 2, 2), np.eye(4))
    with pytest.raises(ValueError, match=r"\(2, 2, 2\), got \(3, 3, 3\)"):
        resample(np.ones((3, 3, 3)), grid, grid)


def test_grids_are_values():
    one, same = VoxelGrid(SHAPE, make_affine()), VoxelGrid(SHAPE, make_affine())
    assert one == same
    assert hash(one) == hash(same)
    assert one != VoxelGrid((7, 6, 4), make_affine())
    with pytest.raises(ValueError, match="read-only"):
        one.affine_lps[0, 0] = 1


@pytest.mark.parametrize(
    ("degrees", "aligned"), [(0, True), (0.05, True), (0.2, False)]
)
def test_a_tenth_of_a_degree_is_the_limit(degrees, aligned):
    grid = VoxelGrid(SHAPE, make_affine((degrees, 0, 0)))
    assert grid.is_axis_aligned() is aligned


@pytest.mark.parametrize(
    ("shape", "affine", "reason"),
    [
        ((7, 6), np.eye(4), "three positive"),
        ((7, 6, 0), np.eye(4), "three positive"),
        (SHAPE, np.eye(3), "finite"),
        (SHAPE, np.diag([1, 1, np.nan, 1]), "finite"),
        (SHAPE, np.diag([1, 1, 0, 1]), "no length"),
        (SHAPE, np.eye(4) + np.eye(4, k=1) * [[0.1], [0], [0], [0]], "orthogonal"),
    ],
)
def test_impossible_grids_are_refused(shape, affine, reason):
    with pytest.raises(ValueError, match=reason):
        VoxelGrid(shape, affine)
