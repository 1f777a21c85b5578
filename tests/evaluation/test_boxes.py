"""The paper's boxes, against the closed form and against counted voxels."""

import numpy as np
import pytest

from napari_midrl.evaluation.boxes import (
    Dimension,
    distance_mm,
    offset_voxels,
    published_overlap,
)
from napari_midrl.geometry.grid import VoxelGrid

TRUE_IJK = np.array([30.0, 20.0, 15.0])


def overlap(grid, moved_ijk, dimension):
    true, found = grid.to_lps_mm([TRUE_IJK, TRUE_IJK + moved_ijk])
    return published_overlap(grid, true, found, dimension)


@pytest.mark.parametrize(
    ("moved", "dice", "iou"),
    [(0, 1, 1), (1, 0.978, 0.957), (3, 0.933, 0.875), (5, 0.889, 0.8), (45, 0, 0)],
)
def test_one_axis_of_a_slice(grid, moved, dice, iou):
    for axis in ([moved, 0, 0], [0, -moved, 0]):
        assert overlap(grid, axis, Dimension.PLANE) == pytest.approx(
            (dice, iou), abs=6e-4
        )
        # The box of the volume is as wide in the slice.
        assert overlap(grid, axis, Dimension.VOLUME) == pytest.approx(
            (dice, iou), abs=6e-4
        )


@pytest.mark.parametrize("slices", [0, 1, 4, -4, 10, 11, 30])
def test_slices_count_in_3d_only(grid, slices):
    moved = [2, 7, slices]
    in_plane = (43 / 45) * (38 / 45)
    dice = in_plane * max(0, 11 - abs(slices)) / 11

    assert overlap(grid, moved, Dimension.VOLUME)[0] == pytest.approx(dice)
    assert overlap(grid, moved, Dimension.VOLUME)[1] == pytest.approx(dice / (2 - dice))
    assert overlap(grid, moved, Dimension.PLANE)[0] == pytest.approx(in_plane)


def test_the_overlap_is_that_of_voxels_counted(grid):
    one, other = np.zeros((2, 100, 100, 60), dtype=bool)
    one[20:65, 20:65, 20:31] = True
    other[31:76, 14:59, 23:34] = True
    both, either = (one & other).sum(), (one | other).sum()

    dice, iou = overlap(grid, [11, -6, 3], Dimension.VOLUME)

    assert dice == pytest.approx(2 * both / (one.sum() + other.sum()))
    assert iou == pytest.approx(both / either)


def test_boxes_have_the_voxels_of_the_image():
    """Ten millimeters are ten voxels of one image and five of another."""
    for spacing_mm, share in ((1.0, 35 / 45), (2.0, 40 / 45)):
        grid = VoxelGrid((90, 90, 9), np.diag([spacing_mm, spacing_mm, 5.0, 1.0]))
        dice, _ = published_overlap(grid, (0, 0, 0), (10, 0, 0), Dimension.PLANE)
        assert dice == pytest.approx(share)


def test_distances_in_the_slice_and_in_the_volume(grid):
    true, found = grid.to_lps_mm([TRUE_IJK, TRUE_IJK + np.array([5, 4, 3])])

    # 5 x 0.8 mm, 4 x 1.25 mm, 3 x 4 mm.
    assert distance_mm(grid, true, found, Dimension.PLANE) == pytest.approx(
        np.hypot(4, 5)
    )
    assert distance_mm(grid, true, found, Dimension.VOLUME) == pytest.approx(
        np.sqrt(16 + 25 + 144)
    )


def test_k_counts_the_slices_unless_another_axis_is_clearly_coarser():
    def axis(*spacing_mm):
        return VoxelGrid((9, 9, 9), np.diag([*spacing_mm, 1.0])).slice_axis

    assert axis(1.0, 1.0, 5.0) == 2
    assert axis(1.0, 1.0, 1.0) == 2
    assert axis(1.2, 1.2, 1.0) == 2
    assert axis(5.0, 1.0, 1.0) == 0
    assert axis(1.0, 3.0, 1.0) == 1


def test_a_file_with_turned_axes_gives_the_same_offset(grid):
    """Sagittal slices stored with the slice axis first."""
    cycled = grid.affine_lps[:, [2, 0, 1, 3]]
    turned = VoxelGrid((30, 60, 50), cycled)
    true, found = grid.to_lps_mm([TRUE_IJK, TRUE_IJK + np.array([5, 4, 3])])

    for dimension, expected in (
        (Dimension.PLANE, [5, 4]),
        (Dimension.VOLUME, [5, 4, 3]),
    ):
        for one in (grid, turned):
            assert offset_voxels(one, true, found, dimension) == pytest.approx(expected)
