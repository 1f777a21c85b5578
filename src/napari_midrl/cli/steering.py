"""A program that started this one steers it by lines on its stdin."""

from __future__ import annotations

import os
import sys
import threading

from napari_midrl.workflows.finetune_settings import FINISH, PAUSE


class Steering:
    """What was asked for on stdin so far.

    The end of stdin means that the program is gone: then there is nobody to wait for.
    """

    def __init__(self) -> None:
        self._said: set[str] = set()
        self.is_alone = False
        """Whether the other program is gone."""
        thread = threading.Thread(target=self._listen, name="steering", daemon=True)
        thread.start()

    @property
    def wants_pause(self) -> bool:
        """Whether to stop so that it can be resumed."""
        return self.is_alone or PAUSE in self._said

    @property
    def wants_finish(self) -> bool:
        """Whether to make the most of what there is."""
        return FINISH in self._said

    def _listen(self) -> None:
        """Take in lines until the end.

        Read from the descriptor itself: a thread that waits in `sys.stdin` holds its
        lock, and Python cannot end.
        """
        rest = b""
        while chunk := _read(sys.stdin.fileno()):
            *lines, rest = (rest + chunk).split(b"\n")
            self._said.update(line.decode(errors="replace").strip() for line in lines)
        self.is_alone = True


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
