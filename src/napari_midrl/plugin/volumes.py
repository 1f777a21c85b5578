"""Which layers of the viewer an agent could search."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image

from napari_midrl.data.volume import Volume
from napari_midrl.plugin.world import METADATA_KEY
from napari_midrl.workflows.localize_study import of_one_examination

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from napari.layers import Layer


class VolumeLayers:
    """Image layers with one gray value per voxel in 3D; our slice planes are none.

    Parameters
    ----------
    viewer
        The viewer.
    on_change
        Called when a volume came, went or was renamed.
    """

    def __init__(
        self, viewer: napari.viewer.Viewer, on_change: Callable[[], object]
    ) -> None:
        self._viewer = viewer
        self._on_change = on_change
        viewer.layers.events.inserted.connect(self._on_inserted)
        viewer.layers.events.removed.connect(self._on_removed)
        for layer in viewer.layers:
            layer.events.name.connect(self._on_renamed)

    def layers(self) -> dict[str, Image]:
        """Return the layers by name, the topmost first."""
        return {
            layer.name: layer
            for layer in reversed(self._viewer.layers)
            if is_volume_layer(layer)
        }

    def beside(self, layer: Image) -> tuple[Volume, ...]:
        """Return the other volumes that surely are of the same examination.

        Of layers that this plugin opened; of others nobody knows.
        """
        known = {
            name: other.metadata.get(METADATA_KEY, {}).get("volume")
            for name, other in self.layers().items()
        }
        mine = known.pop(layer.name, None)
        if not isinstance(mine, Volume):
            return ()
        others = [v.renamed(name) for name, v in known.items() if isinstance(v, Volume)]
        return of_one_examination(others, mine)[1:]

    def close(self) -> None:
        """Stop listening to the viewer."""
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        for layer in self._viewer.layers:
            layer.events.name.disconnect(self._on_renamed)

    def _on_inserted(self, event: object) -> None:
        layer = getattr(event, "value", None)
        if layer is not None:
            layer.events.name.connect(self._on_renamed)
            if is_volume_layer(layer):
                self._on_change()

    def _on_removed(self, event: object) -> None:
        layer = getattr(event, "value", None)
        if layer is not None:
            layer.events.name.disconnect(self._on_renamed)
            if is_volume_layer(layer):
                self._on_change()

    def _on_renamed(self, event: object = None) -> None:
        self._on_change()


def is_volume_layer(layer: Layer) -> bool:
    """Return whether an agent could search this layer."""
    return (
        isinstance(layer, Image)
        and layer.ndim == 3
        and not layer.rgb
        and layer.metadata.get(METADATA_KEY, {}).get("role") != "plane"
    )
