"""Cubes of a close-up: where they are placed, and what agents see in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.agents.dense_basins import basins
from napari_midrl.agents.dense_scales import DETAIL, FINE, ORGAN, ORGAN_DETAIL

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_midrl.agents.consensus import Consensus
    from napari_midrl.agents.dense_blocks import QField
    from napari_midrl.agents.dense_scales import Closeup

MAX_CUBES = 3
"""Basins per landmark that are worth a fine search."""


@dataclass(frozen=True)
class Cubes:
    """Cubes of a close-up: which landmark each serves, and where it begins."""

    closeup: Closeup
    landmarks: npt.NDArray[np.int64]
    corners: npt.NDArray[np.float64]
    members: npt.NDArray[np.bool_]

    def limits(
        self, low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return where each cube ends or the image, whose corners these are.

        Shapes (n, 3), from the cubes' own corners.
        """
        last = self.closeup.edge - 1
        lowest, highest = (
            np.clip(limit - self.corners, 0, last) for limit in (low, high)
        )
        return lowest, highest

    def back(
        self, local: npt.NDArray[np.float64], rest: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Return base positions per landmark and start; `rest` where no cube is."""
        whole = rest.copy()
        for number, members, corner, positions in zip(
            self.landmarks, self.members, self.corners, local, strict=True
        ):
            whole[number, members] = positions[members] + corner
        return whole


@dataclass(frozen=True)
class Look:
    """One close-up of a search: its cubes, and the Q-values in them.

    Parameters
    ----------
    cubes
        One per basin that was looked at.
    fields
        At the scales of the close-up; positions count from the corners of the cubes.
    """

    cubes: Cubes
    fields: tuple[QField, QField]


def place_cubes(
    groups: Sequence[tuple[Consensus, ...]], of_organs: Sequence[bool]
) -> tuple[Cubes, ...]:
    """Return cubes around the largest groups of every landmark.

    Parameters
    ----------
    groups
        Where the starts of each landmark ended.
    of_organs
        Which landmarks are sought in cubes of `ORGAN`; the others in those of `FINE`.

    Returns
    -------
    cubes
        Of each of the two kinds that there is.
    """
    placed = []
    for closeup, of_organ in ((FINE, False), (ORGAN, True)):
        found = [
            (number, basin)
            for number, basins_of_one in enumerate(groups)
            if of_organs[number] == of_organ
            for basin in basins_of_one[:MAX_CUBES]
        ]
        if found:
            corners = [_corner(closeup, basin.position_lps_mm) for _, basin in found]
            members = np.stack([basin.members for _, basin in found])
            landmarks = np.array([number for number, _ in found])
            placed.append(Cubes(closeup, landmarks, np.stack(corners), members))
    return tuple(placed)


def closer_cubes(cubes: Cubes, endpoints: npt.NDArray[np.float64]) -> Cubes:
    """Return one cube in each cube, where most of its agents ended.

    It is one of `DETAIL` in those of `FINE`; of an organ it is as large as before.
    """
    closer = ORGAN_DETAIL if cubes.closeup == ORGAN else DETAIL
    corners = []
    for number, members in zip(cubes.landmarks, cubes.members, strict=True):
        most = basins(endpoints[number, members], 2 * FINE.scales[0].step)[0]
        corners.append(_corner(closer, most.position_lps_mm))
    return replace(cubes, closeup=closer, corners=np.stack(corners))


def _corner(
    closeup: Closeup, center: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the first base voxel of a cube around a base position."""
    return center - closeup.edge / 2 + 0.5
