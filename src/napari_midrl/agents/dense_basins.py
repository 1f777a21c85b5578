"""Where starts end together at a coarse scale, and where searches begin."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.agents.consensus import Consensus, find_consensus

if TYPE_CHECKING:
    import numpy.typing as npt


def basins(endpoints: npt.NDArray[np.float64], radius: float) -> tuple[Consensus, ...]:
    """Return groups of endpoints, largest first; every endpoint is in one of them.

    The consensus of all is the first group; what is left is grouped the same way.

    Parameters
    ----------
    endpoints
        Shape (n_starts, 3), any unit; the groups are in the same.
    radius
        How near endpoints of one group are to its middle.
    """
    free = np.ones(len(endpoints), dtype=bool)
    groups = []
    while (group := find_consensus(endpoints, free, radius)) is not None:
        groups.append(group)
        free = free & ~group.members
    return tuple(groups)


def start_fractions(n_starts: int, seed: int) -> npt.NDArray[np.float64]:
    """Return start points as fractions of the field of view, shape (n_starts, 3).

    The center comes first, then the other published ones: tuples of 1/2, 1/4 and 3/4
    with at least one 1/2 (19 in all [1]_). Further ones are drawn from the central
    three fifths, where the published training starts lie.

    Parameters
    ----------
    n_starts
        At least 1.
    seed
        Of the drawn ones.

    References
    ----------
    .. [1] Vlontzos et al. (2019), MICCAI, 262-270; the grid stands in its code and
       in that of the multi-agent MIDRL.
    """
    published = [p for p in product((0.5, 0.25, 0.75), repeat=3) if 0.5 in p]
    n_drawn = max(0, n_starts - len(published))
    drawn = np.random.default_rng(seed).uniform(0.2, 0.8, (n_drawn, 3))
    fractions: npt.NDArray[np.float64] = np.concatenate([published, drawn])[:n_starts]
    return fractions
