"""Which OpenGL draws napari's canvas, asked in a process of its own.

Qt ends the process where its libraries are missing; the doctor must outlive that.
Run as a module, this prints one line: vendor, renderer, version.
"""

from __future__ import annotations

import subprocess
import sys

from napari_midrl.cli.console import print_line
from napari_midrl.cli.display import has_display, virtual_display
from napari_midrl.errors import MidrlError
from napari_midrl.workflows.doctor import Finding, Verdict

_PATIENCE_S = 60
_ADVICE = "napari cannot draw: install a Qt binding and the system's OpenGL libraries"


def graphics_finding() -> Finding:
    """Return who draws OpenGL here; under Xvfb where there is no display."""
    if has_display():
        return _ask()
    try:
        with virtual_display():
            found = _ask()
    except MidrlError as error:
        return Finding("OpenGL", "not checked", Verdict.WARNING, str(error))
    return Finding("OpenGL", f"{found.value} (Xvfb)", found.verdict, found.advice)


def _ask() -> Finding:
    command = [sys.executable, "-m", "napari_midrl.cli.graphics"]
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Finding("OpenGL", "no answer", Verdict.WARNING, _ADVICE)
    if answer.returncode != 0 or not answer.stdout.strip():
        reason = (answer.stderr.strip().splitlines() or ["no answer"])[-1]
        return Finding("OpenGL", reason, Verdict.WARNING, _ADVICE)
    return Finding("OpenGL", answer.stdout.strip().splitlines()[-1])


def _renderer() -> str:
    """Return what the driver says of itself, in a context nobody sees."""
    from OpenGL import GL
    from qtpy.QtGui import QGuiApplication, QOffscreenSurface, QOpenGLContext

    application = QGuiApplication([])
    surface, context = QOffscreenSurface(), QOpenGLContext()
    surface.create()
    if not (context.create() and context.makeCurrent(surface)):
        msg = f"{application.platformName()} gives no OpenGL context"
        raise RuntimeError(msg)
    names = (GL.GL_VENDOR, GL.GL_RENDERER, GL.GL_VERSION)
    return ", ".join(GL.glGetString(name).decode() for name in names)


if __name__ == "__main__":
    print_line(_renderer())
