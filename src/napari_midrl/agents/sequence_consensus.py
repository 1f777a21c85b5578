"""One answer from all sequences of an examination: where the surest of them agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.data.trajectory import LandmarkResult
    from napari_midrl.geometry.grid import VoxelGrid

    Position = tuple[float, float, float]

AGREE_MM = 10.0
"""Answers this near to each other agree: between two sequences of one examination
patients breathe and move, and echo-planar images are distorted by some mm."""

LEAST_WEIGHT = 1e-3
"""Of an answer with no confidence at all; it counts where there is no other."""


@dataclass(frozen=True)
class Answer:
    """What the agents of one landmark found in one image.

    Parameters
    ----------
    image
        Name of the volume.
    grid
        Of the volume.
    result
        Of the search.
    """

    image: str
    grid: VoxelGrid
    result: LandmarkResult

    @property
    def weight(self) -> float:
        """How much it counts: the confidence, or the agreement without one."""
        result = self.result
        sure = result.agreement if result.confidence is None else result.confidence
        return max(float(sure), LEAST_WEIGHT)


@dataclass(frozen=True)
class StudyResult:
    """What all images of an examination say of one landmark together.

    Parameters
    ----------
    name
        The landmark.
    position_lps_mm
        Mean of the answers that agree, by their confidence, LPS mm; None where no
        image gave one.
    spread_mm
        Root mean square distance of those answers from it, by their confidence; NaN
        without one.
    confidence
        Highest of those that agree; None where the localizer estimates none.
    agreeing
        Names of their images, surest first.
    n_showing
        Images that show the place; the others of these found it elsewhere, or not.
    """

    name: str
    position_lps_mm: Position | None
    spread_mm: float
    confidence: float | None
    agreeing: tuple[str, ...]
    n_showing: int


def combined(answers: Sequence[Answer]) -> StudyResult:
    """Return what the images of an examination say of one landmark together.

    The answer with the most confidence within `AGREE_MM`, its own included, gathers
    those near it. So one sure image outweighs many that guess, and several outweigh
    one that is a little surer.

    Parameters
    ----------
    answers
        Of one landmark, one per image, in one frame of reference.

    Raises
    ------
    ValueError
        If there is none, or they are of different landmarks.
    """
    names = {answer.result.name for answer in answers}
    if len(names) != 1:
        msg = f"need answers of one landmark, got {sorted(names)}"
        raise ValueError(msg)
    (name,) = names
    found = [answer for answer in answers if answer.result.position_lps_mm is not None]
    if not found:
        return StudyResult(name, None, float("nan"), None, (), 0)
    places = np.array([answer.result.position_lps_mm for answer in found])
    weights = np.array([answer.weight for answer in found])
    between_mm = np.linalg.norm(places[:, None] - places[None], axis=-1)
    near = between_mm <= AGREE_MM
    chosen = near[int(np.argmax(near @ weights))]
    shares = np.where(chosen, weights, 0.0) / weights[chosen].sum()
    place = shares @ places
    away_mm = np.linalg.norm(places - place, axis=1)
    members = sorted(
        (answer for answer, near_by in zip(found, chosen, strict=True) if near_by),
        key=lambda answer: -answer.weight,
    )
    x, y, z = (float(mm) for mm in place)
    showing = {answer.image for answer in answers if answer.grid.contains(place)}
    return StudyResult(
        name,
        (x, y, z),
        float(np.sqrt(shares @ away_mm**2)),
        _highest_confidence(members),
        tuple(answer.image for answer in members),
        len(showing | {answer.image for answer in members}),
    )


def _highest_confidence(answers: Sequence[Answer]) -> float | None:
    known = [a.result.confidence for a in answers if a.result.confidence is not None]
    return max(known, default=None)
