"""Which image, which landmarks, who reads; and where it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_midrl.plugin.column import ELLIPSIS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_midrl.data.protocol import LandmarkProtocol


class AnnotateForm(QWidget):
    """The choices before an annotation; it knows no viewer and no files."""

    start_requested = Signal()
    stop_requested = Signal()
    open_requested = Signal()
    protocol_requested = Signal()
    resume_requested = Signal()
    changed = Signal()
    """Another image, protocol or reader was chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._protocols: dict[str, LandmarkProtocol] = {}
        self._is_open = False
        self.image = _combo("Image on which landmarks are placed; any MR sequence.")
        self.open_button = QPushButton(f"Open{ELLIPSIS}")
        self.open_button.setToolTip("Open a folder of DICOM files as one study.")
        self.protocol = _combo("Which landmarks to place, in which order.")
        self.protocol_button = QPushButton(f"File{ELLIPSIS}")
        self.protocol_button.setToolTip(
            "A protocol of your own: JSON, or points of 3D Slicer (.mrk.json)."
        )
        self.reader = QLineEdit()
        self.reader.setPlaceholderText("your name or initials")
        self.reader.setToolTip("Who places the landmarks; each reader has own files.")
        self.start_button = QPushButton("Start")
        self.resume_button = QPushButton(f"Resume{ELLIPSIS}")
        self.resume_button.setToolTip(
            "Go on with a landmark file (.midrl.json) that lies elsewhere."
        )
        self.saved = QLabel()
        self.saved.setWordWrap(True)
        self._lay_out()
        self.start_button.clicked.connect(self._on_start_clicked)
        self.open_button.clicked.connect(self.open_requested)
        self.protocol_button.clicked.connect(self.protocol_requested)
        self.resume_button.clicked.connect(self.resume_requested)
        self.image.currentTextChanged.connect(self._on_changed)
        self.protocol.currentIndexChanged.connect(self._on_changed)
        self.reader.textChanged.connect(self._on_changed)
        self._update_enabled()

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(1, 1)
        rows = (
            ("Image", self.image, self.open_button),
            ("Protocol", self.protocol, self.protocol_button),
            ("Reader", self.reader, self.start_button),
        )
        for n, (title, field, button) in enumerate(rows):
            grid.addWidget(QLabel(title), n, 0)
            grid.addWidget(field, n, 1)
            grid.addWidget(button, n, 2)
        grid.addWidget(self.saved, 3, 0, 1, 2)
        grid.addWidget(self.resume_button, 3, 2)

    def chosen_protocol(self) -> LandmarkProtocol | None:
        """Return the protocol shown; None if there is none."""
        return self._protocols.get(self.protocol.currentData() or "")

    def chosen_reader(self) -> str:
        """Return the reader's name; empty if there is none."""
        return self.reader.text().strip()

    def set_images(self, names: Sequence[str]) -> None:
        """Offer these images; the one shown stays if it is among them."""
        current = self.image.currentText()
        with signals_blocked(self.image):
            self.image.clear()
            self.image.addItems(list(names))
            if current in names:
                self.image.setCurrentText(current)
        if self.image.currentText() != current:
            self.changed.emit()
        self._update_enabled()

    def set_protocols(self, protocols: Mapping[str, LandmarkProtocol]) -> None:
        """Offer these protocols besides the ones before, and keep the one shown."""
        self._protocols |= protocols
        with signals_blocked(self.protocol):
            for key, protocol in protocols.items():
                if self.protocol.findData(key) < 0:
                    self.protocol.addItem(protocol.title, key)
        self._update_enabled()

    def choose_protocol(self, key: str) -> None:
        """Show the protocol with this key."""
        self.protocol.setCurrentIndex(self.protocol.findData(key))

    def add_protocol(
        self, protocol: LandmarkProtocol, path: Path | None = None
    ) -> None:
        """Offer a protocol and show it."""
        known = self._protocols.get(protocol.name)
        key = protocol.name if known in (None, protocol) else f"{protocol.name} {path}"
        self.set_protocols({key: protocol})
        self.choose_protocol(key)

    def set_open(self, is_open: bool) -> None:
        """Show that landmarks are being placed, or that none are."""
        self._is_open = is_open
        self._update_enabled()

    def reason_against_starting(self) -> str:
        """Return why nothing can be placed yet; empty if it can."""
        if not self.image.count():
            return "Open an image first: File > Open, or File > Open Sample."
        if self.chosen_protocol() is None:
            return "Choose a protocol."
        if not self.chosen_reader():
            return "Say who reads: type your name or initials."
        return ""

    def _update_enabled(self) -> None:
        reason = self.reason_against_starting()
        self.start_button.setText("Close" if self._is_open else "Start")
        self.start_button.setEnabled(self._is_open or not reason)
        self.start_button.setToolTip(
            "Put the landmarks away; they are saved."
            if self._is_open
            else reason or "Place landmarks, or go on where you stopped."
        )
        self.resume_button.setEnabled(bool(self.image.count()))

    def _on_changed(self, value: object = None) -> None:
        self._update_enabled()
        self.changed.emit()

    def _on_start_clicked(self) -> None:
        (self.stop_requested if self._is_open else self.start_requested).emit()


def _combo(tooltip: str) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tooltip)
    combo.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    return combo
