"""The names of the landmarks on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter
from superqt.utils import qimage_to_array
from vispy.scene.visuals import Image
from vispy.visuals.transforms import STTransform

from napari_midrl.plugin.canvas import put_above, view_of
from napari_midrl.plugin.colors import Colors, color_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer

MOST_LISTED = 16
"""Landmarks in a legend; more would cover the image, and the dock lists them too."""
MARGIN_PIXELS = 10
FONT_POINTS = 9


class Legend:
    """Names of the landmarks in their colors, in the upper left corner of the canvas.

    It is one picture. As texts of napari, each name would be drawn anew with every
    frame, and cost more than all layers of a replay.

    Parameters
    ----------
    viewer
        The viewer; one without a canvas of the kind known here shows no names.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._node: Any = None
        self._listed: list[tuple[str, str]] = []

    def show(self, names: Sequence[str], colors: Colors) -> None:
        """List these landmarks, replacing the ones before; too many are not listed."""
        listed = [(name, color_of(colors, name)) for name in names]
        if listed == self._listed:
            return
        self.clear()
        self._listed = listed
        view = view_of(self._viewer)
        if view is None or not 0 < len(names) <= MOST_LISTED:
            return
        dots = float(view.canvas.pixel_scale)
        picture = _drawn(self._listed, dots)
        self._node = Image(picture, parent=view)
        put_above(self._node)
        self._node.transform = STTransform((1 / dots, 1 / dots), (MARGIN_PIXELS,) * 2)

    def clear(self) -> None:
        """Take the legend off the canvas."""
        if self._node is not None:
            self._node.parent = None
        self._node, self._listed = None, []


def _drawn(listed: Sequence[tuple[str, str]], dots: float) -> Any:
    """Return a picture, shape (height, width, 4), of a disc and a name per line.

    Parameters
    ----------
    listed
        Names and colors.
    dots
        Of the screen, per logical pixel.
    """
    font = QFont()
    font.setPointSizeF(FONT_POINTS)
    metrics = QFontMetricsF(font)
    line, disc = metrics.lineSpacing() + 1, 0.45 * metrics.height()
    left = 2 * disc
    width = left + max(metrics.horizontalAdvance(name) for name, _ in listed) + 2
    size = round(dots * width), round(dots * line * len(listed))
    image = QImage(*size, QImage.Format.Format_ARGB32)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.scale(dots, dots)
    painter.setFont(font)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for n, (name, color) in enumerate(listed):
        middle = (n + 0.5) * line
        painter.setBrush(QColor(color))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.drawEllipse(QRectF(0, middle - disc / 2, disc, disc))
        painter.setPen(QColor(color))
        foot = middle + (metrics.ascent() - metrics.descent()) / 2
        painter.drawText(QPointF(left, foot), name)
    painter.end()
    return qimage_to_array(image)
