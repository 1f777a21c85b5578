"""Cases with known landmarks: folders, data sets, or digital patients."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress
from napari_midrl.data.study import Study
from napari_midrl.errors import ImageError, InputError, LandmarkFileError
from napari_midrl.evaluation.findings import known_positions
from napari_midrl.io.dataset import DATASET_NAME, read_dataset
from napari_midrl.io.dicom import looks_like_dicom
from napari_midrl.io.images import image_suffix, read_images
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.io.model_store import CARD_NAME
from napari_midrl.io.names import unique_names
from napari_midrl.io.run_record import has_record
from napari_midrl.io.study import study_steps
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.study import REGIONS, phantom_study

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Sequence

    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.volume import Volume
    from napari_midrl.io.dataset import DatasetCase, Split

    Opened = Generator[Progress, None, tuple[Study, LandmarkSet]]

PHANTOM = "phantom:"
WHOLE_BODY = REGIONS[:1]
_SEEDS = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
TRUTH_SUFFIXES = (".csv", ".fcsv", ".mrk.json")
_ONE_SEX = {"breast": "female", "prostate": "male"}


@dataclass(frozen=True)
class FileCase:
    """A case of image files and one landmark file, in one frame of reference.

    Parameters
    ----------
    name
        Of the case.
    landmark_file
        Where the truth comes from.
    truth
        Landmarks of that file.
    image_files, dicom_files
        Images to search.
    image_sha256
        `Volume.content_hash` that one of the images must have; empty asks for none.
    """

    name: str
    landmark_file: Path
    truth: LandmarkSet
    image_files: tuple[Path, ...]
    dicom_files: tuple[Path, ...] = ()
    image_sha256: str = ""

    def open(self) -> Opened:
        """Yield progress and return the images and the truth.

        Raises
        ------
        ImageError
            If any file cannot be read, or none is the image that must be there: a
            case left out in silence would change the numbers.
        """
        volumes: list[Volume] = []
        warnings: tuple[str, ...] = ()
        if self.dicom_files:
            study = yield from study_steps(self.dicom_files)
            volumes += study.volumes
            warnings = study.warnings
        for number, path in enumerate(self.image_files):
            yield Progress(number, len(self.image_files), f"reading {path.name}")
            volumes += read_images(path)
        if self.image_sha256 and not any(
            volume.content_hash == self.image_sha256 for volume in volumes
        ):
            msg = (
                f"was placed on the image {self.truth.image_name!r}, which is not "
                f"among those of the case {self.name!r} any more"
            )
            raise ImageError(msg, self.landmark_file)
        return Study(self.name, unique_names(volumes), warnings), self.truth


@dataclass(frozen=True)
class DigitalCase:
    """A digital patient, imaged when it is opened.

    Parameters
    ----------
    seed
        Number of the patient.
    regions
        Acquisitions to make.
    """

    seed: int
    regions: tuple[str, ...] = WHOLE_BODY

    @property
    def name(self) -> str:
        """Of the case."""
        return f"digital patient {self.seed}"

    def open(self) -> Opened:
        """Yield progress and return the images and the exact landmarks."""
        return (yield from phantom_study(self.seed, regions=self.regions))


Case = FileCase | DigitalCase


def find_cases(
    data: str,
    regions: Sequence[str] = (),
    split: Split | None = None,
    *,
    left_out: Collection[str] = (),
) -> tuple[Case, ...]:
    """Return the cases that a folder or ``"phantom:FIRST-LAST"`` names.

    Landmark files are read at once, so that a malformed one shows before hours of
    searching; images are read case by case.

    Parameters
    ----------
    data
        A folder with one subfolder per case, each with images and one landmark file;
        a folder that is one such case itself; a data set (``dataset.json``); or seeds
        of digital patients.
    regions
        Acquisitions of the digital patients; none means the whole body.
    split
        Cases of a data set to take; None takes all.
    left_out
        Names of cases that are not even looked at.

    Raises
    ------
    InputError
        If there is no such folder, a case has no image, no landmark file or several,
        the seeds are not understood, or regions or a split are given for what has
        none.
    LandmarkFileError
        If a landmark file is malformed or places nothing.
    """
    is_dataset = (Path(data) / DATASET_NAME).is_file()
    if split is not None and not is_dataset:
        msg = f"only a data set ({DATASET_NAME}) says what is for {split}"
        raise InputError(msg, data)
    if data.startswith(PHANTOM):
        return _digital_cases(data, tuple(regions) or WHOLE_BODY)
    if regions:
        msg = "regions are for digital patients (phantom:FIRST-LAST) only"
        raise InputError(msg, data)
    makers = case_makers(Path(data), split)
    return tuple(make() for name, make in makers.items() if name not in left_out)


def case_makers(
    folder: Path, split: Split | None = None
) -> dict[str, Callable[[], FileCase]]:
    """Return, by name, what makes each case of a folder or data set, or says why not.

    Parameters
    ----------
    folder
        As for `find_cases`.
    split
        Cases of a data set to take; None takes all.

    Raises
    ------
    InputError
        If there is no such folder or no case in it.
    """
    if (folder / DATASET_NAME).is_file():
        chosen = [c for c in read_dataset(folder).cases if split in (None, c.split)]
        if not chosen:
            msg = f"holds no case for {split}"
            raise InputError(msg, folder / DATASET_NAME)
        return {case.name: partial(_dataset_case, case) for case in chosen}
    if not folder.is_dir():
        msg = f"is no folder; give one, or digital patients as {PHANTOM}FIRST-LAST"
        raise InputError(msg, folder)
    inside = sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() and path.name[0] != "." and not _holds_agents(path)
    )
    if not _landmark_files(folder):
        if not inside:
            msg = (
                "holds no case: expected subfolders with images and one landmark file "
                f"each, or such files; landmark files end in {TRUTH_SUFFIXES}"
            )
            raise InputError(msg, folder)
        return {path.name: partial(case_in, path) for path in inside}
    both = [path.name for path in inside if _landmark_files(path)]
    if both:
        msg = (
            f"holds a landmark file and also cases of their own ({both[0]}); "
            "move one of them"
        )
        raise InputError(msg, folder)
    return {folder.absolute().name: partial(case_in, folder)}


def case_in(folder: Path) -> FileCase:
    """Return the case in a folder, its subfolders included for the images.

    Raises
    ------
    InputError
        If it does not hold exactly one landmark file, or no image.
    LandmarkFileError
        If the landmark file is malformed or places nothing.
    """
    landmark_files = _landmark_files(folder)
    if len(landmark_files) != 1:
        names = [path.name for path in landmark_files]
        msg = f"a case needs one landmark file {TRUTH_SUFFIXES}, found {names}"
        raise InputError(msg, folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    images = tuple(path for path in files if image_suffix(path) is not None)
    dicom = tuple(
        path for path in files if image_suffix(path) is None and looks_like_dicom(path)
    )
    if not images and not dicom:
        msg = "a case needs an image (DICOM, NIfTI, NRRD or MetaImage), found none"
        raise ImageError(msg, folder)
    name = folder.absolute().name
    return file_case(name, landmark_files[0], images, dicom)


def file_case(
    name: str,
    landmark_file: Path,
    image_files: tuple[Path, ...],
    dicom_files: tuple[Path, ...] = (),
) -> FileCase:
    """Return a case of these files.

    Raises
    ------
    LandmarkFileError
        If the landmark file is malformed or places nothing.
    """
    truth = read_landmarks(landmark_file)
    if not known_positions(truth):
        msg = "holds no landmark with a position"
        raise LandmarkFileError(msg, landmark_file)
    return FileCase(name, landmark_file, truth, image_files, dicom_files)


def _dataset_case(case: DatasetCase) -> FileCase:
    """Return a case whose images are somewhere else; they must be there."""
    images: list[Path] = []
    dicom: list[Path] = []
    for path in case.images:
        if not path.exists():
            msg = f"the image of case {case.name!r} is not there"
            raise ImageError(msg, path)
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        images += [file for file in inside if image_suffix(file) is not None]
        dicom += [
            file
            for file in inside
            if image_suffix(file) is None and looks_like_dicom(file)
        ]
    found = file_case(case.name, case.landmark_file, tuple(images), tuple(dicom))
    return replace(found, image_sha256=case.image_sha256)


def _holds_agents(folder: Path) -> bool:
    """Return whether a folder is a pack or a fine-tuning, made beside its cases."""
    return (folder / CARD_NAME).is_file() or has_record(folder)


def _landmark_files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and path.name.lower().endswith(TRUTH_SUFFIXES)
        and not path.name.startswith(".")
    )


def _digital_cases(data: str, regions: tuple[str, ...]) -> tuple[Case, ...]:
    """Return the digital patients of ``"phantom:FIRST-LAST"`` that suit the regions."""
    match = _SEEDS.fullmatch(data.removeprefix(PHANTOM))
    if match is None or int(match[2] or match[1]) < int(match[1]):
        msg = f"expected {PHANTOM}FIRST-LAST, such as phantom:1000-1099, got {data!r}"
        raise InputError(msg)
    unknown = sorted(set(regions) - set(REGIONS))
    if unknown:
        msg = f"regions must be among {list(REGIONS)}, got {unknown}"
        raise InputError(msg)
    seeds = range(int(match[1]), int(match[2] or match[1]) + 1)
    cases = tuple(DigitalCase(seed, regions) for seed in seeds if _suits(seed, regions))
    if not cases:
        msg = f"{data}: none of these patients is of a sex that {list(regions)} needs"
        raise InputError(msg)
    return cases


def _suits(seed: int, regions: tuple[str, ...]) -> bool:
    """Return whether there is anything to image in this patient."""
    needed = {_ONE_SEX.get(region) for region in regions}
    return None in needed or draw_patient(seed).sex in needed
