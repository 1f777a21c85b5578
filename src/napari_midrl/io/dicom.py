"""A folder of DICOM files to a study of named volumes."""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.data.study import Study
from napari_midrl.data.volume import Provenance, Volume
from napari_midrl.errors import ImageError, SeriesError
from napari_midrl.io.dicom_groups import (
    split_series,
    split_volumes,
    without_copies,
)
from napari_midrl.io.dicom_headers import is_dicom, read_frames
from napari_midrl.io.dicom_sequences import name_phases
from napari_midrl.io.dicom_volumes import build
from napari_midrl.io.names import unique_names, with_planes
from napari_midrl.io.untrusted import ReadLimits, untrusted

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from napari_midrl.data.sequence import Sequence
    from napari_midrl.io.dicom_headers import Frame
    from napari_midrl.io.dicom_volumes import Array

DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")


def read_dicom_study(folder: str | Path, limits: ReadLimits | None = None) -> Study:
    """Return the study in a folder of DICOM files; see `dicom_study`."""
    folder = Path(folder)
    limits = limits or ReadLimits()
    return finish(dicom_study(dicom_files(folder, limits), folder, limits))


def dicom_files(folder: Path, limits: ReadLimits) -> tuple[Path, ...]:
    """Return the DICOM files in a folder and its subfolders, sorted by name.

    A file counts if it carries the DICOM mark or a DICOM ending.

    Raises
    ------
    ImageError
        If the folder cannot be listed or holds more files than the limit.
    """
    with untrusted(folder):
        everything = itertools.islice(folder.rglob("*"), limits.max_files + 1)
        paths = sorted(everything)
        if len(paths) > limits.max_files:
            msg = f"holds more than {limits.max_files:,} files; choose a subfolder"
            raise ImageError(msg, folder)
        return tuple(path for path in paths if looks_like_dicom(path))


def looks_like_dicom(path: Path) -> bool:
    """Return whether to try the file as DICOM."""
    if not path.is_file() or path.name.upper() == "DICOMDIR":
        return False
    return path.suffix.lower() in DICOM_SUFFIXES or is_dicom(path)


def dicom_study(
    paths: Iterable[Path], folder: Path, limits: ReadLimits
) -> Generator[Progress, None, Study]:
    """Yield progress and return the study of these DICOM files.

    Headers are read first and sorted into volumes (`dicom_groups`), named from their
    tags (`dicom_sequences`), then each volume is built and checked on its own
    (`dicom_volumes`): a series that is incomplete or ambiguous is left out with a
    warning that names the file, and the others are kept.

    Parameters
    ----------
    paths
        DICOM files.
    folder
        What the user opened, for messages.
    limits
        Voxel and memory budget of each volume.

    Raises
    ------
    SeriesError
        If not one volume can be built; it lists why.
    """
    paths = tuple(paths)
    unreadable: dict[str, list[str]] = defaultdict(list)
    frames: list[Frame] = []
    for done, path in enumerate(paths):
        if done % 50 == 0:
            yield Progress(done, 2 * len(paths), "reading headers")
        try:
            frames.extend(read_frames(path))
        except SeriesError as problem:
            unreadable[problem.cause].append(path.name)
    once, copies = without_copies(frames)
    problems = [*_left_out(unreadable), *copies, *_mixture(once)]
    groups = name_phases(_sorted_groups(once, problems))
    volumes = []
    # Pixels of the last file: an enhanced file often holds several volumes.
    decoded: dict[Path, Array] = {}
    for done, group in enumerate(groups):
        label = group.sequence.label
        yield Progress(
            len(paths) + done * len(paths) // len(groups), 2 * len(paths), label
        )
        try:
            volumes.append(_volume(group.frames, group.sequence, limits, decoded))
        except ImageError as problem:
            problems.append(_named(problem))
    if not volumes:
        why = "; ".join(problems[:5]) or "no images in the patient's space among them"
        msg = f"no volume could be read from {len(paths)} DICOM files: {why}"
        raise SeriesError(msg, folder)
    if len({volume.frame_of_reference_uid for volume in volumes}) > 1:
        problems.append("the volumes have different frames of reference; the patient "
                        "may have moved between them")  # fmt: skip
    name = "case-" + hashlib.sha256(once[0].study_uid.encode()).hexdigest()[:8]
    return Study(name, unique_names(with_planes(volumes)), tuple(problems))


def _sorted_groups(
    frames: tuple[Frame, ...], problems: list[str]
) -> list[tuple[Frame, ...]]:
    """Return the groups of all series; what cannot be sorted goes to `problems`."""
    groups: list[tuple[Frame, ...]] = []
    for series in split_series(frames):
        try:
            volumes, notes = split_volumes(series)
        except SeriesError as problem:
            problems.append(_named(problem))
            continue
        groups += volumes
        problems += notes
    return groups


def _left_out(unreadable: dict[str, list[str]]) -> list[str]:
    """Return one sentence per reason, naming the first file and counting the rest."""
    return [
        f"{names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {cause}; "
        "left out"
        for cause, names in unreadable.items()
    ]


def _named(problem: ImageError) -> str:
    """Return the cause, led by the file's name unless it speaks of the file itself."""
    file = "" if problem.path is None else problem.path.name
    return problem.cause if file in problem.cause else f"{file}: {problem.cause}"


def _mixture(frames: tuple[Frame, ...]) -> tuple[str, ...]:
    """Return a warning if the files are not one examination of one patient."""
    notes = []
    if len({frame.patient for frame in frames}) > 1:
        notes.append("the files are of different patients; they are not one body")
    elif len({frame.study_uid for frame in frames}) > 1:
        notes.append("the files are of different examinations of the patient")
    return tuple(notes)


def _volume(
    frames: tuple[Frame, ...],
    sequence: Sequence,
    limits: ReadLimits,
    decoded: dict[Path, Array],
) -> Volume:
    """Return one group as a volume."""
    frame = frames[0]
    array, grid, notes = build(frames, limits, decoded)
    number = frame.series_number
    name = sequence.label
    if sequence.kind == SequenceKind.UNKNOWN:
        # The description would tell more, but people type patients' names into it.
        name = name.replace("MR", f"{frame.modality} series {number}", 1)
    details = {
        "series number": str(number),
        "files": str(len({f.path for f in frames})),
    }
    if frame.echo_time_ms is not None:
        details["echo time ms"] = f"{frame.echo_time_ms:g}"
    if frame.repetition_time_ms is not None:
        details["repetition time ms"] = f"{frame.repetition_time_ms:g}"
    return Volume(
        array,
        grid,
        name,
        sequence,
        Provenance(str(frame.path.parent), "DICOM", notes, details),
        frame.frame_of_reference_uid or None,
    )
