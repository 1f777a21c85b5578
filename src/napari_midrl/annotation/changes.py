"""Looking a landmark up in a set, and putting a changed one in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_midrl.data.landmarks import LandmarkSource
from napari_midrl.errors import EditError, LockedError

if TYPE_CHECKING:
    from napari_midrl.data.annotations import AnnotatedLandmark, AnnotationSet


def found(annotations: AnnotationSet, name: str) -> AnnotatedLandmark:
    """Return the landmark of that name; EditError if there is none."""
    try:
        return annotations[name]
    except KeyError as problem:
        raise EditError(problem.args[0]) from problem


def unlocked(annotations: AnnotationSet, name: str, verb: str) -> AnnotatedLandmark:
    """Return the landmark of that name; LockedError if it must not be changed.

    Parameters
    ----------
    annotations
        The set.
    name
        Of the landmark.
    verb
        What was to be done to it, for the message: ``"moved"``.
    """
    landmark = found(annotations, name)
    if landmark.is_locked:
        msg = f"{name!r} is locked and was not {verb}; unlock it first"
        raise LockedError(msg)
    return landmark


def with_changed(
    annotations: AnnotationSet, changed: AnnotatedLandmark
) -> AnnotationSet:
    """Return the set with the landmark of that name replaced."""
    landmarks = tuple(
        changed if landmark.name == changed.name else landmark
        for landmark in annotations.landmarks
    )
    return replace(annotations, landmarks=landmarks)


def cleared(landmark: AnnotatedLandmark) -> AnnotatedLandmark:
    """Return the landmark saying nothing: no position, not skipped."""
    return replace(
        landmark,
        position_lps_mm=None,
        is_skipped=False,
        source=LandmarkSource.HUMAN,
        model="",
        confidence=None,
    )
