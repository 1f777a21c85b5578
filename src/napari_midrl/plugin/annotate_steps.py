"""Steps on the landmark at hand: place, skip, lock, hide, rename, reorder, walk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.annotation.commands import (
    Delete,
    Hide,
    Lock,
    Place,
    Rename,
    Reorder,
    Show,
    Skip,
    Unlock,
    Unskip,
)
from napari_midrl.annotation.snap import snapped
from napari_midrl.plugin.annotate_layout import SNAPS
from napari_midrl.plugin.annotate_reasons import NO_SESSION
from napari_midrl.plugin.annotate_slices import is_inside
from napari_midrl.plugin.exports import error_text

if TYPE_CHECKING:
    from napari_midrl.data.annotations import Position
    from napari_midrl.data.volume import Volume
    from napari_midrl.plugin.annotate_dock import AnnotateDock


class Steps:
    """What a reader does to one landmark after the other.

    Parameters
    ----------
    dock
        The dock.
    """

    def __init__(self, dock: AnnotateDock) -> None:
        self._dock = dock

    def place(self, position_lps_mm: Position) -> bool:
        """Place the armed landmark and arm the next one."""
        name, volume = self._dock.armed, self._dock.volume
        if self._dock.editor is None or volume is None or name is None:
            return False
        if not is_inside(volume.grid, position_lps_mm):
            self._dock.tell(
                "That is outside of the image; nothing was placed.", error=True
            )
            return False
        position, note = self._snapped(volume, position_lps_mm)
        if not self._dock.do(Place(name, position)):
            return False
        self._dock.set_current(
            self._dock.editor.annotations.next_to_place(name) or name
        )
        self._dock.refresh()
        self._dock.tell(f"Placed {name}.{note}")
        return True

    def _snapped(self, volume: Volume, position: Position) -> tuple[Position, str]:
        """Return the local extremum the user asks for, or the position itself."""
        extremum = SNAPS[self._dock.ui.snap.currentText()]
        if extremum is None:
            return position, ""
        found = snapped(volume, position, extremum)
        if found is None:
            return position, f" Nothing {extremum.value} was near; it is at the click."
        return found, f" Moved to the {extremum.value} place near the click."

    def toggle_skip(self) -> None:
        """Say that the landmark at hand cannot be placed, or take that back."""
        editor, name = self._dock.editor, self._dock.current
        if editor is None or name is None:
            return
        if editor.annotations[name].is_skipped:
            editor.do(Unskip(name))
        elif editor.do(Skip(name)):
            self._dock.set_current(editor.annotations.next_to_place(name) or name)
            self._dock.refresh()

    def toggle_lock(self, name: str | None = None) -> None:
        """Protect a landmark, the one at hand by default, or let it be changed."""
        name = name or self._dock.current
        if self._dock.editor is not None and name is not None:
            is_locked = self._dock.editor.annotations[name].is_locked
            self._dock.do(Unlock(name) if is_locked else Lock(name))

    def toggle_shown(self, name: str | None = None) -> None:
        """Hide a landmark, the one at hand by default, or show it."""
        name = name or self._dock.current
        if self._dock.editor is not None and name is not None:
            is_hidden = self._dock.editor.annotations[name].is_hidden
            self._dock.do(Show(name) if is_hidden else Hide(name))

    def delete(self) -> None:
        """Take the position of the landmark at hand away."""
        if self._dock.current is not None:
            self._dock.do(Delete(self._dock.current))

    def rename(self) -> None:
        """Let the user type another name for the landmark at hand."""
        self._dock.ui.table.begin_renaming()

    def renamed(self, name: str, new_name: str) -> None:
        """Call a landmark what the user typed; the cell goes back if that cannot be."""
        try:
            command = Rename(name, new_name)
        except ValueError as error:
            self._dock.tell(f"Not renamed: {error_text(error)}", error=True)
            self._dock.refresh()
            return
        before = self._dock.current
        if name == before:
            self._dock.set_current(new_name)
        if not self._dock.do(command):
            self._dock.set_current(before)
            self._dock.refresh()

    def reorder(self, by: int) -> None:
        """Move the landmark at hand up or down in the list."""
        if self._dock.editor is not None and self._dock.current is not None:
            index = self._dock.editor.annotations.names.index(self._dock.current)
            self._dock.do(Reorder(self._dock.current, index + by))

    def toggle_placing(self) -> None:
        """Let clicks place landmarks, or not."""
        self._dock.ui.placing.toggle()

    def next_snap(self) -> None:
        """Choose the next way to put a point."""
        snap = self._dock.ui.snap
        snap.setCurrentIndex((snap.currentIndex() + 1) % snap.count())
        self._dock.tell(f"Put the point: {snap.currentText().lower()}.")

    def walk(self, by: int) -> None:
        """Go down or up the table."""
        if self._dock.editor is None:
            return
        names = self._dock.editor.annotations.names
        index = -1 if self._dock.current is None else names.index(self._dock.current)
        self._dock.go_to(names[min(max(index + by, 0), len(names) - 1)])

    def go_to_next(self) -> None:
        """Go to the next landmark that is still to be placed."""
        if self._dock.editor is not None:
            name = self._dock.editor.annotations.next_to_place(self._dock.current)
            if name is not None:
                self._dock.go_to(name)

    def why_no_undo(self) -> str:
        """Return why there is nothing to undo; empty if there is."""
        session = self._dock.session
        if session is None:
            return NO_SESSION
        return "" if session.undo_text else "There is nothing to undo."

    def why_no_redo(self) -> str:
        """Return why there is nothing to do again; empty if there is."""
        session = self._dock.session
        if session is None:
            return NO_SESSION
        return "" if session.redo_text else "There is nothing to do again."
