"""Landmarks as values: placed by a person or proposed by a model."""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 (a return annotation)
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class LandmarkStatus(StrEnum):
    """Whether a landmark has a position; a missing one is a state, not an absence."""

    DEFINED = "defined"
    UNDEFINED = "undefined"
    SKIPPED = "skipped"


class LandmarkSource(StrEnum):
    """Who says so."""

    HUMAN = "human"
    MODEL = "model"
    CONSENSUS = "consensus"


@dataclass(frozen=True)
class Landmark:
    """One anatomical point.

    Parameters
    ----------
    name
        What the point is, such as ``"left kidney"`` or ``"AC"``.
    position_lps_mm
        Three finite numbers in LPS mm; None unless the status is "defined".
    status
        Placed, not placed yet, or skipped on purpose.
    source
        Person, model, or consensus of readers.
    confidence
        0 to 1, or None where nobody estimated it.
    description
        Longer name or remark.
    rater
        Reader, or name and version of the agents.

    Raises
    ------
    ValueError
        If status and position disagree, or a number is out of range.
    """

    name: str
    position_lps_mm: tuple[float, float, float] | None = None
    status: LandmarkStatus = LandmarkStatus.DEFINED
    source: LandmarkSource = LandmarkSource.HUMAN
    confidence: float | None = None
    description: str = ""
    rater: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            msg = "a landmark needs a name"
            raise ValueError(msg)
        defined = self.status == LandmarkStatus.DEFINED
        if defined != (self.position_lps_mm is not None):
            msg = (
                f"landmark {self.name!r} is {self.status} "
                f"with position {self.position_lps_mm}"
            )
            raise ValueError(msg)
        if self.position_lps_mm is not None:
            position = tuple(float(x) for x in self.position_lps_mm)
            if len(position) != 3 or not np.isfinite(position).all():
                msg = f"landmark {self.name!r} needs 3 finite mm, got {position}"
                raise ValueError(msg)
            object.__setattr__(self, "position_lps_mm", position)
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            msg = f"confidence must be between 0 and 1, got {self.confidence}"
            raise ValueError(msg)


@dataclass(frozen=True)
class LandmarkSet:
    """Landmarks of one image by one source.

    Parameters
    ----------
    landmarks
        In the order of the protocol; names differ.
    image_name, image_sha256
        The image they were placed on: its name and `Volume.content_hash`; empty if
        the file they came from does not say.
    case_id
        Name of the case.
    sequence
        Label of the image's sequence.
    frame_of_reference_uid
        DICOM frame of reference; empty if unknown.
    model_sha256
        Hash of the weights that proposed them; empty for a person.
    warnings
        What the reader of the file had to decide, one sentence each.

    Raises
    ------
    ValueError
        If two landmarks share a name.
    """

    landmarks: tuple[Landmark, ...]
    image_name: str = ""
    image_sha256: str = ""
    case_id: str = ""
    sequence: str = ""
    frame_of_reference_uid: str = ""
    model_sha256: str = ""
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [landmark.name for landmark in self.landmarks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            msg = f"landmarks must have different names, got twice: {twice}"
            raise ValueError(msg)

    def __iter__(self) -> Iterator[Landmark]:
        return iter(self.landmarks)

    def __len__(self) -> int:
        return len(self.landmarks)

    def __getitem__(self, name: str) -> Landmark:
        """Return the landmark of that name; KeyError lists the names there are."""
        for landmark in self.landmarks:
            if landmark.name == name:
                return landmark
        msg = f"no landmark {name!r}; there are {[m.name for m in self.landmarks]}"
        raise KeyError(msg)
