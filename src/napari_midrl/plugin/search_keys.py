"""The keys of the canvas that the search dock takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import napari.viewer


class SearchKeys:
    """Binds keys of the canvas, until they are released.

    Parameters
    ----------
    viewer
        The viewer; whatever these keys did before is replaced.
    acts
        What is done, by napari's name of the key.
    """

    def __init__(
        self, viewer: napari.viewer.Viewer, acts: Mapping[str, Callable[[], object]]
    ) -> None:
        self._viewer = viewer
        self._bound = [_bound(act) for act in acts.values()]
        for key, on_key in zip(acts, self._bound, strict=True):
            viewer.bind_key(key, on_key, overwrite=True)

    def release(self) -> None:
        """Free those keys that nobody else has taken since."""
        keys = self._viewer.keymap
        for key, bound in list(keys.items()):
            if any(bound is ours for ours in self._bound):
                del keys[key]


def _bound(act: Callable[[], object]) -> Callable[[object], None]:
    def on_key(viewer: object = None) -> None:
        act()

    return on_key
