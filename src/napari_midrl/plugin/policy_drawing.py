"""The layers of a policy in the viewer: arrows, and basins below them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Vectors

from napari_midrl.plugin.policy_layers import (
    LINE_SHARE,
    arrow_lines,
    arrows_options,
    basins_layer,
    return_colors,
)
from napari_midrl.plugin.removal import remove_layers
from napari_midrl.plugin.scene import add_quietly, slice_normal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import napari.viewer
    from napari.layers import Layer

    from napari_midrl.data.policy import BasinMap, PolicyField
    from napari_midrl.plugin.policy_sight import Sight

ARROWS, BASINS = "arrows", "basins"


class PolicyDrawing:
    """Arrows and basins of one landmark at one scale.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._arrows: Vectors | None = None
        self._blocks: tuple[Labels, ...] = ()
        self._was_flat = True

    @property
    def has_hidden_basins(self) -> bool:
        """Whether there are basins that 3D does not show."""
        return bool(self._blocks) and slice_normal(self._viewer) is None

    def kind_of(self, layer: object) -> str:
        """Return what a layer of the viewer is here; empty if it is another's."""
        if layer is not None and layer is self._arrows:
            return ARROWS
        return BASINS if any(layer is block for block in self._blocks) else ""

    def show_arrows(
        self, fields: Sequence[PolicyField], sight: Sight, name: str
    ) -> None:
        """Draw arrows in place of those before; what the user set stays."""
        drawn = [
            arrow_lines(field, axis, sight.apart_mm, flat=sight.flat)
            for field, (axis, _) in zip(fields, sight.planes, strict=True)
        ]
        lines = np.concatenate([vectors for vectors, _ in drawn])
        if not len(lines):
            self.drop(ARROWS)
            return
        shades = [
            return_colors(field.expected_returns)[owner]
            for field, (_, owner) in zip(fields, drawn, strict=True)
        ]
        colors, width_mm = np.concatenate(shades), LINE_SHARE * sight.apart_mm
        with _slices_kept(self._viewer):
            if self._arrows is None:
                self._arrows = Vectors(
                    lines,
                    edge_color=colors,
                    edge_width=width_mm,
                    **arrows_options(name),
                )
                add_quietly(self._viewer, self._arrows)
                return
            self._arrows.data = lines
        self._arrows.edge_color = colors
        # Each of these draws all lines anew, so only where it has to be.
        if self._arrows.edge_width != width_mm:
            self._arrows.edge_width = width_mm
        if self._arrows.name != name:
            self._arrows.name = name

    def show_basins(self, found: BasinMap, color: str, name: str) -> None:
        """Draw basins, replacing those before, below the arrows."""
        self.drop(BASINS)
        blocks = []
        for number, block in enumerate(found.blocks, 1):
            own = f"{name} ({number})" if len(found.blocks) > 1 else name
            data, options, _ = basins_layer(block, len(found.basins), color, name=own)
            layer = Labels(data, **options)
            layer.editable = False
            blocks.append(layer)
        self._blocks = tuple(blocks)
        self._was_flat = slice_normal(self._viewer) is not None
        with _slices_kept(self._viewer):
            for layer in blocks:
                layer.visible = self._was_flat
                add_quietly(self._viewer, layer)
        if self._arrows is not None and self._arrows in self._viewer.layers:
            layers = self._viewer.layers
            layers.move(layers.index(self._arrows), len(layers))

    def follow_view(self) -> bool:
        """Hide basins in 3D, which they would fill; return whether that changed."""
        flat = slice_normal(self._viewer) is not None
        changed = flat != self._was_flat
        if changed:
            self._was_flat = flat
            for block in self._blocks:
                block.visible = flat
        return changed

    def drop(self, kind: str) -> None:
        """Take arrows or basins away."""
        drawn: tuple[Layer | None, ...]
        if kind == ARROWS:
            drawn, self._arrows = (self._arrows,), None
        else:
            drawn, self._blocks = self._blocks, ()
        with _slices_kept(self._viewer):
            remove_layers(self._viewer, drawn)


@contextmanager
def _slices_kept(viewer: napari.viewer.Viewer) -> Iterator[None]:
    """Leave every slice where it is.

    Layers come and go with voxels and extents of their own. napari 0.9 then counts
    its slices anew but keeps their numbers, and shows another one.
    """
    before = viewer.dims.point[-3:]
    yield
    dims = viewer.dims
    if len(before) == 3 <= dims.ndim and not np.allclose(dims.point[-3:], before):
        dims.set_point(tuple(range(dims.ndim - 3, dims.ndim)), before)
