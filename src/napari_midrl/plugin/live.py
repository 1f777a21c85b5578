"""Draws the agents of a search while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.plugin.colors import Colors, color_of, rgba
from napari_midrl.plugin.ghosts import are_shown
from napari_midrl.plugin.layers import box_lines
from napari_midrl.plugin.result_rows import rows_of_walk
from napari_midrl.plugin.scene import slice_normal
from napari_midrl.plugin.world import world_zyx_mm

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer
    import numpy.typing as npt

    from napari_midrl.data.progress import SearchProgress
    from napari_midrl.plugin.live_canvas import LiveCanvas
    from napari_midrl.plugin.result_rows import ResultRow

    Reals = npt.NDArray[np.float64]

MOST_TRAIL = 60
STILL_REPORTS = 3
BOX_OPACITY = 0.9
TRAIL_OPACITIES = (0.1, 1.0)
"""At its oldest part and at the agent."""


class LiveSearch:
    """Agents of a search that is still running.

    All agents are discs; of the first start, fields of view and ways are drawn, too:
    those of all starts would hide the anatomy.

    Parameters
    ----------
    viewer
        The viewer.
    canvas
        Draws them.
    names
        Landmarks sought, in the order of the reports.
    colors
        By landmark.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        canvas: LiveCanvas,
        names: Sequence[str],
        colors: Colors,
    ) -> None:
        self._viewer = viewer
        self._canvas = canvas
        self._colors = np.array([rgba(color_of(colors, name)) for name in names])
        self._ways: list[Reals] = []
        self._boxes: Reals | None = None
        self._n_still: npt.NDArray[np.int64] | None = None
        self._last: Reals | None = None
        self._done = 0
        self._names = tuple(names)
        self._watched = (
            viewer.dims.events.point,
            viewer.dims.events.order,
            viewer.dims.events.ndisplay,
        )
        for event in self._watched:
            event.connect(self._draw)

    def rows(self) -> list[ResultRow]:
        """Return what a table shows of them; nothing before the first report."""
        if self._last is None or self._n_still is None:
            return []
        settled = self._n_still >= STILL_REPORTS
        return rows_of_walk(self._names, self._last, settled, self._done)

    def show(self, report: SearchProgress) -> None:
        """Draw the agents where the report says they are."""
        if report.positions_lps_mm is None or report.box_sizes_mm is None:
            return
        positions = np.asarray(report.positions_lps_mm)
        if report.done < self._done:
            # The search looks again, from the starts: no trail leads there.
            self._ways.clear()
        self._done = report.done
        self._count_still(positions)
        self._last = positions
        self._boxes = np.asarray(report.box_sizes_mm)[:, 0]
        self._ways = [*self._ways, world_zyx_mm(positions[:, 0])][-MOST_TRAIL:]
        self._draw()

    def close(self) -> None:
        """Take the agents away."""
        for event in self._watched:
            event.disconnect(self._draw)
        self._canvas.clear()

    def _count_still(self, positions: Reals) -> None:
        if self._last is None or self._n_still is None:
            self._n_still = np.zeros(positions.shape[:2], dtype=np.int64)
        else:
            still = (positions == self._last).all(axis=-1)
            self._n_still = np.where(still, self._n_still + 1, 0)

    def _draw(self, event: object = None) -> None:
        if self._last is None or self._boxes is None:
            return
        places = world_zyx_mm(self._last)
        colors = np.repeat(self._colors[:, None], places.shape[1], axis=1)
        seen = are_shown(self._viewer, places)
        outlines, ways = self._outlines(self._last[:, 0], self._boxes), self._trails()
        self._canvas.draw(
            places[seen],
            colors[seen],
            *(np.concatenate(parts) for parts in zip(outlines, ways, strict=True)),
        )

    def _outlines(self, centers_lps_mm: Reals, sizes_mm: Reals) -> tuple[Reals, Reals]:
        """Return ends and colors of the lines of the boxes that are seen."""
        seen = are_shown(self._viewer, world_zyx_mm(centers_lps_mm))
        normal = slice_normal(self._viewer)
        begin, along = box_lines(centers_lps_mm[seen], sizes_mm[seen], normal)
        ends = np.stack([begin, begin + along], axis=-2).reshape(-1, 3)
        colors = self._colors[seen] * (1, 1, 1, BOX_OPACITY)
        return world_zyx_mm(ends), np.repeat(colors, 2 * begin.shape[1], axis=0)

    def _trails(self) -> tuple[Reals, Reals]:
        """Return ends and colors of the latest parts of the ways that are seen."""
        way = np.stack(self._ways, axis=1)
        ends = np.stack([way[:, :-1], way[:, 1:]], axis=-2)
        colors = np.repeat(self._colors[:, None], way.shape[1], axis=1)
        colors[..., 3] = np.linspace(*TRAIL_OPACITIES, MOST_TRAIL)[-way.shape[1] :]
        seen = are_shown(self._viewer, ends[:, :, 0])
        shades = np.stack([colors[:, :-1], colors[:, 1:]], axis=-2)
        return ends[seen].reshape(-1, 3), shades[seen].reshape(-1, 4)
