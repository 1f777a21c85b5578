"""Work of the window in portions, so that it never stands still for long."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Portions: TypeAlias = Generator[None, None, None]
    """Does a part of the work until each of its yields."""


PAUSE_MS = 20
"""Between two portions: with none, the window would draw, and read no key."""


class Turns(QObject):
    """Does one portion in each turn of the window's event loop.

    Between two of them the window draws, and the user can go on.

    Parameters
    ----------
    parent
        Qt parent.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._portions: Portions | None = None
        self._then: Callable[[], None] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(PAUSE_MS)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._do_next)

    def start(self, portions: Portions, then: Callable[[], None] | None = None) -> None:
        """Do what is left of the work before, and begin another.

        Parameters
        ----------
        portions
            The work.
        then
            Called when it is done, or has failed, but not if it was stopped.
        """
        self.finish()
        self._portions, self._then = portions, then
        self._timer.start()

    def stop(self) -> None:
        """Leave the rest undone."""
        self._timer.stop()
        portions, self._portions, self._then = self._portions, None, None
        if portions is not None:
            portions.close()

    def finish(self) -> None:
        """Do the rest at once."""
        while self._portions is not None:
            self._do_next()

    def _do_next(self) -> None:
        is_left = False
        try:
            is_left = self._has_done_one()
        finally:
            if not is_left:
                self._timer.stop()
                self._portions, then, self._then = None, self._then, None
                if then is not None:
                    then()
            else:
                # Not before: what took longer would be followed by the next at once.
                self._timer.start()

    def _has_done_one(self) -> bool:
        """Do the next portion; return False if there was none any more."""
        for _ in self._portions or ():
            return True
        return False
