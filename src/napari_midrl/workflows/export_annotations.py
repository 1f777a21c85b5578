"""Hand a reader's landmarks on: to Slicer, to a table, to a PACS, to other trainers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom

from napari_midrl.errors import SeriesError
from napari_midrl.io.dicom import dicom_files
from napari_midrl.io.dicom_export import write_rtstruct, write_sr
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.io.untrusted import ReadLimits, untrusted
from napari_midrl.io.voxel_text import VOXEL_TEXT_SUFFIX, write_voxel_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from napari_midrl.data.annotations import AnnotationDocument
    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.volume import Volume


def export_landmarks(
    document: AnnotationDocument,
    path: Path,
    volume: Volume,
    *,
    case_id: str = "",
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write the reader's landmarks, never a proposal; return what was written.

    Parameters
    ----------
    document
        The annotations.
    path
        The ending says the format: ``.csv``, ``.mrk.json``, ``.fcsv``, or ``.txt``
        for voxel indices as other agents read them. Where the protocol has numbers,
        an ``.fcsv`` carries them as AFIDs does.
    volume
        The image they were placed on.
    case_id
        Name of the case, without identifiers of the patient.
    overwrite
        Replace an existing file; the old one stays as ``.bak``.

    Raises
    ------
    LandmarkFileError
        If the format cannot hold them; ``.txt`` needs every landmark placed.
    OverwriteError
        If the file exists and `overwrite` is false.
    ValueError
        If the ending is unknown, or the volume is another image.
    """
    _check_image(document, volume)
    landmarks = document.as_landmark_set(case_id)
    if path.name.lower().endswith(VOXEL_TEXT_SUFFIX):
        return (write_voxel_text(landmarks, path, volume.grid, overwrite),)
    if path.name.lower().endswith(".fcsv"):
        landmarks = _numbered(landmarks, document)
    return write_landmarks(landmarks, path, grid=volume.grid, overwrite=overwrite)


def export_proposals(
    document: AnnotationDocument,
    path: Path,
    volume: Volume,
    *,
    case_id: str = "",
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write the open proposals to a file of their own; return what was written.

    Parameters and errors are those of `export_landmarks`, without ``.txt``.
    """
    _check_image(document, volume)
    proposals = document.proposals_as_landmark_set(case_id)
    return write_landmarks(proposals, path, grid=volume.grid, overwrite=overwrite)


def export_dicom(
    document: AnnotationDocument,
    path: Path,
    volume: Volume,
    kind: Literal["SR", "RTSTRUCT"],
    *,
    identifiers_confirmed: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write the reader's landmarks as DICOM, into the study of the image.

    Parameters
    ----------
    document
        The annotations.
    path
        The file.
    volume
        The image they were placed on, read from DICOM files that are still there.
    kind
        A structured report (TID 1500) or an RT structure set with points.
    identifiers_confirmed
        That the user read `io.dicom_export.IDENTIFIER_WARNING` and means it.
    overwrite
        Replace an existing file; the old one stays as ``.bak``.

    Raises
    ------
    InputError
        If that is not confirmed, or nothing is placed.
    SeriesError
        If the image does not come from DICOM files, or they are gone.
    OverwriteError
        If the file exists and `overwrite` is false.
    ValueError
        If the volume is another image.
    """
    _check_image(document, volume)
    write: Callable[..., Path] = write_sr if kind == "SR" else write_rtstruct
    return write(
        document.as_landmark_set(),
        source_files(volume),
        path,
        identifiers_confirmed=identifiers_confirmed,
        overwrite=overwrite,
    )


def source_files(volume: Volume) -> tuple[Path, ...]:
    """Return the DICOM files of the series a volume was read from.

    Raises
    ------
    SeriesError
        If there are none.
    """
    folder = Path(volume.provenance.source)
    if volume.provenance.format != "DICOM" or not folder.is_dir():
        msg = f"{volume.name!r} was not read from DICOM files that are still there"
        raise SeriesError(msg, folder)
    found = tuple(
        path for path in dicom_files(folder, ReadLimits()) if _is_of(path, volume)
    )
    if not found:
        msg = f"holds no file of the series of {volume.name!r}"
        raise SeriesError(msg, folder)
    return found


def _is_of(path: Path, volume: Volume) -> bool:
    """Return whether a file is of the frame of reference and series of a volume."""
    tags = ["FrameOfReferenceUID", "SeriesNumber"]
    with untrusted(path, SeriesError):
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
        same_frame = header.get("FrameOfReferenceUID") == volume.frame_of_reference_uid
        number = str(header.get("SeriesNumber") or 0)
        return bool(same_frame and number == volume.provenance.details["series number"])


def _check_image(document: AnnotationDocument, volume: Volume) -> None:
    if volume.content_hash != document.image.sha256:
        msg = f"the annotations are of {document.image.name!r}, not of {volume.name!r}"
        raise ValueError(msg)


def _numbered(landmarks: LandmarkSet, document: AnnotationDocument) -> LandmarkSet:
    """Return the landmarks described by the protocol's numbers, if all have one."""
    numbers = {m.name: m.number for m in document.protocol.landmarks}
    asked = [m.protocol_name for m in document.annotations.landmarks]
    if not all(numbers.get(name) for name in asked):
        return landmarks
    described = tuple(
        replace(mark, description=str(numbers[name]))
        for mark, name in zip(landmarks, asked, strict=True)
    )
    return replace(landmarks, landmarks=described)
