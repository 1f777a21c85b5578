"""The names of the landmarks on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.components.overlays import TextOverlay

from napari_midrl.plugin.colors import Colors, color_of
from napari_midrl.plugin.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer
    from qtpy.QtCore import QObject

    from napari_midrl.plugin.turns import Portions

MOST_LISTED = 16
"""Landmarks in a legend; more would cover the image, and the dock lists them too."""


class Legend:
    """Names of the landmarks in their colors, in the corner of the canvas.

    Parameters
    ----------
    viewer
        The viewer.
    parent
        Qt parent.
    """

    def __init__(
        self, viewer: napari.viewer.Viewer, parent: QObject | None = None
    ) -> None:
        self._viewer = viewer
        self._keys: list[str] = []
        self._listed: list[tuple[str, str]] = []
        self._turns = Turns(parent)

    def show(self, names: Sequence[str], colors: Colors) -> None:
        """List these landmarks, replacing the ones before; too many are not listed.

        Every name is a visual of its own, which takes a while to be made and drawn: one
        is added in each turn of the window.
        """
        listed = [(name, color_of(colors, name)) for name in names]
        if listed == self._listed:
            return
        self.clear()
        self._listed = listed
        if len(names) <= MOST_LISTED:
            self._turns.start(self._listing())

    def _listing(self) -> Portions:
        """Add the names, with a fresh key each, so that napari makes a fresh visual."""
        for name, color in self._listed:
            key = f"midrl_legend_{len(self._keys)}"
            self._viewer.canvas.overlays[key] = TextOverlay(
                text=f"\N{BLACK CIRCLE} {name}",
                position="top_left",
                font_size=9,
                color=color,
                box=False,
                visible=True,
            )
            self._keys.append(key)
            yield

    def clear(self) -> None:
        """Take the legend off the canvas."""
        self._turns.stop()
        for key in self._keys:
            self._viewer.canvas.overlays.pop(key, None)
        self._keys, self._listed = [], []
