"""Walks of many agents: where they end, and what they keep of the way."""

import pytest
import torch

from napari_midrl.agents.dense_lookup import DIRECTIONS
from napari_midrl.agents.dense_walk import walk

SIZE = 13
LOW, HIGH = torch.zeros(3), torch.full((3,), SIZE - 1.0)


def play(q_of, starts, *, step=1.0, budget=200, low=LOW, high=HIGH):
    """Play walks to their end; return what every step reported, and the walks."""
    budgets = torch.full(starts.shape[:2], budget)
    walking = walk(q_of, starts, low, high, step, budgets)
    reports = []
    while True:
        try:
            reports.append(next(walking))
        except StopIteration as stop:
            return reports, stop.value


def always(action):
    """Q-values that prefer one action everywhere."""
    values = torch.zeros(6)
    values[action] = 1
    return lambda positions: values.expand(*positions.shape[:2], 6)


def exact_q(targets, gamma=0.9, sweeps=200):
    """Q* on the lattice of whole numbers, by value iteration; nothing is terminal.

    Shape (n, SIZE, SIZE, SIZE, action).
    """
    axis = torch.arange(float(SIZE))
    lattice = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    wanted = lattice[..., None, :] + DIRECTIONS
    leaves = ((wanted < 0) | (wanted > SIZE - 1)).any(dim=-1)
    arrived = torch.where(leaves[..., None], lattice[..., None, :], wanted)
    i, j, k = arrived.long().unbind(dim=-1)
    tables = []
    for target in targets:
        before = (lattice - target).norm(dim=-1)[..., None]
        gained = before - (arrived - target).norm(dim=-1)
        rewards = torch.where(leaves, torch.full_like(gained, -1.0), gained)
        q_table = torch.zeros_like(rewards)
        for _ in range(sweeps):
            q_table = rewards + gamma * q_table.max(dim=-1).values[i, j, k]
        tables.append(q_table)
    return torch.stack(tables)


def looked_up(tables):
    def q_of(positions):
        i, j, k = positions.round().long().unbind(dim=-1)
        agent = torch.arange(len(tables))[:, None].expand_as(i)
        return tables[agent, i, j, k]

    return q_of


def test_with_the_exact_values_every_agent_ends_at_the_nearest_lattice_point():
    """The end rule is right for a target that is not terminal: 200 random starts."""
    generator = torch.Generator().manual_seed(0)
    targets = 1 + torch.rand(4, 3, generator=generator) * (SIZE - 3)
    starts = torch.randint(SIZE, (4, 50, 3), generator=generator).float()
    _, walks = play(looked_up(exact_q(targets)), starts)
    assert walks.closed.all()
    nearest = targets.round()[:, None].expand(4, 50, 3)
    assert torch.equal(walks.endpoints, nearest)


def test_an_agent_that_wants_out_stays_at_the_border():
    starts = torch.tensor([[[5.0, 6, 7]]])
    _, walks = play(always(0), starts)
    assert walks.endpoints[0, 0].tolist() == [12, 6, 7]
    assert walks.closed.all()
    assert walks.end_rows.item() == 7


def test_a_step_that_would_leave_by_a_part_is_not_taken():
    _, walks = play(always(4), torch.tensor([[[5.0, 6, 7]]]), step=2.0)
    assert walks.endpoints[0, 0].tolist() == [5, 6, 11]


def test_of_a_cycle_the_position_with_least_to_gain_is_kept():
    """Left of 5.5 go right, right of it go left; less is promised at 6 than at 5."""

    def q_of(positions):
        x = positions[..., 0]
        q_values = torch.full((*positions.shape[:2], 6), -9.0)
        q_values[..., 0] = torch.where(x < 5.5, 2.0, -5.0)
        q_values[..., 1] = torch.where(x < 5.5, -5.0, 1.0)
        return q_values

    _, walks = play(q_of, torch.tensor([[[2.0, 6, 6], [9.0, 6, 6]]]))
    assert walks.endpoints[0].tolist() == [[6, 6, 6], [6, 6, 6]]
    assert walks.end_rows[0].tolist() == [4, 3]
    assert walks.closed.all()


def test_a_low_value_before_the_cycle_does_not_end_the_walk():
    """Only positions of the cycle may be the endpoint."""

    def q_of(positions):
        x = positions[..., 0]
        q_values = torch.full((*positions.shape[:2], 6), -99.0)
        q_values[..., 0] = torch.where(x < 5.5, torch.where(x < 3, -50.0, 2.0), -98.0)
        q_values[..., 1] = torch.where(x < 5.5, -98.0, 1.0)
        return q_values

    _, walks = play(q_of, torch.tensor([[[2.0, 6, 6]]]))
    assert walks.endpoints[0, 0].tolist() == [6, 6, 6]


def test_an_agent_stopped_by_its_budget_has_not_settled():
    _, walks = play(always(0), torch.tensor([[[0.0, 6, 6], [11.0, 6, 6]]]), budget=4)
    assert walks.closed[0].tolist() == [False, True]
    assert len(walks.actions) == 4
    assert walks.n_moves[0, 0] == 4


def test_budgets_are_kept_by_each_agent():
    starts = torch.tensor([[[0.0, 6, 6]] * 3])
    budgets = torch.tensor([[0, 5, 99]])
    walking = walk(always(0), starts, LOW, HIGH, 1.0, budgets)
    while True:
        try:
            next(walking)
        except StopIteration as stop:
            walks = stop.value
            break
    assert walks.closed[0].tolist() == [False, False, True]
    assert walks.endpoints[0, 0].tolist() == [0, 6, 6]
    assert walks.n_moves[0].tolist() == [0, 5, 13]


def test_an_agent_does_not_walk_on_while_others_do():
    """Rows after the end row are no part of a walk, however long others take."""
    starts = torch.tensor([[[11.0, 6, 6], [0.0, 6, 6]]])
    alone = play(always(0), starts[:, :1])[1]
    together = play(always(0), starts)[1]
    assert together.end_rows[0, 0] == alone.end_rows[0, 0] == 1
    assert torch.equal(together.endpoints[0, 0], alone.endpoints[0, 0])
    assert torch.equal(together.positions[:2, 0, 0], alone.positions[:2, 0, 0])


@pytest.mark.parametrize("step", [0.5, 1 / 3, 0.1])
def test_coming_back_is_exact_for_starts_and_steps_that_binary_cannot_hold(step):
    def q_of(positions):
        right = positions[..., :1] < 6
        back_and_forth = torch.where(right, 1.0, -1.0)
        rest = torch.full((*positions.shape[:2], 4), -5.0)
        return torch.cat([back_and_forth, -back_and_forth, rest], dim=-1)

    starts = torch.tensor([[[5.123456, 0.1, 0.7], [7.654321, 0.3, 0.9]]])
    _, walks = play(q_of, starts, step=step)
    assert walks.closed.all()
    positions = walks.positions[:, 0, 0]
    last = int(walks.n_moves[0, 0])
    assert (positions[:last] == positions[last]).all(dim=-1).any()


def test_positions_follow_from_the_actions():
    generator = torch.Generator().manual_seed(5)
    table = torch.randn(2, SIZE, SIZE, SIZE, 6, generator=generator)
    starts = torch.randint(SIZE, (2, 30, 3), generator=generator).float()
    reports, walks = play(looked_up(table), starts)
    assert torch.equal(torch.stack([starts, *reports]), walks.positions)
    assert torch.equal(walks.q_values.argmax(dim=-1), walks.actions)
    wanted = walks.positions[:-1] + DIRECTIONS[walks.actions]
    inside = ((wanted >= LOW) & (wanted <= HIGH)).all(dim=-1, keepdim=True)
    expected = torch.where(inside, wanted, walks.positions[:-1])
    assert torch.equal(walks.positions[1:], expected)


def test_every_step_is_reported_before_the_next():
    walking = walk(
        always(2),
        torch.tensor([[[6.0, 6, 6]]]),
        LOW,
        HIGH,
        1.0,
        torch.full((1, 1), 9),
    )
    assert next(walking)[0, 0].tolist() == [6, 7, 6]
    assert next(walking)[0, 0].tolist() == [6, 8, 6]
    walking.close()
