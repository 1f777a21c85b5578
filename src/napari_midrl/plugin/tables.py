"""What the tables of the docks have in common: how they look, and their frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import QAbstractItemView, QComboBox, QHeaderView, QTableWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAMES = ("LPS", "RAS")

# The style of napari leaves too much air for so many columns in a dock.
_STYLE = (
    "QTableWidget, QHeaderView { font-size: 11px; }"
    "QHeaderView::section { padding: 1px 2px; }"
)
_ICON_SIZE = QSize(13, 13)
_NARROW_CELLS = "QTableWidget::item { padding: 0 1px; }"


def style_table(
    table: QTableWidget,
    widths: Sequence[int],
    *,
    row_height: int = 19,
    least_width: int = 24,
    narrow_cells: bool = True,
) -> tuple[QHeaderView, QHeaderView]:
    """Make a table fit a dock: small, read-only rows, without grid or row numbers.

    Parameters
    ----------
    table
        Any.
    widths
        Of the columns, pixels; 0 for what shares the rest.
    row_height, least_width
        Of any row and of any column, pixels.
    narrow_cells
        Whether cells get less air than napari gives them, too.

    Returns
    -------
    rows, header
        The table's headers, for what is particular to it.
    """
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setShowGrid(False)
    table.setIconSize(_ICON_SIZE)
    table.setWordWrap(False)
    rows, header = table.verticalHeader(), table.horizontalHeader()
    assert rows is not None  # a table has both headers
    assert header is not None
    rows.hide()
    rows.setMinimumSectionSize(row_height - 1)
    rows.setDefaultSectionSize(row_height)
    header.setMinimumSectionSize(least_width)
    for column, width in enumerate(widths):
        if width:
            table.setColumnWidth(column, width)
        else:
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.Stretch)
    table.setStyleSheet(_STYLE + _NARROW_CELLS * narrow_cells)
    return rows, header


def set_tooltips(table: QTableWidget, tooltips: Sequence[str]) -> None:
    """Say what the columns are; their labels must be set."""
    for column, tooltip in enumerate(tooltips):
        header = table.horizontalHeaderItem(column)
        assert header is not None  # whoever calls has set the labels
        header.setToolTip(tooltip)


def frame_box() -> QComboBox:
    """Return the choice of the frame in which positions are shown."""
    frame = QComboBox()
    frame.addItems(list(FRAMES))
    frame.setToolTip(
        "LPS as in DICOM and ITK: x to the left, y to posterior.\n"
        "RAS as in NIfTI and 3D Slicer's display: x to the right, y to anterior."
    )
    return frame
