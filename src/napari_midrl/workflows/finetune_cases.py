"""Cases for a fine-tuning: which to learn from, which to hold out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.errors import InputError
from napari_midrl.evaluation.findings import known_positions
from napari_midrl.io.dataset import DATASET_NAME, read_dataset
from napari_midrl.phantom.study import phantom_study
from napari_midrl.workflows.cases import DigitalCase, FileCase, find_cases

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.progress import Progress
    from napari_midrl.data.study import Study

DEFAULT_SHARE = 0.2


@dataclass(frozen=True)
class Split:
    """Names of the cases to learn from and of those held out.

    Raises
    ------
    ValueError
        If a case is in both, comes twice, or there is none to learn from.
    """

    train: tuple[str, ...]
    held_out: tuple[str, ...]

    def __post_init__(self) -> None:
        both = sorted(set(self.train) & set(self.held_out))
        if both:
            msg = f"cases to learn from and held out at once: {both}"
            raise ValueError(msg)
        names = (*self.train, *self.held_out)
        if len(set(names)) < len(names):
            msg = f"cases must have different names, got {sorted(names)}"
            raise ValueError(msg)
        if not self.train:
            msg = "no case is left to learn from"
            raise ValueError(msg)


@dataclass(frozen=True)
class OpenedCase(FileCase):
    """A case whose images are in memory, since it is searched again and again."""

    study: Study | None = None

    def open(self) -> Generator[Progress, None, tuple[Study, LandmarkSet]]:
        """Yield nothing and return what was read."""
        yield from ()
        assert self.study is not None
        return self.study, self.truth


def opened(case: FileCase) -> Generator[Progress, None, OpenedCase]:
    """Yield progress and return the case with its images read."""
    study, truth = yield from case.open()
    return OpenedCase(
        case.name,
        case.landmark_file,
        truth,
        case.image_files,
        case.dicom_files,
        case.image_sha256,
        study,
    )


@dataclass(frozen=True)
class QuickPatient(DigitalCase):
    """A digital patient in few, coarse sequences, to see what agents still know."""

    def open(self) -> Generator[Progress, None, tuple[Study, LandmarkSet]]:
        """Yield progress and return the images and the exact landmarks."""
        return (yield from phantom_study(self.seed, quick=True))


def cases_in(data: str, left_out: Sequence[str] = ()) -> tuple[FileCase, ...]:
    """Return the cases of a folder or data set, but those left out.

    Raises
    ------
    InputError
        As `find_cases`; also for digital patients, which agents know already.
    """
    every = find_cases(data, left_out=left_out)
    cases = [case for case in every if isinstance(case, FileCase)]
    if not cases and left_out:
        msg = "all cases are left out"
        raise InputError(msg, data)
    if not cases:
        msg = "fine-tuning needs cases of files, not digital patients"
        raise InputError(msg, data)
    return tuple(cases)


def landmarks_in(
    cases: Sequence[FileCase], wanted: Sequence[str] | None
) -> tuple[str, ...]:
    """Return the landmarks to learn, in the order they are first seen.

    Raises
    ------
    InputError
        If one that is wanted is in no case.
    """
    found = dict.fromkeys(n for case in cases for n in known_positions(case.truth))
    if wanted is None:
        return tuple(found)
    unknown = sorted(set(wanted) - set(found))
    if unknown or not wanted:
        msg = f"no case places {unknown or 'any'}; they place {list(found)}"
        raise InputError(msg)
    return tuple(dict.fromkeys(wanted))


def split_of(
    data: str,
    cases: Sequence[FileCase],
    hold_out: float | Sequence[str] | None,
    seed: int,
) -> Split:
    """Return which cases to learn from.

    Parameters
    ----------
    data
        Where they are; a data set may say itself what is for what.
    cases
        All of them.
    hold_out
        Names, or the share to hold out, by chance; None takes what a data set says,
        else `DEFAULT_SHARE`.
    seed
        Of the chance.

    Raises
    ------
    InputError
        If a name is not that of a case, or none is left to learn from.
    """
    names = [case.name for case in cases]
    if hold_out is None and (Path(data) / DATASET_NAME).is_file():
        found = {c.name: c.split for c in read_dataset(Path(data)).cases}
        hold_out = [name for name in names if found[name] != "train"]
    if hold_out is None:
        hold_out = DEFAULT_SHARE
    if isinstance(hold_out, float | int):
        held_out = drawn(names, float(hold_out), seed)
    else:
        held_out = set(hold_out)
    strangers = sorted(held_out - set(names))
    if strangers:
        msg = f"no such cases to hold out: {strangers}; there are {names}"
        raise InputError(msg)
    try:
        return Split(
            tuple(name for name in names if name not in held_out),
            tuple(name for name in names if name in held_out),
        )
    except ValueError as error:
        raise InputError(str(error), data) from error


def drawn(names: Sequence[str], share: float, seed: int) -> set[str]:
    """Return names to hold out; at least one if any are to be."""
    if not 0 <= share < 1:
        msg = f"the share to hold out must be 0 to 1, got {share}"
        raise InputError(msg)
    n = round(share * len(names)) or int(share > 0 and len(names) > 1)
    order = np.random.default_rng(seed).permutation(sorted(names)).tolist()
    return set(order[:n])
