"""Names beside points on slices, apart as long as there is room.

A name that would cover another one, or a point, moves a little to the right, or is
lifted by some lines, and strokes lead down to its point. All of it is text of the
layer, which napari keeps in its place while the camera moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtGui import QFont, QFontMetricsF

from napari_midrl.plugin.ghosts import are_shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import napari.viewer
    import numpy.typing as npt
    from napari.layers import Points

    Floats = npt.NDArray[np.float64]

FONT, FONT_POINTS = "Sans Serif", 11
ANCHOR = "upper_left"
SPACE = "\N{EM SPACE}"
STROKE = "\n|"
MOST_LINES, MOST_SPACES = 9, 2
DISC_PIXELS = 16.0

# Measured on the canvas of napari 0.9, in the units of Qt's metrics of its font.
_WIDER, _HEIGHT, _FOOT, _LINE = 1.31, 1.1, 0.1, 1.46


@dataclass(frozen=True)
class Writing:
    """What is written beside the points of a layer.

    Parameters
    ----------
    layer
        Its feature ``label`` names the points; positions are world mm.
    text
        ``{label}`` is the name.
    n_spaces
        Em spaces between a point and its name.
    """

    layer: Points
    text: str
    n_spaces: int


@dataclass(frozen=True)
class Lead:
    """How a name stands off its point: em spaces to the right, or lines above it."""

    n_spaces: int
    n_lines: int = 0

    def of(self, name: str) -> str:
        """Return the text that napari writes at the point."""
        return SPACE * self.n_spaces + name + STROKE * self.n_lines


class Names:
    """Keeps the names of some layers apart, and off in 3D, where they hide each other.

    Parameters
    ----------
    viewer
        The viewer of the layers.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._written: list[Writing] = []
        self._is_arranging = False
        self._arranged: tuple[object, ...] = ()
        camera = viewer.scene.camera.events
        dims = viewer.dims.events
        self._turns = (
            dims.point,
            dims.order,
            dims.margin_left,
            camera.zoom,
            camera.orientation,
        )
        for turned in self._turns:
            turned.connect(self.arrange)
        dims.ndisplay.connect(self._on_ndisplay)
        viewer.layers.events.removed.connect(self._on_removed)

    def write(self, layer: Points, text: str = "{label}", *, n_spaces: int = 1) -> None:
        """Write these names beside the points of a layer from now on."""
        self._written.append(Writing(layer, text, n_spaces))
        self._arranged = ()
        for changed in _changes(layer):
            changed.connect(self.arrange)
        self._on_ndisplay()

    def forget(self, layer: Points) -> None:
        """Leave the names of a layer as they are."""
        kept = [w for w in self._written if w.layer is not layer]
        if len(kept) < len(self._written):
            self._written = kept
            for changed in _changes(layer):
                changed.disconnect(self.arrange)

    def close(self) -> None:
        """Stop following."""
        for writing in tuple(self._written):
            self.forget(writing.layer)
        for turned in self._turns:
            turned.disconnect(self.arrange)
        self._viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        self._viewer.layers.events.removed.disconnect(self._on_removed)

    def arrange(self, event: object = None) -> None:
        """Lift names anew, for what is on the slice now."""
        dims = self._viewer.dims
        if self._is_arranging or dims.ndisplay != 2 or dims.ndim < 3:
            return
        self._is_arranging = True
        try:
            self._arrange()
        finally:
            self._is_arranging = False

    def _arrange(self) -> None:
        texts = [_texts(writing) for writing in self._written]
        seen = [
            (number, row)
            for number, writing in enumerate(self._written)
            for row in self._seen(writing.layer)
            if texts[number][row]
        ]
        places = [_places(self._written[number].layer)[row] for number, row in seen]
        anchors = self._pixels(np.array(places).reshape(-1, 3))
        now = texts, seen, anchors.tolist()
        if now == self._arranged:
            # Every step of a replay moves the sliders, but no name.
            return
        self._arranged = now
        found = leads_apart(
            anchors,
            [texts[number][row] for number, row in seen],
            [self._written[number].n_spaces for number, _ in seen],
        )
        leads = dict(zip(seen, found, strict=True))
        for number, writing in enumerate(self._written):
            plain = Lead(writing.n_spaces)
            strings = [
                leads.get((number, row), plain).of(name) if name else ""
                for row, name in enumerate(texts[number])
            ]
            _set(writing.layer, strings)

    def _seen(self, layer: Points) -> list[int]:
        """Return the numbers of the points that the slice shows."""
        if not layer.visible or not len(layer.data):
            return []
        is_seen = are_shown(self._viewer, _places(layer)) & np.asarray(layer.shown)
        numbers: list[int] = is_seen.nonzero()[0].tolist()
        return numbers

    def _pixels(self, places_zyx_mm: Floats) -> Floats:
        """Return where places are on the screen, right and down, from anywhere."""
        dims, camera = self._viewer.dims, self._viewer.scene.camera
        down, right = (axis - (dims.ndim - 3) for axis in dims.order[-2:])
        signs = (
            1 if str(camera.orientation[2]) == "right" else -1,
            1 if str(camera.orientation[1]) == "down" else -1,
        )
        pixels: Floats = places_zyx_mm[:, [right, down]] * signs * float(camera.zoom)
        return pixels

    def _on_ndisplay(self, event: object = None) -> None:
        is_flat = self._viewer.dims.ndisplay == 2
        for writing in self._written:
            writing.layer.text.visible = is_flat
        self.arrange()

    def _on_removed(self, event: object = None) -> None:
        layer = getattr(event, "value", None)
        for writing in tuple(self._written):
            if writing.layer is layer:
                self.forget(writing.layer)
                self.arrange()


def leads_apart(
    anchors: Floats, names: Sequence[str], n_spaces: Sequence[int]
) -> list[Lead]:
    """Return how each name stands off its point so that none covers another.

    From the lowest point up, each stays as near as leaves the names below and all
    points free; one for which there is no room stays beside its point.

    Parameters
    ----------
    anchors
        Points, in pixels to the right and down, shape (n, 2).
    names
        What is written.
    n_spaces
        Em spaces between each point and its name, at least.
    """
    metrics = QFontMetricsF(QFont(FONT, FONT_POINTS))
    widths = [_WIDER * metrics.horizontalAdvance(name) for name in names]
    space = _WIDER * metrics.horizontalAdvance(SPACE)
    height, foot, line = (metrics.height() * share for share in (_HEIGHT, _FOOT, _LINE))
    half = DISC_PIXELS / 2
    taken = [(x - half, y - half, x + half, y + half) for x, y in anchors.tolist()]
    found = [Lead(n) for n in n_spaces]
    for row in sorted(range(len(names)), key=lambda row: -anchors[row, 1]):
        x, y = anchors[row].tolist()
        boxes = {}
        for lead in _leads(n_spaces[row]):
            # Nor may a point lie between a name and its own.
            left = x if lead.n_lines else x + half
            right = x + lead.n_spaces * space + widths[row]
            foot_y = y - foot - lead.n_lines * line
            boxes[lead] = left, foot_y - height, right, foot_y
        for lead, box in boxes.items():
            if not any(_overlap(box, other) for other in taken):
                found[row] = lead
                break
        taken.append(boxes[found[row]])
    return found


def _leads(n_spaces: int) -> list[Lead]:
    """Return where a name may stand, nearest first."""
    beside = [Lead(n_spaces + more) for more in range(MOST_SPACES + 1)]
    return [*beside, *(Lead(0, lines) for lines in range(1, MOST_LINES + 1))]


def _overlap(
    one: tuple[float, float, float, float], two: tuple[float, float, float, float]
) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def _texts(writing: Writing) -> list[str]:
    """Return what is to be written beside each point; nothing where it has no name."""
    layer = writing.layer
    labels = list(layer.features["label"]) if "label" in layer.features else []
    labels += [""] * (len(layer.data) - len(labels))
    names = ["" if label is None or label != label else str(label) for label in labels]
    return [writing.text.format(label=name) if name else "" for name in names]


def _places(layer: Points) -> Floats:
    return np.asarray(layer.data, dtype=np.float64)[:, -3:]


def _set(layer: Points, strings: list[str]) -> None:
    """Write these beside the points; the same again would be drawn anew."""
    present = getattr(layer.text.string, "array", None)
    if present is None or list(present) != strings:
        layer.text.string = {"array": strings, "default": ""}


def _changes(layer: Points) -> tuple[Any, ...]:
    events = layer.events
    return events.data, events.features, events.visible
