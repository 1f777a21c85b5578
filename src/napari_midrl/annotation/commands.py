"""Everything a reader can do to a set of landmarks, each as one value.

A command takes a set and returns the changed one; if it cannot be done it raises an
`EditError` and nothing has changed, because a set never changes. A lock protects what
a landmark says: its position, that it was skipped, its name. Hiding, ordering and
proposals are free, they move nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from napari_midrl.annotation.changes import cleared, found, unlocked, with_changed
from napari_midrl.data.annotations import AnnotationSet, checked_position
from napari_midrl.data.landmarks import LandmarkSource
from napari_midrl.data.protocol import check_name
from napari_midrl.errors import EditError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_midrl.data.annotations import AnnotatedLandmark, Position, Proposal


class Command(Protocol):
    """One thing a reader does."""

    @property
    def text(self) -> str:
        """What it does, for a menu: ``"place AC"``."""

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the changed set; EditError if it cannot be done."""


@dataclass(frozen=True)
class Place:
    """Give a landmark its first position; a skipped one is skipped no longer.

    Parameters
    ----------
    name
        Of the landmark.
    position_lps_mm
        Three finite numbers in LPS mm.
    """

    name: str
    position_lps_mm: Position

    def __post_init__(self) -> None:
        _freeze_position(self)

    @property
    def text(self) -> str:
        """For a menu."""
        return f"place {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark placed."""
        landmark = unlocked(annotations, self.name, "placed")
        if landmark.is_placed:
            msg = f"{self.name!r} is placed already; move it, or delete it first"
            raise EditError(msg)
        return with_changed(annotations, _by_reader(landmark, self.position_lps_mm))


@dataclass(frozen=True)
class Move:
    """Put a placed landmark elsewhere; it is the reader's own from then on.

    Parameters
    ----------
    name
        Of the landmark.
    position_lps_mm
        Three finite numbers in LPS mm.
    """

    name: str
    position_lps_mm: Position

    def __post_init__(self) -> None:
        _freeze_position(self)

    @property
    def text(self) -> str:
        """For a menu."""
        return f"move {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark moved."""
        landmark = unlocked(annotations, self.name, "moved")
        if not landmark.is_placed:
            msg = f"{self.name!r} has no position yet; place it"
            raise EditError(msg)
        if landmark.position_lps_mm == self.position_lps_mm:
            return annotations
        moved = replace(
            landmark,
            position_lps_mm=self.position_lps_mm,
            source=LandmarkSource.HUMAN,
            confidence=None,
        )
        return with_changed(annotations, moved)


@dataclass(frozen=True)
class Delete:
    """Take a landmark's position away; the landmark stays, to be placed again."""

    name: str

    @property
    def text(self) -> str:
        """For a menu."""
        return f"delete {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark undefined."""
        landmark = unlocked(annotations, self.name, "deleted")
        if not landmark.is_placed:
            msg = f"{self.name!r} has no position that could be deleted"
            raise EditError(msg)
        return with_changed(annotations, cleared(landmark))


@dataclass(frozen=True)
class Rename:
    """Call a landmark something else; a proposal for it stays its own."""

    name: str
    new_name: str

    def __post_init__(self) -> None:
        check_name(self.new_name)

    @property
    def text(self) -> str:
        """For a menu."""
        return f"rename {self.name} to {self.new_name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark renamed."""
        landmark = unlocked(annotations, self.name, "renamed")
        if self.new_name == self.name:
            return annotations
        if self.new_name in annotations.names:
            msg = f"another landmark is called {self.new_name!r} already"
            raise EditError(msg)
        landmarks = tuple(
            replace(landmark, name=self.new_name) if m is landmark else m
            for m in annotations.landmarks
        )
        proposals = {
            self.new_name if name == self.name else name: proposal
            for name, proposal in annotations.proposals.items()
        }
        return AnnotationSet(landmarks, proposals)


@dataclass(frozen=True)
class Skip:
    """Say that a landmark cannot be placed on this image."""

    name: str

    @property
    def text(self) -> str:
        """For a menu."""
        return f"skip {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark skipped."""
        landmark = unlocked(annotations, self.name, "skipped")
        if landmark.is_placed:
            msg = f"{self.name!r} is placed; delete its position to skip it"
            raise EditError(msg)
        return with_changed(annotations, replace(landmark, is_skipped=True))


@dataclass(frozen=True)
class Unskip:
    """Take back that a landmark cannot be placed."""

    name: str

    @property
    def text(self) -> str:
        """For a menu."""
        return f"take {self.name} up again"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark to be placed."""
        landmark = unlocked(annotations, self.name, "taken up again")
        return with_changed(annotations, replace(landmark, is_skipped=False))


@dataclass(frozen=True)
class Lock:
    """Protect what a landmark says."""

    name: str

    @property
    def text(self) -> str:
        """For a menu."""
        return f"lock {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark locked."""
        landmark = found(annotations, self.name)
        return with_changed(annotations, replace(landmark, is_locked=True))


@dataclass(frozen=True)
class Unlock:
    """Let a landmark be changed again."""

    name: str

    @property
    def text(self) -> str:
        """For a menu."""
        return f"unlock {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark unlocked."""
        landmark = found(annotations, self.name)
        return with_changed(annotations, replace(landmark, is_locked=False))


@dataclass(frozen=True)
class Hide:
    """Do not draw a landmark."""

    name: str

    @property
    def text(self) -> str:
        """For a menu."""
        return f"hide {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark hidden."""
        landmark = found(annotations, self.name)
        return with_changed(annotations, replace(landmark, is_hidden=True))


@dataclass(frozen=True)
class Show:
    """Draw a landmark again."""

    name: str

    @property
    def text(self) -> str:
        """For a menu."""
        return f"show {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark shown."""
        landmark = found(annotations, self.name)
        return with_changed(annotations, replace(landmark, is_hidden=False))


@dataclass(frozen=True)
class Reorder:
    """Put a landmark elsewhere in the list.

    Parameters
    ----------
    name
        Of the landmark.
    index
        Its place afterwards, from 0.
    """

    name: str
    index: int

    @property
    def text(self) -> str:
        """For a menu."""
        return f"put {self.name} at place {self.index + 1}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set in the new order."""
        landmark = found(annotations, self.name)
        n = len(annotations.landmarks)
        if not 0 <= self.index < n:
            msg = f"there are places 1 to {n}, not {self.index + 1}"
            raise EditError(msg)
        others = [m for m in annotations.landmarks if m is not landmark]
        others.insert(self.index, landmark)
        return replace(annotations, landmarks=tuple(others))


@dataclass(frozen=True)
class AddProposals:
    """Take in what a model proposes; older proposals for the same names go.

    Parameters
    ----------
    proposals
        By the name of a landmark of the set.
    """

    proposals: Mapping[str, Proposal]

    def __post_init__(self) -> None:
        frozen = MappingProxyType(dict(self.proposals))
        object.__setattr__(self, "proposals", frozen)

    @property
    def text(self) -> str:
        """For a menu."""
        models = " and ".join(sorted({p.model for p in self.proposals.values()}))
        return f"take in {len(self.proposals)} proposals of {models}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the proposals; no landmark is changed."""
        for name in self.proposals:
            found(annotations, name)
        merged = {**annotations.proposals, **self.proposals}
        return replace(annotations, proposals=merged)


@dataclass(frozen=True)
class Accept:
    """Make a proposal the landmark, with the model's name and confidence.

    Parameters
    ----------
    name
        Of the landmark.
    replace_placed
        Whether it may take the place of a position that is there already.
    """

    name: str
    replace_placed: bool = False

    @property
    def text(self) -> str:
        """For a menu."""
        return f"accept {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark placed and the proposal gone."""
        landmark, proposal = _judged(annotations, self.name, self.replace_placed)
        accepted = replace(
            landmark,
            position_lps_mm=proposal.position_lps_mm,
            is_skipped=False,
            source=LandmarkSource.MODEL,
            model=proposal.model,
            confidence=proposal.confidence,
        )
        return with_changed(_without_proposal(annotations, self.name), accepted)


@dataclass(frozen=True)
class NudgeAndAccept:
    """Correct a proposal and make that the landmark.

    The position is the reader's; the model that gave the idea stays named.

    Parameters
    ----------
    name
        Of the landmark.
    position_lps_mm
        Where it belongs: three finite numbers in LPS mm.
    replace_placed
        Whether it may take the place of a position that is there already.
    """

    name: str
    position_lps_mm: Position
    replace_placed: bool = False

    def __post_init__(self) -> None:
        _freeze_position(self)

    @property
    def text(self) -> str:
        """For a menu."""
        return f"correct and accept {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the landmark placed and the proposal gone."""
        landmark, proposal = _judged(annotations, self.name, self.replace_placed)
        accepted = _by_reader(landmark, self.position_lps_mm, proposal.model)
        return with_changed(_without_proposal(annotations, self.name), accepted)


@dataclass(frozen=True)
class Reject:
    """Put a proposal away."""

    name: str

    @property
    def text(self) -> str:
        """For a menu."""
        return f"reject the proposal for {self.name}"

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set without the proposal."""
        _proposal(annotations, self.name)
        return _without_proposal(annotations, self.name)


@dataclass(frozen=True)
class Several:
    """Several commands as one step: all of them, or none.

    Parameters
    ----------
    commands
        Done in this order.
    text
        What they do together, for a menu.
    """

    commands: tuple[Command, ...]
    text: str

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set after all commands."""
        for command in self.commands:
            annotations = command.apply(annotations)
        return annotations


@dataclass(frozen=True)
class ReplaceAll:
    """Take another whole set, such as a file that was changed elsewhere.

    Parameters
    ----------
    annotations
        The set from then on.
    text
        Why, for a menu.
    """

    annotations: AnnotationSet
    text: str

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the other set."""
        del annotations
        return self.annotations


def _freeze_position(command: Place | Move | NudgeAndAccept) -> None:
    """Check a command's position once, when it is made."""
    position = checked_position(command.position_lps_mm)
    object.__setattr__(command, "position_lps_mm", position)


def _proposal(annotations: AnnotationSet, name: str) -> Proposal:
    found(annotations, name)
    if name not in annotations.proposals:
        msg = f"there is no proposal for {name!r}"
        raise EditError(msg)
    return annotations.proposals[name]


def _judged(
    annotations: AnnotationSet, name: str, replace_placed: bool
) -> tuple[AnnotatedLandmark, Proposal]:
    """Return the landmark and its proposal, if that may become its position."""
    proposal = _proposal(annotations, name)
    landmark = unlocked(annotations, name, "placed")
    if landmark.is_placed and not replace_placed:
        msg = f"{name!r} is placed already; say that the proposal may replace it"
        raise EditError(msg)
    return landmark, proposal


def _without_proposal(annotations: AnnotationSet, name: str) -> AnnotationSet:
    rest = {key: value for key, value in annotations.proposals.items() if key != name}
    return replace(annotations, proposals=rest)


def _by_reader(
    landmark: AnnotatedLandmark, position_lps_mm: Position, model: str = ""
) -> AnnotatedLandmark:
    """Return the landmark where the reader puts it."""
    return replace(cleared(landmark), position_lps_mm=position_lps_mm, model=model)
