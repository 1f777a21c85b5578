"""Get ready for a search while the window has nothing else to do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, QTimer

from napari_midrl.plugin.background import BackgroundTask

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_midrl.plugin.engine import Engine
    from napari_midrl.plugin.search_form import SearchForm
    from napari_midrl.plugin.turns import Portions

DELAY_MS = 300
"""After the last choice; who is still choosing wants no stutter."""


class Readiness(QObject):
    """Loads libraries and agents beside the window, before a search asks for them.

    Parameters
    ----------
    engine
        Loads them; may have nothing to load.
    form
        Once an image and agents are chosen there, a search is to be expected.
    then
        Done in portions when all is loaded.
    parent
        Qt parent.
    """

    def __init__(
        self,
        engine: Engine,
        form: SearchForm,
        then: Callable[[], Portions],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._engine = engine
        self._form = form
        self._then = then
        self._task: BackgroundTask | None = None
        self._asked = self._loaded = ""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self._begin)
        form.volume_changed.connect(self._on_chosen)
        form.pack_changed.connect(self._on_chosen)
        self._on_chosen()

    @property
    def is_ready(self) -> bool:
        """Whether what was asked for last is loaded."""
        return bool(self._loaded) and self._loaded == self._asked

    def stop(self) -> None:
        """Leave undone what is left."""
        self._timer.stop()
        if self._task is not None:
            self._task.stop()
            self._task = None
            self._asked = ""

    def _on_chosen(self, name: str = "") -> None:
        """Get ready soon for a search by the agents that are chosen."""
        pack = self._form.chosen_pack()
        if pack is None or not self._form.volume.currentText():
            return
        if pack.name != self._asked:
            self.stop()
            self._asked = pack.name
            self._timer.start()

    def _begin(self) -> None:
        if self._engine.prepare is None:
            return
        self._task = BackgroundTask(
            partial(self._engine.prepare, self._asked),
            self,
            on_report=lambda report: None,
            on_return=lambda loaded: self._then(),
            on_error=self._on_error,
            on_end=self._on_end,
        )
        self._task.start()

    def _on_error(self, error: Exception) -> None:
        """Be silent: nobody asked, and a search will say what is wrong."""
        self._asked = ""

    def _on_end(self) -> None:
        self._task = None
        self._loaded = self._asked
