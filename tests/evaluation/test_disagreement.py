"""Tests for napari_midrl.evaluation.disagreement."""

import numpy as np
import pytest

from napari_midrl.data.trajectory import (
    LandmarkResult,
    Localization,
    SearchState,
    Trajectory,
)
from napari_midrl.evaluation.disagreement import CAP_MM, doubts
from napari_midrl.geometry.grid import VoxelGrid

GRID = VoxelGrid((50, 50, 50), np.diag([2.0, 2.0, 2.0, 1.0]))


def walk(name, start, end):
    here = np.array(end, float)
    return Trajectory(
        landmark=name,
        start=start,
        positions_lps_mm=here[None],
        box_sizes_mm=np.ones((1, 3)),
        step_sizes_mm=np.ones(1),
        scales=np.zeros(1, int),
        actions=np.zeros(0, int),
        q_values=np.zeros((0, 6), np.float32),
        action_names=("L+", "L-", "P+", "P-", "S+", "S-"),
        endpoint_lps_mm=here,
        terminated=True,
    )


def search(grid=GRID, **found):
    """Return a search by landmark: answer and ends of starts; None for not found."""
    results, walks = [], []
    for name, value in found.items():
        answer, ends = value if value is not None else (None, [])
        state = SearchState.OUTSIDE if answer is None else SearchState.FOUND
        results.append(LandmarkResult(name, state, answer, 0.0, 1.0, 1))
        walks += [walk(name, number, end) for number, end in enumerate(ends)]
    return grid, Localization(tuple(results), tuple(walks), "x", "", 0.0, "cpu")


def test_starts_that_end_together_leave_no_doubt():
    (doubt,) = doubts([search(heart=((10, 10, 10), [(10, 10, 10)] * 4))])
    assert (doubt.starts_mm, doubt.sequences_mm, doubt.doubt_mm) == (0, 0, 0)
    assert (doubt.n_found, doubt.n_images) == (1, 1)


def test_one_lost_start_counts_by_its_share_and_no_more_than_the_cap():
    ends = [(10, 10, 10)] * 3 + [(10, 10, 9000)]
    (doubt,) = doubts([search(heart=((10, 10, 10), ends))])
    assert doubt.starts_mm == pytest.approx(CAP_MM / 4)


def test_sequences_disagree_by_their_mean_distance():
    one, two, three = (search(heart=((10, 10, z), [(10, 10, z)])) for z in (10, 16, 22))
    (doubt,) = doubts([one, two, three])
    assert doubt.sequences_mm == pytest.approx((6 + 12 + 6) / 3)
    assert doubt.doubt_mm == doubt.sequences_mm


def test_not_found_where_another_image_finds_it_is_doubt():
    seen, unseen = search(heart=((10, 10, 10), [])), search(heart=None)
    (doubt,) = doubts([seen, unseen])
    assert doubt.sequences_mm == CAP_MM
    assert (doubt.n_found, doubt.n_images) == (1, 2)


def test_an_image_that_does_not_show_the_place_says_nothing():
    elsewhere = VoxelGrid((5, 5, 5), np.eye(4))
    (doubt,) = doubts([search(heart=((50, 50, 50), [])), search(elsewhere, heart=None)])
    assert doubt.sequences_mm == 0


def test_what_no_image_shows_is_left_out_and_the_rest_is_sorted():
    found = doubts(
        [
            search(
                heart=((10, 10, 10), [(10, 10, 12)]),
                knee=None,
                kidney=((10, 10, 10), [(10, 10, 19)]),
            )
        ]
    )
    assert [doubt.landmark for doubt in found] == ["kidney", "heart"]
