"""What a user did to a points layer with napari's own tools, as commands.

The layer is only a picture of the annotations. Whatever is done to it becomes a command
on them, or is undone by drawing the layer again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.annotation.commands import (
    Delete,
    Move,
    NudgeAndAccept,
    Place,
    Reject,
    Several,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from napari_midrl.annotation.commands import Command
    from napari_midrl.data.annotations import AnnotationSet, Position

MOVED_MM = 1e-6
"""A point that is farther from where it was drawn has been moved."""


def as_position(point_lps_mm: npt.ArrayLike) -> Position:
    """Return three numbers as plain floats."""
    x, y, z = np.asarray(point_lps_mm, dtype=np.float64).tolist()
    return (x, y, z)


def edits_of_landmarks(
    annotations: AnnotationSet,
    drawn: Sequence[str],
    kept: Mapping[str, Position],
    added: Sequence[Position],
    armed: str | None,
) -> tuple[Command | None, tuple[str, ...]]:
    """Return what was done to the layer of landmarks, and the names it was denied for.

    Parameters
    ----------
    annotations
        As they were drawn.
    drawn
        Landmarks that had a point.
    kept
        Points that still have their name, LPS mm.
    added
        Points without one, LPS mm; the first becomes the armed landmark.
    armed
        Landmark to be placed next; None if there is none.

    Returns
    -------
    command, denied
        One command for all of it, None if nothing is left to do; and the landmarks
        that are locked and stay as they are.
    """
    commands: list[Command] = []
    denied: list[str] = []
    for name in drawn:
        landmark = annotations[name]
        if name in kept and not _is_moved(landmark.position_lps_mm, kept[name]):
            continue
        if landmark.is_locked:
            denied.append(name)
        elif name in kept:
            commands.append(Move(name, kept[name]))
        else:
            commands.append(Delete(name))
    if added and armed is not None:
        commands.append(Place(armed, added[0]))
    return together(commands), tuple(denied)


def edits_of_proposals(
    annotations: AnnotationSet, drawn: Sequence[str], kept: Mapping[str, Position]
) -> tuple[Command | None, tuple[str, ...]]:
    """Return what was done to the layer of proposals; see `edits_of_landmarks`.

    A proposal that is moved is corrected and accepted, one that is deleted is
    rejected. One for a landmark that is locked or placed already stays where it is.
    """
    commands: list[Command] = []
    denied: list[str] = []
    for name in drawn:
        if name not in kept:
            commands.append(Reject(name))
        elif _is_moved(annotations.proposals[name].position_lps_mm, kept[name]):
            landmark = annotations[name]
            if landmark.is_locked or landmark.is_placed:
                denied.append(name)
            else:
                commands.append(NudgeAndAccept(name, kept[name]))
    return together(commands), tuple(denied)


def together(commands: Sequence[Command], text: str = "") -> Command | None:
    """Return commands as one step to undo; None if there are none."""
    if not commands:
        return None
    if len(commands) == 1:
        return commands[0]
    return Several(tuple(commands), text or ", ".join(c.text for c in commands))


def _is_moved(was: Position | None, now: Position) -> bool:
    if was is None:
        return True
    return bool(np.abs(np.subtract(was, now)).max() > MOVED_MM)
