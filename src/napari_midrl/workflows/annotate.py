"""One reader places landmarks on one image; nothing acknowledged is ever lost."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from napari_midrl import __version__
from napari_midrl.annotation.commands import AddProposals, ReplaceAll
from napari_midrl.annotation.history import History
from napari_midrl.annotation.imports import Conflicts, Import, Strangers
from napari_midrl.data.annotations import (
    AnnotationDocument,
    Proposal,
    identity_of,
    new_annotations,
)
from napari_midrl.data.landmarks import LandmarkSource
from napari_midrl.errors import AnnotationFileError, EditError, OtherImageError
from napari_midrl.io.annotation_file import (
    annotation_file_name,
    backup_of,
    read_annotations,
    remove_leftovers,
    stamp_of,
    write_annotations,
)
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.io.voxel_text import VOXEL_TEXT_SUFFIX, read_voxel_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_midrl.annotation.commands import Command
    from napari_midrl.data.annotations import AnnotationSet, ImageIdentity
    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.protocol import LandmarkProtocol
    from napari_midrl.data.volume import Volume
    from napari_midrl.io.annotation_file import StoredAnnotations
    from napari_midrl.io.frames import Frame

SOFTWARE = f"napari-midrl {__version__}"


class AnnotationSession:
    """The landmarks of one image by one reader, as they are on the disk.

    A change counts only when it is on the disk: `apply`, `undo` and `redo` write the
    file first, and if that fails they raise and the session is as it was. So there is
    nothing to save at the end and nothing to recover but the file itself.

    Parameters
    ----------
    document
        What the file holds, or would hold.
    path
        The file.
    stamp
        Of the file as it was read; None if there is none yet.
    clock
        Gives the time of a save; for tests.

    Attributes
    ----------
    path
        The file.
    saved_at
        Local time of the latest write of this session, or of the file that was found;
        None while there is no file.
    """

    def __init__(
        self,
        document: AnnotationDocument,
        path: Path,
        stamp: str | None = None,
        clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        self.path = path
        self.saved_at: datetime | None = None
        self._document = document
        self._history = History(document.annotations)
        self._stamp = stamp
        self._clock = clock
        if stamp is not None:
            self.saved_at = datetime.fromtimestamp(path.stat().st_mtime)

    @property
    def document(self) -> AnnotationDocument:
        """Image, reader, protocol and landmarks, as the file holds them."""
        return self._document

    @property
    def annotations(self) -> AnnotationSet:
        """The landmarks now."""
        return self._history.current

    @property
    def protocol(self) -> LandmarkProtocol:
        """What is to be placed."""
        return self._document.protocol

    @property
    def image(self) -> ImageIdentity:
        """What it is placed on."""
        return self._document.image

    @property
    def reader(self) -> str:
        """Who places it."""
        return self._document.reader

    @property
    def undo_text(self) -> str | None:
        """What undo would undo, such as ``"move AC"``; None if there is nothing."""
        return self._history.undo_text

    @property
    def redo_text(self) -> str | None:
        """What redo would do again; None if there is nothing."""
        return self._history.redo_text

    @property
    def saved_text(self) -> str:
        """Where things stand, for the user: ``"saved 14:05 -> a.midrl.json"``."""
        if self.saved_at is None:
            return f"nothing to save yet -> {self.path.name}"
        return f"saved {self.saved_at:%H:%M} -> {self.path.name}"

    def apply(self, command: Command) -> AnnotationSet:
        """Do a command, write the file, and return the landmarks.

        Raises
        ------
        EditError
            If the command cannot be done.
        ChangedOnDiskError
            If somebody else changed the file: `take_theirs` or `keep_mine` first.
        InputError
            If the file cannot be written.
        """
        return self._commit(self._history.apply(command))

    def undo(self) -> AnnotationSet:
        """Undo the latest step, write the file, and return the landmarks.

        Raises as `apply` does; EditError if there is nothing to undo.
        """
        return self._commit(self._history.undo())

    def redo(self) -> AnnotationSet:
        """Do the undone step again, write the file, and return the landmarks.

        Raises as `apply` does; EditError if there is nothing to do again.
        """
        return self._commit(self._history.redo())

    def take_theirs(self) -> AnnotationSet:
        """Go on with the file as somebody else changed it; undo brings mine back.

        Raises
        ------
        AnnotationFileError
            If it cannot be read or is of another image or reader.
        """
        stored = _read_own(self.path, self._document)
        text = f"take {self.path.name} as it was changed elsewhere"
        self._history = self._history.apply(
            ReplaceAll(stored.document.annotations, text)
        )
        self._document = self._with(self._history)
        self._stamp = stored.stamp
        self.saved_at = self._clock()
        return self.annotations

    def keep_mine(self) -> AnnotationSet:
        """Replace the file that somebody else changed; theirs is kept as ``.bak``.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        self._stamp = stamp_of(self.path)
        return self._write(self._history)

    def save_as(self, path: Path) -> AnnotationSet:
        """Go on in another file, which must not be there; the present one stays.

        Raises
        ------
        ChangedOnDiskError
            If there is such a file already.
        InputError
            If it cannot be written.
        """
        before = self.path, self._stamp
        self.path, self._stamp = path, None
        try:
            return self._write(self._history)
        except BaseException:
            self.path, self._stamp = before
            raise

    def _commit(self, history: History) -> AnnotationSet:
        if history is not self._history:
            self._write(history)
        return self.annotations

    def _write(self, history: History) -> AnnotationSet:
        document = self._with(history)
        self._stamp = write_annotations(
            document, self.path, expected=self._stamp, software=SOFTWARE
        )
        self.saved_at = self._clock()
        self._document, self._history = document, history
        return self.annotations

    def _with(self, history: History) -> AnnotationDocument:
        return replace(self._document, annotations=history.current)


def open_session(
    volume: Volume,
    protocol: LandmarkProtocol,
    reader: str,
    path: Path | None = None,
) -> AnnotationSession:
    """Return a session that goes on where the file ends, or begins with none placed.

    Nothing is written before the first change.

    Parameters
    ----------
    volume
        The image.
    protocol
        What is to be placed.
    reader
        Who places it; one line of text.
    path
        The file; None takes `default_path`. Its folder must exist.

    Raises
    ------
    AnnotationFileError
        If the file is damaged, or gone while its ``.bak`` is there (`restore_backup`
        or `set_aside` first), or of another reader or protocol.
    OtherImageError
        If it was made on another image; the message names both.
    """
    file = default_path(volume, reader) if path is None else path
    image = identity_of(volume, _source_file(volume))
    remove_leftovers(file.parent)
    begun = AnnotationDocument(image, reader, protocol, new_annotations(protocol))
    if not (os.path.lexists(file) or backup_of(file).exists()):
        return AnnotationSession(begun, file)
    stored = _read_own(file, begun)
    document = replace(begun, annotations=stored.document.annotations)
    return AnnotationSession(document, file, stored.stamp)


def default_path(volume: Volume, reader: str, folder: Path | None = None) -> Path:
    """Return where a reader's annotations of an image belong.

    Beside the image, where they are found again and travel along; in the user's data
    folder if the image has no file or its folder cannot be written.

    Parameters
    ----------
    volume
        The image.
    reader
        Who places the landmarks.
    folder
        Another folder for the file; None chooses as said.
    """
    name = annotation_file_name(identity_of(volume, _source_file(volume)), reader)
    return (_folder_for(volume) if folder is None else folder) / name


def import_command(
    path: Path,
    volume: Volume,
    annotations: AnnotationSet,
    *,
    frame: Frame | None = None,
    names: Sequence[str] = (),
    any_image: bool = False,
    conflicts: Conflicts = Conflicts.REFUSE,
    strangers: Strangers = Strangers.REFUSE,
) -> Import | AddProposals:
    """Return the command that takes over a landmark file.

    A file in which only a model speaks becomes proposals, never landmarks.

    Parameters
    ----------
    path
        ``.csv``, ``.fcsv``, ``.mrk.json``, ``.txt`` with voxel indices, or another
        reader's ``.midrl.json``.
    volume
        The image at hand.
    annotations
        The set that will take them.
    frame
        Frame of the coordinates in a file that does not state it.
    names
        Of the landmarks in a ``.txt``, line by line.
    any_image
        Whether landmarks placed on another image will do, such as another sequence of
        the study; their positions in mm are taken as they are.
    conflicts, strangers
        See `Import`.

    Raises
    ------
    LandmarkFileError, AnnotationFileError
        If the file is malformed.
    OtherImageError
        If it was made on another image and `any_image` is false.
    EditError
        If it holds nothing that could be proposed.
    """
    if path.name.lower().endswith(VOXEL_TEXT_SUFFIX):
        given = read_voxel_text(path, volume.grid, names)
    else:
        given = read_landmarks(
            path, frame=frame, grid=None if any_image else volume.grid
        )
    if given.image_sha256 not in ("", volume.content_hash) and not any_image:
        msg = f"was made on the image {given.image_name!r}, not on {volume.name!r}"
        raise OtherImageError(msg, path)
    placed = [m for m in given if m.position_lps_mm is not None]
    if placed and all(m.source == LandmarkSource.MODEL for m in placed):
        return proposal_command(given, annotations)
    return Import(given.landmarks, conflicts, strangers, path.name)


def proposal_command(found: LandmarkSet, annotations: AnnotationSet) -> AddProposals:
    """Return the command that takes in what agents found.

    Agents know the names of the protocol: a landmark that the reader calls something
    else gets its proposal too. What the set has no landmark for is passed over, and
    so is what was not found.

    Parameters
    ----------
    found
        Landmarks of the agents.
    annotations
        The set that will take them.

    Raises
    ------
    EditError
        If nothing is left.
    """
    names = {name: name for name in annotations.names}
    names |= {m.protocol_name: m.name for m in annotations.landmarks if m.protocol_name}
    proposals = {
        names[m.name]: Proposal(
            m.position_lps_mm, m.rater or "agents", m.confidence, found.model_sha256
        )
        for m in found
        if m.position_lps_mm is not None and m.name in names
    }
    if not proposals:
        sought = ", ".join(m.name for m in found) or "nothing"
        msg = f"no landmark of this set was found; the agents look for {sought}"
        raise EditError(msg)
    return AddProposals(proposals)


def _read_own(file: Path, expected: AnnotationDocument) -> StoredAnnotations:
    """Return a file if it is of that image, reader and protocol."""
    stored = read_annotations(file, image=expected.image, reader=expected.reader)
    ours, theirs = expected.protocol, stored.document.protocol
    if (theirs.name, theirs.names) != (ours.name, ours.names):
        msg = (
            f"follows the protocol {theirs.name!r} with {len(theirs.names)} landmarks, "
            f"not {ours.name!r} with these {len(ours.names)}"
        )
        raise AnnotationFileError(msg, file)
    return stored


def _source_file(volume: Volume) -> str:
    """Return the name of the image's file, empty if it is no single file."""
    source = volume.provenance.source
    return Path(source).name if source and Path(source).is_file() else ""


def _folder_for(volume: Volume) -> Path:
    source = Path(volume.provenance.source)
    beside = source.parent if source.is_file() else source
    if volume.provenance.source and beside.is_dir() and os.access(beside, os.W_OK):
        return beside
    own = Path(platformdirs.user_data_dir("napari-midrl")) / "annotations"
    own.mkdir(parents=True, exist_ok=True)
    return own
