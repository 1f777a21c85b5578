"""One landmark in one image: where it is, and where a pack put it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.landmarks import LandmarkStatus
from napari_midrl.evaluation.boxes import Dimension, distance_mm, published_overlap
from napari_midrl.evaluation.metrics import error_mm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.geometry.grid import VoxelGrid

    Position = tuple[float, float, float]

_SIDES = re.compile(r"(?<![A-Za-z])(left|right|Left|Right|LEFT|RIGHT|L|R)(?![A-Za-z])")
_PAIRS = (("left", "right"), ("Left", "Right"), ("LEFT", "RIGHT"), ("L", "R"))
_OTHER_SIDE = dict(_PAIRS) | {right: left for left, right in _PAIRS}


@dataclass(frozen=True)
class Finding:
    """One landmark of one image, with its true and its found position.

    Parameters
    ----------
    case, image, sequence, landmark
        Names; the sequence as its label without the time of a phase, which differs
        from patient to patient.
    grid
        Of the image.
    true_lps_mm
        Where the landmark is, LPS mm.
    found_lps_mm
        Where the pack put it, LPS mm; None if it gave no position.
    nearer_to
        The landmark whose true position is nearest to the found one, if that is not
        this landmark; None if it is.
    is_on_wrong_side
        Whether the found position is nearer to the mirror partner's true position
        than to its own.
    """

    case: str
    image: str
    sequence: str
    landmark: str
    grid: VoxelGrid
    true_lps_mm: Position
    found_lps_mm: Position | None
    nearer_to: str | None = None
    is_on_wrong_side: bool = False

    def error_mm(self, dimension: Dimension = Dimension.VOLUME) -> float:
        """Return the distance from true to found in mm; NaN without a position."""
        if self.found_lps_mm is None:
            return nan
        return distance_mm(self.grid, self.true_lps_mm, self.found_lps_mm, dimension)

    def overlap(self, dimension: Dimension) -> tuple[float, float]:
        """Return Dice and IoU of the paper's boxes; 0 and 0 without a position."""
        if self.found_lps_mm is None:
            return 0.0, 0.0
        return published_overlap(
            self.grid, self.true_lps_mm, self.found_lps_mm, dimension
        )


def mirror_partner(landmark: str) -> str | None:
    """Return the name with its sides exchanged: ``"R MB"`` for ``"L MB"``.

    None for a landmark whose name has no side. Sides are the words left and right
    and a lone capital L or R.
    """
    partner = _SIDES.sub(lambda match: _OTHER_SIDE[match[1]], landmark)
    return None if partner == landmark else partner


def known_positions(truth: LandmarkSet) -> dict[str, Position]:
    """Return the positions of the defined landmarks by name, LPS mm."""
    return {
        landmark.name: landmark.position_lps_mm
        for landmark in truth
        if landmark.status == LandmarkStatus.DEFINED
        and landmark.position_lps_mm is not None
    }


def findings_of(
    localization: Localization,
    truth: LandmarkSet,
    grid: VoxelGrid,
    *,
    case: str,
    image: str,
    sequence: str,
) -> tuple[Finding, ...]:
    """Return what a search found of every landmark that is known and in the image.

    A landmark beyond the image's edge cannot be found and is left out. Whether a
    landmark was taken for another is judged against all landmarks of the truth, also
    those the pack does not know, and always in 3D.

    Parameters
    ----------
    localization
        Of the search.
    truth
        True landmarks of the case.
    grid
        Of the image searched.
    case, image, sequence
        Names to file the findings under.
    """
    known = known_positions(truth)
    found = {r.name: r.position_lps_mm for r in localization.results}
    return tuple(
        Finding(
            case=case,
            image=image,
            sequence=sequence,
            landmark=name,
            grid=grid,
            true_lps_mm=known[name],
            found_lps_mm=position,
            nearer_to=_taken_for(name, position, known),
            is_on_wrong_side=_is_on_wrong_side(name, position, known),
        )
        for name, position in found.items()
        if name in known and bool(grid.contains(known[name]))
    )


def _taken_for(
    name: str, found_lps_mm: Position | None, known: Mapping[str, Position]
) -> str | None:
    """Return the other landmark nearest to a position, if nearer than its own."""
    if found_lps_mm is None:
        return None
    names = list(known)
    errors = error_mm(np.array(list(known.values())), found_lps_mm)
    nearest = int(errors.argmin())
    # Two landmarks at one place are no confusion.
    return names[nearest] if errors[nearest] < errors[names.index(name)] else None


def _is_on_wrong_side(
    name: str, found_lps_mm: Position | None, known: Mapping[str, Position]
) -> bool:
    """Return whether a position is nearer to the mirror partner than to its own."""
    partner = mirror_partner(name)
    if found_lps_mm is None or partner is None or partner not in known:
        return False
    to_own = error_mm(found_lps_mm, known[name])
    return bool(error_mm(found_lps_mm, known[partner]) < to_own)
