"""One registry of what the keys do, and why one of them does nothing now."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QDialog,
    QHeaderView,
    QShortcut,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_midrl.plugin.canvas_keys import CanvasKeys

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import napari.viewer

WALKING_KEYS = ("Up", "Down", "Enter", "Delete", "F2")
"""Keys that lists, boxes and text fields need for themselves."""

_NATIVE_KEYS = ("Up", "Down")
"""Keys with which a table walks anyway."""


@dataclass(frozen=True)
class Action:
    """Something the user can do with a key.

    Parameters
    ----------
    title
        For the page of shortcuts.
    key
        As napari writes it: ``"Control-Z"``.
    run
        Does it.
    blocked
        Returns why it can do nothing now; empty if it can.
    """

    title: str
    key: str
    run: Callable[[], object]
    blocked: Callable[[], str]

    @property
    def shown_key(self) -> str:
        """The key as one writes it for people."""
        return self.key.replace("-", "+").replace("Control", "Ctrl")

    def attempt(self) -> str:
        """Do it if it can be done; return why not, empty if it was done."""
        reason = self.blocked()
        if not reason:
            self.run()
        return reason


class Keys:
    """Binds actions to their keys on the canvas and in a dock.

    Parameters
    ----------
    viewer
        The viewer; what its keys did before comes back when this is closed.
    dock
        Keys work while the focus is in here.
    table
        The keys of lists work only while the focus is in here.
    actions
        What they do.
    tell
        Called with the reason when a key does nothing.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        dock: QWidget,
        table: QWidget,
        actions: Sequence[Action],
        tell: Callable[[str], object],
    ) -> None:
        self._tell = tell
        acts = {action.key: partial(self._on_key, action) for action in actions}
        self._on_canvas = CanvasKeys(viewer, acts)
        for action in actions:
            self._add_shortcut(action, dock, table)

    def close(self) -> None:
        """Give the keys of the canvas back."""
        self._on_canvas.give_back()

    def _add_shortcut(self, action: Action, dock: QWidget, table: QWidget) -> None:
        if action.key in _NATIVE_KEYS:
            return
        is_for_lists = action.key in WALKING_KEYS
        # What napari calls Enter is Return to Qt, whose Enter is on the number pad.
        key = action.shown_key.replace("Enter", "Return")
        shortcut = QShortcut(QKeySequence(key), table if is_for_lists else dock)
        shortcut.setContext(
            Qt.ShortcutContext.WidgetShortcut
            if is_for_lists
            else Qt.ShortcutContext.WidgetWithChildrenShortcut
        )
        shortcut.activated.connect(partial(self._on_key, action))

    def _on_key(self, action: Action) -> None:
        reason = action.attempt()
        if reason:
            self._tell(f"{action.title}: {reason}")


class ShortcutsPage(QDialog):
    """All keys, what they do, and why one does nothing now.

    Parameters
    ----------
    actions
        The registry.
    parent
        Qt parent.
    """

    def __init__(
        self, actions: Sequence[Action], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Shortcuts")
        self._actions = tuple(actions)
        self.table = QTableWidget(len(self._actions), 3)
        self.table.setHorizontalHeaderLabels(["Key", "Does", "Now"])
        self.table.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.table.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        rows, header = self.table.verticalHeader(), self.table.horizontalHeader()
        assert rows is not None  # a table has both headers
        assert header is not None
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        for column in (0, 1):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        layout = QVBoxLayout(self)
        layout.addWidget(self.table)
        self.resize(620, 640)
        self.refresh()

    def refresh(self) -> None:
        """Say anew what each key could do now."""
        for n, action in enumerate(self._actions):
            reason = action.blocked()
            texts = (action.shown_key, action.title, reason or "ready")
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                if reason:
                    item.setForeground(Qt.GlobalColor.gray)
                self.table.setItem(n, column, item)
