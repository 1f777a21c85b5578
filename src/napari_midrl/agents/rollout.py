"""Playing episodes: what a network says, which action is taken, what it brought."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_midrl.agents.history import crop_frames
from napari_midrl.agents.replay import Transitions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from napari_midrl.agents.environment import GameStep, SearchGame
    from napari_midrl.agents.history import VolumeBank


@dataclass(frozen=True, eq=False)
class RolloutStep:
    """One step of all walkers of a game.

    Parameters
    ----------
    volume_ids
        Volume each walker searched, shape (n_walkers,).
    actions
        Action taken, shape (n_walkers,).
    q_values
        Q-values it was chosen from, shape (n_walkers, n_actions).
    outcome
        What it brought.
    """

    volume_ids: Tensor
    actions: Tensor
    q_values: Tensor
    outcome: GameStep

    def transitions(self, walkers: Tensor) -> Transitions:
        """Return the transitions of those of the walkers (mask) that played."""
        rows = walkers & self.outcome.played
        return Transitions(
            volume_ids=self.volume_ids[rows],
            frames=self.outcome.frames[rows],
            actions=self.actions[rows],
            rewards=self.outcome.rewards[rows],
            terminated=self.outcome.terminated[rows],
        )


def q_values_of(
    network: nn.Module,
    bank: VolumeBank,
    roi_size: tuple[int, int, int],
    volume_ids: Tensor,
    frame_history: Tensor,
    agents: Tensor,
) -> Tensor:
    """Return a network's Q-values of many states, shape (n_states, n_actions).

    Parameters
    ----------
    network
        Takes frames between 0 and 1 and the number of the agent of each.
    bank, roi_size, volume_ids, frame_history
        As for `napari_midrl.agents.history.crop_frames`.
    agents
        Number of each state's agent, shape (n_states,).
    """
    frames = crop_frames(bank, volume_ids, frame_history, roi_size)
    q_values: Tensor = network(frames.float() / 255, agents)
    return q_values


def epsilon_greedy(
    q_values: Tensor, epsilon: float, generator: torch.Generator
) -> Tensor:
    """Return actions: random with probability `epsilon`, else the best one.

    The published code files zeros as the Q-values of a random move, which the end
    rule then reads; here a random move keeps the values of the place it was made at.
    """
    n_walkers, n_actions = q_values.shape
    explores = torch.rand(n_walkers, generator=generator) < epsilon
    anything = torch.randint(n_actions, (n_walkers,), generator=generator)
    best = q_values.argmax(dim=1)
    return torch.where(explores.to(best.device), anything.to(best.device), best)


def rollout(
    game: SearchGame,
    q_values: Callable[[SearchGame], Tensor],
    choose: Callable[[Tensor], Tensor],
) -> Iterator[RolloutStep]:
    """Yield one step of all walkers after another until every episode has ended.

    Whoever iterates may restart finished walkers between two steps; the play then
    goes on without end.

    Parameters
    ----------
    game
        Where it is played.
    q_values
        Gives Q-values of every walker's state, shape (n_walkers, n_actions).
    choose
        Gives actions for Q-values.
    """
    while bool(game.playing.any()):
        values = q_values(game)
        actions = choose(values)
        volume_ids = game.volume_ids.clone()
        yield RolloutStep(volume_ids, actions, values, game.step(actions, values))
