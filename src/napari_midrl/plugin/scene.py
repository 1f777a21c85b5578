"""Draws a finished search in the viewer, as layers one can replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image, Points, Tracks, Vectors

from napari_midrl.plugin.canvas import undrawn
from napari_midrl.plugin.ghosts import hide_ghost
from napari_midrl.plugin.layers import (
    AGENT_SIZE_PIXELS,
    BLENDING,
    agent_colors,
    agents_layer,
    box_lines,
    box_vectors,
    boxes_layer,
    trails_layer,
)
from napari_midrl.plugin.removal import remove_layers
from napari_midrl.plugin.world import AXIS_LABELS, METADATA_KEY, UNITS, world_zyx_mm

if TYPE_CHECKING:
    import napari.viewer
    import numpy.typing as npt
    from napari.layers import Layer

    from napari_midrl.data.playback import Playback
    from napari_midrl.plugin.colors import Colors
    from napari_midrl.plugin.turns import Portions

MOST_STEPPED_BOXES = 10_000
"""Agents x frames up to which boxes are a layer with steps, to be saved whole."""
LINES_ACROSS = 500.0
"""Thicknesses of a line in the length of a volume."""


@dataclass(frozen=True)
class ReplayOptions:
    """What of a replay is drawn.

    Parameters
    ----------
    start
        The start point whose agents are shown; None means all.
    trails, boxes
        Whether the ways and the fields of view are drawn.
    tail_length
        Steps until a trail has faded.
    """

    start: int | None = 0
    trails: bool = True
    boxes: bool = True
    tail_length: int = 60


class ReplayScene:
    """The layers of a finished search: agents, fields of view, trails.

    They are in the viewer from `add` or `adding` on. A layer the user has removed stays
    removed until the next search.

    Parameters
    ----------
    viewer
        The viewer.
    playback
        The walks.
    colors
        By landmark.
    options
        What is drawn.
    label
        Put behind the names of the layers, where there are several replays.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        playback: Playback,
        colors: Colors,
        options: ReplayOptions,
        *,
        label: str = "",
    ) -> None:
        self._viewer = viewer
        self._playback = playback
        self._colors = colors
        self._options = options
        self._frame = 0
        agents = playback.agents(options.start)
        self._agents = Points(**_merged(agents_layer(playback, agents, colors)))
        self._boxes = self._make_boxes(agents)
        self._trails = self._make_trails(agents)
        for layer in (self._trails, self._boxes, self._agents):
            spare_thumbnail(layer)
            if label:
                layer.name = f"{layer.name} ({label})"
        viewer.dims.events.ndisplay.connect(self._on_slicing)
        viewer.dims.events.order.connect(self._on_slicing)
        viewer.dims.events.point.connect(self._on_moved)
        self._on_moved()

    def adding(self) -> Portions:
        """Add its layers one by one: between two of them the window can draw."""
        for own in ("_trails", "_boxes", "_agents"):
            layer = getattr(self, own)
            with undrawn(self._viewer):
                # napari 0.9 cannot add hidden lines to a view in 3D.
                layer.visible = True
                add_quietly(self._viewer, layer)
                chosen = {
                    "_trails": self._options.trails,
                    "_boxes": self._options.boxes,
                }
                layer.visible = chosen.get(own, True)
                self._on_moved()
                yield
            yield

    def add(self) -> None:
        """Add its layers at once."""
        for _ in self.adding():
            pass

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its layers that are still in the viewer, the lowest first."""
        own = (self._trails, self._boxes, self._agents)
        return tuple(layer for layer in own if layer in self._viewer.layers)

    def set_options(self, options: ReplayOptions) -> None:
        """Draw something else of the same search."""
        previous, self._options = self._options, options
        self._boxes.visible = options.boxes
        self._trails.visible = options.trails
        self._trails.tail_length = options.tail_length
        if options.start != previous.start:
            self._draw_agents(self._playback.agents(options.start))
        elif options.boxes and not previous.boxes:
            self.set_frame(self._frame)

    def set_frame(self, frame: int) -> None:
        """Show one frame."""
        self._frame = frame
        if self.layers and self._viewer.dims.ndim == 4:
            self._viewer.dims.set_current_step(0, frame)
        self._on_moved()
        if self._boxes.ndim == 3 and self._boxes.visible:
            move_lines(self._boxes, self._boxes_at(frame))

    def close(self) -> None:
        """Take the layers away."""
        remove_layers(self._viewer, self.let_go())

    def let_go(self) -> tuple[Layer, ...]:
        """Leave the viewer alone, and return the layers that are still in it."""
        self._viewer.dims.events.ndisplay.disconnect(self._on_slicing)
        self._viewer.dims.events.order.disconnect(self._on_slicing)
        self._viewer.dims.events.point.disconnect(self._on_moved)
        return self.layers

    def _on_slicing(self, event: object = None) -> None:
        """Draw edges in space and outlines on slices."""
        if self._boxes.ndim == 3:
            self._boxes.data = self._boxes_at(self._frame)
            return
        agents = self._playback.agents(self._options.start)
        normal = slice_normal(self._viewer)
        self._boxes.data = box_vectors(self._playback, agents, normal=normal)

    def _on_moved(self, event: object = None) -> None:
        agents = self._playback.agents(self._options.start)
        frame = min(self._frame, self._playback.n_frames - 1)
        if agents.size and frame >= 0:
            positions = self._playback.positions_lps_mm[agents, frame]
            hide_ghost(self._viewer, self._agents, positions, AGENT_SIZE_PIXELS)

    def _boxes_at(self, frame: int) -> npt.NDArray[np.float64]:
        """Return the lines of the boxes at one frame, axes (z, y, x)."""
        agents = self._playback.agents(self._options.start)
        begin, along = box_lines(
            self._playback.positions_lps_mm[agents, frame],
            self._playback.box_sizes_mm[agents, frame],
            slice_normal(self._viewer),
        )
        lines = np.stack([world_zyx_mm(begin), world_zyx_mm(along)], axis=-2)
        return lines.reshape(-1, 2, 3)

    def _make_boxes(self, agents: npt.NDArray[np.int64]) -> Vectors:
        """Return boxes with steps or, where slicing those is slow, of one frame."""
        line_mm = line_width_mm(self._viewer)
        if len(agents) * self._playback.n_frames > MOST_STEPPED_BOXES:
            per_agent = agent_colors(self._playback, agents, self._colors)
            return Vectors(
                self._boxes_at(self._frame),
                name="fields of view",
                edge_color=np.repeat(per_agent, 12, axis=0),
                edge_width=line_mm,
                vector_style="line",
                opacity=0.9,
                **_live_options(),
            )
        layer_data = boxes_layer(
            self._playback,
            agents,
            self._colors,
            normal=slice_normal(self._viewer),
            line_mm=line_mm,
        )
        return Vectors(**_merged(layer_data))

    def _make_trails(self, agents: npt.NDArray[np.int64]) -> Tracks:
        return Tracks(
            **_merged(
                trails_layer(
                    self._playback,
                    agents,
                    self._colors,
                    tail_length=self._options.tail_length,
                )
            )
        )

    def _draw_agents(self, agents: npt.NDArray[np.int64]) -> None:
        """Replace the layers by ones of other agents, in the same places."""
        fresh = {
            "_trails": self._make_trails(agents),
            "_boxes": self._make_boxes(agents),
            "_agents": Points(
                **_merged(agents_layer(self._playback, agents, self._colors))
            ),
        }
        step = self._viewer.dims.current_step
        for name, layer in fresh.items():
            old = getattr(self, name)
            spare_thumbnail(layer)
            layer.opacity = old.opacity
            if old in self._viewer.layers:
                index = self._viewer.layers.index(old)
                self._viewer.layers.insert(index, layer)
                remove_layers(self._viewer, (old,))
                layer.name = old.name
            # Not before: napari 0.9 cannot add hidden lines to a view in 3D.
            layer.visible = old.visible
            setattr(self, name, layer)
        self._viewer.dims.current_step = step


def slice_normal(viewer: napari.viewer.Viewer) -> int | None:
    """Return the LPS axis that a 2D view slices, None in 3D."""
    dims = viewer.dims
    if dims.ndisplay == 3 or dims.ndim < 3:
        return None
    return int(dims.ndim - 1 - dims.order[-3])


def line_width_mm(viewer: napari.viewer.Viewer) -> float:
    """Return how thick lines are to be seen when the largest volume fills the view."""
    sizes = [
        np.ptp(layer.extent.world, axis=0).max()
        for layer in viewer.layers
        if isinstance(layer, Image)
    ]
    return float(max(sizes, default=LINES_ACROSS) / LINES_ACROSS)


def move_lines(layer: Vectors, lines: npt.NDArray[np.float64]) -> None:
    """Draw the lines of a layer, as many as it has, somewhere else.

    Were they set as new data, napari would draw a thumbnail, which for lines is black,
    and measure all layers of the viewer once more: with the 1728 lines of 144 boxes,
    that takes longer than everything else of a frame.
    """
    layer.data[:] = lines
    layer.refresh(thumbnail=False, highlight=False)


def spare_thumbnail(layer: Layer) -> None:
    """Let napari leave a layer's thumbnail as it is.

    Of lines and of a few points it is black, and to draw it anew takes a quarter of
    every step of a replay. Nothing public turns it off (napari 0.9).
    """
    layer._update_thumbnail = _do_nothing


def _do_nothing() -> None:
    pass


def add_quietly(viewer: napari.viewer.Viewer, layer: Layer) -> None:
    """Add a layer without selecting it; the user's layer keeps its controls."""
    selected = set(viewer.layers.selection)
    viewer.add_layer(layer)
    if selected:
        viewer.layers.selection = selected


def _live_options() -> dict[str, object]:
    return {
        "units": UNITS,
        "axis_labels": AXIS_LABELS,
        "blending": BLENDING,
        "projection_mode": "all",
        "metadata": {METADATA_KEY: {"role": "live"}},
    }


def _merged(layer_data: tuple[object, dict[str, object], str]) -> dict[str, object]:
    data, options, _ = layer_data
    return {"data": data, **options}
