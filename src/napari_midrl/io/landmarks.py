"""Landmark files of every supported format, by their endings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_midrl.data.landmarks import LandmarkSource
from napari_midrl.errors import LandmarkFileError, OverwriteError
from napari_midrl.io.annotation_file import ANNOTATION_SUFFIX, read_annotations
from napari_midrl.io.landmark_csv import read_csv, write_csv
from napari_midrl.io.slicer_fcsv import read_fcsv, write_fcsv
from napari_midrl.io.slicer_json import read_mrk_json, write_mrk_json

if TYPE_CHECKING:
    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.geometry.grid import VoxelGrid
    from napari_midrl.io.frames import Frame

LANDMARK_SUFFIXES = (".csv", ".fcsv", ".mrk.json", ".json")
"""Endings of the files `read_landmarks` reads and `write_landmarks` writes."""


def read_landmarks(
    path: str | Path,
    *,
    frame: Frame | None = None,
    grid: VoxelGrid | None = None,
) -> LandmarkSet:
    """Return the landmarks of a ``.csv``, ``.fcsv``, ``.mrk.json`` or ``.midrl.json``.

    Parameters
    ----------
    path
        The ending says the format.
    frame
        Frame of the coordinates in a file that does not state it; a stated frame goes
        before it.
    grid
        Grid of the image they belong to. If given, a table whose voxel columns do not
        fit it is refused.

    Raises
    ------
    LandmarkFileError
        If the file is malformed, ambiguous, or of another image; it names the line.
    AnnotationFileError
        The same for a reader's annotations (``.midrl.json``), of which the landmarks
        are read and no proposal.
    """
    path = Path(path)
    name = path.name.lower()
    if name.endswith(ANNOTATION_SUFFIX):
        return read_annotations(path).document.as_landmark_set()
    if name.endswith(".fcsv"):
        return read_fcsv(path, frame)
    if name.endswith(".json"):
        return read_mrk_json(path)
    if name.endswith(".csv"):
        return read_csv(path, grid)
    msg = f"is not one of the landmark formats {', '.join(LANDMARK_SUFFIXES)}"
    raise LandmarkFileError(msg, path)


def write_landmarks(
    landmarks: LandmarkSet,
    path: str | Path,
    *,
    grid: VoxelGrid | None = None,
    overwrite: bool = False,
) -> tuple[Path, ...]:
    """Write landmarks as ``.csv``, ``.fcsv`` or ``.mrk.json``; return what was written.

    Parameters
    ----------
    landmarks
        Any; ``.fcsv`` cannot hold a landmark without a position and leaves it out.
    path
        The ending says the format.
    grid
        Grid of the image. With it a CSV carries voxel indices, and the geometry goes
        into ``<name>.grid.json`` beside it.
    overwrite
        Replace an existing file; the old one stays as ``.bak``.

    Raises
    ------
    OverwriteError
        If the file exists and `overwrite` is false; it says when a person's landmarks
        would be lost to a model's.
    ValueError
        If the ending is unknown, or that of a reader's annotations, which hold more
        than landmarks.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith(LANDMARK_SUFFIXES) or name.endswith(ANNOTATION_SUFFIX):
        msg = f"path must end in one of {LANDMARK_SUFFIXES}, got {path.name!r}"
        raise ValueError(msg)
    if os.path.lexists(path) and not overwrite:
        raise OverwriteError(_why_not(landmarks, path), path)
    if name.endswith(".fcsv"):
        return (write_fcsv(landmarks, path, overwrite),)
    if name.endswith(".json"):
        return (write_mrk_json(landmarks, path, overwrite),)
    return write_csv(landmarks, path, grid, overwrite)


def _why_not(landmarks: LandmarkSet, path: Path) -> str:
    """Return why an existing file is kept, in words for the user."""
    try:
        there = read_landmarks(path, frame="LPS")
    except LandmarkFileError:
        return "exists already and is no landmark file that can be read; kept"
    by_people = sum(m.source != LandmarkSource.MODEL for m in there)
    by_model = sum(m.source == LandmarkSource.MODEL for m in landmarks)
    if by_people and by_model:
        return (
            f"holds {by_people} landmarks placed by a person, which a model's would "
            "replace; kept. Choose another name or allow overwriting"
        )
    return "exists already and was kept; choose another name or allow overwriting"
