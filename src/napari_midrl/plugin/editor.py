"""Does commands on the session behind the dock, and tells what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_midrl.annotation.imports import Conflicts, Import, Strangers
from napari_midrl.errors import ChangedOnDiskError, MidrlError
from napari_midrl.plugin import questions
from napari_midrl.plugin.exports import error_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_midrl.annotation.commands import Command
    from napari_midrl.data.annotations import AnnotationSet
    from napari_midrl.workflows.annotate import AnnotationSession

THEIRS = "Take theirs"
MINE = "Keep mine"
REPLACE = "Replace mine"
ADD = "Add them"
LEAVE_OUT = "Leave them out"


class Editor(QObject):
    """Commands, undo and redo on one session; every change is on the disk.

    Parameters
    ----------
    session
        What is edited.
    parent
        Qt parent of this and of the questions.
    """

    changed = Signal()
    """The landmarks or their file changed, or a change was refused: draw again."""

    told = Signal(str, bool)
    """Something to tell the user, and whether it is an error."""

    def __init__(self, session: AnnotationSession, parent: QWidget) -> None:
        super().__init__(parent)
        self.session = session
        self._parent = parent

    @property
    def annotations(self) -> AnnotationSet:
        """The landmarks now."""
        return self.session.annotations

    def do(self, command: Command) -> bool:
        """Do a command; return whether it is done and saved."""
        return self._attempt(lambda: self.session.apply(command))

    def undo(self) -> bool:
        """Undo the latest step; return whether it is undone and saved."""
        text = self.session.undo_text
        done = self._attempt(self.session.undo)
        if done:
            self.told.emit(f"Undone: {text}.", False)
        return done

    def redo(self) -> bool:
        """Do the undone step again; return whether it is done and saved."""
        text = self.session.redo_text
        done = self._attempt(self.session.redo)
        if done:
            self.told.emit(f"Done again: {text}.", False)
        return done

    def take_over(self, command: Import) -> bool:
        """Import landmarks; ask where they say otherwise than the reader does."""
        conflicts = command.conflicting(self.annotations)
        strange = command.strange(self.annotations)
        on_conflict, on_strange = Conflicts.REFUSE, Strangers.REFUSE
        if conflicts:
            text = (
                f"{command.origin} says otherwise about what you have placed or "
                f"skipped: {', '.join(conflicts)}."
            )
            answer = questions.choose(
                self._parent, "Import landmarks", text, (MINE, REPLACE)
            )
            if not answer:
                return False
            on_conflict = Conflicts.KEEP if answer == MINE else Conflicts.REPLACE
        if strange:
            text = (
                f"{command.origin} has landmarks that are not in your list: "
                f"{', '.join(strange)}."
            )
            answer = questions.choose(
                self._parent, "Import landmarks", text, (ADD, LEAVE_OUT)
            )
            if not answer:
                return False
            on_strange = Strangers.ADD if answer == ADD else Strangers.LEAVE_OUT
        return self.do(
            Import(command.landmarks, on_conflict, on_strange, command.origin)
        )

    def _attempt(self, act: Callable[[], object]) -> bool:
        try:
            act()
        except ChangedOnDiskError as problem:
            return self._settle(problem, act)
        except (MidrlError, OSError, ValueError) as problem:
            self._refuse(problem)
            return False
        self.changed.emit()
        return True

    def _settle(self, problem: ChangedOnDiskError, act: Callable[[], object]) -> bool:
        """Ask whose version of the file counts."""
        name = self.session.path.name
        text = (
            f"{name} was changed by another program or window since it was read.\n\n"
            f"{THEIRS}: go on with the file as it is; undo brings yours back.\n"
            f"{MINE}: replace the file; theirs stays beside it as .bak."
        )
        answer = questions.choose(self._parent, "Changed on disk", text, (THEIRS, MINE))
        try:
            if answer == THEIRS:
                self.session.take_theirs()
                self.told.emit(
                    "Took their version; your last step was not made.", False
                )
            elif answer == MINE:
                self.session.keep_mine()
                act()
            else:
                self._refuse(problem)
                return False
        except (MidrlError, OSError, ValueError) as again:
            self._refuse(again)
            return False
        self.changed.emit()
        return answer == MINE

    def _refuse(self, problem: Exception) -> None:
        self.told.emit(f"Not done: {error_text(problem)}", True)
        self.changed.emit()
