"""CSV tables that open in a spreadsheet without harm and read back without loss."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.errors import LandmarkFileError
from napari_midrl.io.untrusted import read_text, untrusted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_RUNS_AS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def safe_text(text: str) -> str:
    """Return text that a spreadsheet shows instead of running as a formula."""
    return "'" + text if text.startswith(_RUNS_AS_FORMULA) else text


def plain_text(cell: str) -> str:
    """Return the text that `safe_text` was given."""
    guarded = cell.startswith("'") and cell[1:].startswith(_RUNS_AS_FORMULA)
    return cell[1:] if guarded else cell


def number_text(value: float) -> str:
    """Return the shortest text that reads back as the same double."""
    return repr(float(value))


def table_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Return a CSV table with these columns, LF line ends."""
    lines = [columns, *([row.get(name, "") for name in columns] for row in rows)]
    return "".join(",".join(map(_quoted, cells)) + "\n" for cells in lines)


def _quoted(cell: str) -> str:
    """Return a cell in quotes if it needs them; csv.writer forgets a lone CR."""
    needs = any(mark in cell for mark in ',"\r\n')
    return '"' + cell.replace('"', '""') + '"' if needs else cell


def read_table(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the column names and the rows of a CSV file with a header.

    Empty rows are skipped. A row keeps its line number under the key ``""``.

    Raises
    ------
    LandmarkFileError
        If the file is empty or binary, a column comes twice, or a row is longer or
        shorter than the header; it names the row.
    """
    text = read_text(path, LandmarkFileError)
    with untrusted(path, LandmarkFileError):
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in next(reader, [])]
        if not any(header) or "\0" in text:
            msg = "is empty or not a table"
            raise LandmarkFileError(msg, path)
        if len(set(header)) < len(header) or "" in header:
            msg = f"columns must have different names, got {header}"
            raise LandmarkFileError(msg, path)
        rows = []
        for cells in reader:
            if not cells or not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                msg = f"line {reader.line_num}: {len(cells)} cells, "
                msg += f"expected {len(header)}"
                raise LandmarkFileError(msg, path)
            row = dict(zip(header, cells, strict=True))
            rows.append(row | {"": str(reader.line_num)})
    return header, rows


def finite(row: Mapping[str, str], column: str, path: Path) -> float:
    """Return the number in a cell; the error names line and column."""
    try:
        value = float(row[column])
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        msg = f"line {row['']}, column {column!r}: expected a number, "
        msg += f"got {row[column]!r}"
        raise LandmarkFileError(msg, path)
    return value
