"""Open a reader's session; ask how to go on where its file cannot be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.data.annotations import identity_of
from napari_midrl.errors import AnnotationFileError, OtherImageError
from napari_midrl.io.annotation_file import (
    annotation_file_name,
    backup_of,
    file_ending,
    read_annotations,
    restore_backup,
    set_aside,
)
from napari_midrl.plugin import questions
from napari_midrl.workflows.annotate import default_path, open_session

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtWidgets import QWidget

    from napari_midrl.data.protocol import LandmarkProtocol
    from napari_midrl.data.volume import Volume
    from napari_midrl.workflows.annotate import AnnotationSession

RESTORE = "Use the version before"
ANEW = "Begin anew"


def session_path(
    volume: Volume,
    protocol: LandmarkProtocol,
    reader: str,
    folder: Path | None = None,
) -> Path:
    """Return where a reader's landmarks of this protocol belong.

    The usual place; where the same reader has annotated the image after another
    protocol already, a file that has the protocol's name in its own.

    Parameters
    ----------
    volume, protocol, reader
        What is annotated, after what, and by whom.
    folder
        Another folder for the file; None chooses as `default_path` does.
    """
    usual = default_path(volume, reader, folder)
    try:
        document = read_annotations(usual).document
    except AnnotationFileError:
        return usual
    found = document.protocol
    if (found.name, found.names) == (protocol.name, protocol.names):
        return usual
    ending = file_ending(reader)
    stem = annotation_file_name(identity_of(volume), reader)[: -len(ending)]
    stem = usual.name[: -len(ending)] if usual.name.endswith(ending) else stem
    return usual.with_name(f"{stem}.{protocol.name}{ending}")


def open_or_ask(
    parent: QWidget,
    volume: Volume,
    protocol: LandmarkProtocol,
    reader: str,
    path: Path,
) -> AnnotationSession | None:
    """Return the session in a file; None if the user cancels.

    Parameters
    ----------
    parent
        Qt parent of the questions.
    volume, protocol, reader
        What is annotated, after what, and by whom.
    path
        The file.

    Raises
    ------
    OtherImageError
        If the file is of another image; it names both.
    AnnotationFileError
        If it cannot be used in a way that a question could not mend.
    """
    try:
        return open_session(volume, protocol, reader, path)
    except OtherImageError:
        raise
    except AnnotationFileError as problem:
        if _is_readable(path):
            raise
        if not _mended(parent, path, problem):
            return None
    return open_session(volume, protocol, reader, path)


def _is_readable(path: Path) -> bool:
    """Return whether the file itself is sound, so that no backup is called for."""
    try:
        read_annotations(path)
    except AnnotationFileError:
        return False
    return True


def _mended(parent: QWidget, path: Path, problem: AnnotationFileError) -> bool:
    """Ask what to do with a damaged or missing file, and do it."""
    options, says = [ANEW], f"{ANEW}: what is there stays beside it as .aside."
    if _is_readable(backup_of(path)):
        progress = read_annotations(backup_of(path)).document.annotations.progress
        options.insert(0, RESTORE)
        says = (
            f"{RESTORE}: {backup_of(path).name}, {progress.text} placed; the damaged "
            f"file is put aside, not deleted.\n{says}"
        )
    answer = questions.choose(
        parent, "Landmark file cannot be read", f"{problem}\n\n{says}", options
    )
    if answer == RESTORE:
        restore_backup(path)
    elif answer == ANEW:
        set_aside(path)
    return bool(answer)
