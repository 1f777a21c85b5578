"""Where the cases of a fine-tuning come from, and what each of them is for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress
from napari_midrl.errors import AnnotationFileError, InputError, MidrlError
from napari_midrl.evaluation.findings import known_positions
from napari_midrl.io.annotation_file import ANNOTATION_SUFFIX, read_annotations
from napari_midrl.io.dataset import DATASET_NAME, read_dataset
from napari_midrl.workflows.annotation_cases import case_rows
from napari_midrl.workflows.cases import case_makers
from napari_midrl.workflows.export_dataset import export_dataset, protocol_landmarks
from napari_midrl.workflows.finetune_cases import DEFAULT_SHARE, drawn
from napari_midrl.workflows.load import load_study

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.protocol import LandmarkProtocol
    from napari_midrl.data.study import Study
    from napari_midrl.io.dataset import Split as DatasetSplit
    from napari_midrl.workflows.annotation_cases import CaseRow
    from napari_midrl.workflows.cases import FileCase

CASES_NAME = "cases"


class Role(StrEnum):
    """What a case is for."""

    LEARN = "learn from"
    HOLD_OUT = "hold out"
    LEAVE_OUT = "leave out"


@dataclass(frozen=True)
class SourceCase:
    """A case that could be used.

    Parameters
    ----------
    name
        Of the case.
    landmarks
        That it places.
    role
        Suggested.
    problem
        Why it cannot be used; empty if it can.
    """

    name: str
    landmarks: tuple[str, ...]
    role: Role
    problem: str = ""


@dataclass(frozen=True)
class CaseSource:
    """Cases of a folder, of a data set, or of a reader's annotations.

    Parameters
    ----------
    folder
        Where they are.
    cases
        All of them, also those that cannot be used.
    rows, protocol
        If they are annotations: one row per case, and what was placed.
    """

    folder: Path
    cases: tuple[SourceCase, ...]
    rows: tuple[CaseRow, ...] = ()
    protocol: LandmarkProtocol | None = None

    def counts(self, roles: Mapping[str, Role]) -> dict[str, int]:
        """Return how many cases to learn from place each landmark."""
        return dict(
            Counter(
                name
                for case in self.cases
                if roles.get(case.name) is Role.LEARN
                for name in case.landmarks
            )
        )


@dataclass(frozen=True)
class Reading:
    """What one reader placed after one protocol, somewhere below a folder.

    Parameters
    ----------
    reader, protocol
        Who, and what.
    n_files
        Of annotations.
    """

    reader: str
    protocol: LandmarkProtocol
    n_files: int

    @property
    def text(self) -> str:
        """For a choice: ``"lumbar by ada, 12 images"``."""
        images = "1 image" if self.n_files == 1 else f"{self.n_files} images"
        return f"{self.protocol.name} by {self.reader}, {images}"


def readings_in(folder: Path) -> tuple[Reading, ...]:
    """Return who annotated what in a folder, those with most files first.

    Files that cannot be read do not count here; the table of cases names them.
    """
    found: dict[tuple[str, str], list[LandmarkProtocol]] = {}
    for path in sorted(folder.rglob(f"*{ANNOTATION_SUFFIX}")):
        try:
            document = read_annotations(path).document
        except AnnotationFileError:
            continue
        key = (document.reader, document.protocol.name)
        found.setdefault(key, []).append(document.protocol)
    readings = (Reading(key[0], all_[0], len(all_)) for key, all_ in found.items())
    return tuple(sorted(readings, key=lambda reading: -reading.n_files))


def survey(folder: Path) -> Generator[Progress, None, tuple[Reading, ...]]:
    """Yield progress and return whose annotations a folder is of.

    Nobody's if it holds cases with landmark files, or a data set: these come first.
    """
    yield Progress(0, 0, f"looking into {folder.name}")
    return () if has_cases(folder) else readings_in(folder)


def has_cases(folder: Path) -> bool:
    """Return whether a folder holds cases with landmark files, or a data set."""
    if (folder / DATASET_NAME).is_file():
        return True
    try:
        makers = case_makers(folder)
    except MidrlError:
        return False
    return any(_known(make)[0] for make in makers.values())


def cases_of_folder(
    folder: Path, seed: int = 0
) -> Generator[Progress, None, CaseSource]:
    """Yield progress and return the cases of a folder or data set.

    Raises
    ------
    InputError
        If there is no such folder or no case in it.
    """
    makers = case_makers(folder)
    cases: list[tuple[str, tuple[str, ...], str]] = []
    for number, (name, make) in enumerate(makers.items()):
        yield Progress(number, len(makers), f"looking at {name}")
        cases.append((name, *_known(make)))
    usable = [name for name, _, problem in cases if not problem]
    held_out = drawn(usable, DEFAULT_SHARE, seed)
    if (folder / DATASET_NAME).is_file():
        kept = [c.name for c in read_dataset(folder).cases if c.split != "train"]
        held_out = set(kept) & set(usable)
    return CaseSource(folder, _with_roles(cases, held_out))


def cases_of_reading(
    folder: Path,
    reading: Reading,
    annotations: Path | None = None,
    seed: int = 0,
) -> Generator[Progress, None, CaseSource]:
    """Yield progress and return the cases that a reader annotated.

    Parameters
    ----------
    folder
        Of the cases.
    reading
        Whose annotations, after which protocol.
    annotations
        Folder of the annotations; None means beside the images.
    seed
        Of the split.

    Raises
    ------
    InputError
        If there is no such folder, no case in it, or none with a landmark placed.
    """
    protocol = reading.protocol
    rows = yield from case_rows(folder, protocol, reading.reader, annotations)
    return source_of_rows(folder, rows, protocol, seed)


def source_of_rows(
    folder: Path, rows: Sequence[CaseRow], protocol: LandmarkProtocol, seed: int = 0
) -> CaseSource:
    """Return the annotated cases of a table.

    Raises
    ------
    InputError
        If nothing is placed in any of them.
    """
    used = tuple(row for row in rows if row.problem or row.count.n_placed)
    if not used:
        msg = f"no case has a landmark of {protocol.title!r} placed yet"
        raise InputError(msg, folder)
    cases = [(row.name, *_placed(row)) for row in used]
    usable = [name for name, _, problem in cases if not problem]
    made = _with_roles(cases, drawn(usable, DEFAULT_SHARE, seed))
    return CaseSource(folder, made, used, protocol)


def prepared(source: CaseSource, roles: Mapping[str, Role], folder: Path) -> str:
    """Return the data for a fine-tuning; annotations become a data set first.

    Parameters
    ----------
    source
        Where the cases come from.
    roles
        What each is for.
    folder
        Of the run; the data set goes into it, so that what is learned from stays as
        it is while annotating goes on.

    Raises
    ------
    InputError
        If an annotation cannot be read any more.
    """
    if source.protocol is None:
        return str(source.folder)
    splits: dict[str, DatasetSplit] = {
        name: "train" if role is Role.LEARN else "test"
        for name, role in roles.items()
        if role is not Role.LEAVE_OUT
    }
    rows = [row for row in source.rows if row.name in splits]
    target = folder / CASES_NAME
    export_dataset(rows, splits, target, source.protocol, overwrite=True)
    return str(target)


def open_case(
    source: CaseSource, name: str
) -> Generator[Progress, None, tuple[Study, LandmarkSet]]:
    """Yield progress and return the images and landmarks of one case.

    Raises
    ------
    InputError
        If there is no such case any more, or it cannot be read.
    """
    for row in source.rows:
        if row.name == name and row.file is not None:
            document = read_annotations(row.file).document
            study = yield from load_study((row.images,))
            return study, protocol_landmarks(document, name)
    makers = {} if source.rows else case_makers(source.folder)
    if name not in makers:
        msg = f"has no case {name!r} any more"
        raise InputError(msg, source.folder)
    return (yield from makers[name]().open())


def reason_against(roles: Mapping[str, Role]) -> str:
    """Return why nothing can be learned from these cases; empty if it can."""
    if not roles:
        return "Choose cases with landmarks first."
    if Role.LEARN not in roles.values():
        return "No case is left to learn from."
    return ""


def caution_about(roles: Mapping[str, Role]) -> str:
    """Return what a careful user should know of this split; empty if nothing."""
    n_learn = sum(role is Role.LEARN for role in roles.values())
    n_held_out = sum(role is Role.HOLD_OUT for role in roles.values())
    if not n_held_out:
        return "No case is held out: nobody will know how near the new agents come."
    if n_learn == 1:
        return "One case to learn from: expect agents that know this one patient."
    if n_held_out == 1:
        return "One case is held out: its errors say little about the next patient."
    return ""


def _known(make: Callable[[], FileCase]) -> tuple[tuple[str, ...], str]:
    """Return the landmarks that a case places, or why it cannot be used."""
    try:
        return tuple(known_positions(make().truth)), ""
    except (MidrlError, OSError) as error:
        return (), str(error)


def _placed(row: CaseRow) -> tuple[tuple[str, ...], str]:
    """Return the landmarks, as the protocol calls them, that a reader placed."""
    if row.problem or row.file is None:
        return (), row.problem or "there is no annotation"
    if not row.images.exists():
        return (), f"its image is no file any more, or never was one: {row.images}"
    try:
        landmarks = read_annotations(row.file).document.annotations.landmarks
    except AnnotationFileError as error:
        return (), str(error)
    return tuple(
        m.protocol_name for m in landmarks if m.is_placed and m.protocol_name
    ), ""


def _with_roles(
    cases: Sequence[tuple[str, tuple[str, ...], str]], held_out: set[str]
) -> tuple[SourceCase, ...]:
    made = []
    for name, landmarks, problem in cases:
        role = Role.HOLD_OUT if name in held_out else Role.LEARN
        made.append(
            SourceCase(name, landmarks, Role.LEAVE_OUT if problem else role, problem)
        )
    return tuple(made)
