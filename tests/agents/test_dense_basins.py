"""Where searches begin, and which of them end together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_midrl.agents.dense_basins import basins, start_fractions


def test_one_start_is_the_center():
    assert start_fractions(1, seed=0).tolist() == [[0.5, 0.5, 0.5]]


def test_the_nineteen_published_starts_come_first():
    starts = start_fractions(19, seed=0)
    expected = {
        (i / 4, j / 4, k / 4)
        for i in (1, 2, 3)
        for j in (1, 2, 3)
        for k in (1, 2, 3)
        if 2 in (i, j, k)
    }
    assert {tuple(row) for row in starts.tolist()} == expected
    assert len(starts) == 19


@settings(deadline=None, max_examples=30)
@given(n_starts=st.integers(1, 60), seed=st.integers(0, 1000))
def test_as_many_starts_as_asked_for_and_all_in_the_middle(n_starts, seed):
    starts = start_fractions(n_starts, seed)
    assert starts.shape == (n_starts, 3)
    assert (starts >= 0.2).all()
    assert (starts <= 0.8).all()
    assert len(np.unique(starts, axis=0)) == n_starts


def test_more_starts_keep_those_there_were():
    assert np.array_equal(start_fractions(40, 3)[:25], start_fractions(25, 3))


def test_the_seed_draws_the_further_starts():
    first, second = start_fractions(25, 1), start_fractions(25, 2)
    assert np.array_equal(first[:19], second[:19])
    assert not np.array_equal(first[19:], second[19:])


def test_endpoints_fall_into_groups_the_largest_first():
    near_ten = [[10.0, 10, 10], [11, 10, 10], [9, 10, 10], [10, 11, 10]]
    near_forty = [[40.0, 40, 40], [41, 40, 40]]
    groups = basins(np.array([*near_forty, *near_ten, [90.0, 0, 0]]), radius=5)
    assert [int(group.members.sum()) for group in groups] == [4, 2, 1]
    assert groups[0].position_lps_mm.tolist() == [10, 10, 10]


@settings(deadline=None, max_examples=30)
@given(n=st.integers(1, 30), seed=st.integers(0, 1000), radius=st.floats(0.5, 60))
def test_every_endpoint_is_in_exactly_one_group(n, seed, radius):
    endpoints = np.random.default_rng(seed).uniform(0, 50, (n, 3))
    groups = basins(endpoints, radius)
    assert (sum(group.members.astype(int) for group in groups) == 1).all()


@pytest.mark.parametrize("outlier", [50.0, 5_000.0])
def test_an_outlier_does_not_pull_the_answer(outlier):
    rng = np.random.default_rng(0)
    cluster = rng.normal(20, 0.5, (15, 3))
    group = basins(np.vstack([cluster, np.full((1, 3), outlier)]), radius=4)[0]
    assert np.abs(group.position_lps_mm - np.median(cluster, axis=0)).max() < 1e-9
