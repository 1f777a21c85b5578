"""A grid that forgives no mistake, and findings made from a few numbers."""

import numpy as np
import pytest

from napari_midrl.evaluation.findings import Finding
from napari_midrl.geometry.grid import VoxelGrid


@pytest.fixture
def grid():
    """Oblique, anisotropic, left-handed; 60 x 50 x 30 voxels of 0.8 x 1.25 x 4 mm."""
    a, b = np.radians([20, -15])
    turn = np.array(
        [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    ) @ np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.8, 1.25, 4.0])
    affine[:3, 3] = 12, -30, 7
    return VoxelGrid((60, 50, 30), affine)


@pytest.fixture
def finding():
    """Return a function that makes a finding a number of mm off along L."""
    straight = VoxelGrid((100, 100, 40), np.diag([1.0, 1.0, 2.0, 1.0]))

    def make(off_mm, case="a", **other):
        true = (50.0, 50.0, 40.0)
        found = None if off_mm is None else (50.0 + off_mm, 50.0, 40.0)
        values = {"image": "T1w", "sequence": "T1w", "landmark": "heart"} | other
        return Finding(
            case=case,
            grid=values.pop("grid", straight),
            true_lps_mm=values.pop("true_lps_mm", true),
            found_lps_mm=values.pop("found_lps_mm", found),
            **values,
        )

    return make
