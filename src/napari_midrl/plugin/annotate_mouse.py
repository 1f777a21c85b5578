"""The mouse on a slice: a click places, a drag corrects, and both are one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Generator

    import napari.viewer
    import numpy.typing as npt

REACH_PIXELS = 9.0
"""The mouse takes hold of a point that is at most this far away on the screen."""

CLICK_PIXELS = 4.0
"""A press that moves less than this before the release is a click."""

_LEFT = 1


class MouseTarget(Protocol):
    """What clicks and drags are for."""

    def held_at(
        self, point_zyx: npt.NDArray[np.float64], shown: tuple[int, int], reach: float
    ) -> object | None:
        """Return what lies under the mouse, None if nothing does."""

    def clicked(self, held: object | None, point_zyx: npt.NDArray[np.float64]) -> None:
        """Act on a click, on what lay under the mouse or beside everything."""

    def dragged(self, held: object, point_zyx: npt.NDArray[np.float64]) -> None:
        """Show what is held where the mouse is."""

    def dropped(self, held: object, point_zyx: npt.NDArray[np.float64]) -> None:
        """Leave what was held where the mouse is."""


class SliceMouse:
    """Passes on clicks and drags with the left button on a slice.

    It keeps out of the way of napari's tools: while a layer is painted, selected or
    edited, and in 3D, it does nothing.

    Parameters
    ----------
    viewer
        The viewer.
    target
        Acts on them.
    """

    def __init__(self, viewer: napari.viewer.Viewer, target: MouseTarget) -> None:
        self._viewer = viewer
        self._target = target
        self.is_on = True
        viewer.mouse_drag_callbacks.append(self._on_press)

    def close(self) -> None:
        """Stop listening to the mouse."""
        if self._on_press in self._viewer.mouse_drag_callbacks:
            self._viewer.mouse_drag_callbacks.remove(self._on_press)

    def _on_press(
        self, viewer: napari.viewer.Viewer, event: Any
    ) -> Generator[None, None, None]:
        if not self._is_ours(event):
            return
        began = np.array(event.pos, dtype=np.float64)
        reach_mm = REACH_PIXELS / viewer.scene.camera.zoom
        held = self._target.held_at(_world(event), _shown(viewer), reach_mm)
        if held is not None:
            event.handled = True
        yield
        is_drag = False
        while event.type == "mouse_move":
            is_drag |= bool(np.linalg.norm(event.pos - began) >= CLICK_PIXELS)
            if held is not None:
                event.handled = True
                if is_drag:
                    self._target.dragged(held, _world(event))
            elif not is_drag:
                # Or the picture would tremble under a click.
                event.handled = True
            yield
        is_drag |= bool(np.linalg.norm(event.pos - began) >= CLICK_PIXELS)
        if not is_drag:
            self._target.clicked(held, _world(event))
        elif held is not None:
            event.handled = True
            self._target.dropped(held, _world(event))

    def _is_ours(self, event: Any) -> bool:
        active = self._viewer.layers.selection.active
        mode = "pan_zoom" if active is None else str(getattr(active, "mode", ""))
        return (
            self.is_on
            and self._viewer.dims.ndisplay == 2
            and self._viewer.dims.ndim >= 3
            and event.button == _LEFT
            and not event.modifiers
            and mode in ("pan_zoom", "")
        )


def _world(event: Any) -> npt.NDArray[np.float64]:
    return np.array(event.position[-3:], dtype=np.float64)


def _shown(viewer: napari.viewer.Viewer) -> tuple[int, int]:
    """Return the axes of (z, y, x) on the screen, the vertical one first."""
    first = viewer.dims.ndim - 3
    vertical, horizontal = (axis - first for axis in viewer.dims.order[-2:])
    return int(vertical), int(horizontal)
