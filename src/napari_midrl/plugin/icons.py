"""Small pictures for the dock, painted so that they fit any theme."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap, QPolygonF

SIZE = 32


def color_icon(color: str) -> QIcon:
    """Return a filled disc of a ``"#RRGGBB"`` color, the same while disabled.

    A list that is disabled during a search still serves as the legend.
    """
    pixmap, painter = _canvas(color)
    painter.drawEllipse(QRectF(4, 4, SIZE - 8, SIZE - 8))
    painter.end()
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Disabled)
    return icon


def play_icon(color: str) -> QIcon:
    """Return a triangle that points to the right."""
    pixmap, painter = _canvas(color)
    corners = [QPointF(8, 5), QPointF(28, SIZE / 2), QPointF(8, SIZE - 5)]
    painter.drawPolygon(QPolygonF(corners))
    painter.end()
    return QIcon(pixmap)


def pause_icon(color: str) -> QIcon:
    """Return two upright bars."""
    pixmap, painter = _canvas(color)
    painter.drawRect(QRectF(7, 5, 7, SIZE - 10))
    painter.drawRect(QRectF(19, 5, 7, SIZE - 10))
    painter.end()
    return QIcon(pixmap)


def _canvas(color: str) -> tuple[QPixmap, QPainter]:
    pixmap = QPixmap(SIZE, SIZE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(color))
    painter.setPen(Qt.PenStyle.NoPen)
    return pixmap, painter
