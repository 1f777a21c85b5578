"""Landmarks, proposals and other readers' landmarks as layers of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points

from napari_midrl.plugin.annotate_edits import as_position
from napari_midrl.plugin.colors import Colors, color_of, rgba
from napari_midrl.plugin.layers import BLENDING, text_options
from napari_midrl.plugin.removal import remove_layers
from napari_midrl.plugin.scene import add_quietly
from napari_midrl.plugin.world import AXIS_LABELS, METADATA_KEY, UNITS, world_zyx_mm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import napari.viewer

    from napari_midrl.data.annotations import Position
    from napari_midrl.plugin.names import Names

SIZE_PIXELS = 15.0
CURRENT_SIZE_PIXELS = 22.0
# napari 0.9 draws a point at the origin where a slice shows none of a layer, as large
# as the least size allowed. So that is nothing, and sizes follow the zoom instead.
SIZE_LIMITS = (0, 10_000)
_TRANSFORMS = ("scale", "translate", "rotate", "shear", "affine")


@dataclass(frozen=True)
class LayerLook:
    """How the points of a layer are drawn.

    Parameters
    ----------
    role
        What they are, for the metadata of the layer.
    symbol
        Of napari.
    border
        Share of the size that is border; within it one sees the image.
    text
        Written beside a point; ``{label}`` is its name.
    """

    role: str
    symbol: str
    border: float = 0.0
    text: str = "{label}"


LANDMARKS = LayerLook("annotations", "disc", 0.2)
PROPOSALS = LayerLook("proposals", "diamond", 0.2, "{label} ?")
OTHERS = LayerLook("other readers", "square", 0.15)


class PointsView:
    """One points layer that shows named positions and can be edited with any tool.

    The user may rename it, hide it, move its points and remove it; nothing is lost,
    because it is drawn again from what it shows.

    Parameters
    ----------
    viewer
        The viewer.
    look
        How points are drawn.
    names
        Writes their names.
    on_edit
        Called when the user has changed points: with the names that were drawn, the
        positions that still have a name, and positions that have none, LPS mm.
    on_removed
        Called when the user has removed the layer.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        look: LayerLook,
        names: Names,
        on_edit: Callable[[tuple[str, ...], dict[str, Position], list[Position]], None],
        on_removed: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._look = look
        self._written = names
        self._on_edit = on_edit
        self._on_removed = on_removed
        self._names: tuple[str, ...] = ()
        self._current: str | None = None
        self._is_drawing = False
        self.layer: Points | None = None
        viewer.layers.events.removed.connect(self._on_layer_removed)
        viewer.scene.camera.events.zoom.connect(self._on_zoom)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the points that are drawn, in order."""
        return self._names

    def draw(
        self,
        title: str,
        positions: Mapping[str, Position],
        colors: Colors,
        current: str | None = None,
    ) -> None:
        """Show these positions, LPS mm, and no others; an empty layer is not made.

        Parameters
        ----------
        title
            Name of a layer that is made; a present one keeps the user's.
        positions
            By the name of the landmark.
        colors
            By the name of the landmark.
        current
            The one drawn larger.
        """
        if self.layer is None and not positions:
            return
        self._is_drawing = True
        try:
            if self.layer is None:
                self.layer = self._make(title)
                add_quietly(self._viewer, self.layer)
                self._listen(self.layer)
            self._fill(self.layer, positions, colors, current)
        finally:
            self._is_drawing = False

    def preview(self, name: str, position_lps_mm: Position) -> None:
        """Draw one point elsewhere while it is dragged; nothing else changes."""
        if self.layer is None or name not in self._names:
            return
        self._is_drawing = True
        try:
            data = np.array(self.layer.data)
            data[self._names.index(name)] = world_zyx_mm(position_lps_mm)
            self.layer.data = data
        finally:
            self._is_drawing = False

    def nearest(
        self, point_zyx: Sequence[float], shown: Sequence[int], reach_mm: float
    ) -> tuple[str, float] | None:
        """Return the name of the drawn point nearest to a place on the slice.

        Parameters
        ----------
        point_zyx
            The place, world mm.
        shown
            The two axes of (z, y, x) that the slice shows.
        reach_mm
            Points farther away within the slice do not count, nor do those that are
            not drawn on it.
        """
        layer = self.layer
        if layer is None or not layer.visible or not len(layer.data):
            return None
        away = np.asarray(layer.data)[:, -3:] - np.asarray(point_zyx)
        across = [axis for axis in range(3) if axis not in shown]
        first = self._viewer.dims.ndim - 3
        slab_mm = self._viewer.dims.margin_left[first + across[0]]
        distance = np.linalg.norm(away[:, list(shown)], axis=1)
        distance[np.abs(away[:, across[0]]) > slab_mm] = np.inf
        best = int(distance.argmin())
        if distance[best] > reach_mm:
            return None
        return self._names[best], float(distance[best])

    def remove(self) -> None:
        """Take the layer away."""
        layer, self.layer = self.layer, None
        self._names = ()
        if layer is not None:
            self._unlisten(layer)
            remove_layers(self._viewer, (layer,))

    def close(self) -> None:
        """Take the layer away and stop listening."""
        self._viewer.layers.events.removed.disconnect(self._on_layer_removed)
        self._viewer.scene.camera.events.zoom.disconnect(self._on_zoom)
        self.remove()

    def _make(self, title: str) -> Points:
        return Points(
            np.zeros((0, 3)),
            name=title,
            ndim=3,
            units=UNITS,
            axis_labels=AXIS_LABELS,
            features={"label": np.array([], dtype=object)},
            text=text_options(self._look.text),
            symbol=self._look.symbol,
            border_width=self._look.border,
            canvas_size_limits=SIZE_LIMITS,
            blending=BLENDING,
            projection_mode="all",
            metadata={METADATA_KEY: {"role": self._look.role}},
        )

    def _fill(
        self,
        layer: Points,
        positions: Mapping[str, Position],
        colors: Colors,
        current: str | None,
    ) -> None:
        self._names, self._current = tuple(positions), current
        xyz = np.array(list(positions.values()), dtype=np.float64).reshape(-1, 3)
        layer.selected_data = set()
        layer.data = world_zyx_mm(xyz)
        layer.features = {"label": np.array(self._names, dtype=object)}
        if not self._names:
            return
        rows = np.array([rgba(color_of(colors, name)) for name in self._names])
        layer.border_color = rows
        layer.face_color = rows * (1, 1, 1, 0)
        layer.symbol = self._look.symbol
        layer.border_width = self._look.border
        layer.size = self._sizes_mm()
        layer.shown = True
        layer.text.color = {"array": rows, "default": "white"}

    def _sizes_mm(self) -> list[float]:
        """Return sizes that look the same at any zoom."""
        zoom = self._viewer.scene.camera.zoom
        return [
            (CURRENT_SIZE_PIXELS if name == self._current else SIZE_PIXELS) / zoom
            for name in self._names
        ]

    def _on_zoom(self, event: object = None) -> None:
        if self.layer is not None and len(self.layer.data) == len(self._names) > 0:
            self.layer.size = self._sizes_mm()

    def _listen(self, layer: Points) -> None:
        layer.events.data.connect(self._on_data)
        for transform in _TRANSFORMS:
            getattr(layer.events, transform).connect(self._on_transform)
        self._written.write(layer, self._look.text)

    def _unlisten(self, layer: Points) -> None:
        self._written.forget(layer)
        layer.events.data.disconnect(self._on_data)
        for transform in _TRANSFORMS:
            getattr(layer.events, transform).disconnect(self._on_transform)

    def _on_data(self, event: Any) -> None:
        """Tell of an edit once it is finished; napari announces it before, too."""
        layer = self.layer
        is_done = str(getattr(event, "action", "")).lower().split(".")[-1] in (
            "added",
            "changed",
            "removed",
        )
        if self._is_drawing or layer is None or not is_done:
            return
        kept: dict[str, Position] = {}
        added: list[Position] = []
        labels = list(layer.features["label"]) if len(layer.features) else []
        points = world_zyx_mm(np.asarray(layer.data))
        for n, point in enumerate(points):
            label = labels[n] if n < len(labels) else None
            # A point that napari adds or pastes may bear the name of another one.
            if label in self._names and label not in kept:
                kept[str(label)] = as_position(point)
            else:
                added.append(as_position(point))
        self._on_edit(self._names, kept, added)

    def _on_transform(self, event: object = None) -> None:
        """Keep the points where they are: the layer as a whole does not move."""
        layer = self.layer
        if self._is_drawing or layer is None:
            return
        self._is_drawing = True
        try:
            layer.affine = np.eye(4)
            layer.rotate = np.eye(3)
            layer.shear = (0, 0, 0)
            layer.scale = (1, 1, 1)
            layer.translate = (0, 0, 0)
        finally:
            self._is_drawing = False

    def _on_layer_removed(self, event: object = None) -> None:
        layer = self.layer
        if layer is not None and getattr(event, "value", None) is layer:
            self._unlisten(layer)
            self.layer = None
            self._names = ()
            self._on_removed()
