"""One answer from many starts: where most of them agree, and how well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Consensus:
    """What the endpoints of several starts say together.

    Parameters
    ----------
    position_lps_mm
        Median of the agreeing endpoints, shape (3,), LPS mm.
    members
        Which endpoints agree, shape (n_starts,), bool.
    spread_mm
        Root mean square distance of the members from the position.
    """

    position_lps_mm: npt.NDArray[np.float64]
    members: npt.NDArray[np.bool_]
    spread_mm: float

    @property
    def agreement(self) -> float:
        """Share of all starts that agree, 0 to 1."""
        return float(self.members.mean())


def find_consensus(
    endpoints_lps_mm: npt.NDArray[np.float64],
    settled: npt.NDArray[np.bool_],
    radius_mm: float,
) -> Consensus | None:
    """Return the place most starts settled at, or None if none settled.

    The densest endpoint (most others within `radius_mm`, then the smallest sum of
    distances to them) gathers its neighbors; their median is the position, and what
    lies within the radius of it are the members. Starts that lead elsewhere do not
    move the answer, however far off they are.

    Parameters
    ----------
    endpoints_lps_mm
        Shape (n_starts, 3), LPS mm.
    settled
        Which starts met the end rule, shape (n_starts,); the others have no vote.
    radius_mm
        How near counts as agreeing.
    """
    if not settled.any():
        return None
    voters = endpoints_lps_mm[settled]
    between_mm = np.linalg.norm(voters[:, None] - voters[None], axis=-1)
    near = between_mm <= radius_mm
    scatter_mm = np.where(near, between_mm, 0).sum(axis=1)
    densest = np.lexsort((scatter_mm, -near.sum(axis=1)))[0]
    position = np.median(voters[near[densest]], axis=0)
    away_mm = np.linalg.norm(endpoints_lps_mm - position, axis=1)
    members = settled & (away_mm <= radius_mm)
    if not members.any():
        # The median of a ring can lie beyond the radius of all of it.
        position = voters[densest]
        away_mm = np.linalg.norm(endpoints_lps_mm - position, axis=1)
        members = settled & (away_mm <= radius_mm)
    spread_mm = float(np.sqrt(np.mean(away_mm[members] ** 2)))
    return Consensus(position, members, spread_mm)
