"""What napari draws on, for what is no layer."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari.viewer

ABOVE_LAYERS = 1_000_000
"""Order of drawing; napari numbers its layers from 0."""


def view_of(viewer: napari.viewer.Viewer) -> Any:
    """Return vispy's view box of a viewer, None if it cannot be found.

    Nodes of its scene are in world mm, others in pixels from its upper left corner. It
    is no public part of napari (0.9), which has no other way to draw on the canvas
    without a layer, and overlays that slow every change down.
    """
    own = getattr(viewer, "__wrapped__", viewer)
    try:
        return own.window._qt_viewer.canvas.view
    except AttributeError:
        return None


def put_above(node: Any) -> None:
    """Draw a node of vispy over all layers, also where something lies before it."""
    node.order = ABOVE_LAYERS
    node.set_gl_state("translucent", depth_test=False, cull_face=False)


@contextmanager
def undrawn(viewer: napari.viewer.Viewer) -> Iterator[None]:
    """Draw the canvas afterwards, in a turn of the window of its own."""
    view = view_of(viewer)
    if view is None:
        yield
        return
    widget = view.canvas.native
    widget.setUpdatesEnabled(False)
    try:
        yield
    finally:
        # Its window may have been closed meanwhile.
        with suppress(RuntimeError):
            widget.setUpdatesEnabled(True)
