"""Tests for napari_midrl.agents.dqn and .schedule."""

import pytest
import torch
from torch import nn

from napari_midrl.agents.dqn import (
    average_weights,
    copy_weights,
    huber_td_loss,
    n_step_return,
    td_loss,
    td_target,
)
from napari_midrl.agents.schedule import epoch_of, epsilon_at

Q_TARGET = torch.tensor([[1.0, 5.0, 2.0], [4.0, 0.0, -1.0]])
Q_ONLINE = torch.tensor([[9.0, 0.0, 1.0], [0.0, 7.0, 1.0]])
REWARD = torch.tensor([0.5, -1.0])
NOBODY = torch.tensor([False, False])


def test_dqn_bootstraps_with_the_best_value_of_the_target_network():
    target = td_target(REWARD, 0.9, NOBODY, Q_TARGET)
    torch.testing.assert_close(target, torch.tensor([0.5 + 4.5, -1 + 3.6]))


def test_double_dqn_lets_the_online_network_choose():
    """It chooses actions 0 and 1, which the target network values 1 and 0."""
    target = td_target(REWARD, 0.9, NOBODY, Q_TARGET, Q_ONLINE)
    torch.testing.assert_close(target, torch.tensor([0.5 + 0.9, -1.0]))


def test_nothing_is_bootstrapped_after_a_terminal_step():
    """Not even a value that is infinite."""
    values = Q_TARGET.clone()
    values[1] = torch.inf
    target = td_target(REWARD, 0.9, torch.tensor([False, True]), values)
    torch.testing.assert_close(target, torch.tensor([5.0, -1.0]))


def test_targets_carry_no_gradient():
    q = Q_TARGET.clone().requires_grad_()
    assert not td_target(REWARD, 0.9, NOBODY, q).requires_grad


def test_n_steps_add_up_until_the_episode_ends():
    rewards = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    ended = torch.tensor([[0, 0, 0], [0, 1, 0], [1, 0, 0]]).bool()
    total, discount, terminated = n_step_return(rewards, ended, 0.5)
    assert total.tolist() == [3.0, 2.0, 1.0]
    assert discount.tolist() == [0.125] * 3
    assert terminated.tolist() == [False, True, True]


def test_one_step_is_the_plain_target():
    total, discount, terminated = n_step_return(REWARD[:, None], NOBODY[:, None], 0.9)
    torch.testing.assert_close(
        td_target(total, discount, terminated, Q_TARGET),
        td_target(REWARD, 0.9, NOBODY, Q_TARGET),
    )


def test_the_loss_is_huber_on_the_action_taken():
    """Errors 0.5 and 3: (0.125 + 2.5) / 2."""
    loss = td_loss(Q_ONLINE, torch.tensor([0, 1]), torch.tensor([9.5, 4.0]))
    assert loss.item() == pytest.approx((0.125 + 2.5) / 2)


def test_rewards_are_clipped_in_the_loss():
    def loss(reward):
        return huber_td_loss(
            q_tm1=torch.zeros(2, 3),
            a_tm1=torch.tensor([0, 0]),
            r_t=torch.tensor(reward),
            discount=0.9,
            terminated_t=~NOBODY,
            q_target_t=Q_TARGET,
        ).item()

    assert loss([14.0, -9.0]) == loss([1.0, -1.0]) != loss([0.5, -0.5])


def two_networks():
    torch.manual_seed(0)
    return nn.Linear(3, 2), nn.Linear(3, 2)


def test_target_weights_differ_before_a_copy_and_are_equal_after():
    """The published multi-agent code copies its target onto itself: equal never."""
    online, target = two_networks()
    before = online.weight.clone()
    assert not torch.equal(online.weight, target.weight)
    copy_weights(online, target)
    assert torch.equal(online.weight, target.weight)
    assert torch.equal(online.bias, target.bias)
    assert torch.equal(online.weight, before)
    with torch.no_grad():
        online.weight += 1
    assert not torch.equal(online.weight, target.weight)


def test_an_average_moves_part_of_the_way():
    online, target = two_networks()
    wanted = 0.75 * target.weight + 0.25 * online.weight
    average_weights(online, target, 0.25)
    torch.testing.assert_close(target.weight, wanted)


@pytest.mark.parametrize(
    ("epoch", "epsilon"),
    [(1, 1.0), (5.5, 0.55), (10, 0.1), (20, 0.0971), (320, 0.01), (999, 0.01)],
)
def test_epsilon_follows_the_published_schedule(epoch, epsilon):
    assert epsilon_at(epoch) == pytest.approx(epsilon, abs=1e-4)


def test_epochs_begin_at_one():
    assert [epoch_of(n, 25_000) for n in (0, 24_999, 25_000)] == [1, 1, 2]
