"""The cases of a folder, and how far a reader is with each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_midrl.data.annotations import AnnotationCount
from napari_midrl.data.progress import Progress
from napari_midrl.errors import AnnotationFileError, InputError
from napari_midrl.io.annotation_file import (
    ANNOTATION_SUFFIX,
    file_ending,
    read_annotations,
)
from napari_midrl.io.images import image_suffix
from napari_midrl.io.study import is_readable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence
    from pathlib import Path

    from napari_midrl.data.annotations import AnnotationDocument
    from napari_midrl.data.protocol import LandmarkProtocol


@dataclass(frozen=True)
class CaseRow:
    """One case to annotate, or one annotated image of it.

    Parameters
    ----------
    name
        Of the case.
    images
        What to open: an image file or a folder.
    count
        How far the reader is.
    file
        The reader's file; None if there is none yet.
    image_name
        Name of the annotated image; empty if there is none yet.
    problem
        Why the file cannot be read; empty if it can.
    """

    name: str
    images: Path
    count: AnnotationCount
    file: Path | None = None
    image_name: str = ""
    problem: str = ""

    @property
    def text(self) -> str:
        """For the table: ``"7 of 32"``, or what is wrong."""
        return self.problem or self.count.text


def case_rows(
    folder: Path,
    protocol: LandmarkProtocol,
    reader: str,
    annotations: Path | None = None,
) -> Generator[Progress, None, tuple[CaseRow, ...]]:
    """Yield progress and return the table of cases to annotate.

    A case is a subfolder with images in it, or an image file that lies in the folder
    itself. Images are not read, only the reader's files. A case with several
    annotated images has a row for each.

    Parameters
    ----------
    folder
        Where the cases are.
    protocol
        What is to be placed; files of other protocols do not count.
    reader
        Whose files to look at.
    annotations
        Folder of the reader's files, with a subfolder for each subfolder of cases;
        None looks beside the images.

    Raises
    ------
    InputError
        If there is no such folder, or no image in it.
    """
    cases = cases_of(folder)
    root = folder if annotations is None else annotations
    beside = _documents(sorted(root.glob(f"*{ANNOTATION_SUFFIX}")))
    rows: list[CaseRow] = []
    for done, (name, images) in enumerate(cases):
        yield Progress(done, len(cases), f"looking at {images.name}")
        if images.is_dir():
            inside = sorted((root / name).rglob(f"*{ANNOTATION_SUFFIX}"))
            own = _documents(inside)
        else:
            own = [pair for pair in beside if _is_of(pair, images.name, name)]
        rows += _rows(name, images, protocol, reader, own)
    return tuple(rows)


def cases_of(folder: Path) -> tuple[tuple[str, Path], ...]:
    """Return name and images of every case in a folder, by name.

    A case is a subfolder with images in it, or an image file that lies in the folder
    itself; hidden ones do not count. Nothing is read.

    Raises
    ------
    InputError
        If there is no such folder, or no case in it.
    """
    if not folder.is_dir():
        msg = "there is no such folder"
        raise InputError(msg, folder)
    found = []
    for entry in sorted(path for path in folder.iterdir() if path.name[0] != "."):
        suffix = image_suffix(entry)
        if entry.is_dir() and is_readable(entry):
            found.append((entry.name, entry))
        elif suffix and entry.is_file():
            found.append((entry.name[: -len(suffix)], entry))
    if not found:
        msg = "holds no case: expected subfolders with images, or image files"
        raise InputError(msg, folder)
    return tuple(found)


def next_case(rows: Sequence[CaseRow]) -> CaseRow | None:
    """Return the first case that is not done; None if all are."""
    return next((row for row in rows if not row.count.is_done), None)


_Read = tuple["Path", "AnnotationDocument | AnnotationFileError"]


def _documents(paths: Iterable[Path]) -> list[_Read]:
    """Return what every file says, or why it cannot be read."""
    found: list[_Read] = []
    for path in paths:
        try:
            found.append((path, read_annotations(path).document))
        except AnnotationFileError as problem:
            found.append((path, problem))
    return found


def _is_of(pair: _Read, file_name: str, stem: str) -> bool:
    """Return whether annotations, or a damaged file by its name, are of an image."""
    path, document = pair
    if isinstance(document, AnnotationFileError):
        return path.name.startswith(f"{stem}.")
    return document.image.file == file_name


def _rows(
    name: str,
    images: Path,
    protocol: LandmarkProtocol,
    reader: str,
    documents: list[_Read],
) -> list[CaseRow]:
    """Return the rows of one case: one for each file of the reader, at least one."""
    nothing = AnnotationCount(0, 0, len(protocol.landmarks))
    rows = []
    for path, document in documents:
        if isinstance(document, AnnotationFileError):
            if not path.name.endswith(file_ending(reader)):
                continue
            rows.append(CaseRow(name, images, nothing, path, problem=str(document)))
        elif (document.reader, document.protocol.name) == (reader, protocol.name):
            count = document.annotations.progress
            rows.append(CaseRow(name, images, count, path, document.image.name))
    return rows or [CaseRow(name, images, nothing)]
