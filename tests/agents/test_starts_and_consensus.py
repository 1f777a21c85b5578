"""Tests for napari_midrl.agents.starts and .consensus."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_midrl.agents.actions import ACTIONS_2D, ACTIONS_3D
from napari_midrl.agents.consensus import find_consensus
from napari_midrl.agents.starts import grid_starts, random_starts, search_starts


def seeded():
    return torch.Generator().manual_seed(0)


def test_nineteen_fixed_starts_in_a_volume_the_center_first():
    starts = grid_starts((40, 80, 20), ACTIONS_3D)
    assert len({tuple(s) for s in starts.tolist()}) == len(starts) == 19
    assert starts[0].tolist() == [20, 40, 10]
    assert all(20 in s or 40 in s or 10 in s for s in starts.tolist())


def test_five_fixed_starts_in_a_slice():
    starts = grid_starts((40, 80, 1), ACTIONS_2D)
    expected = {(20, 40, 0), (10, 40, 0), (30, 40, 0), (20, 20, 0), (20, 60, 0)}
    assert {tuple(s) for s in starts.tolist()} == expected


@given(
    shape=st.tuples(*[st.integers(1, 60)] * 3), share=st.sampled_from([0.5, 0.6, 1.0])
)
@settings(deadline=None, max_examples=40)
def test_random_starts_lie_in_the_central_part(shape, share):
    starts = random_starts(torch.tensor([shape]).expand(50, 3), share, seeded())
    size = np.array(shape)
    assert (starts.numpy() >= np.floor(size * (1 - share) / 2)).all()
    assert (starts.numpy() < np.ceil(size * (1 + share) / 2)).all()
    assert (starts.numpy() < size).all()


def test_random_starts_follow_the_fixed_ones():
    few = search_starts((40, 40, 40), ACTIONS_3D, 3, 0.5, seeded())
    many = search_starts((40, 40, 40), ACTIONS_3D, 30, 0.5, seeded())
    assert len(few) == 3
    assert len(many) == 30
    assert torch.equal(many[:3], few)
    assert ((many >= 10) & (many <= 30)).all()


def around(center, n, away, rng):
    return np.array(center) + rng.uniform(-away, away, (n, 3))


def test_most_starts_win_and_strays_do_not_pull():
    """6 of 8 agree; the two others are 300 mm off and the mean would follow them."""
    rng = np.random.default_rng(0)
    ends = np.concatenate([around((10, 20, 30), 6, 1, rng), [[300, 0, 0], [310, 0, 0]]])
    found = find_consensus(ends, np.ones(8, bool), 5)
    assert np.linalg.norm(found.position_lps_mm - [10, 20, 30]) < 1
    assert found.members.tolist() == [True] * 6 + [False] * 2
    assert found.agreement == 0.75
    assert found.spread_mm < 2


def test_the_densest_place_wins_even_without_a_majority():
    """3 of 7 agree; the median of all seven lies far from every one of them."""
    ends = np.array([[0.0, 0, 0]] * 3 + [[n * 50.0, 90, 90] for n in range(1, 5)])
    found = find_consensus(ends, np.ones(7, bool), 5)
    assert found.position_lps_mm.tolist() == [0, 0, 0]
    assert found.members.tolist() == [True] * 3 + [False] * 4


def test_starts_that_did_not_settle_have_no_vote_but_count():
    ends = np.array([[0.0, 0, 0], [50, 0, 0], [50, 0, 0], [50, 0, 0]])
    found = find_consensus(ends, np.array([True, False, False, False]), 5)
    assert found.position_lps_mm.tolist() == [0, 0, 0]
    assert found.agreement == 0.25
    assert find_consensus(ends, np.zeros(4, bool), 5) is None


def test_spread_is_the_root_mean_square_distance():
    ends = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    found = find_consensus(ends, np.ones(3, bool), 5)
    assert found.position_lps_mm.tolist() == [1, 0, 0]
    assert found.spread_mm == pytest.approx((2 / 3) ** 0.5)


@given(seed=st.integers(0, 999), n=st.integers(1, 12))
@settings(deadline=None, max_examples=30)
def test_moving_the_endpoints_moves_the_consensus_along(seed, n):
    rng = np.random.default_rng(seed)
    ends = rng.normal(0, 10, (n, 3))
    shift = rng.normal(0, 100, 3)
    here = find_consensus(ends, np.ones(n, bool), 8)
    there = find_consensus(ends + shift, np.ones(n, bool), 8)
    np.testing.assert_allclose(there.position_lps_mm, here.position_lps_mm + shift)
    np.testing.assert_array_equal(there.members, here.members)
    assert here.members.any()
