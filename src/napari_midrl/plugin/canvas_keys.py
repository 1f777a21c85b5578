"""Keys of the canvas that a dock takes while it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import napari.viewer
    from napari.components import ViewerModel


class CanvasKeys:
    """Takes keys of the canvas until they are given back.

    A key then does what it did before, unless whoever took it then has given it back,
    too: docks open and close in any order.

    Parameters
    ----------
    viewer
        The viewer.
    acts
        What is done, by napari's name of the key.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer | ViewerModel,
        acts: Mapping[str, Callable[[], object]],
    ) -> None:
        self._viewer = viewer
        self._taken = []
        for name, act in acts.items():
            before = dict(viewer.keymap)
            on_key = _OnKey(act)
            viewer.bind_key(name, on_key, overwrite=True)
            key = next(k for k, bound in viewer.keymap.items() if bound is on_key)
            on_key.before = before.get(key)
            self._taken.append((key, on_key))

    def give_back(self) -> None:
        """Let the keys do what they did before, but for those taken by others since."""
        keymap = self._viewer.keymap
        for key, on_key in self._taken:
            on_key.is_given_back = True
            if keymap.get(key) is on_key:
                del keymap[key]
                if (earlier := on_key.earlier()) is not None:
                    self._viewer.bind_key(key, earlier, overwrite=True)


class _OnKey:
    """What a taken key does, and what it did before."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self.before: Any = None
        self.is_given_back = False
        # napari 0.9 asks every bound function for its name, at any key.
        self.__name__ = type(self).__name__

    def __call__(self, viewer: object = None) -> None:
        self._act()

    def earlier(self) -> Any:
        """Return the last that the key did before and that is still wanted, if any."""
        before = self.before
        while isinstance(before, _OnKey) and before.is_given_back:
            before = before.before
        return before
