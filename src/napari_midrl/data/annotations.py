"""What one reader has said about one image so far: placed, skipped, still to do.

Model proposals are kept beside the landmarks, never among them: a proposal becomes a
landmark only by being accepted, and then remembers whose it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.landmarks import (
    Landmark,
    LandmarkSet,
    LandmarkSource,
    LandmarkStatus,
)
from napari_midrl.data.protocol import LandmarkProtocol, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_midrl.data.volume import Volume

Position = tuple[float, float, float]
"""L, P, S in mm."""


class AnnotationState(StrEnum):
    """How far one landmark is."""

    UNDEFINED = "undefined"
    PLACED = "placed"
    PROPOSED = "proposed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class AnnotatedLandmark:
    """One landmark as its reader sees it.

    Parameters
    ----------
    name
        What it is called, which the reader may change.
    protocol_name
        What the protocol calls it; empty if the protocol does not ask for it.
    position_lps_mm
        Three finite numbers in LPS mm; None while it is not placed.
    is_skipped
        Whether the reader says it cannot be placed.
    source
        Who chose the position: the reader, a model, or a consensus of readers.
    model
        Name of the model whose proposal it was, even if moved since; empty if none.
    confidence
        The model's, 0 to 1, for a position that is still the model's; else None.
    is_locked
        Whether it must not be changed.
    is_hidden
        Whether it is not drawn.

    Raises
    ------
    ValueError
        If the fields contradict each other or a number is out of range.
    """

    name: str
    protocol_name: str = ""
    position_lps_mm: Position | None = None
    is_skipped: bool = False
    source: LandmarkSource = LandmarkSource.HUMAN
    model: str = ""
    confidence: float | None = None
    is_locked: bool = False
    is_hidden: bool = False

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.position_lps_mm is not None:
            checked = checked_position(self.position_lps_mm)
            object.__setattr__(self, "position_lps_mm", checked)
        check_confidence(self.confidence)
        is_placed = self.position_lps_mm is not None
        says_whose = (
            self.source != LandmarkSource.HUMAN
            or self.model != ""
            or self.confidence is not None
        )
        if (is_placed and self.is_skipped) or (says_whose and not is_placed):
            msg = f"{self.name!r} is not placed, but says where or by whom: {self}"
            raise ValueError(msg)

    @property
    def is_placed(self) -> bool:
        """Whether it has a position."""
        return self.position_lps_mm is not None


@dataclass(frozen=True)
class Proposal:
    """Where a model would put a landmark.

    Parameters
    ----------
    position_lps_mm
        Three finite numbers in LPS mm.
    model
        Name and version of the agents.
    confidence
        0 to 1, or None where the model does not say.
    model_sha256
        Hash of the weights.

    Raises
    ------
    ValueError
        If there is no model's name, or a number is out of range.
    """

    position_lps_mm: Position
    model: str
    confidence: float | None = None
    model_sha256: str = ""

    def __post_init__(self) -> None:
        checked = checked_position(self.position_lps_mm)
        object.__setattr__(self, "position_lps_mm", checked)
        check_confidence(self.confidence)
        if not self.model:
            msg = "a proposal must name its model"
            raise ValueError(msg)


@dataclass(frozen=True)
class AnnotationCount:
    """How far a reader is with one image.

    Parameters
    ----------
    n_placed, n_skipped, n_total
        Landmarks with a position, landmarks that cannot be placed, and all of them.
    """

    n_placed: int
    n_skipped: int
    n_total: int

    @property
    def is_done(self) -> bool:
        """Whether every landmark is placed or skipped."""
        return self.n_placed + self.n_skipped == self.n_total

    @property
    def text(self) -> str:
        """For the user: ``"7 of 32"``, ``"30 of 32, 2 skipped"``."""
        skipped = f", {self.n_skipped} skipped" if self.n_skipped else ""
        return f"{self.n_placed} of {self.n_total}{skipped}"


@dataclass(frozen=True)
class AnnotationSet:
    """All landmarks of one image by one reader, and what models propose.

    Parameters
    ----------
    landmarks
        In the reader's order; names differ, and so do protocol names.
    proposals
        By the name of the landmark, in the reader's order; read-only.

    Raises
    ------
    ValueError
        If names come twice, or a proposal is for no landmark.
    """

    landmarks: tuple[AnnotatedLandmark, ...]
    proposals: Mapping[str, Proposal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.names
        asked = [m.protocol_name for m in self.landmarks if m.protocol_name]
        twice = sorted({n for n in names if names.count(n) > 1})
        twice += sorted({n for n in asked if asked.count(n) > 1})
        if twice:
            msg = f"landmarks must have different names, got twice: {twice}"
            raise ValueError(msg)
        stray = sorted(set(self.proposals) - set(names))
        if stray:
            msg = f"proposals for no landmark: {stray}"
            raise ValueError(msg)
        ordered = {n: self.proposals[n] for n in names if n in self.proposals}
        object.__setattr__(self, "proposals", MappingProxyType(ordered))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the landmarks, in order."""
        return tuple(landmark.name for landmark in self.landmarks)

    def __getitem__(self, name: str) -> AnnotatedLandmark:
        """Return the landmark of that name; KeyError lists the names there are."""
        for landmark in self.landmarks:
            if landmark.name == name:
                return landmark
        msg = f"no landmark {name!r}; there are {list(self.names)}"
        raise KeyError(msg)

    def state_of(self, name: str) -> AnnotationState:
        """Return how far the landmark of that name is; KeyError if there is none.

        What the reader says goes before a proposal: a placed landmark is placed,
        whether or not a proposal for it is still open.
        """
        landmark = self[name]
        if landmark.is_placed:
            return AnnotationState.PLACED
        if landmark.is_skipped:
            return AnnotationState.SKIPPED
        if name in self.proposals:
            return AnnotationState.PROPOSED
        return AnnotationState.UNDEFINED

    @property
    def progress(self) -> AnnotationCount:
        """How far the reader is; open proposals do not count."""
        return AnnotationCount(
            n_placed=sum(landmark.is_placed for landmark in self.landmarks),
            n_skipped=sum(landmark.is_skipped for landmark in self.landmarks),
            n_total=len(self.landmarks),
        )

    def next_to_place(self, after: str | None = None) -> str | None:
        """Return the landmark to place next; None if nothing is left to place.

        That is the first one, in order, that is neither placed, skipped nor locked.

        Parameters
        ----------
        after
            Begin behind the landmark of this name and go round to it at last;
            None begins at the top.
        """
        names = self.names
        first = 0 if after is None else names.index(self[after].name) + 1
        for landmark in (*self.landmarks[first:], *self.landmarks[:first]):
            if not (landmark.is_placed or landmark.is_skipped or landmark.is_locked):
                return landmark.name
        return None

    def proposals_worst_first(self) -> tuple[str, ...]:
        """Return the names with an open proposal, the least confident first.

        A proposal without a confidence comes before all others; those that are equal
        keep the reader's order.
        """
        return tuple(sorted(self.proposals, key=self._confidence_of))

    def _confidence_of(self, name: str) -> float:
        confidence = self.proposals[name].confidence
        return -1.0 if confidence is None else confidence


@dataclass(frozen=True)
class ImageIdentity:
    """Which image something was placed on.

    Parameters
    ----------
    name
        Name shown to the user.
    sha256
        Of the voxels and their geometry, `Volume.content_hash`.
    file
        Name of the image file without its folder; empty for a folder of DICOM files
        or a computed image.
    sequence
        Label of the MR sequence.
    frame_of_reference_uid
        DICOM frame of reference; empty if unknown.
    """

    name: str
    sha256: str
    file: str = ""
    sequence: str = ""
    frame_of_reference_uid: str = ""


@dataclass(frozen=True)
class AnnotationDocument:
    """One reader's annotations of one image, with all that makes them usable alone.

    Parameters
    ----------
    image
        What the landmarks were placed on.
    reader
        Who placed them; one line of text.
    protocol
        What was asked for.
    annotations
        What the reader said so far.

    Raises
    ------
    ValueError
        If the reader has no name, or a landmark claims to be one that the protocol
        does not ask for.
    """

    image: ImageIdentity
    reader: str
    protocol: LandmarkProtocol
    annotations: AnnotationSet

    def __post_init__(self) -> None:
        check_name(self.reader)
        asked = {m.protocol_name for m in self.annotations.landmarks} - {""}
        stray = sorted(asked - set(self.protocol.names))
        if stray:
            msg = f"protocol {self.protocol.name!r} does not ask for {stray}"
            raise ValueError(msg)

    def as_landmark_set(self, case_id: str = "") -> LandmarkSet:
        """Return the reader's landmarks for export, without any proposal.

        Parameters
        ----------
        case_id
            Name of the case, without identifiers of the patient.
        """
        landmarks = tuple(
            self._as_landmark(landmark) for landmark in self.annotations.landmarks
        )
        return self._set_of(landmarks, case_id, "")

    def proposals_as_landmark_set(self, case_id: str = "") -> LandmarkSet:
        """Return the open proposals alone, for a file of their own."""
        proposals = self.annotations.proposals
        landmarks = tuple(
            Landmark(
                name,
                proposal.position_lps_mm,
                source=LandmarkSource.MODEL,
                confidence=proposal.confidence,
                description=self._description_of(self.annotations[name]),
                rater=proposal.model,
            )
            for name, proposal in proposals.items()
        )
        hashes = {proposal.model_sha256 for proposal in proposals.values()}
        return self._set_of(
            landmarks, case_id, hashes.pop() if len(hashes) == 1 else ""
        )

    def _set_of(
        self, landmarks: tuple[Landmark, ...], case_id: str, model_sha256: str
    ) -> LandmarkSet:
        return LandmarkSet(
            landmarks,
            image_name=self.image.name,
            image_sha256=self.image.sha256,
            case_id=case_id,
            sequence=self.image.sequence,
            frame_of_reference_uid=self.image.frame_of_reference_uid,
            model_sha256=model_sha256,
        )

    def _as_landmark(self, landmark: AnnotatedLandmark) -> Landmark:
        status = LandmarkStatus.UNDEFINED
        if landmark.is_placed:
            status = LandmarkStatus.DEFINED
        elif landmark.is_skipped:
            status = LandmarkStatus.SKIPPED
        is_model = landmark.source == LandmarkSource.MODEL
        return Landmark(
            landmark.name,
            landmark.position_lps_mm,
            status,
            source=landmark.source,
            confidence=landmark.confidence,
            description=self._description_of(landmark),
            rater=landmark.model if is_model else self.reader,
        )

    def _description_of(self, landmark: AnnotatedLandmark) -> str:
        if not landmark.protocol_name:
            return ""
        return self.protocol[landmark.protocol_name].description


def new_annotations(protocol: LandmarkProtocol) -> AnnotationSet:
    """Return the landmarks of a protocol, none of them placed."""
    return AnnotationSet(
        tuple(AnnotatedLandmark(name, name) for name in protocol.names)
    )


def identity_of(volume: Volume, file: str = "") -> ImageIdentity:
    """Return the identity of an image.

    Parameters
    ----------
    volume
        The image.
    file
        Name of its file, if it is one file.
    """
    return ImageIdentity(
        name=volume.name,
        sha256=volume.content_hash,
        file=file,
        sequence=volume.sequence.label,
        frame_of_reference_uid=volume.frame_of_reference_uid or "",
    )


def checked_position(position_lps_mm: Position) -> Position:
    """Return three finite numbers as plain floats; ValueError otherwise."""
    numbers = tuple(float(x) for x in position_lps_mm)
    if len(numbers) != 3 or not np.isfinite(numbers).all():
        msg = f"a position needs 3 finite mm, got {position_lps_mm}"
        raise ValueError(msg)
    return (numbers[0], numbers[1], numbers[2])


def check_confidence(confidence: float | None) -> None:
    """Raise ValueError unless a confidence is 0 to 1 or not there."""
    if confidence is not None and not 0 <= confidence <= 1:
        msg = f"confidence must be between 0 and 1, got {confidence}"
        raise ValueError(msg)
