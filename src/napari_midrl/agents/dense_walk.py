"""Greedy walks of many agents on Q-fields, each until it goes round in circles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_midrl.agents.dense_lookup import DIRECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from torch import Tensor


@dataclass(frozen=True)
class Walks:
    """Walks of n x m agents at one scale, base units.

    Parameters
    ----------
    positions
        Shape (n_steps + 1, n, m, 3); row 0 is the start.
    q_values
        At the positions left, shape (n_steps, n, m, action).
    actions
        Shape (n_steps, n, m).
    end_rows
        Row of `positions` where each agent settled, shape (n, m). Later rows of an
        agent only prove its cycle and are of no interest.
    closed
        Whether the agent's walk closed into a cycle within the budget, shape (n, m).
    n_moves
        Moves each agent made, the one that proved its cycle included, shape (n, m).
    """

    positions: Tensor
    q_values: Tensor
    actions: Tensor
    end_rows: Tensor
    closed: Tensor
    n_moves: Tensor

    @property
    def endpoints(self) -> Tensor:
        """Where the agents settled, shape (n, m, 3)."""
        index = self.end_rows[None, ..., None].expand(1, *self.end_rows.shape, 3)
        return self.positions.gather(0, index)[0]


def walk(
    q_of: Callable[[Tensor], Tensor],
    starts: Tensor,
    low: Tensor,
    high: Tensor,
    step: float,
    budgets: Tensor,
) -> Generator[Tensor, None, Walks]:
    """Yield the agents' positions after every step and return their walks.

    The greedy policy depends on the position alone, so an agent that comes back to a
    position it has been at will repeat what it did: the first return proves a cycle,
    and nothing is gained by waiting for the fourth visit as the published rule does
    [1]_. The agent then settles, as published, on that position of the cycle whose
    best action promises least. That is right here because no position is terminal:
    next to the landmark every move but one leads away and must be paid back.

    An agent that would leave the image stays, which is a cycle of one position.

    Parameters
    ----------
    q_of
        Q-values (n, m, action) at positions (n, m, 3), base units.
    starts
        Shape (n, m, 3).
    low, high
        Corners of the image, shape (3,) or (n, 1, 3).
    step
        Length of a move.
    budgets
        Moves each agent may make, shape (n, m), int. One without any stays at its
        start, not closed.

    References
    ----------
    .. [1] Alansary et al. (2019), Med. Image Anal. 53, 156-164,
       https://doi.org/10.1016/j.media.2019.02.007
    """
    n, m, _ = starts.shape
    # Whole numbers of steps from the start: positions met again are exactly equal.
    visited = torch.zeros(1, n, m, 3, dtype=torch.int16, device=starts.device)
    directions = DIRECTIONS.to(starts.device, torch.int16)
    first_visit = torch.full((n, m), -1, device=starts.device)
    last_row = torch.zeros(n, m, dtype=torch.long, device=starts.device)
    place = starts
    all_q, all_actions = [], []
    # At least one row: an agent without a budget has a value at its start all the same.
    for row in range(max(1, int(budgets.max()))):
        here = visited[-1]
        q_values = q_of(place)
        actions = q_values.argmax(dim=-1)
        wanted = here + directions[actions]
        position = starts + step * wanted
        stays = ((position < low) | (position > high)).any(dim=-1, keepdim=True)
        moved = torch.where(stays, here, wanted)
        place = torch.where(stays, place, position)
        all_q.append(q_values)
        all_actions.append(actions)
        again = (visited == moved).all(dim=-1)
        walking = (first_visit < 0) & (row < budgets)
        first = again.to(torch.uint8).argmax(dim=0)
        first_visit = torch.where(walking & again.any(dim=0), first, first_visit)
        last_row = torch.where(walking, row, last_row)
        visited = torch.cat([visited, moved[None]])
        yield place
        if ((first_visit >= 0) | (row + 1 >= budgets)).all():
            break
    n_moves = torch.minimum(last_row + 1, budgets)
    steps = torch.stack(all_q), torch.stack(all_actions)
    return _ended(starts + step * visited, *steps, first_visit, last_row, n_moves)


def _ended(
    positions: Tensor,
    q_values: Tensor,
    actions: Tensor,
    first_visit: Tensor,
    last_row: Tensor,
    n_moves: Tensor,
) -> Walks:
    """Return walks with the row where each agent settled."""
    best = q_values.max(dim=-1).values
    rows = torch.arange(len(best), device=best.device)[:, None, None]
    # Without a cycle the last position counts; the caller sees that it is not closed.
    closed = first_visit >= 0
    begin = torch.where(closed, first_visit, last_row)
    in_cycle = (rows >= begin) & (rows <= last_row)
    end_rows = torch.where(in_cycle, best, torch.inf).argmin(dim=0)
    return Walks(positions, q_values, actions, end_rows, closed, n_moves)
