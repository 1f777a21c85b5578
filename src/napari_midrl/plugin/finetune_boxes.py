"""The parts of the fine-tuning dock: cases, training, result. No behavior of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_midrl.plugin.before_after_table import BeforeAfterTable
from napari_midrl.plugin.column import ELLIPSIS, row_of, take_what_is_left
from napari_midrl.plugin.playback_bar import PlaybackBar
from napari_midrl.plugin.tables import style_table
from napari_midrl.workflows.finetune_source import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_midrl.evaluation.before_after import Row
    from napari_midrl.workflows.finetune_runs import InterruptedRun
    from napari_midrl.workflows.finetune_source import SourceCase
    from napari_midrl.workflows.pack_versions import PackVersion

COLUMN_OF = {Role.LEARN: 2, Role.HOLD_OUT: 3}
NO_CASES = "No cases yet: take those you annotated, or a folder."
REHEARSE = (
    "A quarter of the updates rehearse what the agents know; without, they forget it."
)
NOTHING_TO_REHEARSE = (
    "Landmarks that are all new get a network of their own:\nnothing that the agents "
    "know changes, so nothing need be rehearsed."
)
USER = Qt.ItemDataRole.UserRole


class CasesBox(QWidget):
    """Agents to begin with, cases and what each is for, landmarks to learn."""

    folder_clicked = Signal()
    annotated_clicked = Signal()
    draw_clicked = Signal()
    changed = Signal()
    """Another pack or role was chosen."""
    landmarks_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._cases: tuple[SourceCase, ...] = ()
        self._known: frozenset[str] = frozenset()
        self._is_running = False
        self.pack = QComboBox()
        self.pack.setToolTip("Agents to begin with; they stay as they are.")
        self.pack.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.rehearse = QCheckBox("Rehearse")
        self.rehearse.setChecked(True)
        self.annotated_button = QPushButton("Annotated here")
        self.annotated_button.setToolTip(
            "Take the case that is open in the dock MIDRL: annotate, and the annotated "
            "cases listed there."
        )
        self.folder_button = QPushButton(f"Folder{ELLIPSIS}")
        self.folder_button.setToolTip(
            "A folder with one subfolder per case (images and one landmark file), a "
            "data set,\nor a folder that was annotated with MIDRL: annotate."
        )
        self.draw_button = QPushButton("Draw again")
        self.draw_button.setToolTip("Hold out another fifth of the cases, by chance.")
        self.source = QLabel(NO_CASES)
        self.table = QTableWidget(0, 4)
        self.table.setHorizontalHeaderLabels(["Case", "Places", "Learn", "Hold out"])
        style_table(self.table, (0, 44, 40, 54))
        self.landmarks = QListWidget()
        self.landmarks.setStyleSheet("QListWidget { font-size: 11px; }")
        self.landmarks.setHorizontalScrollBarPolicy(
            Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        )
        self.landmarks.setToolTip(
            "Landmarks to learn. If all are new they get a network of their own. "
            "Those the agents\nknow are taught further, and new ones beside them."
        )
        self._lay_out()
        self._offer_rehearsal()
        self.folder_button.clicked.connect(self.folder_clicked)
        self.annotated_button.clicked.connect(self.annotated_clicked)
        self.draw_button.clicked.connect(self.draw_clicked)
        self.pack.currentIndexChanged.connect(self._on_changed)
        self.table.itemChanged.connect(self._on_item_changed)
        self.landmarks.itemChanged.connect(self._on_landmark_changed)

    def _lay_out(self) -> None:
        self.source.setSizePolicy(
            QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred
        )
        top = QHBoxLayout()
        top.addWidget(QLabel("Begin with"))
        top.addWidget(self.pack, 1)
        top.addWidget(self.rehearse)
        buttons = QHBoxLayout()
        buttons.addWidget(self.source, 1)
        for button in (self.annotated_button, self.folder_button, self.draw_button):
            buttons.addWidget(button)
        tables = QHBoxLayout()
        tables.setSpacing(4)
        tables.addWidget(self.table, 3)
        tables.addWidget(self.landmarks, 2)
        for widget in (self.table, self.landmarks):
            widget.setFixedHeight(126)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(top)
        layout.addLayout(buttons)
        layout.addLayout(tables)

    # ---- packs

    def set_packs(self, packs: Sequence[PackVersion], chosen: str = "") -> None:
        """Offer these packs; those that cannot be fine-tuned are gray and say why."""
        current = self.pack.currentData() or chosen
        with signals_blocked(self.pack):
            self.pack.clear()
            for pack in packs:
                self.pack.addItem(pack.name, pack.name)
                if pack.reason_against:
                    self._disable(self.pack.count() - 1, pack.reason_against)
            names = [pack.name for pack in packs if not pack.reason_against]
            wanted = current if current in names else next(iter(names), "")
            self.pack.setCurrentIndex(self.pack.findData(wanted))
        self.changed.emit()

    def _disable(self, index: int, reason: str) -> None:
        model = self.pack.model()
        item = getattr(model, "item", lambda _: None)(index)
        if item is not None:
            item.setEnabled(False)
        self.pack.setItemData(index, reason, Qt.ItemDataRole.ToolTipRole)

    def chosen_pack(self) -> str:
        """Return the name of the pack shown; empty if there is none."""
        return self.pack.currentData() or ""

    # ---- cases

    def set_cases(self, cases: Sequence[SourceCase], source: str) -> None:
        """Show these cases, with the roles suggested."""
        self._cases = tuple(cases)
        self.source.setText(source or NO_CASES)
        self.source.setToolTip(source)
        with signals_blocked(self.table):
            self.table.setRowCount(len(self._cases))
            for n, case in enumerate(self._cases):
                self._fill_case(n, case)
        self.changed.emit()

    def _fill_case(self, n: int, case: SourceCase) -> None:
        tooltip = case.problem or f"places {', '.join(case.landmarks)}"
        texts = (case.name, "!" if case.problem else str(len(case.landmarks)), "", "")
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setToolTip(tooltip)
            if case.problem:
                item.setForeground(Qt.GlobalColor.gray)
                item.setFlags(Qt.ItemFlag.ItemIsEnabled)
            elif column >= 2:
                item.setFlags(
                    Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable
                )
                is_role = COLUMN_OF.get(case.role) == column
                item.setCheckState(_state(is_role))
            self.table.setItem(n, column, item)

    def cases(self) -> tuple[SourceCase, ...]:
        """Return the cases shown."""
        return self._cases

    def roles(self) -> dict[str, Role]:
        """Return what each usable case is for."""
        return {
            case.name: self._role(n)
            for n, case in enumerate(self._cases)
            if not case.problem
        }

    def set_roles(self, roles: Mapping[str, Role]) -> None:
        """Choose what cases are for."""
        with signals_blocked(self.table):
            for n, case in enumerate(self._cases):
                role = roles.get(case.name)
                if role is None or case.problem:
                    continue
                for own, column in COLUMN_OF.items():
                    item = self.table.item(n, column)
                    assert item is not None  # every cell was filled
                    item.setCheckState(_state(own is role))
        self.changed.emit()

    def _role(self, n: int) -> Role:
        for role, column in COLUMN_OF.items():
            item = self.table.item(n, column)
            if item is not None and item.checkState() == Qt.CheckState.Checked:
                return role
        return Role.LEAVE_OUT

    def _on_item_changed(self, item: QTableWidgetItem) -> None:
        """A case is learned from, held out, or neither; never both."""
        if item.checkState() == Qt.CheckState.Checked:
            other = self.table.item(item.row(), 5 - item.column())
            if other is not None:
                with signals_blocked(self.table):
                    other.setCheckState(Qt.CheckState.Unchecked)
        self.changed.emit()

    # ---- landmarks

    def _on_landmark_changed(self, item: QListWidgetItem) -> None:
        self._offer_rehearsal()
        self.landmarks_changed.emit()

    def _offer_rehearsal(self) -> None:
        """Let it be chosen where something could be forgotten."""
        could_forget = not self._known.isdisjoint(self.chosen_landmarks())
        self.rehearse.setEnabled(could_forget and not self._is_running)
        self.rehearse.setToolTip(REHEARSE if could_forget else NOTHING_TO_REHEARSE)

    def set_landmarks(self, counts: Mapping[str, int], known: Sequence[str]) -> None:
        """Offer these landmarks, with the number of cases that place each."""
        off = {
            item.data(USER)
            for item in self._landmark_items()
            if item.checkState() == Qt.CheckState.Unchecked
        }
        with signals_blocked(self.landmarks):
            self.landmarks.clear()
            for name, n in counts.items():
                kind = "known" if name in known else "new"
                item = QListWidgetItem(f"{kind}, {n}\N{MULTIPLICATION SIGN}: {name}")
                item.setData(USER, name)
                item.setToolTip(f"{name}: {kind}, placed in {n} cases to learn from")
                item.setFlags(
                    Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable
                )
                item.setCheckState(_state(name not in off))
                self.landmarks.addItem(item)
        self._known = frozenset(known)
        self._offer_rehearsal()

    def chosen_landmarks(self) -> tuple[str, ...]:
        """Return the landmarks to learn."""
        return tuple(
            str(item.data(USER))
            for item in self._landmark_items()
            if item.checkState() == Qt.CheckState.Checked
        )

    def _landmark_items(self) -> list[QListWidgetItem]:
        items = (self.landmarks.item(n) for n in range(self.landmarks.count()))
        return [item for item in items if item is not None]

    def set_running(self, running: bool) -> None:
        """Keep the choices as they are while a training runs."""
        for widget in (
            self.pack,
            self.table,
            self.landmarks,
            self.annotated_button,
            self.folder_button,
            self.draw_button,
        ):
            widget.setEnabled(not running)
        self._is_running = running
        self._offer_rehearsal()

    def _on_changed(self, value: object = None) -> None:
        self.changed.emit()


class TrainBox(QWidget):
    """Name, time, the buttons of a training, how far it is, and its curves."""

    start_clicked = Signal()
    plan_clicked = Signal()
    pause_clicked = Signal()
    finish_clicked = Signal()
    discard_clicked = Signal()
    resume_clicked = Signal()
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.name = QLineEdit()
        self.name.setToolTip(
            "The new agents are a pack of this name; none is replaced."
        )
        self.minutes = QSpinBox()
        self.minutes.setRange(1, 24 * 60)
        self.minutes.setValue(20)
        self.minutes.setSuffix(" min")
        self.minutes.setToolTip("For everything, tables before and after included.")
        self.images = QCheckBox("Carry images")
        self.images.setChecked(True)
        self.images.setToolTip(
            "The new pack carries images of up to eight of the cases, so that a later "
            "fine-tuning can rehearse them.\nThat is image data of patients: mind it "
            "when you hand the pack on."
        )
        self.start_button = QPushButton("Start")
        self.plan_button = QPushButton("How long?")
        self.pause_button = QPushButton("Pause")
        self.pause_button.setToolTip(
            "Stop after this update; it can be resumed, also after a restart."
        )
        self.finish_button = QPushButton("Finish now")
        self.finish_button.setToolTip("Make the new pack of the best weights so far.")
        self.runs = QComboBox()
        self.resume_button = QPushButton("Resume")
        self.discard_button = QPushButton("Discard")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.plan = QLabel()
        self.plan.setWordWrap(True)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        form = QHBoxLayout()
        form.addWidget(QLabel("Name"))
        form.addWidget(self.name, 1)
        form.addWidget(self.minutes)
        form.addWidget(self.images)
        self.interrupted = QWidget()
        runs = QHBoxLayout(self.interrupted)
        runs.setContentsMargins(0, 0, 0, 0)
        runs.addWidget(QLabel("Interrupted"))
        runs.addWidget(self.runs, 1)
        runs.addWidget(self.resume_button)
        runs.addWidget(self.discard_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.interrupted)
        layout.addLayout(form)
        layout.addLayout(
            row_of(
                self.plan_button,
                self.start_button,
                self.pause_button,
                self.finish_button,
            )
        )
        layout.addWidget(self.plan)
        layout.addWidget(self.progress)

    def _connect(self) -> None:
        self.start_button.clicked.connect(self.start_clicked)
        self.plan_button.clicked.connect(self.plan_clicked)
        self.pause_button.clicked.connect(self.pause_clicked)
        self.finish_button.clicked.connect(self.finish_clicked)
        self.discard_button.clicked.connect(self.discard_clicked)
        self.resume_button.clicked.connect(self.resume_clicked)
        self.name.textEdited.connect(self._on_changed)
        self.minutes.valueChanged.connect(self._on_changed)
        self.runs.currentIndexChanged.connect(self._on_changed)

    def set_runs(self, runs: Sequence[InterruptedRun]) -> None:
        """Offer interrupted trainings; the row is away while there are none."""
        current = self.chosen_run()
        with signals_blocked(self.runs):
            self.runs.clear()
            for run in runs:
                self.runs.addItem(f"{run.name}: {run.text}", run)
            names = [run.name for run in runs]
            if current is not None and current.name in names:
                self.runs.setCurrentIndex(names.index(current.name))
        self.interrupted.setVisible(bool(runs))
        self.changed.emit()

    def chosen_run(self) -> InterruptedRun | None:
        """Return the interrupted training shown; None if there is none."""
        run: InterruptedRun | None = self.runs.currentData()
        return run

    def show_progress(self, done: int, total: int) -> None:
        """Show how far it is; a total of 0 means that nobody knows."""
        self.progress.setRange(0, total)
        self.progress.setValue(done)

    def _on_changed(self, value: object = None) -> None:
        self.changed.emit()


class ResultBox(QWidget):
    """The table before and after, and both searching the same case."""

    play_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = QLabel("Nothing was trained or chosen yet.")
        self.title.setWordWrap(True)
        # A card from elsewhere may hold anything.
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.table = BeforeAfterTable()
        take_what_is_left(self.table, 130)
        self.case = QComboBox()
        self.case.setToolTip("A held-out case on which both search.")
        self.play_button = QPushButton("Play side by side")
        self.play_button.setToolTip(
            "Both packs search this case: the old agents dim, the new ones bright."
        )
        self.playback = PlaybackBar()
        self.playback.setVisible(False)
        case = QHBoxLayout()
        case.addWidget(QLabel("Case"))
        case.addWidget(self.case, 1)
        case.addWidget(self.play_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.title)
        layout.addWidget(self.table, 1)
        layout.addLayout(case)
        layout.addWidget(self.playback)
        self.play_button.clicked.connect(self.play_clicked)

    def set_value(self, title: str, rows: Sequence[Row], cases: Sequence[str]) -> None:
        """Show what became of agents, and offer these cases to play."""
        self.title.setText(title)
        self.table.set_value(rows)
        current = self.case.currentText()
        self.case.clear()
        self.case.addItems(list(cases))
        if current in cases:
            self.case.setCurrentText(current)
        self.play_button.setEnabled(bool(cases))


def _state(is_on: bool) -> Qt.CheckState:
    return Qt.CheckState.Checked if is_on else Qt.CheckState.Unchecked
