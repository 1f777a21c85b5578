"""The search game, for many walkers in one tensor step.

A *walker* is one agent searching one volume from one start point. Every rule below
is applied to each walker by itself: where one agent of the published multi-agent code
began to oscillate, all agents jumped and changed scale; here only that one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import torch

from napari_midrl.agents.history import append_frame, first_frames
from napari_midrl.agents.oscillation import EndRule, is_oscillating, settled_position
from napari_midrl.agents.reward import distance_mm, distance_reward

if TYPE_CHECKING:
    from torch import Tensor

    from napari_midrl.agents.actions import ActionSet
    from napari_midrl.agents.history import VolumeBank


class TerminalRule(StrEnum):
    """What ends an episode of training at the landmark; a search never knows it.

    It decides what the Q-values *at* the landmark learn, and with them whether the end
    rule (`napari_midrl.agents.oscillation`) is right. With the exact Q-values of the
    game (rewards clipped to 1 mm, discount 0.9; value iteration in the tests) the
    place with the smallest max-Q is

    NEVER
        the landmark, from every start, on isotropic and on 1.6 x 1.6 x 5 mm voxels.
        The landmark is an ordinary place the agent must leave again: on isotropic
        voxels max-Q is -0.53 at it, 0.53 one step away, 1.47 at two, and grows. This
        is the rule that matches the end rule, and the default: a departure.
    LEAVING
        the landmark on isotropic voxels, its neighbor on 5 mm slices. The move made
        *from* the landmark is the last (so the published code, which compares the
        distance before the move), which punishes going there: max-Q -1 at it, 0.1 one
        step away. On thick slices the clipped reward makes circling beside it worth
        more.
    ARRIVING
        anything. The move *to* the landmark is the last (other code of the family),
        so no move from it is ever learned and its Q-values are what the network makes
        up; neither the smallest nor the largest max-Q is safe.

    Small networks trained on a bright blob (3 seeds, 240 searches each) settle on the
    exact pixel in 92, 46 and 39 % on 1.5 mm pixels, and 78, 72 and 10 % on 1.5 x 5 mm.
    """

    LEAVING = "leaving the landmark"
    ARRIVING = "arriving at the landmark"
    NEVER = "never"


@dataclass(frozen=True)
class GameRules:
    """The rules of one search game.

    Parameters
    ----------
    actions
        The moves.
    roi_size
        Samples an agent sees along i, j, k.
    frame_history
        Frames an agent sees at once.
    max_steps
        Hard budget of steps per episode over all scales; reaching it truncates.
    oscillation_window, max_visits
        An agent oscillates when one voxel occurs more than `max_visits` times in its
        last `oscillation_window` positions.
    n_candidates
        It then settles on one of its last so many positions.
    end_rule
        Which of them.
    terminal_rule
        What ends an episode at the landmark, where that is known.
    terminal_distance_mm
        Distance that counts as being there.
    """

    actions: ActionSet
    roi_size: tuple[int, int, int]
    frame_history: int = 4
    max_steps: int = 1500
    oscillation_window: int = 20
    max_visits: int = 3
    n_candidates: int = 4
    end_rule: EndRule = EndRule.SMALLEST_MAX_Q
    terminal_rule: TerminalRule = TerminalRule.NEVER
    terminal_distance_mm: float = 1.0


@dataclass(frozen=True, eq=False)
class GameStep:
    """What one step of the game brought to every walker.

    Parameters
    ----------
    played
        Walkers that took part, shape (n_walkers,); the others had already finished
        and their rows mean nothing.
    frames
        What each saw, before and after: shape (n_walkers, frame_history + 1, 4),
        order (i, j, k, scale). All but the last are the state the action was chosen
        in, all but the first the state it led to.
    rewards
        Millimeters gained, -1 for a move refused; shape (n_walkers,).
    refused
        Moves that would have left the image.
    terminated
        A rule ended the episode: do not bootstrap.
    truncated
        Only the budget ended it: bootstrap.
    """

    played: Tensor
    frames: Tensor
    rewards: Tensor
    refused: Tensor
    terminated: Tensor
    truncated: Tensor


class SearchGame:
    """Positions, scales and histories of many walkers, and the rules that move them.

    Parameters
    ----------
    bank
        The volumes, with the schedule of scales of each.
    rules
        The rules.
    volume_ids
        Which volume each walker searches, shape (n_walkers,).
    starts_ijk
        Where each begins, shape (n_walkers, 3), voxels inside its volume.
    targets_ijk
        Voxel of each walker's landmark, shape (n_walkers, 3); None in a search, where
        rewards are 0 but for refused moves and no terminal rule applies.

    Attributes
    ----------
    position_ijk, scale, n_steps
        Where each walker is, at which scale (0 = coarsest), after how many steps.
    terminated, truncated
        How each episode ended, if it has.
    endpoint_ijk
        Where each walker settled; its position while it still plays.

    Raises
    ------
    ValueError
        If shapes disagree or a start lies outside its volume.
    """

    def __init__(
        self,
        bank: VolumeBank,
        rules: GameRules,
        volume_ids: Tensor,
        starts_ijk: Tensor,
        targets_ijk: Tensor | None = None,
    ) -> None:
        n = len(volume_ids)
        for name, tensor in (("starts_ijk", starts_ijk), ("targets_ijk", targets_ijk)):
            if tensor is not None and tuple(tensor.shape) != (n, 3):
                msg = f"{name} must have shape ({n}, 3), got {tuple(tensor.shape)}"
                raise ValueError(msg)
        self.bank = bank
        self.rules = rules
        self._has_targets = targets_ijk is not None
        self._directions = torch.tensor(rules.actions.directions, device=bank.device)

        def zeros(*shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
            return torch.zeros((n, *shape), dtype=dtype, device=bank.device)

        self.volume_ids = zeros()
        self.position_ijk = zeros(3)
        self.target_ijk = zeros(3)
        self.scale = zeros()
        self.n_steps = zeros()
        self.terminated = zeros(dtype=torch.bool)
        self.truncated = zeros(dtype=torch.bool)
        self.endpoint_ijk = zeros(3)
        self.frame_history = zeros(rules.frame_history, 4)
        self._visited_ijk = zeros(rules.oscillation_window, 3)
        self._visited_max_q = zeros(rules.oscillation_window, dtype=torch.float32)
        self._n_visited = zeros()
        everyone = torch.arange(n, device=bank.device)
        self.restart(everyone, volume_ids, starts_ijk, targets_ijk)

    @property
    def n_walkers(self) -> int:
        """Walkers in the game, finished ones included."""
        return len(self.position_ijk)

    @property
    def playing(self) -> Tensor:
        """Walkers whose episode has not ended, shape (n_walkers,), bool."""
        return ~(self.terminated | self.truncated)

    def restart(
        self,
        walkers: Tensor,
        volume_ids: Tensor,
        starts_ijk: Tensor,
        targets_ijk: Tensor | None = None,
    ) -> None:
        """Begin new episodes for some walkers; the others play on.

        Parameters
        ----------
        walkers
            Their numbers, shape (n,).
        volume_ids, starts_ijk, targets_ijk
            As for the game, one row per walker named.
        """
        device = self.bank.device
        ids = volume_ids.to(device)
        starts = starts_ijk.to(device=device, dtype=torch.int64)
        if not ((starts >= 0) & (starts < self.bank.shapes_ijk[ids])).all():
            msg = "every start must be a voxel of its volume"
            raise ValueError(msg)
        if (targets_ijk is not None) != self._has_targets:
            msg = "a game has landmarks for all walkers or for none"
            raise ValueError(msg)
        if targets_ijk is not None:
            self.target_ijk[walkers] = targets_ijk.to(device=device, dtype=torch.int64)
        self.volume_ids[walkers] = ids
        self.position_ijk[walkers] = starts
        self.endpoint_ijk[walkers] = starts
        self.frame_history[walkers] = first_frames(starts, self.rules.frame_history)
        for counter in (self.scale, self.n_steps, self._n_visited):
            counter[walkers] = 0
        self.terminated[walkers] = False
        self.truncated[walkers] = False

    def end_distance_mm(self) -> Tensor:
        """Return how far each endpoint is from its landmark's voxel, in mm."""
        return self._distance_mm(self.endpoint_ijk)

    def step(self, actions: Tensor, q_values: Tensor) -> GameStep:
        """Move every walker that still plays and apply the rules.

        Parameters
        ----------
        actions
            Number of each walker's action, shape (n_walkers,).
        q_values
            Of every action where the walker stands *now*, shape (n_walkers,
            n_actions); the end rule needs them.

        Returns
        -------
        step
            Rewards, flags and frames. A walker that oscillates at a coarse scale is
            at its settled position, one scale finer, when the step returns; its
            reward is that of the move alone, as published.
        """
        played, standing = self.playing, self.position_ijk
        moved, refused = self._move(actions)
        before_mm, after_mm = self._distance_mm(standing), self._distance_mm(moved)
        rewards = distance_reward(before_mm, after_mm, ~refused)
        self._remember_visit(played, q_values.amax(dim=1))
        oscillates, settled = self._find_oscillation()
        finest = self.scale == self.bank.n_scales - 1

        refine = played & oscillates & ~finest
        stop = played & oscillates & finest
        at_landmark = self._ends_at_landmark(before_mm, after_mm)
        self.n_steps += played
        self.terminated |= played & (stop | at_landmark)
        self.truncated |= (
            played & ~self.terminated & (self.n_steps >= self.rules.max_steps)
        )
        position = torch.where((refine | stop)[:, None], settled, moved)
        self.position_ijk = torch.where(played[:, None], position, self.position_ijk)
        self.scale = self.scale + refine
        self._n_visited = self._n_visited.masked_fill(refine, 0)
        left = at_landmark & (self.rules.terminal_rule == TerminalRule.LEAVING)
        end = torch.where(left[:, None], standing, position)
        end = torch.where(self.truncated[:, None], settled, end)
        self.endpoint_ijk = torch.where(played[:, None], end, self.endpoint_ijk)

        frames = append_frame(self.frame_history, self.position_ijk, self.scale)
        self.frame_history = torch.where(
            played[:, None, None], frames[:, 1:], self.frame_history
        )
        return GameStep(
            played=played,
            frames=frames,
            rewards=rewards,
            refused=refused,
            terminated=self.terminated.clone(),
            truncated=self.truncated.clone(),
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything that changes during play, by name."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go back to a state that `state_dict` gave."""
        for name in _STATE:
            setattr(self, name, state[name].to(self.bank.device).clone())

    def _distance_mm(self, position_ijk: Tensor) -> Tensor:
        if not self._has_targets:
            return torch.zeros(self.n_walkers, device=self.bank.device)
        spacing_mm = self.bank.spacings_mm[self.volume_ids]
        return distance_mm(position_ijk, self.target_ijk, spacing_mm)

    def _move(self, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return where moves lead and which were refused at the border.

        Voxel 0 of each axis can be reached; the published code kept agents off it.
        """
        step_voxels = self.bank.step_voxels[self.volume_ids, self.scale]
        wanted = self.position_ijk + self._directions[actions] * step_voxels
        shape = self.bank.shapes_ijk[self.volume_ids]
        inside = ((wanted >= 0) & (wanted < shape)).all(dim=1)
        return torch.where(inside[:, None], wanted, self.position_ijk), ~inside

    def _remember_visit(self, played: Tensor, max_q: Tensor) -> None:
        """File the position being left with the best Q-value computed there."""
        visited = torch.cat([self._visited_ijk[:, 1:], self.position_ijk[:, None]], 1)
        values = torch.cat([self._visited_max_q[:, 1:], max_q[:, None]], dim=1)
        self._visited_ijk = torch.where(
            played[:, None, None], visited, self._visited_ijk
        )
        self._visited_max_q = torch.where(played[:, None], values, self._visited_max_q)
        self._n_visited = self._n_visited + played

    def _find_oscillation(self) -> tuple[Tensor, Tensor]:
        """Return who walks in circles, and where each would settle."""
        oscillates = is_oscillating(
            self._visited_ijk, self._n_visited, max_visits=self.rules.max_visits
        )
        settled = settled_position(
            self._visited_ijk,
            self._visited_max_q,
            self._n_visited,
            rule=self.rules.end_rule,
            n_candidates=self.rules.n_candidates,
        )
        return oscillates, settled

    def _ends_at_landmark(self, before_mm: Tensor, after_mm: Tensor) -> Tensor:
        rule = self.rules.terminal_rule
        if not self._has_targets or rule == TerminalRule.NEVER:
            return torch.zeros_like(before_mm, dtype=torch.bool)
        compared = before_mm if rule == TerminalRule.LEAVING else after_mm
        return compared <= self.rules.terminal_distance_mm


_STATE = (
    "volume_ids",
    "position_ijk",
    "target_ijk",
    "scale",
    "n_steps",
    "terminated",
    "truncated",
    "endpoint_ijk",
    "frame_history",
    "_visited_ijk",
    "_visited_max_q",
    "_n_visited",
)
