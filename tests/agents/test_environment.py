"""Tests for napari_midrl.agents.environment."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_midrl.agents.actions import ACTIONS_2D, ACTIONS_3D
from napari_midrl.agents.environment import GameRules, SearchGame, TerminalRule
from napari_midrl.agents.history import EMPTY, make_bank, voxel_schedule

RULES = GameRules(actions=ACTIONS_3D, roi_size=(3, 3, 3), max_steps=50)
SCHEDULE = voxel_schedule((3, 2, 1), (9, 3, 1))
X_PLUS, X_MINUS, Y_PLUS = (ACTIONS_3D.names.index(n) for n in ("X+", "X-", "Y+"))
FLAT_Q = torch.zeros(6)


def make_game(starts, targets=None, *, rules=RULES, shape=(40, 40, 40), spacing=2.0):
    image = np.ones(shape, np.uint8)
    bank = make_bank([image], [(spacing,) * 3], [SCHEDULE])
    return SearchGame(
        bank,
        rules,
        torch.zeros(len(starts)).long(),
        torch.tensor(starts),
        None if targets is None else torch.tensor(targets),
    )


def step(game, *actions, q=None):
    values = FLAT_Q.expand(game.n_walkers, 6) if q is None else torch.tensor(q)
    return game.step(torch.tensor(actions), values)


def oscillate(game, n, *, walkers=1):
    """Let all walkers go one step in x and back, n steps in all."""
    for number in range(n):
        action = X_MINUS if number % 2 else X_PLUS
        step(game, *[action] * walkers)


def test_steps_are_nine_three_and_one_voxels():
    game = make_game([[20, 20, 20]] * 3)
    game.scale = torch.tensor([0, 1, 2])
    step(game, X_PLUS, Y_PLUS, X_MINUS)
    assert game.position_ijk.tolist() == [[29, 20, 20], [20, 23, 20], [19, 20, 20]]


def test_a_move_that_would_leave_is_refused_and_costs_one():
    """The agent stays; voxel 0, which the published code never reaches, is free."""
    game = make_game([[9, 20, 20], [8, 20, 20]], [[20, 20, 20]] * 2)
    outcome = step(game, X_MINUS, X_MINUS)
    assert game.position_ijk.tolist() == [[0, 20, 20], [8, 20, 20]]
    assert outcome.refused.tolist() == [False, True]
    assert outcome.rewards.tolist() == [-18.0, -1.0]


def test_reward_is_the_distance_gained_in_mm():
    game = make_game([[20, 20, 20]], [[20, 31, 20]])
    assert step(game, Y_PLUS).rewards.tolist() == [18.0]
    assert step(game, X_PLUS).rewards.item() == pytest.approx(4 - (4**2 + 18**2) ** 0.5)


def test_an_oscillating_agent_settles_one_scale_finer():
    """Its fourth visit to the start is left with step 7; then it refines there."""
    game = make_game([[20, 20, 20]])
    oscillate(game, 6)
    assert game.scale.tolist() == [0]
    oscillate(game, 1)
    assert game.scale.tolist() == [1]
    assert game.playing.tolist() == [True]
    oscillate(game, 14)
    assert game.scale.tolist() == [2]
    assert game.terminated.tolist() == [True]
    assert game.truncated.tolist() == [False]
    assert game.n_steps.tolist() == [21]


def test_one_oscillating_agent_does_not_move_the_others():
    """In the published multi-agent code all agents jump when one oscillates."""
    game = make_game([[20, 20, 20], [2, 2, 2]])
    for number in range(7):
        other = Y_PLUS if number < 4 else X_PLUS
        step(game, X_MINUS if number % 2 else X_PLUS, other)
    assert game.scale.tolist() == [1, 0]
    assert game.position_ijk[1].tolist() == [29, 38, 2]


def test_the_settled_place_is_the_one_with_the_smallest_best_value():
    """Q-values belong to the place they were computed at, not where the move led."""
    game = make_game([[20, 20, 20]])
    for number in range(7):
        at_start = number % 2 == 0
        q = [[1.0 if at_start else 5.0, *[-9.0] * 5]]
        step(game, X_PLUS if at_start else X_MINUS, q=q)
    assert game.scale.tolist() == [1]
    assert game.position_ijk.tolist() == [[20, 20, 20]]


def test_visits_at_a_coarse_scale_do_not_count_at_the_next():
    game = make_game([[20, 20, 20]])
    oscillate(game, 7)
    oscillate(game, 6)
    assert game.scale.tolist() == [1]


def test_the_budget_truncates_and_does_not_terminate():
    game = make_game([[2, 2, 2]], rules=replace(RULES, max_steps=3))
    for number in range(3):
        assert game.playing.tolist() == [True]
        step(game, X_PLUS if number < 2 else Y_PLUS)
    assert game.truncated.tolist() == [True]
    assert game.terminated.tolist() == [False]


def test_a_finished_walker_stands_still_while_others_play():
    game = make_game([[2, 2, 2], [2, 2, 2]], rules=replace(RULES, max_steps=2))
    step(game, X_PLUS, X_PLUS)
    game.restart(torch.tensor([1]), torch.tensor([0]), torch.tensor([[5, 5, 5]]))
    step(game, Y_PLUS, Y_PLUS)
    outcome = step(game, X_PLUS, X_PLUS)
    assert outcome.played.tolist() == [False, True]
    assert game.position_ijk.tolist() == [[11, 11, 2], [14, 14, 5]]
    assert game.n_steps.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("rule", "ends_after"),
    [
        (TerminalRule.ARRIVING, 1),
        (TerminalRule.LEAVING, 2),
        (TerminalRule.NEVER, None),
    ],
)
def test_the_landmark_ends_an_episode_as_the_rule_says(rule, ends_after):
    game = make_game(
        [[11, 20, 20]], [[20, 20, 20]], rules=replace(RULES, terminal_rule=rule)
    )
    ended = [bool(step(game, a).terminated) for a in (X_PLUS, Y_PLUS)]
    assert ended == [ends_after == 1, ends_after is not None]
    if ends_after is not None:
        assert game.end_distance_mm().tolist() == [0.0]


def test_a_search_without_landmark_knows_no_reward_and_no_terminal_place():
    game = make_game([[20, 20, 20]], rules=replace(RULES, terminal_rule="arriving"))
    outcome = step(game, X_PLUS)
    assert outcome.rewards.tolist() == [0.0]
    assert not outcome.terminated


def test_frames_are_the_state_before_and_after():
    game = make_game([[2, 3, 4]])
    first = step(game, X_PLUS).frames[0]
    assert first[:, 3].tolist() == [EMPTY, EMPTY, EMPTY, 0, 0]
    assert first[-2:, :3].tolist() == [[2, 3, 4], [11, 3, 4]]
    second = step(game, Y_PLUS).frames[0]
    assert torch.equal(second[:-1], first[1:])


def test_a_restart_forgets_the_episode_before():
    """Another game's first frames would be seen otherwise, a known defect elsewhere."""
    game = make_game([[20, 20, 20]])
    oscillate(game, 9)
    game.restart(torch.tensor([0]), torch.tensor([0]), torch.tensor([[1, 1, 1]]))
    fresh = make_game([[1, 1, 1]])
    assert torch.equal(game.frame_history, fresh.frame_history)
    assert game.scale.tolist() == [0]
    oscillate(game, 6)
    assert game.scale.tolist() == [0]


def test_starts_outside_and_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="every start"):
        make_game([[40, 0, 0]])
    with pytest.raises(ValueError, match=r"shape \(1, 3\), got \(1, 2\)"):
        make_game([[1, 1]])
    with pytest.raises(ValueError, match="all walkers or for none"):
        make_game([[1, 1, 1]]).restart(
            torch.tensor([0]),
            torch.tensor([0]),
            torch.tensor([[1, 1, 1]]),
            torch.tensor([[1, 1, 1]]),
        )


@given(
    actions=st.lists(st.integers(0, 5), min_size=1, max_size=30),
    shift=st.tuples(*[st.integers(0, 15)] * 3),
)
@settings(deadline=None, max_examples=25)
def test_moving_everything_along_the_grid_moves_the_game_along(actions, shift):
    """Rewards, scales and ends do not depend on where in the grid the scene is."""
    start, target = np.array([50, 50, 50]), np.array([57, 43, 52])
    games = [
        make_game(
            [(start + move).tolist()], [(target + move).tolist()], shape=(200,) * 3
        )
        for move in (np.zeros(3, int), np.array(shift))
    ]
    # Never near a border: at most 30 steps of 9 would leave, so keep to scale 1.
    for game in games:
        game.scale = torch.tensor([1])
    for action in actions:
        one, other = (step(game, action) for game in games)
        assert torch.equal(one.rewards, other.rewards)
        assert torch.equal(one.terminated, other.terminated)
    moved = games[1].position_ijk - games[0].position_ijk
    assert moved.tolist() == [list(shift)]


@given(seed=st.integers(0, 2**16))
@settings(deadline=None, max_examples=15)
def test_walkers_play_together_as_they_play_alone(seed):
    """Ten walkers in one tensor step are ten games of one walker."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, 12, (5, 3), generator=generator)
    targets = torch.randint(0, 12, (5, 3), generator=generator)

    def games(rows):
        return make_game(starts[rows].tolist(), targets[rows].tolist(), shape=(12,) * 3)

    together = games(slice(None))
    alone = [games(slice(row, row + 1)) for row in range(5)]
    for _ in range(40):
        # Two actions only, so that walkers do oscillate.
        actions = torch.randint(2, 4, (5,), generator=generator)
        q_values = torch.randn((5, 6), generator=generator)
        together.step(actions, q_values)
        for row, game in enumerate(alone):
            game.step(actions[row : row + 1], q_values[row : row + 1])
    for name, tensor in together.state_dict().items():
        single = torch.cat([game.state_dict()[name] for game in alone])
        played = together.n_steps > 0
        assert torch.equal(tensor[played], single[played]), name


def test_a_game_goes_on_from_its_saved_state():
    game = make_game([[20, 20, 20], [3, 3, 3]])
    oscillate(game, 5, walkers=2)
    saved = {name: tensor.clone() for name, tensor in game.state_dict().items()}
    other = make_game([[1, 1, 1], [2, 2, 2]])
    other.load_state_dict(saved)
    for each in (game, other):
        oscillate(each, 1, walkers=2)
        step(each, X_PLUS, Y_PLUS)
    for name, tensor in game.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_agents_of_a_slice_play_by_the_same_rules():
    rules = GameRules(actions=ACTIONS_2D, roi_size=(3, 3, 1))
    bank = make_bank([np.ones((40, 40, 1), np.uint8)], [(1, 1, 5)], [SCHEDULE])
    game = SearchGame(
        bank, rules, torch.zeros(4).long(), torch.tensor([[20, 20, 0]] * 4)
    )
    game.step(torch.arange(4), torch.zeros(4, 4))
    assert game.position_ijk.tolist() == [
        [20, 29, 0],
        [29, 20, 0],
        [11, 20, 0],
        [20, 11, 0],
    ]
