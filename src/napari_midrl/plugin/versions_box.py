"""Table of packs as versions of each other, and what can be done with them."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import signals_blocked

from napari_midrl.plugin.before_after_table import BETTER, WORSE
from napari_midrl.plugin.column import ELLIPSIS, row_of, take_what_is_left
from napari_midrl.plugin.tables import set_tooltips, style_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.evaluation.before_after import Row
    from napari_midrl.workflows.pack_versions import PackVersion, VersionComparison

HEADERS = ("Agents", "From", "Made", "Cases", "Held out", "Known")
TOOLTIPS = (
    "Name of the pack; the one in use is bold",
    "The pack it was fine-tuned from",
    "Day it was made",
    "Cases learned from + held out",
    "Median error in mm in its own held-out cases, after the fine-tuning",
    "Median error in mm of what it knew before, on digital patients",
)
WIDTHS = (0, 92, 84, 46, 58, 48)
COMPARED = ("Landmark", "one", "other", "Change")


class VersionsTable(QTableWidget):
    """One row per pack, or one per landmark where two are compared."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(HEADERS), parent)
        self._versions: tuple[PackVersion, ...] = ()
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalHeaderLabels(list(HEADERS))
        set_tooltips(self, TOOLTIPS)
        style_table(self, WIDTHS)

    def set_value(self, versions: Sequence[PackVersion], current: str) -> None:
        """Show these packs, the one in use bold; what was selected stays so."""
        selected = {version.name for version in self.selected()}
        self._versions = tuple(versions)
        with signals_blocked(self):
            self.setRowCount(len(self._versions))
            for n, version in enumerate(self._versions):
                self._fill(n, version, version.name == current)
        self.clearSelection()
        model, selection = self.model(), self.selectionModel()
        assert model is not None  # a table has both
        assert selection is not None
        for n, version in enumerate(self._versions):
            if version.name in selected:
                flags = selection.SelectionFlag
                selection.select(model.index(n, 0), flags.Select | flags.Rows)

    def selected(self) -> tuple[PackVersion, ...]:
        """Return the packs that are selected, from the top."""
        rows = sorted({index.row() for index in self.selectedIndexes()})
        return tuple(self._versions[row] for row in rows if row < len(self._versions))

    def _fill(self, n: int, version: PackVersion, is_current: bool) -> None:
        for column, text in enumerate(texts_of(version, is_current)):
            item = QTableWidgetItem(text)
            item.setToolTip(_tooltip(version))
            font = item.font()
            font.setBold(is_current)
            item.setFont(font)
            if column >= 3:
                item.setTextAlignment(
                    Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                )
            self.setItem(n, column, item)


class ComparisonTable(QTableWidget):
    """Two packs, landmark by landmark: median error in mm and the change."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(COMPARED), parent)
        style_table(self, (0, 110, 110, 60))
        self._is_light = False

    def set_light(self, is_light: bool) -> None:
        """Use colors for a light or a dark window."""
        self._is_light = is_light

    def set_value(self, comparison: VersionComparison) -> None:
        """Show this comparison."""
        names = (comparison.one.name, comparison.other.name)
        self.setHorizontalHeaderLabels(
            ["Landmark", *(f"{name}" for name in names), "Change"]
        )
        self.setRowCount(len(comparison.rows))
        for n, row in enumerate(comparison.rows):
            change = _change(row.one, row.other)
            texts = (f"{row.landmark} ({row.group})", _mm(row.one), _mm(row.other))
            for column, text in enumerate((*texts, change)):
                item = QTableWidgetItem(text)
                if column:
                    item.setTextAlignment(
                        Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
                    )
                if column == 3 and change and not comparison.caution:
                    colors = BETTER if change.startswith("\N{MINUS SIGN}") else WORSE
                    item.setForeground(QColor(colors[self._is_light]))
                self.setItem(n, column, item)


class VersionsBox(QWidget):
    """Versions, what to do with those selected, and a comparison of two."""

    selection_changed = Signal()
    use_clicked = Signal()
    compare_clicked = Signal()
    export_clicked = Signal()
    import_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = VersionsTable()
        take_what_is_left(self.table, 100)
        self.use_button = QPushButton("Use")
        self.compare_button = QPushButton("Compare")
        self.export_button = QPushButton(f"Export{ELLIPSIS}")
        self.export_button.setToolTip("Write one file to hand on or to keep.")
        self.import_button = QPushButton(f"Import{ELLIPSIS}")
        self.import_button.setToolTip(
            "Take over a pack from such a file, if every byte of it is as it should be."
        )
        self.comparison = ComparisonTable()
        take_what_is_left(self.comparison, 90)
        self.comparison.setVisible(False)
        self.caution = QLabel()
        self.caution.setWordWrap(True)
        self.caution.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)
        layout.addWidget(self.table, 1)
        layout.addLayout(
            row_of(
                self.use_button,
                self.compare_button,
                self.export_button,
                self.import_button,
            )
        )
        layout.addWidget(self.caution)
        layout.addWidget(self.comparison, 1)
        self.table.itemSelectionChanged.connect(self.selection_changed)
        self.use_button.clicked.connect(self.use_clicked)
        self.compare_button.clicked.connect(self.compare_clicked)
        self.export_button.clicked.connect(self.export_clicked)
        self.import_button.clicked.connect(self.import_clicked)

    def show_comparison(self, comparison: VersionComparison) -> None:
        """Show two packs landmark by landmark, and whether that is fair."""
        self.comparison.set_value(comparison)
        self.comparison.setVisible(True)
        self.caution.setText(comparison.caution or "Median errors in mm, same cases.")
        self.caution.setVisible(True)


def texts_of(version: PackVersion, is_current: bool) -> tuple[str, ...]:
    """Return the cells of a pack."""
    cases = f"{len(version.train)}+{len(version.held_out)}" if version.train else ""
    return (
        f"{version.name} (in use)" if is_current else version.name,
        version.parent or ("" if version.is_own else "shipped"),
        version.day,
        cases,
        _mm(version.of_all("held out")),
        _mm(version.of_all("kept")),
    )


def _mm(row: Row | None) -> str:
    return "" if row is None or isnan(row.median_mm) else f"{row.median_mm:.1f}"


def _change(one: Row | None, other: Row | None) -> str:
    # Of all landmarks together one may know more than the other.
    if one is None or other is None or one.n != other.n:
        return ""
    change = other.median_mm - one.median_mm
    if isnan(change):
        return ""
    sign = "\N{MINUS SIGN}" if change < 0 else "+"
    return f"{sign}{abs(change):.1f}"


def _tooltip(version: PackVersion) -> str:
    lines = [version.title, f"{len(version.landmarks)} landmarks", str(version.folder)]
    if version.carries_images:
        lines.append("Carries image data of cases.")
    if version.note:
        lines.append(version.note)
    # A card from elsewhere may hold anything, and tooltips draw what looks like HTML.
    return "\n".join(lines).replace("<", "(").replace(">", ")")
