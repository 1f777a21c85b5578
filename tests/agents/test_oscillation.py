"""Tests for napari_midrl.agents.oscillation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_midrl.agents.oscillation import EndRule, is_oscillating, settled_position

A, B, C = (5, 5, 5), (5, 5, 6), (5, 6, 5)
ORIGIN = (0, 0, 0)


def walks(*agents, window=20):
    """Right-align (voxel, best Q-value) walks as the game keeps them."""
    visited = torch.zeros((len(agents), window, 3), dtype=torch.int64)
    max_q = torch.full((len(agents), window), -99.0)
    for row, walk in enumerate(agents):
        for back, (voxel, q) in enumerate(reversed(walk)):
            visited[row, window - 1 - back] = torch.tensor(voxel)
            max_q[row, window - 1 - back] = q
    return visited, max_q, torch.tensor([len(walk) for walk in agents])


def oscillating(*agents, **rule):
    visited, _, n_visited = walks(*agents)
    return is_oscillating(visited, n_visited, **rule).tolist()


def settled(walk, **rule):
    visited, max_q, n_visited = walks(walk)
    return tuple(settled_position(visited, max_q, n_visited, **rule)[0].tolist())


def test_more_than_three_visits_are_oscillation_and_three_are_not():
    three = [(A, 1), (B, 1), (A, 1), (C, 1), (A, 1)]
    assert oscillating(three, [*three, (B, 1), (A, 1)]) == [False, True]


def test_visits_before_the_window_are_forgotten():
    """Four visits to A, the first of them 21 positions back."""
    others = [((n, 9, 9), 1) for n in range(17)]
    assert oscillating([(A, 1), *others, (A, 1), (A, 1), (A, 1)][-20:]) == [False]
    assert oscillating([(A, 1), *others[1:], (A, 1), (A, 1), (A, 1)]) == [True]


def test_a_young_history_holds_no_padding_that_looks_like_the_corner_voxel():
    """Zeros fill the tensor, but an agent that was there once was there once."""
    assert oscillating([(ORIGIN, 1)], [(ORIGIN, 1)] * 4) == [False, True]


def test_each_agent_is_judged_by_itself():
    still = [((n, 0, 0), 1) for n in range(6)]
    assert oscillating(still, [(A, 1), (B, 1)] * 4, still) == [False, True, False]


def test_the_place_with_least_left_to_gain_wins():
    walk = [(A, 3), (B, 2), (A, 3), (C, 2), (A, 3), (B, 1), (A, 3)]
    assert settled(walk) == B
    assert settled(walk, rule=EndRule.LARGEST_MAX_Q) == A


def test_only_the_last_four_places_may_be_chosen():
    walk = [(B, -5), (A, 3), (C, 2), (A, 3), (C, 2)]
    assert settled(walk) == C
    assert settled(walk, n_candidates=5) == B


def test_a_walk_of_two_settles_on_one_of_the_two():
    """The filler before them has the smallest value and must not win."""
    assert settled([(A, 1), (B, 2)]) == A


def test_lengths_that_disagree_name_both_shapes():
    with pytest.raises(ValueError, match=r"\(2, 20, 3\) and \(3,\)"):
        is_oscillating(torch.zeros(2, 20, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        oscillating([(A, 1)], max_visits=0)


@given(
    positions=hnp.arrays(np.int64, (3, 12, 3), elements=st.integers(0, 1)),
    max_q=hnp.arrays(np.float32, (3, 12), elements=st.integers(-50, 50)),
    n_visited=hnp.arrays(np.int64, 3, elements=st.integers(1, 12)),
    shift=hnp.arrays(np.int64, 3, elements=st.integers(-100, 100)),
)
@settings(deadline=None, max_examples=50)
def test_the_rule_agrees_with_counting_by_hand(positions, max_q, n_visited, shift):
    """And moving the grid moves the endpoint along."""
    arrays = [torch.from_numpy(a) for a in (positions, max_q, n_visited)]
    visited, values, n = arrays
    oscillates = is_oscillating(visited, n)
    moved = settled_position(visited + torch.from_numpy(shift), values, n)
    for row in range(3):
        real = [tuple(p) for p in positions[row, 12 - n_visited[row] :]]
        assert bool(oscillates[row]) == (max(real.count(p) for p in real) > 3)
        newest = max_q[row, 12 - n_visited[row] :][-4:]
        expected = np.array(real[-4:][int(newest.argmin())]) + shift
        np.testing.assert_array_equal(moved[row], expected)
