"""What the agents see of a volume: places kept, intensities without units."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_midrl.agents.dense_network import COARSEST_LEVEL
from napari_midrl.agents.dense_scales import DETAIL, FINE
from napari_midrl.agents.working_view import (
    MARGIN,
    MARGIN_MM,
    cube_at,
    sample_smoothly,
    working_view,
)
from napari_midrl.data.volume import Volume
from napari_midrl.errors import SearchError
from napari_midrl.geometry.grid import VoxelGrid

BASE_MM = 2.0
ASIDE_MM = np.array([5.3, -4.1, 3.7])


def oblique_grid(shape, spacing_mm, degrees=(0, 0, 0), flips=(1, 1, 1)):
    """A grid centered near the scanner's isocenter."""
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(np.array(spacing_mm) * flips)
    affine[:3, 3] = (
        np.array([7.0, -12.0, 23.0]) - affine[:3, :3] @ (np.array(shape) - 1) / 2
    )
    return VoxelGrid(shape, affine)


GRIDS = {
    "straight": oblique_grid((40, 44, 36), (2, 2, 2)),
    "oblique": oblique_grid((60, 64, 50), (1.5, 1.2, 1.7), (17, -8, 31)),
    "thick slices": oblique_grid((80, 80, 20), (1, 1, 4), (-12, 5, 20)),
    "left-handed": oblique_grid(
        (70, 60, 26), (1.1, 1.3, 3.2), (8, 25, -14), (1, -1, 1)
    ),
    "fine": oblique_grid((100, 110, 90), (0.8, 0.8, 0.8), (4, 4, 4), (-1, -1, 1)),
}


def painted(grid, center_lps_mm, sigma_mm=5.0, floor=100.0, peak=900.0):
    """A volume with one soft blob at a known place."""
    ijk = np.stack(np.meshgrid(*map(np.arange, grid.shape_ijk), indexing="ij"), -1)
    away_mm = np.linalg.norm(grid.to_lps_mm(ijk) - center_lps_mm, axis=-1)
    array = floor + peak * np.exp(-0.5 * (away_mm / sigma_mm) ** 2)
    return Volume(array.astype(np.float32), grid, "painted")


def centroid(array):
    """The middle of what is brighter than half the peak's height, in voxels."""
    base = np.median(array)
    weight = np.clip(array - (base + 0.3 * (array.max() - base)), 0, None)
    index = np.stack(np.meshgrid(*map(np.arange, array.shape), indexing="ij"), -1)
    return (weight[..., None] * index).sum(axis=(0, 1, 2)) / weight.sum()


@pytest.mark.parametrize("name", GRIDS)
def test_a_painted_blob_is_at_its_place_in_the_view(name):
    grid = GRIDS[name]
    place_lps_mm = grid.center_lps_mm + ASIDE_MM
    view = working_view(painted(grid, place_lps_mm), BASE_MM)
    found_lps_mm = view.grid.to_lps_mm(centroid(view.array))
    assert np.linalg.norm(found_lps_mm - place_lps_mm) < 0.35 * BASE_MM


@pytest.mark.parametrize(("closeup", "base_mm"), [(FINE, 2.0), (DETAIL, 4.0)])
@pytest.mark.parametrize("name", GRIDS)
def test_a_painted_blob_is_at_its_place_in_a_cube(name, closeup, base_mm):
    grid = GRIDS[name]
    place_lps_mm = grid.center_lps_mm + ASIDE_MM
    volume = painted(grid, place_lps_mm)
    view = working_view(volume, base_mm)
    edge, n = closeup.edge, closeup.voxels_per_unit
    corner = view.grid.to_ijk(place_lps_mm) - edge / 2 + 0.5 + (1.3, -1.2, 0.4)
    cube = cube_at(volume, view, corner, edge, n)
    assert cube.shape == (n * edge,) * 3
    # The first n voxels along an axis fill the base voxel at the corner.
    found = corner + (centroid(cube) + 0.5) / n - 0.5
    found_lps_mm = view.grid.to_lps_mm(found)
    assert np.linalg.norm(found_lps_mm - place_lps_mm) < 0.35 * base_mm


@pytest.mark.parametrize("name", GRIDS)
def test_a_cube_has_the_intensities_of_the_view(name):
    grid = GRIDS[name]
    volume = painted(grid, grid.center_lps_mm, sigma_mm=12)
    view = working_view(volume, BASE_MM)
    corner = np.round(view.grid.to_ijk(grid.center_lps_mm)) - FINE.edge / 2
    cube = cube_at(volume, view, corner, FINE.edge, 2)
    n = FINE.edge
    blocks = cube.reshape(n, 2, n, 2, n, 2).mean((1, 3, 5))
    i, j, k = corner.astype(int)
    same = view.array[i : i + n, j : j + n, k : k + n]
    assert np.abs(blocks - same).max() < 0.15


@pytest.mark.parametrize("name", GRIDS)
def test_nothing_is_seen_outside_the_volume(name):
    grid = GRIDS[name]
    view = working_view(painted(grid, grid.center_lps_mm), BASE_MM)
    index = np.stack(np.meshgrid(*map(np.arange, view.array.shape), indexing="ij"), -1)
    inside = grid.contains(view.grid.to_lps_mm(index))
    assert (view.array[~inside] == 0).all()
    # The darkest of what is inside looks alike: the rim shows nothing.
    assert view.array[inside].min() == 0
    beyond = (index < view.low).any(axis=-1) | (index > view.high).any(axis=-1)
    assert not inside[beyond].any()
    assert all(n % COARSEST_LEVEL == 0 for n in view.array.shape)
    air = max(MARGIN, MARGIN_MM / BASE_MM)
    assert (view.low >= air).all()
    assert (view.high < np.array(view.array.shape) - air).all()


def test_nothing_is_seen_outside_the_volume_in_a_cube():
    grid = GRIDS["left-handed"]
    volume = painted(grid, grid.center_lps_mm)
    view = working_view(volume, BASE_MM)
    corner = view.grid.to_ijk(grid.corners_lps_mm[0]) - FINE.edge / 2
    cube = cube_at(volume, view, corner, FINE.edge, 2)
    index = np.stack(np.meshgrid(*map(np.arange, cube.shape), indexing="ij"), -1)
    inside = grid.contains(view.grid.to_lps_mm(corner + index / 2 - 0.25))
    assert 0 < inside.mean() < 1
    assert (cube[~inside] == 0).all()


def test_coarser_voxels_are_the_means_of_blocks():
    """To the last bit those of numpy, which takes fifteen times as long."""
    sampled = np.random.default_rng(0).normal(size=(6, 10, 8)).astype(np.float32)
    # The order in memory that resampled images have.
    blocks = np.asfortranarray(sampled).reshape(3, 2, 5, 2, 4, 2)
    grid = VoxelGrid(sampled.shape, np.diag([1.0, 1.0, 1.0, 1.0]))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = 0.5
    seen = sample_smoothly(sampled, grid, VoxelGrid((3, 5, 4), affine), 0.0)
    assert np.array_equal(seen, blocks.mean(axis=(1, 3, 5)))


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(("gain", "shift"), [(0.01, 1.0), (1.0, 1.0), (300, -0.4)])
def test_scanner_units_do_not_matter(name, gain, shift):
    """A times x plus b gives the same view and the same cubes, rim included."""
    grid = GRIDS[name]
    volume = painted(grid, grid.center_lps_mm, floor=0.0, peak=1.0)
    other = Volume(np.float32(gain) * (volume.array + np.float32(shift)), grid, "other")
    view, same = working_view(volume, BASE_MM), working_view(other, BASE_MM)
    limit = 1e-4 * view.array.max()
    assert np.abs(view.array - same.array).max() < limit
    corner = view.grid.to_ijk(grid.corners_lps_mm[0]) - FINE.edge / 2
    cubes = [cube_at(v, w, corner, 12, 2) for v, w in ((volume, view), (other, same))]
    assert np.abs(cubes[0] - cubes[1]).max() < limit


def test_a_cube_beyond_the_volume_shows_nothing():
    grid = GRIDS["oblique"]
    volume = painted(grid, grid.center_lps_mm)
    view = working_view(volume, BASE_MM)
    assert not cube_at(volume, view, view.high + 300, 8, 2).any()


def test_whole_numbers_look_like_fractions():
    grid = GRIDS["oblique"]
    volume = painted(grid, grid.center_lps_mm)
    rounded = volume.array.round()
    views = [
        working_view(Volume(rounded.astype(kind), grid, "x"), BASE_MM).array
        for kind in (np.int16, np.float64)
    ]
    assert np.array_equal(*views)


def test_a_few_bright_voxels_do_not_darken_the_rest():
    grid = GRIDS["straight"]
    noise = np.random.default_rng(0).uniform(0, 100, grid.shape_ijk)
    spiked = noise.copy()
    spiked[20, 20, 20] = 1e6
    view, same = (working_view(Volume(a, grid, "x"), BASE_MM) for a in (noise, spiked))
    assert np.median(np.abs(view.array - same.array)) < 0.01
    assert same.array.max() < 5


def test_the_volume_is_not_changed():
    volume = painted(GRIDS["oblique"], (0, 0, 0))
    before = volume.content_hash
    view = working_view(volume, BASE_MM)
    cube_at(volume, view, view.low, 8, 2)
    assert Volume(volume.array, volume.grid, "again").content_hash == before


@pytest.mark.parametrize(
    ("array", "cause"),
    [
        (np.full((8, 8, 8), np.nan), "not finite"),
        (np.full((8, 8, 8), 7), "same value"),
        (np.where(np.eye(8)[..., None] * np.ones(8) > 0, 1e300, 0), "not finite"),
    ],
)
def test_a_volume_with_nothing_to_see_is_refused_by_name(array, cause):
    volume = Volume(array, VoxelGrid((8, 8, 8), np.diag([3.0, 3, 3, 1])), "T2w left")
    with pytest.raises(SearchError, match=f"T2w left: .*{cause}"):
        working_view(volume, BASE_MM)


def test_a_volume_larger_than_a_body_is_refused_before_memory_is_taken():
    array = np.arange(27.0).reshape(3, 3, 3)
    volume = Volume(array, VoxelGrid((3, 3, 3), np.diag([4000.0, 4000, 4000, 1])), "km")
    with pytest.raises(SearchError, match=r"km: .*too large"):
        working_view(volume, BASE_MM)


@pytest.mark.parametrize("shape", [(2, 2, 2), (40, 3, 2)])
def test_a_volume_without_room_for_a_step_is_refused(shape):
    array = np.arange(np.prod(shape), dtype=float).reshape(shape)
    volume = Volume(array, VoxelGrid(shape, np.eye(4)), "crumb")
    with pytest.raises(SearchError, match=r"crumb: .*too small"):
        working_view(volume, BASE_MM)


def test_a_single_slice_can_be_seen():
    grid = oblique_grid((64, 64, 1), (2, 2, 5))
    place_lps_mm = grid.center_lps_mm + ASIDE_MM
    view = working_view(painted(grid, place_lps_mm, sigma_mm=8), BASE_MM)
    found_lps_mm = view.grid.to_lps_mm(centroid(view.array))
    assert np.linalg.norm((found_lps_mm - place_lps_mm)[:2]) < 0.35 * BASE_MM
