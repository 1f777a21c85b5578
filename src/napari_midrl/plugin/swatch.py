"""A landmark's color as a small round icon."""

from __future__ import annotations

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap

SIZE = 32


def color_icon(color: str) -> QIcon:
    """Return a filled disc of a ``"#RRGGBB"`` color."""
    pixmap = QPixmap(SIZE, SIZE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(QColor(color))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.drawEllipse(QRectF(4, 4, SIZE - 8, SIZE - 8))
    painter.end()
    icon = QIcon(pixmap)
    # A list that is disabled while a search runs still serves as the legend.
    icon.addPixmap(pixmap, QIcon.Mode.Disabled)
    return icon
