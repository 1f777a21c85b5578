"""Which case to annotate next: where the agents disagree most."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress, relayed
from napari_midrl.errors import AnnotationFileError, ImageError, InputError
from napari_midrl.evaluation.disagreement import CAP_MM, doubts
from napari_midrl.io.annotation_file import ANNOTATION_SUFFIX, read_annotations
from napari_midrl.workflows.annotation_cases import cases_of
from napari_midrl.workflows.cases import TRUTH_SUFFIXES
from napari_midrl.workflows.load import load_study
from napari_midrl.workflows.localize import load_localizer

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.evaluation.disagreement import LandmarkDoubt


@dataclass(frozen=True)
class RankedCase:
    """One case without annotations.

    Parameters
    ----------
    name
        Of the case.
    images
        What to open: an image file or a folder.
    doubts
        Of the landmarks that were found, largest first.
    problem
        Why the case could not be searched; empty if it could.
    """

    name: str
    images: Path
    doubts: tuple[LandmarkDoubt, ...]
    problem: str = ""

    @property
    def doubt_mm(self) -> float:
        """Mean over the landmarks; the largest there is if none was found."""
        if not self.doubts:
            return CAP_MM
        return sum(doubt.doubt_mm for doubt in self.doubts) / len(self.doubts)


def unlabelled(folder: Path) -> tuple[tuple[str, Path], ...]:
    """Return name and images of the cases that nobody has annotated yet.

    A case is annotated if a landmark file lies in its subfolder, or an annotation
    file with a landmark placed in it is of its image.

    Raises
    ------
    InputError
        If there is no such folder, no case in it, or every one is annotated.
    """
    cases = cases_of(folder)
    found = tuple(case for case in cases if not _is_annotated(*case))
    if not found:
        msg = f"all {len(cases)} cases are annotated already"
        raise InputError(msg, folder)
    return found


def _is_annotated(name: str, images: Path) -> bool:
    if images.is_dir():
        return any(_annotates(path, "") for path in images.rglob("*"))
    return any(_annotates(path, name) for path in images.parent.iterdir())


def ranked_cases(
    folder: Path, pack_name: str, settings: SearchSettings
) -> Generator[Progress, None, tuple[RankedCase, ...]]:
    """Yield progress and return the cases without annotations, most doubtful first.

    Cases that cannot be read or searched come last, each with its reason.

    Parameters
    ----------
    folder
        Where the cases are.
    pack_name
        Of the agents.
    settings
        Of every search; several starts are needed for starts to disagree.

    Raises
    ------
    InputError
        If there is no case to rank.
    PackError
        If the pack is missing or damaged.
    SearchError
        If a landmark is unknown.
    """
    cases = unlabelled(folder)
    localizer = yield from load_localizer(pack_name)
    ranked = []
    for number, (name, images) in enumerate(cases):
        yield Progress(number, len(cases), f"searching {name}")
        try:
            study = yield from load_study(images)
        except ImageError as error:
            ranked.append(RankedCase(name, images, (), str(error)))
            continue
        searches = []
        for volume in study.volumes:
            found = yield from relayed(
                localizer.localize(volume, settings),
                partial(_of_case, number=number, n_cases=len(cases), name=name),
            )
            searches.append((volume.grid, found))
        ranked.append(RankedCase(name, images, doubts(searches)))
    ranked.sort(key=lambda case: (bool(case.problem), -case.doubt_mm))
    return tuple(ranked)


def _of_case(report: Progress, number: int, n_cases: int, name: str) -> Progress:
    """Return a report of one search as one of the whole task."""
    return Progress(number, n_cases, f"{name}: {report.text}")


def _annotates(path: Path, stem: str) -> bool:
    """Return whether a file says where landmarks of a case are.

    Parameters
    ----------
    path
        Any file.
    stem
        Name that it must begin with; empty for any.
    """
    if not path.is_file() or (stem and not path.name.startswith(f"{stem}.")):
        return False
    lower = path.name.lower()
    if lower.endswith(ANNOTATION_SUFFIX):
        try:
            document = read_annotations(path).document
        except AnnotationFileError:
            # A damaged file may hold work; nobody shall do it again unawares.
            return True
        return document.annotations.progress.n_placed > 0
    return lower.endswith(TRUTH_SUFFIXES)
