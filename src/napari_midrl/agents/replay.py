"""Memory of what agents lived through: positions, not pictures.

A transition is kept as the five frames (voxel and scale) an agent saw around it and is
cut out of its volume again when it is drawn, 50 bytes instead of 110 kB. Because each
transition carries its own frames, no draw can mix two episodes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Transitions:
    """Some transitions, one row each.

    Parameters
    ----------
    volume_ids
        The volume, shape (n,).
    frames
        Shape (n, frame_history + 1, 4), order (i, j, k, scale), oldest first: all but
        the last are the state, all but the first the next state.
    actions, rewards
        Shape (n,).
    terminated
        Shape (n,), bool; truncation is not among them.
    """

    volume_ids: Tensor
    frames: Tensor
    actions: Tensor
    rewards: Tensor
    terminated: Tensor

    def __len__(self) -> int:
        return len(self.volume_ids)

    def __getitem__(self, rows: Tensor) -> Transitions:
        """Return the rows asked for."""
        return Transitions(
            self.volume_ids[rows],
            self.frames[rows],
            self.actions[rows],
            self.rewards[rows],
            self.terminated[rows],
        )


def concatenate(parts: Sequence[Transitions]) -> Transitions:
    """Return the rows of several sets of transitions, one set after the other."""
    return Transitions(
        torch.cat([part.volume_ids for part in parts]),
        torch.cat([part.frames for part in parts]),
        torch.cat([part.actions for part in parts]),
        torch.cat([part.rewards for part in parts]),
        torch.cat([part.terminated for part in parts]),
    )


class ReplayMemory:
    """The newest `capacity` transitions of one agent, in a ring.

    Parameters
    ----------
    capacity
        Transitions kept; the oldest make room.
    frame_history
        Frames of a state.

    Raises
    ------
    ValueError
        If the capacity is below 1.
    """

    def __init__(self, capacity: int, frame_history: int = 4) -> None:
        if capacity < 1:
            msg = f"capacity must be at least 1, got {capacity}"
            raise ValueError(msg)
        self.capacity = capacity
        self._volume_ids = torch.zeros(capacity, dtype=torch.int32)
        self._frames = torch.zeros((capacity, frame_history + 1, 4), dtype=torch.int16)
        self._actions = torch.zeros(capacity, dtype=torch.uint8)
        self._rewards = torch.zeros(capacity)
        self._terminated = torch.zeros(capacity, dtype=torch.bool)
        self._n_added = 0

    def __len__(self) -> int:
        """Transitions held."""
        return min(self._n_added, self.capacity)

    def add(self, transitions: Transitions) -> None:
        """Append transitions, oldest first; the memory's oldest are overwritten."""
        newest = transitions[torch.arange(len(transitions))[-self.capacity :]]
        first = self._n_added + len(transitions) - len(newest)
        rows = (first + torch.arange(len(newest))) % self.capacity
        self._volume_ids[rows] = newest.volume_ids.to("cpu", torch.int32)
        self._frames[rows] = newest.frames.to("cpu", torch.int16)
        self._actions[rows] = newest.actions.to("cpu", torch.uint8)
        self._rewards[rows] = newest.rewards.to("cpu", torch.float32)
        self._terminated[rows] = newest.terminated.to("cpu")
        self._n_added += len(transitions)

    def __getitem__(self, rows: Tensor) -> Transitions:
        """Return transitions by age: row 0 is the oldest held."""
        if len(rows) and not (int(rows.min()) >= 0 and int(rows.max()) < len(self)):
            msg = f"rows must lie in [0, {len(self)})"
            raise IndexError(msg)
        at = (self._n_added - len(self) + rows) % self.capacity
        return Transitions(
            self._volume_ids[at].long(),
            self._frames[at].long(),
            self._actions[at].long(),
            self._rewards[at],
            self._terminated[at],
        )

    def sample(self, n: int, generator: torch.Generator) -> Transitions:
        """Return `n` transitions drawn uniformly, with replacement.

        Raises
        ------
        ValueError
            If the memory is empty.
        """
        if len(self) == 0:
            msg = "cannot draw from an empty memory"
            raise ValueError(msg)
        return self[torch.randint(len(self), (n,), generator=generator)]

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything held, by name, for a checkpoint."""
        n = len(self)
        rows = (self._n_added - n + torch.arange(n)) % self.capacity
        return {
            "volume_ids": self._volume_ids[rows],
            "frames": self._frames[rows],
            "actions": self._actions[rows],
            "rewards": self._rewards[rows],
            "terminated": self._terminated[rows],
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Hold exactly what `state_dict` gave."""
        self._n_added = 0
        self.add(Transitions(**state))


class PrioritySampler:
    """Draws rows in proportion to a priority, by a binary tree of sums.

    All operations take many rows at once.

    Parameters
    ----------
    capacity
        Rows, numbered from 0; all begin with priority 0 and are then never drawn.

    References
    ----------
    .. [1] Schaul et al. (2016), Proc. ICLR, https://arxiv.org/abs/1511.05952
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            msg = f"capacity must be at least 1, got {capacity}"
            raise ValueError(msg)
        self.capacity = capacity
        self._depth = max(capacity - 1, 1).bit_length()
        self._sums = torch.zeros(2 << self._depth, dtype=torch.float64)

    @property
    def total(self) -> float:
        """Sum of all priorities."""
        return float(self._sums[1])

    def set(self, rows: Tensor, priorities: Tensor) -> None:
        """Give rows new priorities; of a row named twice the last counts."""
        if (priorities < 0).any():
            msg = "priorities must not be negative"
            raise ValueError(msg)
        # A scatter leaves open which of two equal rows wins, so keep the last only.
        last = {int(row): place for place, row in enumerate(rows.tolist())}
        places = torch.tensor(list(last.values()), dtype=torch.int64)
        node = rows[places].long() + (1 << self._depth)
        self._sums[node] = priorities[places].double()
        for _ in range(self._depth):
            node = torch.unique(node // 2)
            self._sums[node] = self._sums[2 * node] + self._sums[2 * node + 1]

    def sample(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return rows and the probability each was drawn with, shapes (n,).

        One row is drawn from each n-th part of the total (stratified), which lowers
        the variance of a batch and keeps each row's expected count.

        Raises
        ------
        ValueError
            If all priorities are 0.
        """
        if self.total <= 0:
            msg = "cannot draw: all priorities are 0"
            raise ValueError(msg)
        part = torch.rand(n, generator=generator, dtype=torch.float64)
        rest = (torch.arange(n) + part) * (self.total / n)
        node = torch.ones(n, dtype=torch.int64)
        for _ in range(self._depth):
            left = self._sums[2 * node]
            # Rounding may leave a rest at the end of the left sum: never walk into
            # an empty branch.
            right = (rest >= left) & (self._sums[2 * node + 1] > 0)
            rest = torch.where(right, rest - left, rest)
            node = 2 * node + right
        return node - (1 << self._depth), self._sums[node] / self.total
