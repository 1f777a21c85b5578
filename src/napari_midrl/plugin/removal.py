"""Take layers out of the viewer without making the user wait."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
            with _quick_collection():
                viewer.layers.remove(layer)
            yield


@contextmanager
def _quick_collection() -> Iterator[None]:
    """Spare the garbage collector what was there before.

    napari 0.9 collects garbage after every layer it removes. With torch loaded that is
    a quarter of a second for each, in which the window stands still. What is frozen
    here is collected later, as usual.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
