"""Make annotated cases a data set that agents can learn from and be measured on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.landmarks import Landmark, LandmarkStatus
from napari_midrl.errors import InputError, OverwriteError
from napari_midrl.io.annotation_file import read_annotations
from napari_midrl.io.dataset import DATASET_NAME, Dataset, DatasetCase, write_dataset
from napari_midrl.io.landmarks import write_landmarks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari_midrl.data.annotations import AnnotationDocument
    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.protocol import LandmarkProtocol
    from napari_midrl.io.dataset import Split
    from napari_midrl.workflows.annotation_cases import CaseRow


def random_splits(
    names: Sequence[str], seed: int, *, test: float = 0.2, validation: float = 0.0
) -> dict[str, Split]:
    """Return which case is for what, by chance.

    Parameters
    ----------
    names
        Of the cases.
    seed
        Same seed, same split, in whatever order the names come.
    test, validation
        Shares of the cases, rounded; the rest is for training.

    Raises
    ------
    ValueError
        If a share is not 0 to 1, or nothing is left to learn from.
    """
    n_test, n_validation = round(test * len(names)), round(validation * len(names))
    if min(test, validation) < 0 or n_test + n_validation >= len(names):
        msg = (
            f"of {len(names)} cases, {n_test} for testing and {n_validation} for "
            "validation leave none to learn from"
        )
        raise ValueError(msg)
    order = np.random.default_rng(seed).permutation(sorted(names)).tolist()
    splits: dict[str, Split] = dict.fromkeys(order, "train")
    splits |= dict.fromkeys(order[:n_test], "test")
    splits |= dict.fromkeys(order[n_test : n_test + n_validation], "validation")
    return splits


def export_dataset(
    rows: Sequence[CaseRow],
    splits: Mapping[str, Split],
    folder: Path,
    protocol: LandmarkProtocol,
    overwrite: bool = False,
) -> tuple[Path, tuple[str, ...]]:
    """Write the annotated cases of a table as a data set.

    Landmarks are called what the protocol calls them, whatever a reader does, and
    what the protocol does not ask for is left out: all cases speak of the same.
    Tables go into a new folder and ``dataset.json`` is written last, so an older data
    set stays whole until it is replaced in one step.

    Parameters
    ----------
    rows
        Of `case_rows`, one per case; those with nothing placed are left out.
    splits
        What each case is for, by name.
    folder
        Made if it is not there.
    protocol
        What was placed.
    overwrite
        Replace an older data set; the old ``dataset.json`` stays as ``.bak``.

    Returns
    -------
    path, left_out
        ``dataset.json``, and the names of the cases with nothing placed.

    Raises
    ------
    InputError
        If a file of annotations cannot be read or follows another protocol, a case
        comes twice or has no split, or nothing is placed in any.
    OverwriteError
        If there is a data set already and `overwrite` is false.
    """
    used = [row for row in rows if row.file is not None and row.count.n_placed]
    _check(rows, used, splits, folder)
    if (folder / DATASET_NAME).exists() and not overwrite:
        msg = "exists already and was kept; choose another folder or allow overwriting"
        raise OverwriteError(msg, folder / DATASET_NAME)
    documents = [_document(row, protocol) for row in used]
    tables = _new_folder(folder)
    cases: list[DatasetCase] = []
    for row, document in zip(used, documents, strict=True):
        table = tables / f"{len(cases) + 1:03}.csv"
        write_landmarks(protocol_landmarks(document, row.name), table)
        images = (_image_of(row, document),)
        sha256 = document.image.sha256
        cases.append(DatasetCase(row.name, splits[row.name], table, images, sha256))
    path = write_dataset(Dataset(protocol, tuple(cases)), folder, overwrite)
    return path, tuple(row.name for row in rows if row not in used)


def _check(
    rows: Sequence[CaseRow],
    used: list[CaseRow],
    splits: Mapping[str, Split],
    folder: Path,
) -> None:
    problems = [row.problem for row in rows if row.problem]
    names = [row.name for row in used]
    twice = sorted({name for name in names if names.count(name) > 1})
    without = sorted(set(names) - set(splits))
    if problems:
        msg = f"annotations that cannot be read: {'; '.join(problems)}"
    elif twice:
        msg = f"cases with several annotated images, choose one of each: {twice}"
    elif without:
        msg = f"cases that are neither for training nor for testing: {without}"
    elif not used:
        msg = "no case has a landmark placed"
    else:
        return
    raise InputError(msg, folder)


def _document(row: CaseRow, protocol: LandmarkProtocol) -> AnnotationDocument:
    if row.file is None:
        msg = f"{row.name!r} has no annotations"
        raise InputError(msg, row.images)
    document = read_annotations(row.file).document
    if document.protocol.names != protocol.names:
        msg = f"follows the protocol {document.protocol.name!r}, not {protocol.name!r}"
        raise InputError(msg, row.file)
    return document


def protocol_landmarks(document: AnnotationDocument, case: str) -> LandmarkSet:
    """Return the landmarks in the order and by the names of the protocol."""
    plain = document.as_landmark_set(case)
    given = {m.protocol_name: m.name for m in document.annotations.landmarks}
    landmarks = tuple(
        replace(plain[given[name]], name=name)
        if name in given
        else Landmark(name, None, LandmarkStatus.UNDEFINED)
        for name in document.protocol.names
    )
    return replace(plain, landmarks=landmarks)


def _image_of(row: CaseRow, document: AnnotationDocument) -> Path:
    """Return the annotated image file; the whole folder if it is of several files."""
    if row.images.is_dir() and document.image.file:
        found = sorted(row.images.rglob(document.image.file))
        if len(found) == 1:
            return found[0]
    return row.images


def _new_folder(folder: Path) -> Path:
    """Make and return the first free folder for tables."""
    number = 1
    while True:
        tables = folder / ("landmarks" if number == 1 else f"landmarks-{number}")
        try:
            tables.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as problem:
            msg = f"cannot be made: {problem.strerror}"
            raise InputError(msg, tables) from problem
        else:
            return tables
