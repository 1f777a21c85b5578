"""Tests for napari_midrl.agents.actions and .reward."""

import pytest
import torch

from napari_midrl.agents.actions import ACTIONS_2D, ACTIONS_3D, ActionSet
from napari_midrl.agents.reward import clip_reward, distance_mm, distance_reward


def test_the_moves_have_the_published_order():
    """Networks give Q-values in this order; another order is another agent."""
    assert ACTIONS_2D.names == ("Y+", "X+", "X-", "Y-")
    assert ACTIONS_3D.names == ("Z+", "Y+", "X+", "X-", "Y-", "Z-")


@pytest.mark.parametrize("actions", [ACTIONS_2D, ACTIONS_3D])
def test_names_say_where_moves_lead(actions):
    for name, direction in zip(actions.names, actions.directions, strict=True):
        expected = [0, 0, 0]
        expected["XYZ".index(name[0])] = 1 if name[1] == "+" else -1
        assert list(direction) == expected


def test_agents_of_a_slice_stay_in_it():
    assert ACTIONS_2D.axes == (0, 1)
    assert ACTIONS_3D.axes == (0, 1, 2)


@pytest.mark.parametrize("direction", [(0, 0, 0), (1, 1, 0), (2, 0, 0)])
def test_an_action_is_one_step_on_one_axis(direction):
    with pytest.raises(ValueError, match="one step on one axis"):
        ActionSet(("odd",), (direction,))


def test_an_action_without_a_name_is_refused():
    with pytest.raises(ValueError, match="got 1 and 2"):
        ActionSet(("X+",), ((1, 0, 0), (-1, 0, 0)))


def test_distance_is_in_mm_on_anisotropic_voxels():
    """3 voxels of 1 mm and 2 of 2 mm make a 3-4-5 triangle."""
    away = distance_mm(
        torch.tensor([[3, 2, 7]]),
        torch.tensor([[0, 0, 7]]),
        torch.tensor([[1.0, 2.0, 5.0]]),
    )
    assert away.tolist() == [5.0]


def test_reward_is_what_was_gained_and_minus_one_at_the_border():
    reward = distance_reward(
        torch.tensor([10.0, 10.0, 10.0]),
        torch.tensor([7.0, 11.0, 10.0]),
        torch.tensor([True, True, False]),
    )
    assert reward.tolist() == [3.0, -1.0, -1.0]


def test_the_loss_sees_rewards_between_minus_one_and_one():
    assert clip_reward(torch.tensor([-9.0, -0.3, 0.4, 9.0])).tolist() == pytest.approx(
        [-1, -0.3, 0.4, 1]
    )
