"""Where every start of a lattice leads when all follow the same fixed policy.

A policy that depends on the position alone makes the lattice a graph in which every
point has one successor: walking is following the arrows, and every walk ends in a
cycle. All walks together take a few doublings of the arrows, not one walk each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def successors(
    actions: npt.NDArray[np.integer], shape_ijk: tuple[int, int, int], stride: int
) -> npt.NDArray[np.int64]:
    """Return which point of a lattice each point's action leads to.

    Parameters
    ----------
    actions
        Numbers of moves, as in `dense_lookup.ACTION_NAMES`: along i, back, along j
        and so on. Shape (n_points,), in the order of the flattened lattice.
    shape_ijk
        Points along each axis.
    stride
        Points that one move passes.

    Returns
    -------
    successors
        Index into the flattened lattice; a point's own where the move would leave it.
    """
    here = np.arange(len(actions))
    moved = np.stack(np.unravel_index(here, shape_ijk), axis=-1)
    axes, backward = np.divmod(actions.astype(np.int64), 2)
    moved[here, axes] += np.where(backward, -stride, stride)
    leaves = ((moved < 0) | (moved >= np.array(shape_ijk))).any(axis=-1)
    moved[leaves] = 0
    reached = np.ravel_multi_index(tuple(moved.T), shape_ijk)
    following: npt.NDArray[np.int64] = np.where(leaves, here, reached)
    return following


def rests(
    following: npt.NDArray[np.int64], promises: npt.NDArray[np.floating]
) -> npt.NDArray[np.int64]:
    """Return where each start comes to rest, shape (n_points,).

    That is the point of its cycle which promises least, the end rule of the search
    (`dense_walk.walk`).

    Parameters
    ----------
    following
        Index of each point's successor.
    promises
        Best Q-value at each point.
    """
    rank = np.empty(len(following), dtype=np.int64)
    by_promise = np.argsort(promises, kind="stable")
    rank[by_promise] = np.arange(len(following))
    n_doublings = max(1, int(np.ceil(np.log2(len(following)))))
    # After as many moves as there are points every walk is in its cycle ...
    arrived = following
    for _ in range(n_doublings):
        arrived = arrived[arrived]
    # ... and after as many again it has been all round it.
    least, ahead = rank, following
    for _ in range(n_doublings):
        least = np.minimum(least, least[ahead])
        ahead = ahead[ahead]
    settled: npt.NDArray[np.int64] = by_promise[least[arrived]]
    return settled


def grouped(
    places: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], radius: float
) -> npt.NDArray[np.int64]:
    """Return the number of the group each place is in; group 0 weighs most.

    The heaviest place gathers what lies within the radius, then the heaviest of those
    left, and so on.

    Parameters
    ----------
    places
        Shape (n, 3).
    weights
        Shape (n,).
    radius
        In the unit of the places.
    """
    group = np.full(len(places), -1, dtype=np.int64)
    totals: list[float] = []
    for first in np.argsort(-weights, kind="stable"):
        if group[first] < 0:
            near = np.linalg.norm(places - places[first], axis=1) <= radius
            joined = near & (group < 0)
            group[joined] = len(totals)
            totals.append(float(weights[joined].sum()))
    order = np.argsort(-np.array(totals), kind="stable")
    number = np.empty_like(order)
    number[order] = np.arange(len(order))
    numbered: npt.NDArray[np.int64] = number[group]
    return numbered
