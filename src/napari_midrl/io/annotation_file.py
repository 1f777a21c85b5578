"""A reader's annotations of one image in one file, ``.midrl.json``.

It is written after every change and must survive whatever happens in between: a
write replaces the whole file in one step and keeps the one before as ``.bak``; a file
that somebody else changed is not replaced unasked; a file of another image is not
read. Nothing is repaired or guessed in silence.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from napari_midrl.data.annotations import (
    AnnotatedLandmark,
    AnnotationDocument,
    AnnotationSet,
    ImageIdentity,
    Proposal,
)
from napari_midrl.data.landmarks import LandmarkSource
from napari_midrl.errors import (
    AnnotationFileError,
    ChangedOnDiskError,
    OtherImageError,
)
from napari_midrl.io.atomic import replacing
from napari_midrl.io.protocols import (
    MAX_LANDMARKS,
    ProtocolFields,
    first_problem,
    protocol_fields,
)
from napari_midrl.io.untrusted import MAX_TEXT_BYTES, untrusted

if TYPE_CHECKING:
    from pathlib import Path

    from napari_midrl.data.annotations import Position

ANNOTATION_SUFFIX = ".midrl.json"
FORMAT = "napari-midrl annotations"
SCHEMA_VERSION = 1

_UNFINISHED = ".midrl-unfinished"
_STALE_S = 3600.0


class _Fields(BaseModel):
    """Part of a file: no field unknown, no number for a text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ImageFields(_Fields):
    """The image, as it is in the file."""

    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    file: str = ""
    sequence: str = ""
    frame_of_reference_uid: str = ""


class LandmarkFields(_Fields):
    """One landmark, as it is in the file."""

    name: str
    protocol_name: str = ""
    state: Literal["undefined", "placed", "skipped"]
    position_lps_mm: list[FiniteFloat] | None = Field(None, min_length=3, max_length=3)
    source: Literal["human", "model", "consensus"] = "human"
    model: str = ""
    confidence: FiniteFloat | None = None
    locked: bool = False
    hidden: bool = False

    def value(self) -> AnnotatedLandmark:
        """Return the landmark; ValueError if the fields contradict each other."""
        if (self.state == "placed") != (self.position_lps_mm is not None):
            msg = f"{self.name!r} is {self.state} at {self.position_lps_mm}"
            raise ValueError(msg)
        return AnnotatedLandmark(
            name=self.name,
            protocol_name=self.protocol_name,
            position_lps_mm=_position(self.position_lps_mm),
            is_skipped=self.state == "skipped",
            source=LandmarkSource(self.source),
            model=self.model,
            confidence=self.confidence,
            is_locked=self.locked,
            is_hidden=self.hidden,
        )


class ProposalFields(_Fields):
    """One proposal, as it is in the file."""

    name: str
    position_lps_mm: list[FiniteFloat] = Field(min_length=3, max_length=3)
    model: str
    confidence: FiniteFloat | None = None
    model_sha256: str = ""

    def value(self) -> Proposal:
        """Return the proposal; ValueError if a number is out of range."""
        x, y, z = self.position_lps_mm
        return Proposal((x, y, z), self.model, self.confidence, self.model_sha256)


class AnnotationFields(_Fields):
    """A whole file."""

    format: Literal["napari-midrl annotations"]
    schema_version: Literal[1]
    software: str = ""
    units: Literal["mm"]
    space: Literal["LPS"]
    reader: str
    image: ImageFields
    protocol: ProtocolFields
    landmarks: list[LandmarkFields] = Field(max_length=MAX_LANDMARKS)
    proposals: list[ProposalFields] = Field(max_length=MAX_LANDMARKS)

    def value(self) -> AnnotationDocument:
        """Return the document; ValueError if its parts contradict each other."""
        names = [fields.name for fields in self.proposals]
        if len(set(names)) < len(names):
            msg = f"two proposals for one landmark among {names}"
            raise ValueError(msg)
        return AnnotationDocument(
            image=ImageIdentity(**dict(self.image)),
            reader=self.reader,
            protocol=self.protocol.value(),
            annotations=AnnotationSet(
                tuple(fields.value() for fields in self.landmarks),
                {fields.name: fields.value() for fields in self.proposals},
            ),
        )


@dataclass(frozen=True)
class StoredAnnotations:
    """A document as it lies on the disk.

    Parameters
    ----------
    document
        What the file says.
    stamp
        SHA-256 of the file's bytes, by which a later change is noticed.
    """

    document: AnnotationDocument
    stamp: str


def annotation_file_name(image: ImageIdentity, reader: str) -> str:
    """Return the name of the file for an image and a reader.

    It follows the voxels, not the name shown to the user: an image that is renamed
    keeps its file, and one that is changed gets another.
    """
    stem = image.file.split(".")[0] or image.name
    return f"{_plain(stem)}.{image.sha256[:8]}{file_ending(reader)}"


def file_ending(reader: str) -> str:
    """Return how the names of all files of a reader end."""
    return f".{_plain(reader)}{ANNOTATION_SUFFIX}"


def backup_of(path: Path) -> Path:
    """Return where the file before the latest is kept."""
    return path.with_name(path.name + ".bak")


def read_annotations(
    path: Path,
    *,
    image: ImageIdentity | None = None,
    reader: str | None = None,
) -> StoredAnnotations:
    """Return the annotations in a file, exactly as they were written.

    Parameters
    ----------
    path
        The file.
    image
        The image at hand; None reads a file of any image.
    reader
        Who is reading now; None reads anybody's file.

    Raises
    ------
    AnnotationFileError
        If there is no such file, it is damaged or contradicts itself (the message
        says what is wrong, and whether there is a ``.bak``), or it is of another
        reader.
    OtherImageError
        If it was made on another image.
    """
    content = _content(path)
    document = _parsed(content, path)
    if image is not None and document.image.sha256 != image.sha256:
        msg = (
            f"was made on the image {document.image.name!r}, whose voxels or geometry "
            f"are not those of {image.name!r}; not read"
        )
        raise OtherImageError(msg, path)
    if reader is not None and document.reader != reader:
        msg = f"holds the landmarks of {document.reader!r}, not of {reader!r}"
        raise AnnotationFileError(msg, path)
    return StoredAnnotations(document, _stamp(content))


def write_annotations(
    document: AnnotationDocument,
    path: Path,
    *,
    expected: str | None,
    software: str = "",
) -> str:
    """Write annotations in one step and return the stamp of what now lies there.

    The file before stays as ``.bak``. A file that was deleted meanwhile is written
    anew: that loses nothing.

    Parameters
    ----------
    document
        What to write.
    path
        The file; its folder must exist.
    expected
        Stamp of what lies there as far as the caller knows; None expects no file.
    software
        Name and version of the program, for the record.

    Raises
    ------
    ChangedOnDiskError
        If something else lies there. Nothing is written.
    InputError
        If it cannot be written; the file is as it was.
    """
    content = annotation_text(document, software).encode("utf-8")
    check_unchanged(path, expected)
    with replacing(path, overwrite=True, suffix=_UNFINISHED) as temporary:
        temporary.write_bytes(content)
        # Again, as late as can be: writing takes its time.
        check_unchanged(path, expected)
    return _stamp(content)


def check_unchanged(path: Path, expected: str | None) -> None:
    """Raise ChangedOnDiskError if a file is there that is not the one expected."""
    if not os.path.lexists(path):
        return
    if expected is None:
        msg = "is there already, though nothing was read from it; not replaced"
        raise ChangedOnDiskError(msg, path)
    if _stamp(_content(path)) != expected:
        msg = (
            "was changed by another program or session since it was read; not "
            "replaced. Read it again, or save under another name"
        )
        raise ChangedOnDiskError(msg, path)


def stamp_of(path: Path) -> str | None:
    """Return the stamp of what lies there now; None if nothing does."""
    return _stamp(_content(path)) if os.path.lexists(path) else None


def restore_backup(path: Path) -> tuple[Path, ...]:
    """Put the ``.bak`` in the place of a damaged or missing file.

    Returns
    -------
    kept
        Where the damaged file was put aside; nothing if there was none.

    Raises
    ------
    AnnotationFileError
        If there is no ``.bak``, or it is damaged too; nothing is changed.
    """
    content = _content(backup_of(path))
    _parsed(content, backup_of(path))
    kept = _put_aside(path)
    with replacing(path, suffix=_UNFINISHED) as temporary:
        temporary.write_bytes(content)
    return kept


def set_aside(path: Path) -> tuple[Path, ...]:
    """Rename a file and its ``.bak``, to begin anew; return their new names."""
    return _put_aside(path) + _put_aside(backup_of(path))


def _put_aside(path: Path) -> tuple[Path, ...]:
    """Give a file, if it is there, the first free name with ``.aside``."""
    if not os.path.lexists(path):
        return ()
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.aside-{number}")):
        number += 1
    with untrusted(path, AnnotationFileError):
        path.rename(aside)
    return (aside,)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed programs left half-written an hour or more ago."""
    for path in folder.glob(f".*{_UNFINISHED}"):
        try:
            if time.time() - path.stat().st_mtime > _STALE_S:
                path.unlink()
        except OSError:
            continue


def annotation_text(document: AnnotationDocument, software: str = "") -> str:
    """Return a document as the text of a file.

    Numbers are the shortest that read back as the same double, 17 digits at most.
    """
    image = {key: value for key, value in vars(document.image).items() if value}
    annotations = document.annotations
    fields = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "software": software,
        "units": "mm",
        "space": "LPS",
        "reader": document.reader,
        "image": {"name": document.image.name, **image},
        "protocol": protocol_fields(document.protocol),
        "landmarks": [_landmark_fields(m) for m in annotations.landmarks],
        "proposals": [
            _proposal_fields(name, proposal)
            for name, proposal in annotations.proposals.items()
        ],
    }
    return json.dumps(fields, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _landmark_fields(landmark: AnnotatedLandmark) -> dict[str, Any]:
    state = "placed" if landmark.is_placed else "undefined"
    return {
        "name": landmark.name,
        "protocol_name": landmark.protocol_name,
        "state": "skipped" if landmark.is_skipped else state,
        "position_lps_mm": landmark.position_lps_mm,
        "source": landmark.source.value,
        "model": landmark.model,
        "confidence": landmark.confidence,
        "locked": landmark.is_locked,
        "hidden": landmark.is_hidden,
    }


def _proposal_fields(name: str, proposal: Proposal) -> dict[str, Any]:
    return {
        "name": name,
        "position_lps_mm": proposal.position_lps_mm,
        "model": proposal.model,
        "confidence": proposal.confidence,
        "model_sha256": proposal.model_sha256,
    }


def _content(path: Path) -> bytes:
    if not os.path.lexists(path):
        msg = f"there is no such file{_way_out(path)}"
        raise AnnotationFileError(msg, path)
    with untrusted(path, AnnotationFileError):
        size = path.stat().st_size
        if size > MAX_TEXT_BYTES:
            msg = f"is {size:,} bytes long, too long for annotations{_way_out(path)}"
            raise AnnotationFileError(msg, path)
        return path.read_bytes()


def _parsed(content: bytes, path: Path) -> AnnotationDocument:
    """Return what the bytes say; the error names the field and the way out."""
    try:
        with untrusted(path, AnnotationFileError):
            fields = json.loads(content.decode("utf-8"))
            _check_format(fields, path)
            return AnnotationFields.model_validate(fields).value()
    except AnnotationFileError as problem:
        cause = problem.cause
        if isinstance(problem.__cause__, ValidationError):
            cause = f"is damaged: {first_problem(problem.__cause__)}"
        raise AnnotationFileError(cause + _way_out(path), path) from problem


def _check_format(fields: Any, path: Path) -> None:
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        msg = f"is not a file of annotations (no 'format': {FORMAT!r})"
        raise AnnotationFileError(msg, path)
    version = fields.get("schema_version")
    if version != SCHEMA_VERSION:
        msg = f"has version {version!r}; this program reads {SCHEMA_VERSION}"
        raise AnnotationFileError(msg, path)


def _way_out(path: Path) -> str:
    """Return the words that name the file before, if there is one."""
    backup = backup_of(path)
    if not backup.is_file():
        return ""
    return f"; the version before it is kept as {backup.name}"


def _stamp(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _position(numbers: list[float] | None) -> Position | None:
    return None if numbers is None else (numbers[0], numbers[1], numbers[2])


def _plain(text: str) -> str:
    """Return text as every file system takes it."""
    return re.sub(r"[^\w-]+", "-", text).strip("-")[:48] or "unnamed"
