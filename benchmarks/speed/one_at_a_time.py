"""The same search, played one agent and one position at a time.

What the dense engine does for all agents in one tensor operation is done here as a
plain program would: an agent stands somewhere, its network is asked for that one
position, it makes its move, and so on until it goes round in circles; then it is the
next one's turn. Network, maps and cubes are the same, so both must come to the same
walks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from napari_midrl.agents import dense_search
from napari_midrl.agents.dense_lookup import DIRECTIONS
from napari_midrl.agents.dense_walk import Walks
from napari_midrl.data.progress import finish

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor

    from napari_midrl.agents.dense_blocks import QField
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.localizers.base import Localizer


def search_one_at_a_time(
    localizer: Localizer, volume: Volume, settings: SearchSettings
) -> Localization:
    """Return what a localizer finds whose agents walk one after another."""
    dense_walk = dense_search.walk
    dense_search.walk = walk_one_at_a_time
    try:
        return finish(localizer.localize(volume, settings))
    finally:
        dense_search.walk = dense_walk


def are_same(one: Localization, other: Localization) -> bool:
    """Return whether all actions, positions and answers of two searches are equal."""
    pairs = list(zip(one.trajectories, other.trajectories, strict=True))
    same_walks = all(
        a.actions.tolist() == b.actions.tolist()
        and a.positions_lps_mm.tolist() == b.positions_lps_mm.tolist()
        and a.endpoint_lps_mm.tolist() == b.endpoint_lps_mm.tolist()
        for a, b in pairs
    )
    return same_walks and all(
        (a.state, a.position_lps_mm) == (b.state, b.position_lps_mm)
        for a, b in zip(one.results, other.results, strict=True)
    )


def n_different_walks(one: Localization, other: Localization) -> int:
    """Return how many agents moved differently in two searches."""
    pairs = zip(one.trajectories, other.trajectories, strict=True)
    return sum(a.actions.tolist() != b.actions.tolist() for a, b in pairs)


def walk_one_at_a_time(
    q_of: QField,
    starts: Tensor,
    low: Tensor,
    high: Tensor,
    step: float,
    budgets: Tensor,
) -> Generator[Tensor, None, Walks]:
    """Yield where agents are; return walks as `agents.dense_walk.walk` does."""
    n, m, _ = starts.shape
    low, high = (corner.expand(n, 1, 3)[:, 0] for corner in (low, high))
    walks = [
        [
            _walk(_of_one(q_of, row), start, low[row], high[row], step, int(budget))
            for start, budget in zip(starts[row], budgets[row], strict=True)
        ]
        for row in range(n)
    ]
    yield starts
    return _stacked(walks, n, m)


def _of_one(field: QField, row: int) -> QField:
    only = slice(row, row + 1)
    shared = len(field.features) == 1
    return replace(
        field,
        features=field.features if shared else field.features[only],
        weight=field.weight[only],
        bias=field.bias[only],
    )


def _walk(
    q_of: QField, start: Tensor, low: Tensor, high: Tensor, step: float, budget: int
) -> dict[str, object]:
    """Return one agent's walk, to the move that closes a cycle or its budget."""
    here = (0, 0, 0)
    visited, q_values, actions = [here], [], []
    first = None
    while first is None and (len(actions) < budget or not actions):
        place = start + step * torch.tensor(here, dtype=torch.int16)
        seen = q_of(place[None, None])[0, 0]
        action = int(seen.argmax())
        moved = torch.tensor(here) + DIRECTIONS[action].long()
        wanted = start + step * moved
        if not ((wanted < low) | (wanted > high)).any():
            here = tuple(moved.tolist())
        q_values.append(seen)
        actions.append(action)
        if here in visited and budget:
            first = visited.index(here)
        visited.append(here)
    best = torch.stack(q_values).amax(dim=-1)
    last = max(min(len(actions), budget) - 1, 0)
    begin = last if first is None else first
    return {
        "positions": start + step * torch.tensor(visited, dtype=torch.int16),
        "q_values": torch.stack(q_values),
        "actions": torch.tensor(actions),
        "end_row": begin + int(best[begin : last + 1].argmin()),
        "closed": first is not None,
        "n_moves": min(len(actions), budget),
    }


def _stacked(walks: list[list[dict]], n: int, m: int) -> Walks:
    """Return walks as one value; those that are over stay where they are."""
    n_rows = max(len(w["actions"]) for row in walks for w in row)

    def whole(key: str, rows: int) -> Tensor:
        parts = [w[key] for row in walks for w in row]
        padded = [
            torch.cat([p, p[-1:].expand(rows - len(p), *p.shape[1:])]) for p in parts
        ]
        return torch.stack(padded, dim=1).reshape(rows, n, m, *parts[0].shape[1:])

    def each(key: str) -> Tensor:
        return torch.tensor([[w[key] for w in row] for row in walks])

    return Walks(
        whole("positions", n_rows + 1),
        whole("q_values", n_rows),
        whole("actions", n_rows),
        each("end_row"),
        each("closed"),
        each("n_moves"),
    )
