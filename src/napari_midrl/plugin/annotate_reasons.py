"""Why something cannot be done to the landmark at hand; empty where it can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.data.annotations import AnnotationState

if TYPE_CHECKING:
    from napari_midrl.data.annotations import AnnotatedLandmark, AnnotationSet

    Annotations = AnnotationSet | None

NO_SESSION = "Start first: choose image, protocol and reader above."


def why_closed(annotations: Annotations) -> str:
    """Return why nothing can be done at all."""
    return NO_SESSION if annotations is None else ""


def why_none_at_hand(annotations: Annotations, current: str | None) -> str:
    """Return why there is no landmark to do something to."""
    if annotations is None:
        return NO_SESSION
    return "" if current in annotations.names else "Choose a row first."


def why_locked(annotations: Annotations, current: str | None) -> str:
    """Return why the landmark at hand cannot be changed."""
    reason = why_none_at_hand(annotations, current)
    if not reason and _landmark(annotations, current).is_locked:
        reason = f"{current} is locked."
    return reason


def why_no_skip(annotations: Annotations, current: str | None) -> str:
    """Return why the landmark at hand cannot be skipped."""
    reason = why_locked(annotations, current)
    if not reason and _landmark(annotations, current).is_placed:
        reason = "It is placed; delete its position first."
    return reason


def why_not_placed(annotations: Annotations, current: str | None) -> str:
    """Return why the landmark at hand has no position that could be deleted."""
    reason = why_locked(annotations, current)
    if not reason and not _landmark(annotations, current).is_placed:
        reason = "It has no position."
    return reason


def why_nowhere(annotations: Annotations, current: str | None) -> str:
    """Return why the views cannot go to the landmark at hand."""
    reason = why_none_at_hand(annotations, current)
    if not reason and annotations is not None and current is not None:
        state = annotations.state_of(current)
        if state not in (AnnotationState.PLACED, AnnotationState.PROPOSED):
            reason = "It has no position."
    return reason


def why_nothing_left(annotations: Annotations) -> str:
    """Return why there is nothing more to place."""
    if annotations is None:
        return NO_SESSION
    if annotations.next_to_place() is None:
        return "Every landmark is placed or skipped."
    return ""


def why_no_move(annotations: Annotations, current: str | None, by: int) -> str:
    """Return why the landmark at hand cannot move in the list."""
    reason = why_none_at_hand(annotations, current)
    if not reason and annotations is not None and current is not None:
        index = annotations.names.index(current) + by
        if not 0 <= index < len(annotations.names):
            reason = "It is at the end of the list."
    return reason


def why_no_proposal(annotations: Annotations) -> str:
    """Return why there is nothing to judge."""
    if annotations is None:
        return NO_SESSION
    return "" if annotations.proposals else "There are no proposals."


def why_no_proposal_here(
    annotations: Annotations, current: str | None, *, rejecting: bool = False
) -> str:
    """Return why the proposal for the landmark at hand cannot be judged."""
    reason = why_none_at_hand(annotations, current) or why_no_proposal(annotations)
    if reason or annotations is None:
        return reason
    if current not in annotations.proposals:
        return f"There is no proposal for {current}."
    return "" if rejecting else why_locked(annotations, current)


def acceptable(annotations: Annotations) -> tuple[str, ...]:
    """Return the names whose proposals replace nothing when they are accepted."""
    if annotations is None:
        return ()
    return tuple(
        name
        for name in annotations.proposals
        if not (annotations[name].is_placed or annotations[name].is_locked)
    )


def why_no_acceptable(annotations: Annotations) -> str:
    """Return why there is nothing that all could be accepted of."""
    reason = why_no_proposal(annotations)
    if not reason and not acceptable(annotations):
        reason = "The landmarks proposed are placed or locked."
    return reason


def _landmark(annotations: Annotations, current: str | None) -> AnnotatedLandmark:
    assert annotations is not None  # asked by those who have checked it
    assert current is not None
    return annotations[current]
