"""Moves and rewards of the dense agents."""

import pytest
import torch

from napari_midrl.agents.dense_lookup import ACTION_NAMES, DIRECTIONS, move, reward
from napari_midrl.agents.dense_scales import COARSE_SCALES, DETAIL, FINE, last_scales

LOW, HIGH = torch.zeros(3), torch.full((3,), 10.0)


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("L+", (7, 5, 5)),
        ("L-", (3, 5, 5)),
        ("P+", (5, 7, 5)),
        ("P-", (5, 3, 5)),
        ("S+", (5, 5, 7)),
        ("S-", (5, 5, 3)),
    ],
)
def test_an_action_moves_along_the_axis_it_is_named_after(action, expected):
    number = torch.tensor([ACTION_NAMES.index(action)])
    moved, stayed = move(torch.full((1, 3), 5.0), number, 2.0, LOW, HIGH)
    assert moved[0].tolist() == list(expected)
    assert not stayed.any()


def test_the_last_position_inside_is_an_ordinary_position():
    moved, stayed = move(torch.tensor([[8.0, 5, 5]]), torch.tensor([0]), 2.0, LOW, HIGH)
    assert moved[0].tolist() == [10, 5, 5]
    assert not stayed.any()


@pytest.mark.parametrize(("position", "action"), [([9.0, 5, 5], 0), ([5, 5, 1.0], 5)])
def test_who_would_leave_the_image_stays(position, action):
    before = torch.tensor([position])
    moved, stayed = move(before, torch.tensor([action]), 2.0, LOW, HIGH)
    assert torch.equal(moved, before)
    assert stayed.tolist() == [True]


def test_each_map_may_have_bounds_of_its_own():
    positions = torch.full((2, 1, 3), 5.0)
    high = torch.tensor([[[6.0, 6, 6]], [[10.0, 10, 10]]])
    actions = torch.zeros(2, 1, dtype=torch.long)
    _, stayed = move(positions, actions, 2.0, torch.zeros(3), high)
    assert stayed.flatten().tolist() == [True, False]


@pytest.mark.parametrize("step", [0.5, 1.0, 4.0])
def test_the_reward_is_the_distance_gained_in_steps(step):
    target = torch.tensor([[100.0, 0, 0]])
    before = torch.zeros(1, 3)
    kept = torch.tensor([False])
    nearer = reward(before, before + step * DIRECTIONS[:1], kept, target, step)
    farther = reward(before, before + step * DIRECTIONS[1:2], kept, target, step)
    assert nearer.item() == pytest.approx(1)
    assert farther.item() == pytest.approx(-1)


def test_a_sideways_move_is_judged_by_the_euclidean_distance():
    """From (3, 0, 0) to (3, 4, 0), the landmark at 0: 3 away becomes 5 away."""
    lost = reward(
        torch.tensor([[3.0, 0, 0]]),
        torch.tensor([[3.0, 4, 0]]),
        torch.tensor([False]),
        torch.zeros(1, 3),
        4.0,
    )
    assert lost.item() == pytest.approx((3 - 5) / 4)


def test_trying_to_leave_costs_a_whole_step():
    here = torch.ones(1, 3)
    assert reward(here, here, torch.tensor([True]), here, 4.0).item() == -1


def test_every_scale_steps_half_of_the_one_before():
    """The finer scale then reaches all that the coarser one can leave."""
    fine = (*COARSE_SCALES, *FINE.scales)
    steps = [scale.step for scale in (*fine, *last_scales(fine[-1]))]
    assert steps == [4.0, 2.0, 1.0, 0.5, 0.25, 0.125]


def test_the_detail_begins_where_the_fine_cubes_end():
    """What they show is new; a step as long as the last one can use it."""
    steps = [scale.step for scale in (*DETAIL.scales, *last_scales(DETAIL.scales[-1]))]
    assert steps == [0.5, 0.25, 0.125, 0.0625]
    assert DETAIL.level == FINE.level / 2


@pytest.mark.parametrize("closeup", [FINE, DETAIL])
def test_features_of_a_close_up_are_blocks_of_two_voxels(closeup):
    assert closeup.level * closeup.voxels_per_unit == 2


def test_where_there_is_nothing_to_find_every_move_is_lost():
    here = torch.zeros(6, 3)
    nothing = torch.full((6, 3), torch.nan)
    stayed = torch.zeros(6, dtype=torch.bool)
    gained = reward(here, here + DIRECTIONS, stayed, nothing, 1.0)
    assert gained.tolist() == [-1] * 6
