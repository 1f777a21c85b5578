"""A display where there is none: Xvfb, which draws into memory."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_midrl.errors import MidrlError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCREEN = "1920x1200x24"
_PATIENCE_S = 30


def has_display() -> bool:
    """Return whether a window can be opened for the user to see."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def virtual_display() -> Iterator[None]:
    """Open windows in an invisible X server while the context lasts.

    Qt's own ``offscreen`` platform is no way out: it has no OpenGL, which napari
    needs.

    Raises
    ------
    MidrlError
        If Xvfb is not installed or does not start.
    """
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", _SCREEN]
    try:
        server = subprocess.Popen(
            [*command, "-nolisten", "tcp"],
            pass_fds=[writing],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except FileNotFoundError as error:
        os.close(reading)
        msg = "there is no display, and Xvfb is not installed: apt-get install xvfb"
        raise MidrlError(msg) from error
    finally:
        os.close(writing)
    before = os.environ.get("DISPLAY")
    try:
        os.environ["DISPLAY"] = f":{_display_number(reading)}"
        yield
    finally:
        _restore("DISPLAY", before)
        server.terminate()
        server.wait()


def _display_number(reading: int) -> int:
    """Return the number that Xvfb writes once it is ready."""
    with os.fdopen(reading) as pipe:
        ready, _, _ = select.select([pipe], [], [], _PATIENCE_S)
        number = pipe.readline().strip() if ready else ""
    if not number:
        msg = f"Xvfb did not start within {_PATIENCE_S} s"
        raise MidrlError(msg)
    return int(number)


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
