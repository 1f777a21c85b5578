"""Which policy to show, and what there is to say of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_midrl.plugin.colors import Colors, color_of
from napari_midrl.plugin.icons import color_icon
from napari_midrl.plugin.policy_layers import LEAST_RETURN, MOST_RETURN, RETURN_COLORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.data.policy import PolicyScale

NO_VOLUME = "Open a volume first."
ARROWS = (
    "What the agents would do at every point of the slice.\n"
    "Arrow: the best move. Cross: out of the slice, away from you (axial: to the "
    "head, coronal: to the back, sagittal: to the patient's right). Diamond: towards "
    "you.\nNothing: the move would lead out of the image, so the agent stays."
)
BASINS = (
    "Where agents come to rest that start here, at this scale alone; slices only.\n"
    "The largest basin has the color of the landmark."
)
LANDMARK = "Whose agents; a click in the results chooses too."
SCALE = (
    "Length of a move. Agents begin with the longest; those called close are played "
    "in cubes around what the longer ones found."
)
RETURN = (
    "Color of the arrows: steps the agent expects to come nearer, the next counting "
    "most.\n2: straight there. About -0.7: at rest on the landmark. Less: nothing to "
    "find."
)


@dataclass(frozen=True)
class PolicyChoice:
    """What is to be shown.

    Parameters
    ----------
    landmark
        Empty where there is none to choose.
    scale
        Index into the scales offered.
    arrows, basins
        Whether they are wanted.
    """

    landmark: str = ""
    scale: int = 0
    arrows: bool = False
    basins: bool = False

    @property
    def is_anything(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.landmark) and (self.arrows or self.basins)


class PolicyForm(QWidget):
    """Choice of landmark and scale, arrows and basins on or off.

    It knows no viewer and no agents.
    """

    changed = Signal()
    link_clicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scales: tuple[PolicyScale, ...] = ()
        self.landmark = QComboBox()
        self.scale = QComboBox()
        self.arrows = QCheckBox("Arrows")
        self.basins = QCheckBox("Basins")
        self.bar = _color_bar()
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextFormat(Qt.TextFormat.RichText)
        self.status.setVisible(False)
        self._lay_out()
        for combo in (self.landmark, self.scale):
            combo.currentIndexChanged.connect(self._on_changed)
        for check in (self.arrows, self.basins):
            check.toggled.connect(self._on_changed)
        self.status.linkActivated.connect(self.link_clicked)
        self.set_reason(NO_VOLUME)

    def _lay_out(self) -> None:
        for combo in (self.landmark, self.scale):
            combo.setSizePolicy(
                QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred
            )
        choice = QHBoxLayout()
        choice.addWidget(self.landmark, 3)
        choice.addWidget(QLabel("steps of"))
        choice.addWidget(self.scale, 2)
        shown = QHBoxLayout()
        shown.addWidget(self.arrows)
        shown.addWidget(self.basins)
        shown.addStretch(1)
        shown.addWidget(self.bar)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addLayout(choice)
        layout.addLayout(shown)
        layout.addWidget(self.status)

    def value(self) -> PolicyChoice:
        """Return the choice as shown."""
        return PolicyChoice(
            self.landmark.currentText(),
            max(self.scale.currentIndex(), 0),
            self.arrows.isChecked(),
            self.basins.isChecked(),
        )

    @property
    def chosen_scale(self) -> PolicyScale | None:
        """The scale chosen; None where there is none to choose."""
        index = self.scale.currentIndex()
        return self._scales[index] if 0 <= index < len(self._scales) else None

    def set_choices(
        self, landmarks: Sequence[str], colors: Colors, scales: Sequence[PolicyScale]
    ) -> None:
        """Offer these; what was chosen stays chosen where it is still there."""
        self._scales = tuple(scales)
        before = self.landmark.currentText(), self.scale.currentIndex()
        with signals_blocked(self.landmark), signals_blocked(self.scale):
            self.landmark.clear()
            for name in landmarks:
                self.landmark.addItem(color_icon(color_of(colors, name)), name)
            self.landmark.setCurrentIndex(max(self.landmark.findText(before[0]), 0))
            self.scale.clear()
            self.scale.addItems([scale.title for scale in scales])
            last = len(self._scales) - 1
            self.scale.setCurrentIndex(min(max(before[1], 0), last))
        self.changed.emit()

    def choose_landmark(self, name: str) -> None:
        """Choose a landmark, if it is offered."""
        if self.landmark.findText(name) >= 0:
            self.landmark.setCurrentText(name)

    def set_reason(self, reason: str, told: str = "") -> None:
        """Disable everything for a reason, empty enables it; `told` is seen at once."""
        widgets = (self.landmark, self.scale, self.arrows, self.basins)
        tooltips = (LANDMARK, SCALE, ARROWS, BASINS)
        for widget, tooltip in zip(widgets, tooltips, strict=True):
            widget.setEnabled(not reason)
            widget.setToolTip(reason or tooltip)
        if reason:
            self.untick()
        self.show_status(told)

    def untick(self, *, arrows: bool = True, basins: bool = True) -> None:
        """Take ticks away and say so once."""
        was = self.value()
        with signals_blocked(self.arrows), signals_blocked(self.basins):
            self.arrows.setChecked(was.arrows and not arrows)
            self.basins.setChecked(was.basins and not basins)
        if self.value() != was:
            self._on_changed()

    def show_status(self, text: str, *, error: bool = False) -> None:
        """Show one sentence, which may hold links; empty takes it away."""
        self.status.setText(text)
        self.status.setStyleSheet("color: #FF8A80;" if error else "")
        self.status.setVisible(bool(text))

    def _on_changed(self, value: object = None) -> None:
        self.bar.setVisible(self.arrows.isChecked())
        self.changed.emit()


def _color_bar() -> QWidget:
    """Return what the colors of the arrows mean, on one line."""
    strip = QLabel()
    strip.setFixedSize(70, 8)
    stops = ", ".join(
        f"stop:{n / (len(RETURN_COLORS) - 1):.3f} {color}"
        for n, color in enumerate(RETURN_COLORS)
    )
    strip.setStyleSheet(
        f"background: qlineargradient(x1:0, y1:0, x2:1, y2:0, {stops});"
    )
    bar = QWidget()
    row = QHBoxLayout(bar)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    row.addWidget(QLabel(f"expects {LEAST_RETURN:g}".replace("-", "\N{MINUS SIGN}")))
    row.addWidget(strip)
    row.addWidget(QLabel(f"{MOST_RETURN:g}"))
    bar.setToolTip(RETURN)
    bar.setVisible(False)
    return bar
