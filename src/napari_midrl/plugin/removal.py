"""Take layers out of the viewer without making the user wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.plugin.garbage import quick_collection

if TYPE_CHECKING:
    from collections.abc import Iterable

    import napari.viewer
    from napari.layers import Layer

    from napari_midrl.plugin.turns import Portions


def remove_layers(viewer: napari.viewer.Viewer, layers: Iterable[Layer | None]) -> None:
    """Remove those of the layers that are in the viewer."""
    for _ in removing(viewer, layers):
        pass


def removing(viewer: napari.viewer.Viewer, layers: Iterable[Layer | None]) -> Portions:
    """Remove those of the layers that are in the viewer, one by one."""
    for layer in layers:
        if layer is not None and layer in viewer.layers:
            # napari 0.9 collects garbage after every layer it removes.
            with quick_collection():
                viewer.layers.remove(layer)
            yield


def hiding(layers: Iterable[Layer]) -> Portions:
    """Hide layers that are no longer true, one by one; their names become free."""
    for layer in layers:
        layer.visible = False
        layer.name = f"{layer.name} (before)"
        yield
