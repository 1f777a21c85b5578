"""A fine-tuning in a process of its own: a crash in it takes nothing along.

The window speaks to it by lines on its stdin and listens to lines on its stdout. When
the window is gone its stdin ends; it then leaves a checkpoint and ends, too.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
from qtpy.QtCore import QObject, Signal

from napari_midrl.workflows.finetune_reports import (
    Failed,
    Message,
    Paused,
    message_of,
)
from napari_midrl.workflows.finetune_settings import FINISH, PAUSE, FineTuned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# -P: a file of the folder that napari was started in must not pass for a module.
COMMAND = (sys.executable, "-P", "-m", "napari_midrl", "finetune")
OPTIONS = ("--progress", "json", "--steer")
LINES_KEPT = 40


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Parameters
    ----------
    code
        Its exit code; negative for a signal.
    outcome
        The last thing it said, if that was what came of it; None if it died.
    output
        The end of what it wrote besides, for whoever looks for the reason.
    """

    code: int
    outcome: FineTuned | Paused | Failed | None
    output: str


class _Signals(QObject):
    """What the threads say; has no Qt parent, so it outlives a closed window."""

    said = Signal(object)
    ended = Signal(object)


class TrainingProcess:
    """One fine-tuning.

    Parameters
    ----------
    arguments
        Of ``midrl finetune``.
    on_message
        Called in the thread of the window with every message but the last.
    on_end
        Called in the thread of the window with how it ended, once. After `leave`
        nothing is called any more.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        on_message: Callable[[Message], None],
        on_end: Callable[[Ended], None],
    ) -> None:
        self._left = False
        self._handlers = (on_message, on_end)
        self._signals = _Signals()
        self._signals.said.connect(self._on_said)
        self._signals.ended.connect(self._on_ended)
        self._process = subprocess.Popen(
            (*COMMAND, *arguments, *OPTIONS),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            **_own_group(),
        )
        _yield_to_the_window(self._process.pid)
        self._output: deque[str] = deque(maxlen=LINES_KEPT)
        self._listener = threading.Thread(
            target=self._listen, name="midrl training", daemon=True
        )
        self._gatherer = threading.Thread(
            target=self._gather, name="midrl training output", daemon=True
        )
        self._gatherer.start()
        self._listener.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def pause(self) -> None:
        """Ask it to leave a checkpoint and to end."""
        self._say(PAUSE)

    def finish(self) -> None:
        """Ask it to make the pack of the best weights so far."""
        self._say(FINISH)

    def kill(self) -> None:
        """End it now; its latest checkpoint stays."""
        with suppress(OSError):
            self._process.kill()

    def leave(self) -> None:
        """Let go of it: it leaves a checkpoint and ends by itself."""
        self._left = True
        self._say(PAUSE)
        with suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def wait(self, seconds: float) -> bool:
        """Return whether it has ended, waiting at most this long."""
        self._listener.join(seconds)
        return not self._listener.is_alive()

    def _say(self, word: str) -> None:
        # It may have ended this very moment.
        with suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        """Pass messages on until the process has ended; runs in a thread."""
        assert self._process.stdout is not None
        outcome: Any = None
        for line in self._process.stdout:
            message = message_of(line)
            if isinstance(message, FineTuned | Paused | Failed):
                outcome = message
            elif message is not None:
                self._emit("said", message)
        code = self._process.wait()
        self._gatherer.join(5)
        self._process.stdout.close()
        ended = Ended(code, outcome, "".join(self._output).strip())
        self._emit("ended", ended)

    def _gather(self) -> None:
        assert self._process.stderr is not None
        self._output.extend(self._process.stderr)
        self._process.stderr.close()

    def _emit(self, name: str, value: object) -> None:
        # Qt may be gone while the process still says something. The thread goes on to
        # listen, since nobody else would see the process off.
        with suppress(RuntimeError):
            if not self._left:
                getattr(self._signals, name).emit(value)

    def _on_said(self, message: Message) -> None:
        if not self._left:
            self._handlers[0](message)

    def _on_ended(self, ended: Ended) -> None:
        with suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        if not self._left:
            self._handlers[1](ended)


def _yield_to_the_window(pid: int) -> None:
    """Let a process have what the window leaves of the processors."""
    is_windows = sys.platform == "win32"
    with suppress(psutil.Error, OSError):
        psutil.Process(pid).nice(
            psutil.BELOW_NORMAL_PRIORITY_CLASS if is_windows else 5
        )


def _own_group() -> dict[str, Any]:
    """Return options that keep Ctrl-C in the terminal of napari from the process."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return {"creationflags": flags}
    return {"start_new_session": True}
