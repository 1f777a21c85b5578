"""Taking landmarks over from elsewhere, without losing what is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_midrl.annotation.changes import cleared, unlocked, with_changed
from napari_midrl.data.annotations import AnnotatedLandmark
from napari_midrl.data.landmarks import LandmarkSource, LandmarkStatus
from napari_midrl.errors import EditError

if TYPE_CHECKING:
    from napari_midrl.data.annotations import AnnotationSet
    from napari_midrl.data.landmarks import Landmark


class Conflicts(StrEnum):
    """What an import does where both sides say something, and not the same."""

    REFUSE = "refuse"
    KEEP = "keep"
    REPLACE = "replace"


class Strangers(StrEnum):
    """What an import does with landmarks that the set does not have."""

    REFUSE = "refuse"
    LEAVE_OUT = "leave out"
    ADD = "add"


@dataclass(frozen=True)
class Import:
    """Take over landmarks from elsewhere; undefined ones say nothing and pass.

    The defaults take over nothing unless all of it fits, so that a user is asked.

    Parameters
    ----------
    landmarks
        Names differ.
    conflicts
        Where a landmark is placed or skipped already and the import says otherwise.
    strangers
        Where the set has no landmark of that name; added ones come last.
    origin
        Where they come from, for the menu.

    Raises
    ------
    ValueError
        If two of the landmarks share a name.
    """

    landmarks: tuple[Landmark, ...]
    conflicts: Conflicts = Conflicts.REFUSE
    strangers: Strangers = Strangers.REFUSE
    origin: str = "a file"

    def __post_init__(self) -> None:
        names = [landmark.name for landmark in self.landmarks]
        if len(set(names)) < len(names):
            msg = f"imported landmarks must have different names, got {names}"
            raise ValueError(msg)

    @property
    def text(self) -> str:
        """For a menu."""
        return f"import from {self.origin}"

    def conflicting(self, annotations: AnnotationSet) -> tuple[str, ...]:
        """Return the names where the set says something else already."""
        return tuple(
            given.name
            for given in self._telling()
            if given.name in annotations.names
            and _says_else(annotations[given.name], given)
        )

    def strange(self, annotations: AnnotationSet) -> tuple[str, ...]:
        """Return the names that the set does not have."""
        return tuple(
            given.name
            for given in self._telling()
            if given.name not in annotations.names
        )

    def apply(self, annotations: AnnotationSet) -> AnnotationSet:
        """Return the set with the imported landmarks in it."""
        conflicts = self.conflicting(annotations)
        strange = self.strange(annotations)
        if strange and self.strangers == Strangers.REFUSE:
            msg = f"the set has no landmarks {', '.join(map(repr, strange))}"
            raise EditError(msg)
        if conflicts and self.conflicts == Conflicts.REFUSE:
            names = ", ".join(map(repr, conflicts))
            msg = f"placed or skipped already, and not the same: {names}"
            raise EditError(msg)
        changed = annotations
        for given in self._telling():
            if given.name in strange:
                if self.strangers == Strangers.ADD:
                    added = _imported(AnnotatedLandmark(given.name), given)
                    changed = replace(changed, landmarks=(*changed.landmarks, added))
            elif given.name not in conflicts or self.conflicts == Conflicts.REPLACE:
                landmark = changed[given.name]
                if _says_else(landmark, given) or not _says(landmark):
                    unlocked(changed, given.name, "imported")
                    changed = with_changed(changed, _imported(landmark, given))
        return changed

    def _telling(self) -> list[Landmark]:
        return [m for m in self.landmarks if m.status != LandmarkStatus.UNDEFINED]


def _imported(landmark: AnnotatedLandmark, given: Landmark) -> AnnotatedLandmark:
    """Return the landmark as the import says it is."""
    if given.status == LandmarkStatus.SKIPPED:
        return replace(cleared(landmark), is_skipped=True)
    is_model = given.source == LandmarkSource.MODEL
    return replace(
        landmark,
        position_lps_mm=given.position_lps_mm,
        is_skipped=False,
        source=given.source,
        model=given.rater if is_model else "",
        confidence=given.confidence,
    )


def _says(landmark: AnnotatedLandmark) -> bool:
    return landmark.is_placed or landmark.is_skipped


def _says_else(landmark: AnnotatedLandmark, given: Landmark) -> bool:
    """Return whether a landmark says something, and not what the import says."""
    is_skipped = given.status == LandmarkStatus.SKIPPED
    same = (
        landmark.is_skipped == is_skipped
        and landmark.position_lps_mm == given.position_lps_mm
    )
    return _says(landmark) and not same
