"""Tables in the docks: what stands in them can be read."""

import math

import napari.qt
import pytest

from napari_midrl.data.annotations import AnnotationState
from napari_midrl.data.trajectory import SearchState
from napari_midrl.plugin.annotate_rows import AnnotateRow
from napari_midrl.plugin.annotate_table import AnnotateTable
from napari_midrl.plugin.result_rows import SEARCHING, ResultRow
from napari_midrl.plugin.result_table import ResultTable

FAR_MM = (-114.6, -153.7, -413.8)
"""Of a whole body, the longest there is."""


def result_table():
    table = ResultTable()
    rows = [
        ResultRow("left knee", FAR_MM, spread_mm, 1.0, 100, state, 1.0)
        for spread_mm in (12.3, 99.94, 123.4)
        for state in (SEARCHING, SearchState.FOUND.value)
    ]
    table.set_value(rows, {})
    return table


def annotate_table():
    table = AnnotateTable()
    rows = [
        AnnotateRow("left knee", state, FAR_MM, source, "agents", 1.0, other_mm)
        for other_mm in (12.3, 99.94, 123.4)
        for state in AnnotationState
        for source in ("human", "model")
    ]
    table.set_value(rows, {}, None)
    return table


@pytest.mark.parametrize(
    ("make", "columns"), [(result_table, range(1, 7)), (annotate_table, range(1, 6))]
)
def test_no_number_or_header_is_cut_off(make, columns, qtbot):
    widget = make()
    widget.setStyleSheet(napari.qt.get_stylesheet("dark"))
    qtbot.addWidget(widget)
    widget.show()
    table = widget.table
    needed = {n: table.sizeHintForColumn(n) for n in columns}
    assert {n: w for n, w in needed.items() if w > table.columnWidth(n)} == {}
    header = table.horizontalHeader()
    inked = header.fontMetrics().horizontalAdvance
    words = {n: inked(table.horizontalHeaderItem(n).text()) for n in columns}
    assert {n: w for n, w in words.items() if w > table.columnWidth(n)} == {}


def test_the_whole_position_can_be_read_from_any_cell(qtbot):
    widget = result_table()
    qtbot.addWidget(widget)
    widget.frame.setCurrentText("RAS")
    texts = {widget.table.item(0, column).toolTip() for column in range(7)}
    assert texts == {"left knee: searching\n114.6  153.7  -413.8 mm, RAS"}


def test_what_has_no_place_says_none(qtbot):
    widget = ResultTable()
    qtbot.addWidget(widget)
    lost = SearchState.NOT_CONVERGED.value
    widget.set_value([ResultRow("heart", None, math.nan, 0.0, 9, lost, None)], {})
    assert widget.table.item(0, 1).toolTip() == "heart: not converged"
