"""Where starts of a lattice lead, all at once; the walk of one agent is the judge."""

import numpy as np
import pytest
import torch

from napari_midrl.agents.attraction import grouped, rests, successors
from napari_midrl.agents.dense_walk import walk

SHAPE = (7, 6, 5)
FORTH_AND_BACK = np.array([0, 0, 1, 0, 1])
"""On a line of five: 0 and 1 go to the pair 1, 2; 3 and 4 are a pair."""


def finished(walking):
    while True:
        try:
            next(walking)
        except StopIteration as stop:
            return stop.value


def test_a_line_has_the_rests_one_can_see():
    following = successors(FORTH_AND_BACK, (5, 1, 1), 1)
    assert following.tolist() == [1, 2, 1, 4, 3]
    promises = np.array([0.9, 0.3, 0.2, 0.5, 0.6])
    assert rests(following, promises).tolist() == [2, 2, 2, 3, 3]


def test_who_would_leave_the_lattice_stays():
    assert successors(np.array([1, 0]), (2, 1, 1), 1).tolist() == [0, 1]
    assert successors(np.array([4, 5]), (1, 1, 2), 1).tolist() == [1, 0]
    assert successors(np.array([4, 4]), (1, 1, 2), 2).tolist() == [0, 1]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_start_rests_where_its_own_walk_ends(stride):
    """Random values: long ways, cycles of many points, borders."""
    generator = torch.Generator().manual_seed(stride)
    table = torch.randn(*SHAPE, 6, generator=generator)
    flat = table.reshape(-1, 6).numpy()
    following = successors(flat.argmax(axis=1), SHAPE, stride)
    ends = rests(following, flat.max(axis=1))

    def q_of(positions):
        i, j, k = positions.round().long().unbind(dim=-1)
        return table[i, j, k]

    starts = np.stack(np.unravel_index(np.arange(len(flat)), SHAPE), axis=-1)
    walks = finished(
        walk(
            q_of,
            torch.tensor(starts, dtype=torch.float32)[None],
            torch.zeros(3),
            torch.tensor(SHAPE) - 1.0,
            float(stride),
            torch.full((1, len(starts)), 999),
        )
    )
    assert walks.closed.all()
    expected = np.ravel_multi_index(walks.endpoints[0].long().numpy().T, SHAPE)
    np.testing.assert_array_equal(ends, expected)


def test_a_single_point_rests_on_itself():
    assert rests(np.array([0]), np.array([1.0])).tolist() == [0]


def test_the_heaviest_group_comes_first():
    places = np.array([[0.0, 0, 0], [9, 0, 0], [1, 0, 0], [10, 0, 0], [50, 0, 0]])
    weights = np.array([0.3, 0.2, 0.1, 0.3, 0.1])
    assert grouped(places, weights, 2.0).tolist() == [1, 0, 1, 0, 2]
