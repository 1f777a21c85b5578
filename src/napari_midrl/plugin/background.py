"""Run a long task beside the window: reports come through, stopping never waits.

Qt's own worker classes fall short here. They swallow `RuntimeError`, which is how
torch says that memory ran out, and they queue every report, so a fast task drowns a
slow window. `BackgroundTask` passes all errors on and drops reports nobody can see, and
what is to be shown in the end may come in portions, between which the window draws.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_midrl.plugin.garbage import full_collections_postponed
from napari_midrl.plugin.turns import PAUSE_MS, Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_midrl.data.progress import Progress
    from napari_midrl.plugin.turns import Portions

LEAST_INTERVAL_S = 0.04
"""Reports closer than this are dropped, except for the newest."""
MOST_WAITED_S = 0.2
"""For a report to be shown; a window may be busy with something else."""


class _Signals(QObject):
    """What the thread says; has no Qt parent, so it outlives a closed window."""

    reported = Signal(object)
    returned = Signal(object)
    failed = Signal(object)
    ended = Signal()


class BackgroundTask:
    """One long task in its own thread.

    Parameters
    ----------
    make
        Returns the generator; called in the thread, so it may import what is slow.
    owner
        The task is stopped when this is destroyed.
    on_report, on_return, on_error, on_end
        Called in the thread of the window. `on_return` may be a generator; `Turns` then
        does its portions. `on_end` comes last, unless the task was stopped: after
        `stop` nothing is called any more.
    waits
        Whether the task rests while a report is shown. What draws much is then drawn
        sooner, and the task takes no longer: there are not processors enough for both.
    """

    def __init__(
        self,
        make: Callable[[], Generator[Progress, None, Any]],
        owner: QObject,
        *,
        on_report: Callable[[Any], None],
        on_return: Callable[[Any], Portions | None],
        on_error: Callable[[Exception], None],
        on_end: Callable[[], None],
        waits: bool = False,
    ) -> None:
        self._make = make
        self._waits = waits
        self._stopped = threading.Event()
        self._seen = threading.Event()
        self._seen.set()
        # Not `self.stop`: the connection would keep what the task holds alive.
        stopped = self._stopped
        self._owner: QObject | None = owner
        self._on_destroyed = lambda *_: stopped.set()
        owner.destroyed.connect(self._on_destroyed)
        self._handlers = (on_report, on_return, on_error, on_end)
        self._portions: Portions | None = None
        self._signals = _Signals()
        self._turns = Turns(self._signals)
        self._signals.reported.connect(self._on_reported)
        self._signals.returned.connect(self._on_returned)
        self._signals.failed.connect(self._on_failed)
        self._signals.ended.connect(self._on_ended)
        self._thread = threading.Thread(
            target=self._work, name="midrl task", daemon=True
        )

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Let go of the task at once; its thread ends at the task's next report."""
        self._stopped.set()
        self._turns.stop()
        self._leave_owner()

    def wait(self, seconds: float) -> bool:
        """Return whether the thread has ended, waiting at most this long."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        """Drive the generator; runs in the thread."""
        try:
            with full_collections_postponed():
                returned = self._drive()
        # Every error has to reach the user, whatever library raised it.
        except Exception as error:  # noqa: BLE001
            self._emit("failed", error)
        else:
            self._emit("returned", returned)
        self._emit("ended")

    def _drive(self) -> Any:
        last = 0.0
        task = self._make()
        try:
            while not self._stopped.is_set():
                try:
                    report = next(task)
                except StopIteration as stop:
                    return stop.value
                now = time.monotonic()
                if now - last >= LEAST_INTERVAL_S and self._seen.is_set():
                    last = now
                    self._seen.clear()
                    self._emit("reported", report)
                    if self._waits:
                        self._seen.wait(MOST_WAITED_S)
        finally:
            task.close()
        return None

    def _emit(self, name: str, *values: object) -> None:
        if self._stopped.is_set():
            return
        try:
            getattr(self._signals, name).emit(*values)
        except RuntimeError:
            # Qt is gone: the program is closing while a task still ran.
            self._stopped.set()

    def _on_reported(self, report: object) -> None:
        if not self._stopped.is_set():
            self._handlers[0](report)
        # Not at once: the next report would be shown before the window reads a key.
        QTimer.singleShot(PAUSE_MS, self._seen.set)

    def _on_returned(self, value: object) -> None:
        if not self._stopped.is_set():
            self._portions = self._handlers[1](value)

    def _on_failed(self, error: Exception) -> None:
        if not self._stopped.is_set():
            self._handlers[2](error)

    def _leave_owner(self) -> None:
        """Leave no connection behind: an owner may have thousands of tasks."""
        owner, self._owner = self._owner, None
        if owner is not None:
            # The owner may be gone already, and its connections with it.
            with suppress(RuntimeError, TypeError):
                owner.destroyed.disconnect(self._on_destroyed)

    def _on_ended(self) -> None:
        portions, self._portions = self._portions, None
        if portions is None:
            self._end()
        elif not self._stopped.is_set():
            self._turns.start(portions, then=self._end)

    def _end(self) -> None:
        self._leave_owner()
        if not self._stopped.is_set():
            self._handlers[3]()
