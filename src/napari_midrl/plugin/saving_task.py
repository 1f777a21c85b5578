"""A long task that must draw: one step of it whenever the window has nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer, Signal

from napari_midrl.errors import MidrlError
from napari_midrl.plugin.exports import error_text

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_midrl.data.progress import Progress


class SavingTask(QObject):
    """Writes a file step by step in the thread of the window.

    Parameters
    ----------
    parent
        Owner.
    """

    reported = Signal(object)
    """How far it is, a `Progress`."""

    ended = Signal(str, bool)
    """What came of it, for the user, and whether that is an error."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._task: Generator[Progress, None, Path] | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._step)

    @property
    def is_running(self) -> bool:
        """Whether a file is being written."""
        return self._task is not None

    def start(self, task: Generator[Progress, None, Path]) -> None:
        """Begin a task that returns the file it wrote."""
        self._task = task
        self._timer.start()

    def stop(self, text: str, *, error: bool = False) -> None:
        """End the task, finished or not; what it had begun to write is taken away."""
        self._timer.stop()
        if self._task is None:
            return
        self._task.close()
        self._task = None
        self.ended.emit(text, error)

    def _step(self) -> None:
        if self._task is None:
            return
        try:
            self.reported.emit(next(self._task))
        except StopIteration as stop:
            self.stop(f"Saved {stop.value}")
        except (MidrlError, OSError, ValueError) as error:
            self.stop(f"Not saved: {error_text(error)}", error=True)
