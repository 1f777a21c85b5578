"""How far the agents disagree on an examination nobody has annotated yet.

Where starts of one search end in different places, and where searches of different
sequences of one patient do, agents are unsure: there an annotation teaches most (query
by committee; the committee are the starts and the sequences).

References
----------
.. [1] Seung, Opper, Sompolinsky (1992), Query by committee, Proc. COLT, 287-294,
   https://doi.org/10.1145/130385.130417
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.trajectory import SearchState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.data.trajectory import Localization
    from napari_midrl.geometry.grid import VoxelGrid

CAP_MM = 50.0
"""Farther apart is not more wrong: one lost start must not outweigh all the others."""


@dataclass(frozen=True)
class LandmarkDoubt:
    """How far agents disagree on one landmark of one examination.

    Parameters
    ----------
    landmark
        Its name.
    starts_mm
        Mean distance of the starts' ends from the answer of their image, at most
        `CAP_MM` each; the largest of the images it was found in.
    sequences_mm
        Mean distance between the answers of any two images that show the place, at
        most `CAP_MM` each; `CAP_MM` where one found it and the other did not. 0 for a
        single image.
    n_found, n_images
        Images in which it was found, and all.
    """

    landmark: str
    starts_mm: float
    sequences_mm: float
    n_found: int
    n_images: int

    @property
    def doubt_mm(self) -> float:
        """The larger of both."""
        return max(self.starts_mm, self.sequences_mm)


def doubts(
    searches: Sequence[tuple[VoxelGrid, Localization]],
) -> tuple[LandmarkDoubt, ...]:
    """Return the doubt of every landmark that some image shows, largest first.

    Landmarks that were found in no image are left out: what is not there is no doubt.

    Parameters
    ----------
    searches
        Grid of every image of one examination, and what was found in it.
    """
    names = dict.fromkeys(r.name for _, found in searches for r in found.results)
    each = [_doubt(name, searches) for name in names]
    found = [doubt for doubt in each if doubt.n_found]
    return tuple(sorted(found, key=lambda doubt: -doubt.doubt_mm))


def _doubt(
    name: str, searches: Sequence[tuple[VoxelGrid, Localization]]
) -> LandmarkDoubt:
    answers: list[tuple[VoxelGrid, tuple[float, float, float] | None]] = []
    starts_mm = 0.0
    for grid, found in searches:
        for result in found.results:
            if result.name != name:
                continue
            answers.append((grid, result.position_lps_mm))
            if result.state == SearchState.FOUND:
                ends = [
                    walk.endpoint_lps_mm
                    for walk in found.trajectories
                    if walk.landmark == name
                ]
                starts_mm = max(starts_mm, _scatter_mm(ends, result.position_lps_mm))
    pairs = [_apart_mm(*one, *two) for one, two in combinations(answers, 2)]
    known = [pair for pair in pairs if pair is not None]
    return LandmarkDoubt(
        name,
        starts_mm,
        float(np.mean(known)) if known else 0.0,
        sum(place is not None for _, place in answers),
        len(answers),
    )


def _scatter_mm(ends_lps_mm: Sequence[object], answer_lps_mm: object) -> float:
    """Return the mean distance of ends from the answer; 0 without any."""
    if not ends_lps_mm:
        return 0.0
    away = np.array(ends_lps_mm) - np.array(answer_lps_mm)
    return float(np.minimum(np.linalg.norm(away, axis=1), CAP_MM).mean())


def _apart_mm(
    grid: VoxelGrid,
    place: tuple[float, float, float] | None,
    other_grid: VoxelGrid,
    other: tuple[float, float, float] | None,
) -> float | None:
    """Return how far two images disagree; None where they cannot be compared.

    An image that does not show the place says nothing by not finding it.
    """
    if place is not None and other is not None:
        return min(math.dist(place, other), CAP_MM)
    if place is not None:
        return CAP_MM if other_grid.contains(place) else None
    if other is not None:
        return CAP_MM if grid.contains(other) else None
    return None
