"""What to search, with which agents, for which landmarks; and Run and Cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_midrl.data.settings import SearchSettings
from napari_midrl.plugin.all_volumes import AllVolumes
from napari_midrl.plugin.colors import Colors, color_of
from napari_midrl.plugin.column import ELLIPSIS
from napari_midrl.plugin.icons import color_icon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.data.progress import Progress
    from napari_midrl.plugin.engine import PackInfo

DEVICES = {"Automatic": "auto", "CPU": "cpu", "GPU (CUDA)": "cuda"}


class SearchForm(QWidget):
    """The choices before a search, and how far it is.

    It knows no viewer and no agents: the dock fills in volumes and packs, and acts on
    the signals.
    """

    run_requested = Signal()
    cancel_requested = Signal()
    open_requested = Signal()
    volume_changed = Signal(str)
    pack_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._packs: dict[str, PackInfo] = {}
        self._running = False
        self._trouble = ""
        self._beside: tuple[str, ...] = ()

        self.volume = QComboBox()
        self.volume.setToolTip("Volume the agents search; any MR sequence.")
        self.volume.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.all_volumes = AllVolumes()
        self.open_button = QPushButton(f"Open{ELLIPSIS}")
        self.open_button.setToolTip("Open a folder of DICOM files as one study.")
        self.pack = QComboBox()
        self.pack.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.all_landmarks = QCheckBox("All landmarks")
        self.all_landmarks.setTristate(True)
        self.landmarks = QListWidget()
        self.landmarks.setFixedHeight(70)
        self.landmarks.setToolTip(
            "Landmarks to seek; one agent per landmark and start."
        )
        self.n_starts = QSpinBox()
        self.n_starts.setRange(1, 64)
        self.n_starts.setToolTip(
            "Start points per landmark. Where they end together, trust them more."
        )
        self.device = QComboBox()
        self.device.addItems(list(DEVICES))
        self.device.setToolTip("Where the networks run.")
        self.run_button = QPushButton("Run search")
        self.run_button.setObjectName("midrl_run")
        self.cancel_button = QPushButton("Cancel")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.status.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )

        self._lay_out()
        self._connect()
        self.set_value(SearchSettings())
        self.set_running(False)

    def _lay_out(self) -> None:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        grid.addWidget(QLabel("Volume"), 0, 0)
        grid.addWidget(self.volume, 0, 1)
        grid.addWidget(self.all_volumes, 0, 2)
        grid.addWidget(self.open_button, 0, 3)
        grid.addWidget(QLabel("Agents"), 1, 0)
        grid.addWidget(self.pack, 1, 1, 1, 3)
        grid.addWidget(QLabel("Seek"), 2, 0, Qt.AlignmentFlag.AlignTop)
        seek = QVBoxLayout()
        seek.setSpacing(2)
        seek.addWidget(self.all_landmarks)
        seek.addWidget(self.landmarks)
        grid.addLayout(seek, 2, 1, 1, 3)
        grid.addWidget(QLabel("Starts"), 3, 0)
        numbers = QHBoxLayout()
        numbers.addWidget(self.n_starts)
        numbers.addWidget(QLabel("on"))
        numbers.addWidget(self.device, 1)
        grid.addLayout(numbers, 3, 1, 1, 3)
        buttons = QHBoxLayout()
        buttons.addWidget(self.run_button, 2)
        buttons.addWidget(self.cancel_button, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(grid)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.status)

    def _connect(self) -> None:
        self.run_button.clicked.connect(self.run_requested)
        self.cancel_button.clicked.connect(self.cancel_requested)
        self.open_button.clicked.connect(self.open_requested)
        self.volume.currentTextChanged.connect(self._on_volume_changed)
        self.pack.currentIndexChanged.connect(self._on_pack_changed)
        self.all_landmarks.clicked.connect(self._on_all_clicked)
        self.landmarks.itemChanged.connect(self._on_landmark_changed)

    def value(self) -> SearchSettings:
        """Return the settings as shown."""
        return SearchSettings(
            landmarks=self.chosen_landmarks(),
            n_starts=self.n_starts.value(),
            device=DEVICES[self.device.currentText()],
        )

    def set_value(self, settings: SearchSettings) -> None:
        """Show settings; landmarks that the agents do not know are left out."""
        self.n_starts.setValue(settings.n_starts)
        titles = {device: title for title, device in DEVICES.items()}
        self.device.setCurrentText(titles.get(settings.device, "Automatic"))
        for item in self._items():
            chosen = settings.landmarks is None or item.text() in settings.landmarks
            item.setCheckState(_check_state(chosen))

    def chosen_landmarks(self) -> tuple[str, ...]:
        """Return the names that are checked, in the order of the pack."""
        checked = Qt.CheckState.Checked
        return tuple(i.text() for i in self._items() if i.checkState() == checked)

    def chosen_pack(self) -> PackInfo | None:
        """Return the pack shown, or None if there is none."""
        return self._packs.get(self.pack.currentData() or "")

    def set_volumes(self, names: Sequence[str]) -> None:
        """Offer these volumes; the one chosen stays chosen if it is still there."""
        current = self.volume.currentText()
        with signals_blocked(self.volume):
            self.volume.clear()
            self.volume.addItems(list(names))
            if current in names:
                self.volume.setCurrentText(current)
        if self.volume.currentText() != current:
            self.volume_changed.emit(self.volume.currentText())
        self._update_enabled()

    def set_beside(self, names: Sequence[str]) -> None:
        """Say which other volumes are of the same examination as the one chosen."""
        self._beside = tuple(names)
        self._update_enabled()

    def set_packs(self, packs: Sequence[PackInfo], default: str = "") -> None:
        """Offer these packs."""
        self._packs = {pack.name: pack for pack in packs}
        with signals_blocked(self.pack):
            self.pack.clear()
            for pack in packs:
                self.pack.addItem(pack.title, pack.name)
            index = self.pack.findData(default)
            self.pack.setCurrentIndex(max(index, 0) if packs else -1)
        self._on_pack_changed()

    def show_colors(self, colors: Colors) -> None:
        """Put each landmark's color beside its name."""
        with signals_blocked(self.landmarks):
            for item in self._items():
                item.setIcon(color_icon(color_of(colors, item.text())))

    def set_running(self, running: bool) -> None:
        """Show that a search runs, or that none does."""
        self._running = running
        if not running:
            self.progress.setRange(0, 1)
            self.progress.setValue(0)
        self._update_enabled()

    def set_trouble(self, trouble: str) -> None:
        """Keep Run disabled for this reason; empty allows it again."""
        self._trouble = trouble
        self._update_enabled()

    def show_progress(self, progress: Progress) -> None:
        """Show how far the search is; a total of 0 means that nobody knows."""
        bar = self.progress
        # Qt paints the window at once for each of these.
        if (bar.maximum(), bar.value()) != (progress.total, progress.done):
            bar.setRange(0, progress.total)
            bar.setValue(progress.done)
        self.show_status(progress.text)

    def show_status(self, text: str, *, error: bool = False) -> None:
        """Show one sentence under the buttons, errors in red."""
        style = "color: #FF8A80;" if error else ""
        self.status.setText(text)
        if self.status.styleSheet() != style:
            self.status.setStyleSheet(style)

    def _items(self) -> list[QListWidgetItem]:
        items = (self.landmarks.item(n) for n in range(self.landmarks.count()))
        return [item for item in items if item is not None]

    def _on_volume_changed(self, name: str) -> None:
        self.volume_changed.emit(name)
        self._update_enabled()

    def _on_pack_changed(self, index: int = 0) -> None:
        pack = self.chosen_pack()
        with signals_blocked(self.landmarks):
            self.landmarks.clear()
            for name in () if pack is None else pack.landmarks:
                item = QListWidgetItem(name)
                item.setCheckState(Qt.CheckState.Checked)
                self.landmarks.addItem(item)
        self.pack.setToolTip("" if pack is None else pack.description)
        self._on_landmark_changed()
        if pack is not None:
            self.pack_changed.emit(pack.name)

    def _on_all_clicked(self) -> None:
        """A click means all or none; the middle state only tells of a selection."""
        every = len(self.chosen_landmarks()) < self.landmarks.count()
        with signals_blocked(self.landmarks):
            for item in self._items():
                item.setCheckState(_check_state(every))
        self._on_landmark_changed()

    def _on_landmark_changed(self, item: QListWidgetItem | None = None) -> None:
        n_chosen, n_all = len(self.chosen_landmarks()), self.landmarks.count()
        state = _check_state(n_chosen > 0)
        if 0 < n_chosen < n_all:
            state = Qt.CheckState.PartiallyChecked
        with signals_blocked(self.all_landmarks):
            self.all_landmarks.setCheckState(state)
        self.all_landmarks.setText(f"All landmarks ({n_chosen} of {n_all})")
        self._update_enabled()

    def _update_enabled(self) -> None:
        reason = self._reason_against_running()
        self.run_button.setEnabled(not reason)
        self.run_button.setToolTip(reason or "Let the agents search (Ctrl+Return)")
        self.cancel_button.setEnabled(self._running)
        self.cancel_button.setToolTip(
            "Stop the search at once" if self._running else "No search is running"
        )
        for widget in (self.pack, self.landmarks, self.all_landmarks, self.n_starts):
            widget.setEnabled(not self._running)
        self.all_volumes.show_state(self._beside, running=self._running)

    def _reason_against_running(self) -> str:
        if self._running:
            return "A search is running; cancel it first."
        if self._trouble:
            return self._trouble
        if not self.volume.count():
            return "Open a volume first: File > Open, or File > Open Sample."
        if not self._packs:
            return "No agent pack is installed."
        if not self.chosen_landmarks():
            return "Check at least one landmark to seek."
        return ""


def _check_state(checked: bool) -> Qt.CheckState:
    return Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked
