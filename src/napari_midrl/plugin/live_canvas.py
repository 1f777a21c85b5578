"""Points and lines on napari's canvas that are no layers.

While a search runs the window must not stand still, and napari takes a tenth of a
second or more to add or remove a layer (docs/decisions/live-agents-are-no-layers.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from vispy.scene.visuals import Line, Markers

from napari_midrl.plugin.canvas import put_above, view_of
from napari_midrl.plugin.layers import AGENT_SIZE_MM, AGENT_SIZE_PIXELS

if TYPE_CHECKING:
    import napari.viewer
    import numpy.typing as npt

    from napari_midrl.plugin.turns import Portions

LINE_PIXELS = 2.0


class LiveCanvas:
    """Discs and lines in mm, drawn above all layers of a viewer.

    A viewer without a canvas of the kind known here draws nothing.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._discs: Any = None
        self._lines: Any = None

    def warming(self) -> Portions:
        """Let the graphics driver prepare what a search will draw.

        Shaders are compiled when something is drawn first, so it is something that
        cannot be seen.
        """
        place = np.zeros((2, 3)) + self._viewer.dims.point[-3:]
        unseen = np.zeros((2, 4))
        self.draw(place, unseen, place[:0], unseen[:0])
        yield
        self.draw(place[:0], unseen[:0], place, unseen)
        yield
        self.clear()

    def draw(
        self,
        points_zyx_mm: npt.NDArray[np.float64],
        point_colors: npt.NDArray[np.float64],
        ends_zyx_mm: npt.NDArray[np.float64],
        end_colors: npt.NDArray[np.float64],
    ) -> None:
        """Draw these and nothing else.

        Parameters
        ----------
        points_zyx_mm, point_colors
            Middles of discs, shape (n, 3), world mm, and RGBA, shape (n, 4).
        ends_zyx_mm, end_colors
            Ends of lines, shape (m, 3), where 2 i and 2 i + 1 belong together, and
            RGBA, shape (m, 4).
        """
        if self._discs is None and not self._has_made():
            return
        self._discs.visible = bool(len(points_zyx_mm))
        if len(points_zyx_mm):
            self._discs.set_data(
                self._on_canvas(points_zyx_mm),
                size=self._disc_pixels(),
                face_color=point_colors,
                edge_width=0,
                symbol="disc",
            )
        self._lines.visible = bool(len(ends_zyx_mm))
        if len(ends_zyx_mm):
            self._lines.set_data(self._on_canvas(ends_zyx_mm), color=end_colors)

    def clear(self) -> None:
        """Draw nothing."""
        for node in (self._discs, self._lines):
            if node is not None:
                node.visible = False

    def close(self) -> None:
        """Leave the canvas as it was."""
        for node in (self._discs, self._lines):
            if node is not None:
                node.parent = None
        self._discs = self._lines = None

    def _has_made(self) -> bool:
        """Put both on the canvas, unseen; return False if there is none."""
        view = view_of(self._viewer)
        if view is None:
            return False
        self._discs = Markers(parent=view.scene, antialias=1)
        self._lines = Line(
            np.zeros((2, 3)), connect="segments", width=LINE_PIXELS, parent=view.scene
        )
        for node in (self._lines, self._discs):
            node.visible = False
            # The slice planes would hide what is behind them.
            put_above(node)
        return True

    def _on_canvas(
        self, places_zyx_mm: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float32]:
        """Return places as vispy counts them: displayed axes, the last one first."""
        dims = self._viewer.dims
        shown = [axis - (dims.ndim - 3) for axis in dims.displayed]
        across = places_zyx_mm[:, shown[::-1]].astype(np.float32)
        flat: npt.NDArray[np.float32] = np.zeros((len(across), 3), dtype=np.float32)
        flat[:, : across.shape[1]] = across
        return flat

    def _disc_pixels(self) -> float:
        zoom = float(self._viewer.scene.camera.zoom)
        return float(np.clip(AGENT_SIZE_MM * zoom, *AGENT_SIZE_PIXELS))
