"""Decide where agents stop once they walk in circles, for many agents at once.

Which of the last positions the agent then settles on must fit what training made of
the landmark itself. The reward is the distance gained, so a value is the distance
still to gain, and near the landmark little is left: the position with the *smallest*
best Q-value is the nearest one, provided that moves from the landmark are learned like
all others (`napari_midrl.agents.environment.TerminalRule` compares the choices).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


class EndRule(StrEnum):
    """Which of its last positions an oscillating agent settles on."""

    SMALLEST_MAX_Q = "smallest max-Q"
    LARGEST_MAX_Q = "largest max-Q"


def is_oscillating(
    visited_ijk: Tensor, n_visited: Tensor, *, max_visits: int = 3
) -> Tensor:
    """Return which agents were at one voxel more than `max_visits` times.

    Parameters
    ----------
    visited_ijk
        Last positions of every agent, oldest first and right-aligned: the newest is
        the last row. Shape (n_walkers, window, 3), order (i, j, k), in voxels.
    n_visited
        How many of those rows are real, counted from the newest; shape (n_walkers,).
        Rows before them are ignored whatever they hold, so voxel (0, 0, 0) is an
        ordinary voxel.
    max_visits
        Visits to one voxel that are still no oscillation; at least 1.

    Returns
    -------
    oscillating
        Shape (n_walkers,), bool.
    """
    if max_visits < 1:
        msg = f"max_visits must be at least 1, got {max_visits}"
        raise ValueError(msg)
    if visited_ijk.shape[0] != n_visited.shape[0]:
        msg = (
            "visited_ijk and n_visited must have one row per walker, "
            f"got shapes {tuple(visited_ijk.shape)} and {tuple(n_visited.shape)}"
        )
        raise ValueError(msg)
    real = _real_rows(n_visited, visited_ijk.shape[1])
    same = (visited_ijk[:, :, None] == visited_ijk[:, None]).all(dim=-1)
    n_visits = (same & real[:, None, :] & real[:, :, None]).sum(dim=-1)
    return n_visits.amax(dim=-1) > max_visits


def settled_position(
    visited_ijk: Tensor,
    max_q: Tensor,
    n_visited: Tensor,
    *,
    rule: EndRule = EndRule.SMALLEST_MAX_Q,
    n_candidates: int = 4,
) -> Tensor:
    """Return the position each agent settles on, of its last `n_candidates`.

    Parameters
    ----------
    visited_ijk, n_visited
        As for `is_oscillating`; at least one real row per agent.
    max_q
        Best Q-value *at* each of those positions, shape (n_walkers, window).
    rule
        Smallest or largest best Q-value; the older position wins a tie.
    n_candidates
        How many of the newest positions may be chosen.

    Returns
    -------
    endpoint_ijk
        Shape (n_walkers, 3), order (i, j, k), in voxels.

    Notes
    -----
    Published rule, with one departure: the published code files each Q-value with
    the position its move *led to*, one too late; here it belongs to the position it
    was computed at.
    """
    window = visited_ijk.shape[1]
    may_be_chosen = _real_rows(n_visited.clamp(max=n_candidates), window)
    cost = max_q if rule == EndRule.SMALLEST_MAX_Q else -max_q
    row = cost.masked_fill(~may_be_chosen, torch.inf).argmin(dim=-1)
    return visited_ijk[torch.arange(len(row), device=row.device), row]


def _real_rows(n_real: Tensor, window: int) -> Tensor:
    """Return a (n_walkers, window) mask of the newest `n_real` rows."""
    age = torch.arange(window - 1, -1, -1, device=n_real.device)
    return age[None, :] < n_real[:, None]
