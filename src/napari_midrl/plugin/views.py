"""Turn the viewer to a standard view, and keep patient letters on its edges."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.components.overlays import TextOverlay
from napari.layers import Image

from napari_midrl.plugin.orientation import (
    StandardView,
    edge_letters_2d,
    edge_letters_3d,
)
from napari_midrl.plugin.themes import is_light
from napari_midrl.plugin.world import world_zyx_mm

if TYPE_CHECKING:
    import napari.viewer
    import numpy.typing as npt
    from napari.layers import Layer

SLAB_MM = 5.0
"""Landmarks and agents this near to a slice are drawn on it."""

MARGIN = 0.9
"""Share of the canvas that a standard view fills."""

_LETTER_COLORS = ("#FFE9A8", "#8A5A00")
"""On the canvas of a dark theme and on that of a light one."""

_EDGES = {
    "left": "middle_left",
    "right": "middle_right",
    "top": "top_center",
    "bottom": "bottom_center",
}


def show_standard_view(viewer: napari.viewer.Viewer, view: StandardView) -> None:
    """Turn the viewer to a standard view of the same place that fills the canvas."""
    first = viewer.dims.ndim - 3
    if first < 0:
        return
    place = viewer.dims.point
    order = tuple(range(first)) + tuple(first + axis for axis in view.order_zyx)
    viewer.dims.order = order
    viewer.dims.ndisplay = view.n_displayed
    # napari moves the slice to the depth the camera had looked at in 3D.
    viewer.dims.point = place
    viewer.scene.camera.orientation = view.orientation
    if view.view_zyx is not None:
        viewer.scene.camera.set_view_direction(view.view_zyx, view.up_zyx)
    set_slab(viewer, SLAB_MM)
    fit_volumes(viewer)


def fit_volumes(viewer: napari.viewer.Viewer) -> None:
    """Zoom so that the volumes shown fill the canvas, whatever else there is.

    napari's own fit fails for volumes beside four-dimensional layers.
    """
    boxes = [layer.extent.world for layer in viewer.layers if _is_shown_image(layer)]
    if not boxes:
        viewer.fit_to_view()
        return
    low = np.min([box[0][-3:] for box in boxes], axis=0)
    high = np.max([box[1][-3:] for box in boxes], axis=0)
    camera, first = viewer.scene.camera, viewer.dims.ndim - 3
    shown = [axis - first for axis in viewer.dims.displayed]
    center = ((low + high) / 2)[shown]
    if viewer.dims.ndisplay == 2:
        size = (high - low)[shown]
        camera.center = (camera.center[0], *center)
    else:
        size = _size_on_screen(low, high, camera.view_direction, camera.up_direction)
        camera.center = tuple(center)
    camera.zoom = float(MARGIN * np.min(np.array(viewer.canvas.size) / size))


def _size_on_screen(
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
    view: npt.ArrayLike,
    up: npt.ArrayLike,
) -> npt.NDArray[np.float64]:
    """Return height and width of a box as the camera sees it, in world mm."""
    half = (high - low) / 2
    across = np.cross(np.asarray(view), np.asarray(up))
    return np.array([2 * np.abs(np.asarray(way)) @ half for way in (up, across)])


def _is_shown_image(layer: Layer) -> bool:
    return isinstance(layer, Image) and layer.visible


def set_slab(viewer: napari.viewer.Viewer, half_mm: float) -> None:
    """Draw points and boxes up to `half_mm` off the slice on it; volumes stay thin."""
    dims = viewer.dims
    margin = [0.0] * dims.ndim
    if dims.ndisplay == 2 and dims.ndim >= 3:
        margin[dims.order[-3]] = half_mm
    dims.margin_left = tuple(margin)
    dims.margin_right = tuple(margin)


def jump_to(viewer: napari.viewer.Viewer, position_lps_mm: npt.ArrayLike) -> None:
    """Move every slice to a position, and the camera if it lies off the screen."""
    dims = viewer.dims
    point = world_zyx_mm(position_lps_mm)
    dims.set_point(tuple(range(dims.ndim - 3, dims.ndim)), tuple(point))
    if dims.ndisplay == 2:
        _bring_into_sight(viewer, point)


def _bring_into_sight(
    viewer: napari.viewer.Viewer, point_zyx: npt.NDArray[np.float64]
) -> None:
    camera = viewer.scene.camera
    shown = [axis - (viewer.dims.ndim - 3) for axis in viewer.dims.order[-2:]]
    target = point_zyx[shown]
    center = np.array(camera.center[-2:])
    reach = np.array(viewer.canvas.size) / (2 * camera.zoom) * 0.85
    if (np.abs(target - center) > reach).any():
        camera.center = (camera.center[0], *target)


class PatientLetters:
    """Letters of the patient's sides on the four edges of the canvas.

    Parameters
    ----------
    viewer
        The viewer; its letters follow every turn of the camera.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        for edge, position in _EDGES.items():
            viewer.canvas.overlays[f"midrl_{edge}"] = TextOverlay(
                text="", position=position, font_size=14, box=False
            )
        self._turns = (
            viewer.dims.events.order,
            viewer.dims.events.ndisplay,
            viewer.scene.camera.events.angles,
            viewer.scene.camera.events.orientation,
            viewer.layers.events.inserted,
            viewer.layers.events.removed,
        )
        for turned in self._turns:
            turned.connect(self.update)
        viewer.events.theme.connect(self._on_theme)
        self._on_theme()
        self.update()

    def letters(self) -> dict[str, str]:
        """Return the letters by edge, for the view as it is now."""
        dims, camera = self._viewer.dims, self._viewer.scene.camera
        first = dims.ndim - 3
        if first < 0 or not self._viewer.layers:
            return dict.fromkeys(_EDGES, "")
        if dims.ndisplay == 2:
            order = [axis - first for axis in dims.order[-3:]]
            orientation = tuple(str(way) for way in camera.orientation)
            return edge_letters_2d(order, orientation)
        # napari names its default left-handed (z, y, x) world "right".
        return edge_letters_3d(
            camera.view_direction,
            camera.up_direction,
            right_handed=str(camera.handedness) == "left",
        )

    def update(self, event: object = None) -> None:
        """Write the letters anew where they changed."""
        for edge, text in self.letters().items():
            overlay = self._viewer.canvas.overlays[f"midrl_{edge}"]
            if overlay.text != text:
                overlay.text = text
            if overlay.visible != bool(text):
                overlay.visible = bool(text)

    def _on_theme(self, event: object = None) -> None:
        for edge in _EDGES:
            overlay = self._viewer.canvas.overlays[f"midrl_{edge}"]
            overlay.color = _LETTER_COLORS[is_light(self._viewer)]

    def close(self) -> None:
        """Take the letters off the canvas and stop following."""
        for turned in self._turns:
            turned.disconnect(self.update)
        self._viewer.events.theme.disconnect(self._on_theme)
        for edge in _EDGES:
            self._viewer.canvas.overlays.pop(f"midrl_{edge}", None)
