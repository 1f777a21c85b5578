"""What agents would do: their moves at places, and where these lead in the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_midrl.data.arrays import freeze, frozen

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_midrl.geometry.grid import VoxelGrid

NO_POLICY = (
    "These agents decide by the last boxes they saw: what they do depends on the way "
    "they came, not on the place alone. Agents of the preset midrl have a map."
)
"""Why there is nothing to show of some agents."""

_CLOSE = ("", ", close", ", closer")


@dataclass(frozen=True)
class PolicyScale:
    """One scale at which agents decide.

    Parameters
    ----------
    step_mm
        Length of a move.
    closeup
        0 where it is played all over the volume, 1 where only in cubes around what
        the scales before it found, 2 for cubes within those.
    """

    step_mm: float
    closeup: int = 0

    @property
    def title(self) -> str:
        """Name for the user, such as ``"16 mm"`` or ``"4 mm, closer"``."""
        return f"{self.step_mm:g} mm{_CLOSE[self.closeup]}"


@dataclass(frozen=True, eq=False)
class PolicyField:
    """What agents that seek one landmark would do at given points, at one scale.

    Parameters
    ----------
    points_lps_mm
        Those of the points asked for at which the scale is played; shape (n, 3).
    directions_lps
        Of the best move, a unit vector; zero where it would lead out of the image or
        the cube, so that the agent stays. Shape (n, 3).
    expected_returns
        The Q-value of that move, in steps gained; shape (n,).
    regions_lps_mm
        First and last corner of the boxes in which the scale is played, the one most
        starts come to first; shape (n_regions, 2, 3).

    Raises
    ------
    ValueError
        If the arrays disagree on the number of points.
    """

    points_lps_mm: npt.NDArray[np.float64]
    directions_lps: npt.NDArray[np.float64]
    expected_returns: npt.NDArray[np.float64]
    regions_lps_mm: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        n = len(self.points_lps_mm)
        expected = {
            "points_lps_mm": (n, 3),
            "directions_lps": (n, 3),
            "expected_returns": (n,),
            "regions_lps_mm": (len(self.regions_lps_mm), 2, 3),
        }
        freeze(self, expected)


@dataclass(frozen=True)
class Basin:
    """The starts that lead to one place.

    Parameters
    ----------
    rest_lps_mm
        Where agents that start there come to rest.
    share
        Of all starts, 0 to 1.
    """

    rest_lps_mm: tuple[float, float, float]
    share: float


@dataclass(frozen=True, eq=False)
class BasinBlock:
    """One block of starts, labeled by where they lead.

    Parameters
    ----------
    labels
        Number of a basin, from 1; 0 where no agent starts. Shape of the grid.
    grid
        The starts; axes run to L, P, S.

    Raises
    ------
    ValueError
        If the labels do not have the grid's shape.
    """

    labels: npt.NDArray[np.int32]
    grid: VoxelGrid

    def __post_init__(self) -> None:
        if self.labels.shape != self.grid.shape_ijk:
            msg = f"labels {self.labels.shape} on a grid of {self.grid.shape_ijk}"
            raise ValueError(msg)
        object.__setattr__(self, "labels", frozen(self.labels))


@dataclass(frozen=True)
class BasinMap:
    """Where agents come to rest, from every start, at one scale.

    Parameters
    ----------
    basins
        The one with the largest share first; label 1 is basin 0.
    blocks
        The whole volume, or one block per cube of a close-up.
    """

    basins: tuple[Basin, ...]
    blocks: tuple[BasinBlock, ...]
