"""What every dock does: fill its place, notice when the window closes, end once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_midrl.errors import MidrlError
from napari_midrl.plugin.exports import error_text

if TYPE_CHECKING:
    import napari.viewer

_LOG = logging.getLogger(__name__)


class Dock(QWidget):
    """A widget that is docked in a viewer.

    A closed window does not tell its docks, and a dock that is closed is only taken
    out of its parent; both are noticed here.
    """

    def __init__(self) -> None:
        super().__init__()
        self._closed = False

    def fill_with(self, content: QWidget) -> None:
        """Show this and nothing else."""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(content)

    def let_go(self) -> None:
        """Let go of what runs; the window closes."""
        raise NotImplementedError

    def close_all(self) -> None:
        """Stop everything and leave the viewer as one would expect without the dock."""
        raise NotImplementedError

    def shut_down(self) -> None:
        """Do `close_all`, once."""
        if not self._closed:
            self._closed = True
            self.close_all()

    def watch_window(self) -> None:
        """Notice when the window closes."""
        window = self.window()
        if window is not None:
            window.installEventFilter(self)

    def event(self, event: QEvent | None) -> bool:
        """Shut down when the dock is closed, that is taken out of its parent."""
        is_moved = event is not None and event.type() == QEvent.Type.ParentChange
        if is_moved and self.parent() is None:
            self.shut_down()
        return bool(super().event(event))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Let go of what runs when the window closes."""
        if event is not None and event.type() == QEvent.Type.Close:
            self.let_go()
        return False


def failure_text(error: Exception) -> str:
    """Return what to tell of a task that failed; log what nobody expected."""
    if not isinstance(error, MidrlError):
        _LOG.error("task failed", exc_info=error)
    return f"Failed: {error_text(error)}"


def set_up_canvas(viewer: napari.viewer.Viewer) -> None:
    """Show a scale bar, and let the axes of the patient run as in radiology."""
    scale_bar = viewer.canvas.overlays.scale_bar
    scale_bar.visible = True
    scale_bar.font_size = 12
    viewer.scene.camera.orientation = ("away", "down", "right")
