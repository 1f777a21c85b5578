"""Write an evaluation as JSON, as a table and as a web page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from napari_midrl.errors import InputError, OverwriteError
from napari_midrl.evaluation.outcome import CELL_COLUMNS, as_plain, rows
from napari_midrl.evaluation.page import page
from napari_midrl.io.atomic import write_text
from napari_midrl.io.tables import safe_text, table_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_midrl.evaluation.outcome import Evaluation


def refuse_useless(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse before hours of searching what the writers would refuse after them.

    Raises
    ------
    InputError
        If two files are one, or a folder does not exist.
    OverwriteError
        If a file exists and `overwrite` is false.
    """
    taken: set[Path] = set()
    for path in paths:
        if path.absolute() in taken:
            msg = "is asked for twice; every output needs a file of its own"
            raise InputError(msg, path)
        taken.add(path.absolute())
        if not path.parent.is_dir():
            msg = "its folder does not exist"
            raise InputError(msg, path)
        if path.is_dir():
            msg = "is a folder; expected a file to write"
            raise InputError(msg, path)
        if path.exists() and not overwrite:
            msg = "already exists; --overwrite replaces it"
            raise OverwriteError(msg, path)


def write_evaluation(
    evaluation: Evaluation,
    *,
    json_file: Path | None = None,
    html_file: Path | None = None,
    csv_file: Path | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write the files asked for, each whole or not at all; return them.

    Parameters
    ----------
    evaluation
        To write.
    json_file
        Everything: cells, pooled cells, every finding.
    html_file
        The report, with plots and pictures inside.
    csv_file
        One row per cell, the pooled ones last.
    overwrite
        Replace files that exist; the old ones stay as ``.bak``.

    Raises
    ------
    OverwriteError
        If a file exists and `overwrite` is false.
    InputError
        If a file cannot be written.
    """
    written = []
    if json_file is not None:
        text = json.dumps(as_plain(evaluation), indent=1, allow_nan=False) + "\n"
        written.append(write_text(json_file, text, overwrite))
    if html_file is not None:
        written.append(write_text(html_file, page(evaluation), overwrite))
    if csv_file is not None:
        table = [
            {
                column: safe_text(cell) if column in ("landmark", "sequence") else cell
                for column, cell in row.items()
            }
            for row in rows((*evaluation.cells, *evaluation.pooled))
        ]
        written.append(write_text(csv_file, table_text(CELL_COLUMNS, table), overwrite))
    return tuple(written)
