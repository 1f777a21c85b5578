"""Whether the window is light or dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.theme import get_theme

if TYPE_CHECKING:
    import napari.viewer

_LIGHT_FROM = 0.5


def is_light(viewer: napari.viewer.Viewer) -> bool:
    """Return whether what is drawn on the window's background must be dark."""
    background = get_theme(viewer.theme).background.as_rgb_tuple()[:3]
    return bool(sum(background) / (3 * 255) > _LIGHT_FROM)
