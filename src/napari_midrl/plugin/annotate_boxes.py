"""The pages below the table: proposals, other readers, cases, files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_midrl.plugin.all_volumes import AllVolumes
from napari_midrl.plugin.column import ELLIPSIS, row_of, take_what_is_left
from napari_midrl.plugin.tables import style_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_midrl.data.progress import Progress
    from napari_midrl.plugin.engine import PackInfo
    from napari_midrl.workflows.annotation_cases import CaseRow

OTHERS, MEAN, CONSENSUS, NOTHING = "their points", "mean", "consensus", "nothing"


class ProposeBox(QWidget):
    """Choose agents, let them propose, judge what they propose."""

    run_clicked = Signal()
    cancel_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._packs: dict[str, PackInfo] = {}
        self.pack = QComboBox()
        self.pack.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.n_starts = QSpinBox()
        self.n_starts.setRange(1, 64)
        self.n_starts.setSuffix(" starts")
        self.n_starts.setToolTip(
            "Start points per landmark. Where they end together, trust them more."
        )
        self.all_volumes = AllVolumes()
        self.run_button = QPushButton("Propose")
        self.cancel_button = QPushButton("Cancel")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.open_label = QLabel("No proposals")
        self.open_label.setWordWrap(True)
        self.accept_button = QPushButton("Accept")
        self.reject_button = QPushButton("Reject")
        self.next_button = QPushButton("Next worst")
        self.accept_all_button = QPushButton("Accept all")
        layout = _column(self)
        top = QHBoxLayout()
        top.addWidget(self.pack, 1)
        top.addWidget(self.all_volumes)
        top.addWidget(self.n_starts)
        layout.addLayout(top)
        layout.addLayout(row_of(self.run_button, self.cancel_button))
        layout.addWidget(self.progress)
        layout.addWidget(self.open_label)
        layout.addLayout(
            row_of(
                self.accept_button,
                self.reject_button,
                self.next_button,
                self.accept_all_button,
            )
        )
        layout.addStretch(1)
        self.run_button.clicked.connect(self.run_clicked)
        self.cancel_button.clicked.connect(self.cancel_clicked)

    def set_packs(self, packs: Sequence[PackInfo], default: str = "") -> None:
        """Offer these agents."""
        self._packs = {pack.name: pack for pack in packs}
        self.pack.clear()
        for pack in packs:
            self.pack.addItem(pack.title, pack.name)
        self.pack.setCurrentIndex(max(self.pack.findData(default), 0) if packs else -1)

    def chosen_pack(self) -> PackInfo | None:
        """Return the agents shown; None if there are none."""
        return self._packs.get(self.pack.currentData() or "")

    def show_progress(self, progress: Progress) -> None:
        """Show how far the search is; a total of 0 means that nobody knows."""
        self.progress.setRange(0, progress.total)
        self.progress.setValue(progress.done)

    def set_running(self, running: bool) -> None:
        """Show that agents search, or that none do."""
        self.cancel_button.setEnabled(running)
        self.pack.setEnabled(not running)
        if not running:
            self.progress.setRange(0, 1)
            self.progress.setValue(0)


class ReadersBox(QWidget):
    """Load other readers, see how far apart they are, hide them until one is done."""

    load_clicked = Signal()
    forget_clicked = Signal()
    consensus_clicked = Signal()
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.load_button = QPushButton(f"Load a reader{ELLIPSIS}")
        self.load_button.setToolTip("Landmarks of another reader (.midrl.json).")
        self.forget_button = QPushButton("Forget them")
        self.blind = QCheckBox(
            "Blind: hide them until all of mine are placed or skipped"
        )
        self.blind.setChecked(True)
        self.shown = QComboBox()
        self.shown.addItems([OTHERS, MEAN, CONSENSUS, NOTHING])
        self.shown.setToolTip(
            "Mean of all readers, or of the majority that agrees within 4 mm."
        )
        self.consensus_button = QPushButton(f"Export consensus{ELLIPSIS}")
        self.summary = QLabel("No other reader")
        self.summary.setWordWrap(True)
        layout = _column(self)
        layout.addLayout(row_of(self.load_button, self.forget_button))
        layout.addWidget(self.blind)
        shown = QHBoxLayout()
        shown.addWidget(QLabel("Show in the views"))
        shown.addWidget(self.shown, 1)
        shown.addWidget(self.consensus_button)
        layout.addLayout(shown)
        layout.addWidget(self.summary)
        layout.addStretch(1)
        self.load_button.clicked.connect(self.load_clicked)
        self.forget_button.clicked.connect(self.forget_clicked)
        self.consensus_button.clicked.connect(self.consensus_clicked)
        self.blind.toggled.connect(self._on_changed)
        self.shown.currentTextChanged.connect(self._on_changed)

    def _on_changed(self, value: object = None) -> None:
        self.changed.emit()


class CasesBox(QWidget):
    """The cases of a folder, how far each is, and which comes next."""

    folder_clicked = Signal()
    refresh_clicked = Signal()
    next_clicked = Signal()
    rank_clicked = Signal()
    dataset_clicked = Signal()
    case_chosen = Signal(object)
    """The user wants this `CaseRow` opened."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[CaseRow, ...] = ()
        self._doubts_mm: Mapping[str, float] = {}
        self.folder_button = QPushButton(f"Folder{ELLIPSIS}")
        self.folder_button.setToolTip("A folder with one subfolder or image per case.")
        self.refresh_button = QPushButton("Refresh")
        self.next_button = QPushButton("Open next")
        self.next_button.setToolTip(
            "Open the first case that is not done; of ranked ones the most doubtful."
        )
        self.rank_button = QPushButton("Rank")
        self.rank_button.setToolTip(
            "Let the agents chosen above search all cases nobody has begun, and see\n"
            "where their starts and the sequences disagree: there an annotation\n"
            "teaches most. That they agree does not mean that they are right."
        )
        self.dataset_button = QPushButton(f"Data set{ELLIPSIS}")
        self.dataset_button.setToolTip(
            "Write the annotated cases as a data set for training."
        )
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels(["Case", "Placed", "Image", "Doubt mm"])
        style_table(self.table, (0, 0, 0, 0), row_height=20, narrow_cells=False)
        self.table.setWordWrap(True)
        take_what_is_left(self.table, 130)
        self.table.setToolTip("Double-click opens a case.")
        layout = _column(self)
        layout.addLayout(
            row_of(
                self.folder_button,
                self.refresh_button,
                self.next_button,
                self.rank_button,
                self.dataset_button,
            )
        )
        layout.addWidget(self.table, 1)
        self.folder_button.clicked.connect(self.folder_clicked)
        self.refresh_button.clicked.connect(self.refresh_clicked)
        self.next_button.clicked.connect(self.next_clicked)
        self.rank_button.clicked.connect(self.rank_clicked)
        self.dataset_button.clicked.connect(self.dataset_clicked)
        self.table.cellDoubleClicked.connect(self._on_double_clicked)
        self.set_value(())

    def value(self) -> tuple[CaseRow, ...]:
        """Return the cases shown."""
        return self._rows

    @property
    def doubts_mm(self) -> Mapping[str, float]:
        """How far agents disagree on cases nobody had begun, by their names."""
        return self._doubts_mm

    def set_value(
        self, rows: Sequence[CaseRow], doubts_mm: Mapping[str, float] | None = None
    ) -> None:
        """Show these cases; without doubts, those that were known."""
        self._rows = tuple(rows)
        if doubts_mm is not None:
            self._doubts_mm = doubts_mm
        with signals_blocked(self.table):
            self.table.setRowCount(len(self._rows))
            for n, row in enumerate(self._rows):
                image = row.image_name or (row.file.name if row.file else "")
                doubt = self._doubts_mm.get(row.name)
                doubt_text = "" if doubt is None else f"{doubt:.1f}"
                texts = (row.name, row.text, image, doubt_text)
                for column, text in enumerate(texts):
                    item = QTableWidgetItem(text)
                    item.setToolTip(str(row.problem or row.images))
                    if row.problem:
                        item.setForeground(Qt.GlobalColor.red)
                    elif row.count.is_done:
                        item.setForeground(Qt.GlobalColor.green)
                    self.table.setItem(n, column, item)
        for button in (
            self.refresh_button,
            self.next_button,
            self.rank_button,
            self.dataset_button,
        ):
            button.setEnabled(bool(self._rows))

    def _on_double_clicked(self, row: int, column: int) -> None:
        self.case_chosen.emit(self._rows[row])


class FilesBox(QWidget):
    """Buttons to take landmarks over from files and to hand them on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.import_button = QPushButton(f"Import{ELLIPSIS}")
        self.import_button.setToolTip(
            "Landmarks from CSV, .mrk.json, .fcsv, voxel text or another .midrl.json.\n"
            "A file in which only a model speaks becomes proposals."
        )
        self.export_button = QPushButton(f"Landmarks{ELLIPSIS}")
        self.export_button.setToolTip(
            "As a table (LPS mm), 3D Slicer markups, fcsv, or voxel text."
        )
        self.proposals_button = QPushButton(f"Proposals{ELLIPSIS}")
        self.proposals_button.setToolTip("Open proposals, in a file of their own.")
        self.sr_button = QPushButton(f"DICOM SR{ELLIPSIS}")
        self.sr_button.setToolTip("A structured report (TID 1500); names the patient.")
        self.rtstruct_button = QPushButton(f"RTSTRUCT{ELLIPSIS}")
        self.rtstruct_button.setToolTip("An RT structure set; names the patient.")
        self.save_as_button = QPushButton(f"Go on in another file{ELLIPSIS}")
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 4, 4, 4)
        grid.setVerticalSpacing(4)
        grid.addWidget(QLabel("Take over"), 0, 0)
        grid.addLayout(row_of(self.import_button, self.save_as_button), 0, 1)
        grid.addWidget(QLabel("Export"), 1, 0)
        grid.addLayout(row_of(self.export_button, self.proposals_button), 1, 1)
        grid.addWidget(QLabel("To a PACS"), 2, 0)
        grid.addLayout(row_of(self.sr_button, self.rtstruct_button), 2, 1)
        grid.setColumnStretch(1, 1)
        grid.setRowStretch(3, 1)

    @property
    def buttons(self) -> tuple[QPushButton, ...]:
        """All of them; they need an open session."""
        return (
            self.import_button,
            self.export_button,
            self.proposals_button,
            self.sr_button,
            self.rtstruct_button,
            self.save_as_button,
        )


def _column(widget: QWidget) -> QVBoxLayout:
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(4, 4, 4, 4)
    layout.setSpacing(4)
    return layout
