"""Whatever the user opens (a folder, a file, several files) to one study."""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.study import Study
from napari_midrl.errors import ImageError, MidrlError
from napari_midrl.io.dicom import DICOM_SUFFIXES, dicom_study, looks_like_dicom
from napari_midrl.io.images import image_suffix, read_images
from napari_midrl.io.names import unique_names
from napari_midrl.io.untrusted import ReadLimits, untrusted

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_midrl.data.volume import Volume

    Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_LOOKED_AT = 300

_BIDS_SUBJECT = re.compile(r"(?:^|[_/\\])(sub-[A-Za-z0-9]+)(?=[_./\\])")
"""Of the Brain Imaging Data Structure: leads names of files and of their folders."""


def read_study(paths: Paths, limits: ReadLimits | None = None) -> Study:
    """Return the study in a folder, a file or several files; see `study_steps`."""
    return finish(study_steps(paths, limits))


def study_steps(
    paths: Paths, limits: ReadLimits | None = None
) -> Generator[Progress, None, Study]:
    """Yield progress and return the study in a folder, a file or several files.

    Parameters
    ----------
    paths
        A folder of DICOM files or of NIfTI, NRRD and MetaImage files (subfolders
        included), one such file, or a list of any of these.
    limits
        How much one volume may take; None means `ReadLimits()`.

    Returns
    -------
    study
        Every readable volume under a name of its own; `warnings` names what was left
        out and why.

    Raises
    ------
    ImageError
        If nothing could be read.
    """
    limits = limits or ReadLimits()
    given = _as_paths(paths)
    dicom, images = _collect(given, limits)
    volumes: list[Volume] = []
    problems: list[str] = []
    name = _case_name(given)
    if dicom:
        try:
            study = yield from dicom_study(dicom, given[0], limits)
        except ImageError as problem:
            if not images:
                raise
            problems.append(problem.cause)
        else:
            name = study.name
            volumes += study.volumes
            problems += study.warnings
    for done, path in enumerate(images):
        yield Progress(done, len(images), f"reading {path.name}")
        try:
            volumes += read_images(path, limits)
        except MidrlError as problem:
            if len(images) == 1 and not dicom:
                raise
            problems.append(f"{problem}; left out")
    if not volumes:
        why = "; ".join(problems[:5]) or "no DICOM, NIfTI, NRRD or MetaImage file"
        msg = f"nothing to open: {why}"
        raise ImageError(msg, given[0])
    problems += _mixture(images)
    return Study(name, unique_names(volumes), tuple(problems))


def is_readable(path: str | os.PathLike[str]) -> bool:
    """Return whether `read_study` should be tried: by name, and a look into a folder.

    For a file its ending decides, or the DICOM mark; a folder must hold such a file
    among the first few hundred.
    """
    target = Path(path)
    try:
        if target.is_dir():
            inside = itertools.islice(target.rglob("*"), _LOOKED_AT)
            return any(_is_readable_file(entry) for entry in inside)
        return _is_readable_file(target)
    except OSError:
        return False


def _is_readable_file(path: Path) -> bool:
    """Return whether the file's ending or first bytes are known."""
    if not path.is_file():
        return False
    known = image_suffix(path) is not None or path.suffix.lower() in DICOM_SUFFIXES
    return known or looks_like_dicom(path)


def _as_paths(paths: Paths) -> tuple[Path, ...]:
    """Return one or several paths as a tuple."""
    if isinstance(paths, (str, os.PathLike)):
        return (Path(paths),)
    if not paths:
        msg = "paths must name at least one file or folder"
        raise ValueError(msg)
    return tuple(Path(path) for path in paths)


def _collect(
    given: tuple[Path, ...], limits: ReadLimits
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the DICOM files and the image files that the user meant."""
    dicom: dict[Path, None] = {}
    images: dict[Path, None] = {}
    for path in given:
        with untrusted(path):
            if not path.exists():
                msg = "there is no such file or folder"
                raise ImageError(msg, path)
            inside: tuple[Path, ...] = (path,)
            if path.is_dir():
                found = itertools.islice(path.rglob("*"), limits.max_files + 1)
                inside = tuple(sorted(found))
                if len(inside) > limits.max_files:
                    msg = f"holds more than {limits.max_files:,} files"
                    raise ImageError(msg, path)
        for file in inside:
            if image_suffix(file) is not None:
                if file.is_file():
                    images[file] = None
            elif looks_like_dicom(file):
                dicom[file] = None
            elif file is path:
                msg = "is not DICOM, NIfTI, NRRD or MetaImage"
                raise ImageError(msg, path)
    return tuple(dicom), tuple(images)


def _mixture(images: tuple[Path, ...]) -> tuple[str, ...]:
    """Return a warning if image files do not look like one examination.

    Their headers name no patient, so names of files and folders must tell.
    """
    found = (_BIDS_SUBJECT.findall(str(path)) for path in images)
    subjects = sorted({nearest for *_, nearest in filter(None, found)})
    if len(subjects) > 1:
        named = ", ".join(subjects[:3]) + (", ..." if len(subjects) > 3 else "")
        return (
            f"the files are of different patients ({named}); they are not one body",
        )
    folders: dict[str, set[Path]] = defaultdict(set)
    for path in images:
        folders[path.name].add(path.parent)
    twice = next((name for name, inside in folders.items() if len(inside) > 1), None)
    if twice is None:
        return ()
    return (
        f"{twice} lies in {len(folders[twice])} of the folders; if they are of "
        "different patients or days, they are not one body: open them one by one",
    )


def _case_name(given: tuple[Path, ...]) -> str:
    """Return a name for a study of image files: the file's, or the folder's."""
    path = given[0].absolute()
    if len(given) == 1 and path.is_file():
        return path.name[: -len(image_suffix(path) or "")] or path.name
    folder = path if path.is_dir() else path.parent
    return folder.name or "study"
