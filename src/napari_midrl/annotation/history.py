"""Unlimited undo: every state is kept, and the states share what did not change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_midrl.errors import EditError

if TYPE_CHECKING:
    from napari_midrl.annotation.commands import Command
    from napari_midrl.data.annotations import AnnotationSet


@dataclass(frozen=True)
class Step:
    """One thing that was done.

    Parameters
    ----------
    text
        What, for a menu.
    before, after
        The set then and afterwards.
    """

    text: str
    before: AnnotationSet
    after: AnnotationSet


@dataclass(frozen=True)
class History:
    """A set of landmarks, all that was done to it, and all that was undone.

    Parameters
    ----------
    current
        The set now.
    done
        Steps that can be undone, the latest last.
    undone
        Steps that can be done again, the next one last.
    """

    current: AnnotationSet
    done: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()

    def apply(self, command: Command) -> History:
        """Return the history with the command done; what was undone is forgotten.

        A command that changes nothing makes no step and forgets nothing.

        Raises
        ------
        EditError
            If it cannot be done.
        """
        after = command.apply(self.current)
        if after == self.current:
            return self
        return History(after, (*self.done, Step(command.text, self.current, after)))

    def undo(self) -> History:
        """Return the history with the latest step undone; EditError if there is none.

        The set is the very one that was there before the step.
        """
        if not self.done:
            msg = "there is nothing to undo"
            raise EditError(msg)
        *earlier, latest = self.done
        return History(latest.before, tuple(earlier), (*self.undone, latest))

    def redo(self) -> History:
        """Return the history with the undone step done again; EditError if none."""
        if not self.undone:
            msg = "there is nothing to do again"
            raise EditError(msg)
        *later, latest = self.undone
        return History(latest.after, (*self.done, latest), tuple(later))

    @property
    def undo_text(self) -> str | None:
        """What undo would undo, such as ``"move AC"``; None if there is nothing."""
        return self.done[-1].text if self.done else None

    @property
    def redo_text(self) -> str | None:
        """What redo would do again; None if there is nothing."""
        return self.undone[-1].text if self.undone else None
