"""The clock of a replay: which frame is due, dropping frames when drawing is slow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Qt, QTimer, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_FRAMES_PER_S = 25
DEFAULT_STEPS_PER_S = 20.0


class Player(QObject):
    """Plays frames 0 to n - 1.

    Parameters
    ----------
    clock
        Returns seconds; replaced in tests.
    parent
        Qt parent.
    """

    frame_changed = Signal(int)
    playing_changed = Signal(bool)

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._clock = clock
        self._n_frames = 0
        self._frame = 0
        self._began = 0.0
        self._began_frame = 0
        self.steps_per_s = DEFAULT_STEPS_PER_S
        self.loop = False
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(1000 // MOST_FRAMES_PER_S)
        self._timer.timeout.connect(self.tick)

    @property
    def frame(self) -> int:
        """The frame shown."""
        return self._frame

    @property
    def n_frames(self) -> int:
        """Number of frames; 0 if there is nothing to play."""
        return self._n_frames

    @property
    def is_playing(self) -> bool:
        """Whether the clock runs."""
        return self._timer.isActive()

    def set_n_frames(self, n_frames: int) -> None:
        """Take a new replay, at its first frame and paused."""
        self.pause()
        self._n_frames = n_frames
        self._frame = 0

    def set_frame(self, frame: int) -> None:
        """Show a frame; playing goes on from there."""
        self._restart(frame)
        self._show(frame)

    def set_speed(self, steps_per_s: float) -> None:
        """Change the speed without a jump."""
        self._restart(self._frame)
        self.steps_per_s = steps_per_s

    def play(self) -> None:
        """Play, from the first frame if the last one is shown."""
        if self._n_frames < 2 or self.is_playing:
            return
        if self._frame >= self._n_frames - 1:
            self._show(0)
        self._restart(self._frame)
        self._timer.start()
        self.playing_changed.emit(True)

    def pause(self) -> None:
        """Stop the clock."""
        if self.is_playing:
            self._timer.stop()
            self.playing_changed.emit(False)

    def toggle(self) -> None:
        """Play or pause."""
        if self.is_playing:
            self.pause()
        else:
            self.play()

    def tick(self) -> None:
        """Show the frame that is due now; what was missed is skipped."""
        elapsed = self._clock() - self._began
        due = self._began_frame + int(elapsed * self.steps_per_s)
        if due < self._n_frames:
            self._show(due)
        elif self.loop:
            self._restart(0)
            self._show(0)
        else:
            self._show(self._n_frames - 1)
            self.pause()

    def _restart(self, frame: int) -> None:
        self._began = self._clock()
        self._began_frame = frame

    def _show(self, frame: int) -> None:
        frame = max(0, min(frame, self._n_frames - 1))
        if frame != self._frame and self._n_frames:
            self._frame = frame
            self.frame_changed.emit(frame)
