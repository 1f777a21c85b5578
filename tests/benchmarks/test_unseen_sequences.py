"""The comparison with and without a sequence in training, but for the training."""

import numpy as np
import pytest

from benchmarks.unseen_sequences import compared
from napari_midrl.evaluation.findings import Finding
from napari_midrl.geometry.grid import VoxelGrid

GRID = VoxelGrid((8, 8, 8), np.eye(4))


def finding(sequence, landmark, off_mm):
    found = (off_mm, 0.0, 0.0)
    return Finding("a", "image", sequence, landmark, GRID, (0.0, 0.0, 0.0), found)


def test_medians_are_over_all_landmarks_of_a_sequence():
    saw = [finding("T2w", "heart", 2.0), finding("T2w", "left knee", 4.0)]
    saw += [finding("T1w", "heart", 1.0)]
    did_not = [finding("T2w", "heart", 3.0), finding("T2w", "left knee", 7.0)]
    did_not += [finding("T1w", "heart", 1.5)]

    t2w, t1w = compared(saw, did_not)

    assert (t2w["median_with_mm"], t2w["median_without_mm"]) == pytest.approx((3, 5))
    assert (t2w["n"], t2w["was_left_out"]) == (2, True)
    assert (t1w["median_with_mm"], t1w["median_without_mm"]) == pytest.approx((1, 1.5))
    assert not t1w["was_left_out"]
