"""The mouse and napari's tools on the layers of the annotation dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_midrl.annotation.commands import Move, NudgeAndAccept
from napari_midrl.plugin.annotate_edits import edits_of_landmarks, edits_of_proposals
from napari_midrl.plugin.annotate_reasons import NO_SESSION
from napari_midrl.plugin.annotate_scene import Held
from napari_midrl.plugin.annotate_slices import is_inside, place_of, position_on_slice

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_midrl.data.annotations import Position
    from napari_midrl.plugin.annotate_dock import AnnotateDock


class Pointer:
    """Makes commands of clicks, of drags, and of what napari's tools do.

    Parameters
    ----------
    dock
        The dock.
    """

    def __init__(self, dock: AnnotateDock) -> None:
        self._dock = dock

    def held_at(
        self, point_zyx: npt.NDArray[Any], shown: tuple[int, int], reach: float
    ) -> Held | None:
        """Return the point under the mouse."""
        return (
            None
            if self._dock.editor is None
            else self._dock.scene.nearest(point_zyx, shown, reach)
        )

    def clicked(self, held: object | None, point_zyx: npt.NDArray[Any]) -> None:
        """Go to the landmark under the mouse, or place the armed one."""
        if self._dock.editor is None or self._dock.image is None:
            return
        if isinstance(held, Held):
            self._dock.set_current(held.name)
            self._dock.refresh()
        elif self._dock.armed is not None and not self._is_elsewhere():
            self._dock.steps.place(
                position_on_slice(self._dock.viewer, self._dock.image, point_zyx)
            )

    def dragged(self, held: object, point_zyx: npt.NDArray[Any]) -> None:
        """Draw a point where it is dragged to, if it may be moved."""
        if isinstance(held, Held) and self._why_held_fast(held) == "":
            self._dock.scene.preview(held, self._dropped_at(held, point_zyx))

    def dropped(self, held: object, point_zyx: npt.NDArray[Any]) -> None:
        """Move a landmark, or correct and accept a proposal: one step."""
        if (
            not isinstance(held, Held)
            or self._dock.editor is None
            or self._dock.volume is None
        ):
            return
        reason = self._why_held_fast(held)
        position = self._dropped_at(held, point_zyx)
        if not reason and not is_inside(self._dock.volume.grid, position):
            reason = "That is outside of the image."
        if reason:
            self._dock.tell(f"{held.name} was not moved. {reason}", error=True)
            self._dock.refresh()
            return
        self._dock.set_current(held.name)
        if not held.is_proposal:
            self._dock.do(Move(held.name, position))
        elif self._dock.do(NudgeAndAccept(held.name, position)):
            self._dock.proposing.tell_judged(f"Corrected and accepted {held.name}")

    def _dropped_at(self, held: Held, point_zyx: npt.NDArray[Any]) -> Position:
        assert self._dock.editor is not None  # points are there while a session is open
        assert self._dock.image is not None
        annotations = self._dock.editor.annotations
        before = annotations[held.name].position_lps_mm
        if held.is_proposal:
            before = annotations.proposals[held.name].position_lps_mm
        return position_on_slice(self._dock.viewer, self._dock.image, point_zyx, before)

    def _why_held_fast(self, held: Held) -> str:
        if self._dock.editor is None:
            return NO_SESSION
        landmark = self._dock.editor.annotations[held.name]
        if landmark.is_locked:
            return "It is locked; unlock it first."
        if held.is_proposal and landmark.is_placed:
            return "It has a place of its own; accept or reject the proposal."
        if self._is_elsewhere():
            return "The image is hidden, or was moved in the viewer."
        return ""

    def _is_elsewhere(self) -> bool:
        """Return whether what one sees is not the image where it lies; tell why."""
        image = self._dock.image
        if image is None:
            return False
        if not image.visible:
            self._dock.tell(f"{image.name} is hidden; show it first.", True)
            return True
        if place_of(image) == self._dock.seen_at:
            return False
        self._dock.tell(
            f"{image.name} was moved or scaled in the viewer, so a click would lie "
            "elsewhere in the patient. Reset its transform first.",
            True,
        )
        return True

    def landmarks_edited(
        self,
        drawn: tuple[str, ...],
        kept: dict[str, Position],
        added: list[Position],
    ) -> None:
        """Do to the landmarks what was done to their layer."""
        if self._dock.editor is None:
            return
        armed = self._dock.armed
        inside = [
            p
            for p in added
            if self._dock.volume and is_inside(self._dock.volume.grid, p)
        ]
        command, denied = edits_of_landmarks(
            self._dock.editor.annotations, drawn, kept, inside, armed
        )
        done = command is not None and self._dock.editor.do(command)
        if done and added and armed is not None:
            self._dock.set_current(
                self._dock.editor.annotations.next_to_place(armed) or armed
            )
        if denied:
            self._dock.tell(f"Locked, and as before: {', '.join(denied)}.", error=True)
        elif added and (armed is None or not inside):
            self._dock.tell("No landmark is waiting to be placed there.", error=True)
        self._dock.refresh()

    def proposals_edited(
        self,
        drawn: tuple[str, ...],
        kept: dict[str, Position],
        added: list[Position],
    ) -> None:
        """Do to the proposals what was done to their layer."""
        if self._dock.editor is None:
            return
        command, denied = edits_of_proposals(self._dock.editor.annotations, drawn, kept)
        if command is not None and self._dock.editor.do(command):
            self._dock.proposing.tell_judged(f"Done: {command.text}")
        if denied:
            self._dock.tell(
                f"Placed or locked already: {', '.join(denied)}.", error=True
            )
        self._dock.refresh()

    def others_edited(self, *edit: object) -> None:
        """Put other readers' landmarks back."""
        self._dock.tell("Other readers' landmarks are theirs; they stay.", error=True)
        self._dock.refresh()

    def layer_removed(self) -> None:
        """Say that nothing is lost with a layer."""
        if self._dock.editor is not None:
            self._dock.tell(
                "A layer was removed, no landmark: it comes back with the next step."
            )
