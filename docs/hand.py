"""A hand that uses a window as a person does, with real mouse events, and is filmed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from film import Pointer, Shot, Tile, caption_fits, cut, draw_pointer, pack, sped_up
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from window import canvas_of, picture_of, pixel_of, wait

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import napari
    from PIL import Image
    from qtpy.QtWidgets import (
        QAbstractItemView,
        QLineEdit,
        QTabWidget,
        QWidget,
    )

LEFT, NO_KEY = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
TRAVEL_S, PRESS_S, LOOK_S = 0.3, 0.25, 0.6
N_TRAVEL, N_DRAG = 6, 8
SETTLE_S = 0.25
CHECKBOX_WIDTH = 11


class Hand:
    """Moves the mouse, clicks and drags in a window, and keeps what is seen.

    Parameters
    ----------
    viewer
        Whose window it uses.
    """

    def __init__(self, viewer: napari.Viewer) -> None:
        self.viewer = viewer
        self.shots: list[Shot] = []
        self.tiles: list[Tile] = []
        self._window = viewer.window._qt_window
        self._caption = ""
        self._at = Pointer(self._window.width() * 0.45, self._window.height() * 0.5)

    # ---- the film

    def say(self, caption: str, seconds: float = 0.0) -> None:
        """Put a caption below the window from now on, and look at it for a while.

        Raises
        ------
        ValueError
            If the caption is too long for its line.
        """
        if not caption_fits(caption, self._window.width()):
            msg = f"too long for one line below the window: {caption!r}"
            raise ValueError(msg)
        self._caption = caption
        if seconds:
            self.look(seconds)

    def look(self, seconds: float = LOOK_S) -> None:
        """Keep the window in view as it is now."""
        wait(SETTLE_S)
        self._film(picture_of(self.viewer), seconds)

    def watch(
        self,
        done: Callable[[], bool],
        shown_s: float,
        *,
        patience_s: float,
        every_s: float = 0.3,
        most: int = 60,
    ) -> None:
        """Film what happens by itself until something is done, in `shown_s` seconds.

        What took longer is sped up, and the film says so.

        Raises
        ------
        TimeoutError
            If it is not done in `patience_s` seconds.
        """
        begun, seen = time.monotonic(), []
        while not done():
            if time.monotonic() - begun > patience_s:
                msg = f"{self._caption!r} was not done in {patience_s:.0f} s"
                raise TimeoutError(msg)
            seen.append(pack(picture_of(self.viewer)))
            if len(seen) == most:
                seen, every_s = seen[::2], 2 * every_s
            wait(every_s)
        note = sped_up(time.monotonic() - begun, shown_s)
        for picture in seen:
            each_s = shown_s / len(seen)
            self.shots.append(Shot(picture, each_s, self._caption, note, self._at))

    def keep(self, caption: str, *around: QWidget, with_mouse: bool = True) -> None:
        """Make what is around widgets, and the mouse, a tile of the strip."""
        wait(SETTLE_S)
        picture = picture_of(self.viewer)
        draw_pointer(picture, self._at)
        middles = [self._spot(widget, widget.rect().center()) for widget in around]
        x = float(np.mean([spot.x for spot in middles]))
        levels = [spot.y for spot in middles] + [self._at.y] * with_mouse
        self.tiles.append(Tile(cut(picture, (x, float(np.mean(levels)))), caption))

    def _film(self, picture: Image.Image, seconds: float) -> None:
        self.shots.append(Shot(pack(picture), seconds, self._caption, "", self._at))

    # ---- the mouse

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        """Click on a widget, in the middle or at a point of it."""
        if not widget.isEnabled():
            msg = f"cannot click: {widget.toolTip() or widget.objectName()}"
            raise RuntimeError(msg)
        at = widget.rect().center() if at is None else at
        self._go(self._spot(widget, at))
        self._press(PRESS_S)
        QTest.mouseClick(widget, LEFT, NO_KEY, at)
        self._at = replace(self._at, is_down=False)

    def click_tab(self, tabs: QTabWidget, page: QWidget) -> None:
        """Turn to a page."""
        bar = tabs.tabBar()
        self.click(bar, bar.tabRect(tabs.indexOf(page)).center())

    def click_cell(
        self,
        table: QAbstractItemView,
        row: int,
        column: int = 0,
        *,
        check: bool = False,
    ) -> None:
        """Click on a cell, or on the box in it."""
        # Until scroll bars that just became necessary are there.
        wait(SETTLE_S)
        index = table.model().index(row, column)
        table.scrollTo(index)
        cell = table.visualRect(index)
        at = cell.center()
        if check:
            at.setX(cell.left() + CHECKBOX_WIDTH)
        self.click(table.viewport(), at)

    def type(self, field: QLineEdit, text: str) -> None:
        """Write into a field."""
        self.click(field)
        field.selectAll()
        for letter in text:
            QTest.keyClicks(field, letter)
            self._film(picture_of(self.viewer), 0.08)

    def click_canvas(self, position_lps_mm: Sequence[float]) -> None:
        """Click where a position of the slice is drawn."""
        at, canvas = self._on_canvas(position_lps_mm), canvas_of(self.viewer)
        self._go(self._spot(canvas, at))
        self._press(PRESS_S)
        QTest.mouseMove(canvas, at)
        QTest.mouseClick(canvas, LEFT, NO_KEY, at)
        self._at = replace(self._at, is_down=False)

    def drag_canvas(self, begin: Sequence[float], end: Sequence[float]) -> None:
        """Drag what is drawn at one position of the slice to another one."""
        canvas = canvas_of(self.viewer)
        from_, to = self._on_canvas(begin), self._on_canvas(end)
        self._go(self._spot(canvas, from_))
        self._press(PRESS_S)
        QTest.mousePress(canvas, LEFT, NO_KEY, from_)
        for share in np.linspace(0, 1, N_DRAG + 1)[1:]:
            at = from_ + (to - from_) * float(share)
            QTest.mouseMove(canvas, at, delay=5)
            wait(0.05)
            self._at = replace(self._spot(canvas, at), is_down=True)
            self._film(picture_of(self.viewer), 0.1)
        QTest.mouseRelease(canvas, LEFT, NO_KEY, to)
        self._at = replace(self._at, is_down=False)

    def scroll_to(self, position_lps_mm: Sequence[float], n_steps: int = 6) -> None:
        """Move to the slice of a position, some slices at a time."""
        dims = self.viewer.dims
        axis = dims.order[-3]
        depth = position_lps_mm[::-1][axis - (dims.ndim - 3)]
        for at in np.linspace(dims.point[axis], depth, n_steps + 1)[1:]:
            dims.set_point(axis, float(at))
            wait(0.05)
            self._film(picture_of(self.viewer), 0.1)

    def zoom_to(
        self, center_lps_mm: Sequence[float], zoom: float, n_steps: int = 6
    ) -> None:
        """Zoom to a place, as one would with the wheel."""
        camera, order = self.viewer.scene.camera, self.viewer.dims.order
        first = self.viewer.dims.ndim - 3
        there = np.array([center_lps_mm[::-1][axis - first] for axis in order[-2:]])
        begin, begin_zoom = np.array(camera.center[-2:]), camera.zoom
        for share in np.linspace(0, 1, n_steps + 1)[1:]:
            camera.zoom = float(begin_zoom * (zoom / begin_zoom) ** share)
            camera.center = (camera.center[0], *(begin + share * (there - begin)))
            wait(0.05)
            self._film(picture_of(self.viewer), 0.1)

    def _on_canvas(self, position_lps_mm: Sequence[float]) -> QPoint:
        """Return the pixel of a position; a person clicks on none that is not seen."""
        at = pixel_of(self.viewer, position_lps_mm)
        if not canvas_of(self.viewer).rect().contains(at):
            msg = f"{position_lps_mm} is out of sight"
            raise RuntimeError(msg)
        return at

    def _press(self, seconds: float) -> None:
        self._at = replace(self._at, is_down=True)
        last = self.shots[-1]
        self.shots.append(replace(last, seconds=seconds, pointer=self._at))

    def _go(self, to: Pointer) -> None:
        """Move the mouse over the window as it is."""
        wait(SETTLE_S)
        seen, begin = pack(picture_of(self.viewer)), self._at
        for share in np.linspace(0, 1, N_TRAVEL + 1)[1:]:
            smooth = float(share * share * (3 - 2 * share))
            x = begin.x + (to.x - begin.x) * smooth
            y = begin.y + (to.y - begin.y) * smooth
            at, each_s = Pointer(x, y), TRAVEL_S / N_TRAVEL
            self.shots.append(Shot(seen, each_s, self._caption, "", at))
        self._at = to

    def _spot(self, widget: QWidget, at: QPoint) -> Pointer:
        point = widget.mapTo(self._window, at)
        return Pointer(point.x(), point.y())
