"""Small pictures for the dock, painted so that they fit any theme."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap, QPolygonF

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


def lock_icon(color: str) -> QIcon:
    """Return a closed padlock."""
    pixmap, painter = _canvas(color)
    painter.drawRoundedRect(QRectF(6, 14, 20, 14), 3, 3)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(color), 3.5))
    painter.drawArc(QRectF(10, 5, 12, 18), 0, 180 * 16)
    painter.end()
    return QIcon(pixmap)


def eye_icon(color: str) -> QIcon:
    """Return an open eye."""
    pixmap, painter = _canvas(color)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(color), 3))
    painter.drawEllipse(QRectF(3, 9, SIZE - 6, SIZE - 18))
    painter.setBrush(QColor(color))
    painter.drawEllipse(QRectF(12, 12, 8, 8))
    painter.end()
    return QIcon(pixmap)
