"""Targets of temporal-difference learning, worked by hand on constant fields."""

import pytest
import torch
from torch import nn

from napari_midrl.agents.dense_blocks import QField
from napari_midrl.agents.dense_learning import (
    Field,
    Targets,
    follow,
    n_step_returns,
    td_loss,
)
from napari_midrl.agents.dense_scales import Scale

SCALE = Scale(1.0, 1, box=12)
FAR_FROM_ANY_BORDER = (torch.full((3,), -100.0), torch.full((3,), 100.0))


def field_over_nothing(weight, bias, level):
    """Agents that see a map of zeros: their biases are their Q-values."""
    return QField(torch.zeros(1, 1, 2, 2, 2), nn.Identity(), weight, bias, level)


def constant_field(*q_values):
    """A field that says the same everywhere, for one agent."""
    bias = torch.tensor([q_values], dtype=torch.float32)
    return field_over_nothing(torch.zeros(1, 6, 1), bias, 1)


ALWAYS_L_PLUS = constant_field(1, 0, 0, 0, 0, 0)
JUDGE = constant_field(5, 0, 99, 0, 0, 0)
"""Its own best action is P+, which double Q-learning must not take."""


def returns_at(start, target, bounds=FAR_FROM_ANY_BORDER, rule=None):
    field = Field(*bounds, torch.tensor([target], dtype=torch.float32))
    starts = torch.tensor([[start]], dtype=torch.float32)
    rule = rule or Targets(0.9, 3)
    return n_step_returns(ALWAYS_L_PLUS, JUDGE, starts, field, SCALE, rule)[0, 0]


def test_three_rewards_and_what_the_target_network_says_of_the_fourth_action():
    returns = returns_at((0, 0, 0), (8, 0, 0))
    bootstrap = 0.9**3 * 5
    assert returns[0].item() == pytest.approx(1 + 0.9 + 0.81 + bootstrap)
    assert returns[1].item() == pytest.approx(-1 + 0.9 + 0.81 + bootstrap)


def test_single_q_learning_lets_the_target_network_choose_too():
    rule = Targets(0.9, 3, double=False)
    returns = returns_at((0, 0, 0), (8, 0, 0), rule=rule)
    assert returns[0].item() == pytest.approx(1 + 0.9 + 0.81 + 0.9**3 * 99)


def test_the_first_action_is_tried_and_the_others_are_greedy():
    """P+ first, then twice L+: distances 8, sqrt(65), sqrt(50), sqrt(37)."""
    returns = returns_at((0, 0, 0), (8, 0, 0))
    expected = (8 - 65**0.5) + 0.9 * (65**0.5 - 50**0.5) + 0.81 * (50**0.5 - 37**0.5)
    assert returns[2].item() == pytest.approx(expected + 0.9**3 * 5, abs=1e-5)


def test_nothing_ends_at_the_landmark():
    """No position is terminal: walking past the landmark goes on and is paid for."""
    returns = returns_at((7, 0, 0), (8, 0, 0))
    assert returns[0].item() == pytest.approx(1 - 0.9 - 0.81 + 0.9**3 * 5)


def test_pushing_against_the_border_costs_one_at_every_step():
    bounds = (torch.zeros(3), torch.tensor([0.5, 9, 9]))
    returns = returns_at((0, 0, 0), (8, 0, 0), bounds)
    assert returns[0].item() == pytest.approx(-1 - 0.9 - 0.81 + 0.9**3 * 5)


def test_an_agent_without_a_landmark_expects_to_lose_every_move():
    nothing = (float("nan"),) * 3
    returns = returns_at((0, 0, 0), nothing, rule=Targets(0.5, 3))
    assert returns.tolist() == pytest.approx([-1 - 0.5 - 0.25 + 0.5**3 * 5] * 6)


def test_one_reward_is_the_one_step_target():
    returns = returns_at((0, 0, 0), (8, 0, 0), rule=Targets(0.5, 1))
    assert returns[:2].tolist() == pytest.approx([1 + 0.5 * 5, -1 + 0.5 * 5])


def test_each_agent_seeks_its_own_landmark():
    both = field_over_nothing(torch.zeros(2, 6, 1), torch.eye(6)[:2], 1)
    targets = torch.tensor([[8.0, 0, 0], [-8.0, 0, 0]])
    field = Field(*FAR_FROM_ANY_BORDER, targets)
    zero = field_over_nothing(torch.zeros(2, 6, 1), torch.zeros(2, 6), 1)
    starts = torch.zeros(2, 1, 3)
    returns = n_step_returns(both, zero, starts, field, SCALE, Targets(0.9, 2))
    assert returns[0, 0, :2].tolist() == pytest.approx([1 + 0.9, -1 + 0.9])
    assert returns[1, 0, :2].tolist() == pytest.approx([-1 + 0.9, 1 + 0.9])


def test_the_loss_is_huber_and_moves_the_online_network_alone():
    online = constant_field(1, 0, 0, 0, 0, 0)
    online.bias.requires_grad_()
    JUDGE.bias.requires_grad_(False)
    field = Field(*FAR_FROM_ANY_BORDER, torch.tensor([[8.0, 0, 0]]))
    starts = torch.zeros(1, 1, 3)
    loss = td_loss(online, JUDGE, starts, field, SCALE, Targets(0.9, 1))
    step_aside = 8 - 65**0.5
    wanted = [r + 0.9 * 5 for r in (1, -1, *[step_aside] * 4)]
    errors = [w - q for w, q in zip(wanted, (1, 0, 0, 0, 0, 0), strict=True)]
    # All are above 1, where Huber's loss is linear.
    assert loss.item() == pytest.approx(sum(e - 0.5 for e in errors) / 6, abs=1e-5)
    loss.backward()
    torch.testing.assert_close(online.bias.grad[0], torch.full((6,), -1 / 6))


def test_without_a_rule_the_loss_is_to_what_the_other_expects_whatever_is_rewarded():
    online = constant_field(1, 0, 0, 0, 0, 0)
    other = constant_field(1.5, 0, 0, 0, 0, -0.5)
    starts = torch.zeros(1, 1, 3)
    losses = []
    for target in ([8.0, 0, 0], [0, -8.0, 0]):
        field = Field(*FAR_FROM_ANY_BORDER, torch.tensor([target]))
        losses.append(td_loss(online, other, starts, field, SCALE, None).item())
    # Two of six are off by a half, where Huber's loss is half the square.
    assert losses == pytest.approx([2 * 0.5 * 0.25 / 6] * 2)


def test_an_agent_counts_by_its_weight():
    """The first agent is nearly right, the second is off by 9."""
    zero = field_over_nothing(torch.zeros(2, 6, 1), torch.zeros(2, 6), 1)
    bias = torch.zeros(2, 6)
    bias[1] = 9
    online = field_over_nothing(torch.zeros(2, 6, 1), bias, 1)
    field = Field(*FAR_FROM_ANY_BORDER, torch.tensor([[8.0, 0, 0]] * 2))
    arguments = online, zero, torch.zeros(2, 1, 3), field, SCALE, Targets(0.9, 1)
    first, second, both = (
        td_loss(*arguments, torch.tensor(weights)).item()
        for weights in ([1.0, 0.0], [0.0, 1.0], [1.0, 3.0])
    )
    assert second > first + 5
    assert both == pytest.approx((first + 3 * second) / 4)
    alike = td_loss(*arguments, torch.ones(2)).item()
    assert alike == pytest.approx(td_loss(*arguments).item())


def test_the_target_network_follows_a_small_share():
    lagging, trained = nn.Linear(1, 1), nn.Linear(1, 1)
    with torch.no_grad():
        for parameter in lagging.parameters():
            parameter.fill_(0)
        for parameter in trained.parameters():
            parameter.fill_(10)
    follow(lagging, trained, 0.02)
    assert [p.item() for p in lagging.parameters()] == pytest.approx([0.2, 0.2])
    assert all(p.item() == 10 for p in trained.parameters())
