"""Which end rule fits which terminal rule, by exact Q-values (value iteration)."""

import numpy as np
import pytest
import torch

from napari_midrl.agents.actions import ACTIONS_3D
from napari_midrl.agents.environment import GameRules, SearchGame, TerminalRule
from napari_midrl.agents.history import make_bank, voxel_schedule
from napari_midrl.agents.oscillation import EndRule
from napari_midrl.agents.presets import MIDRL_2D, MIDRL_3D

DISCOUNT = 0.9
SHAPE = (9, 8, 7)
ISOTROPIC_MM = (1.5625, 1.5625, 1.5625)
THICK_MM = (1.5625, 1.5625, 5.0)
TARGET = np.array([3, 4, 2])


def exact_q(rule, spacing_mm):
    """Return Q* of the game with steps of one voxel, shape (*shape, 6)."""
    voxels = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    away_mm = np.linalg.norm((voxels - TARGET) * spacing_mm, axis=-1)
    moved = voxels[..., None, :] + np.array(ACTIONS_3D.directions)
    inside = ((moved >= 0) & (moved < np.array(SHAPE))).all(axis=-1)
    to = tuple(
        np.moveaxis(np.where(inside[..., None], moved, voxels[..., None, :]), -1, 0)
    )
    reward = np.where(inside, np.clip(away_mm[..., None] - away_mm[to], -1, 1), -1)
    if rule == TerminalRule.LEAVING:
        goes_on = np.broadcast_to((away_mm > 1)[..., None], reward.shape)
    elif rule == TerminalRule.ARRIVING:
        goes_on = (away_mm > 1)[to]
    else:
        goes_on = np.ones_like(reward, dtype=bool)
    q = np.zeros_like(reward)
    for _ in range(300):
        q = reward + DISCOUNT * goes_on * q.max(axis=-1)[to]
    return q


def endpoints(q, end_rule=EndRule.SMALLEST_MAX_Q):
    """Return where greedy agents from every voxel end, by the game itself."""
    bank = make_bank(
        [np.ones(SHAPE, np.uint8)], [ISOTROPIC_MM], [voxel_schedule((1,), (1,))]
    )
    rules = GameRules(
        actions=ACTIONS_3D, roi_size=(1, 1, 1), end_rule=end_rule, max_steps=200
    )
    starts = torch.tensor(list(np.ndindex(*SHAPE)))
    game = SearchGame(bank, rules, torch.zeros(len(starts)).long(), starts)
    table = torch.from_numpy(q)
    while game.playing.any():
        values = table[tuple(game.position_ijk.T)]
        game.step(values.argmax(dim=1), values)
    assert game.terminated.all()
    return game.endpoint_ijk.numpy()


def share_at_target(found):
    return float((found == TARGET).all(axis=1).mean())


def share_ending_on_landmark(rule, spacing_mm, end_rule=EndRule.SMALLEST_MAX_Q):
    return share_at_target(endpoints(exact_q(rule, spacing_mm), end_rule))


@pytest.mark.parametrize("spacing_mm", [(1.0,) * 3, ISOTROPIC_MM, THICK_MM, (2, 2, 3)])
def test_smallest_max_q_is_the_landmark_when_it_is_an_ordinary_place(spacing_mm):
    """From every voxel of the grid, on any voxel size."""
    assert share_ending_on_landmark(TerminalRule.NEVER, spacing_mm) == 1


def test_the_published_terminal_rule_fits_cubic_voxels_only():
    """On 5 mm slices every agent circles beside the landmark and stops there."""
    assert share_ending_on_landmark(TerminalRule.LEAVING, ISOTROPIC_MM) == 1
    assert share_ending_on_landmark(TerminalRule.LEAVING, THICK_MM) == 0


@pytest.mark.parametrize("rule", [TerminalRule.LEAVING, TerminalRule.NEVER])
def test_largest_max_q_stops_beside_the_landmark(rule):
    """The opposite rule, so that the tests above can fail."""
    share = share_ending_on_landmark(rule, ISOTROPIC_MM, EndRule.LARGEST_MAX_Q)
    assert share < 0.1


@pytest.mark.parametrize(
    ("rule", "values"),
    [
        (TerminalRule.LEAVING, (-1.0, 0.1, 1.13)),
        (TerminalRule.NEVER, (-0.526, 0.526, 1.474)),
    ],
)
def test_values_near_the_landmark_are_those_the_rules_tell(rule, values):
    """At it, one step and two steps away."""
    v = exact_q(rule, ISOTROPIC_MM).max(axis=-1)
    i, j, k = TARGET
    near = (v[i, j, k], v[i + 1, j, k], v[i + 2, j, k])
    np.testing.assert_allclose(near, values, atol=0.01)


@pytest.mark.parametrize(
    ("at_landmark", "end_rule"),
    [(5.0, EndRule.SMALLEST_MAX_Q), (-5.0, EndRule.LARGEST_MAX_Q)],
)
def test_ending_on_arrival_leaves_no_safe_rule(at_landmark, end_rule):
    """No move from the landmark is learned: its values are anything, here both."""
    q = exact_q(TerminalRule.ARRIVING, ISOTROPIC_MM)
    order = np.argsort(np.argsort(q[tuple(TARGET)]))
    q[tuple(TARGET)] = at_landmark + 0.01 * order
    assert share_at_target(endpoints(q, end_rule)) < 0.1


@pytest.mark.parametrize("preset", [MIDRL_2D, MIDRL_3D])
def test_the_presets_pair_rules_that_fit(preset):
    assert preset.rules.terminal_rule == TerminalRule.NEVER
    assert preset.rules.end_rule == EndRule.SMALLEST_MAX_Q
