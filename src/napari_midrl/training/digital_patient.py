"""Recipe of the pack `digital-patient`: agents that learned on digital patients."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Annotated, Protocol

import numpy as np
import torch
from pydantic import Field

from napari_midrl.data.progress import Progress
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED, draw_patient
from napari_midrl.phantom.protocols import protocol_grid, whole_body_protocols
from napari_midrl.phantom.render import patient_landmarks, tissue_map
from napari_midrl.phantom.training_views import physical_contrast, random_contrast
from napari_midrl.training.cases import Surroundings, TrainingCase
from napari_midrl.training.config_file import ConfigFile, Table
from napari_midrl.training.config_tables import (
    Count,
    CountOrNone,
    DenseTable,
    Positive,
)
from napari_midrl.training.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from napari_midrl.phantom.patient import Patient
    from napari_midrl.phantom.render import TissueMap

    class Contrast(Protocol):
        """Makes an image of any tissue map."""

        def __call__(
            self, tissues: TissueMap, *, rng: np.random.Generator
        ) -> npt.NDArray[np.float32]:
            """Return the image, shape of the map; `rng` is all its chance."""


LANDMARKS = (
    "left knee",
    "right knee",
    "left trochanter",
    "right trochanter",
    "heart",
    "left kidney",
    "right kidney",
    "left nipple",
    "right nipple",
    "prostate",
)

ALWAYS = (SequenceKind.T1W, SequenceKind.T2W, SequenceKind.DIXON_WATER)
OTHERS = (
    SequenceKind.DIXON_IN,
    SequenceKind.DIXON_OPPOSED,
    SequenceKind.DIXON_FAT,
    SequenceKind.T2W_FS,
)
REGIONAL = (
    SequenceKind.DCE,
    SequenceKind.DCE_SUBTRACTION,
    SequenceKind.ADC,
    SequenceKind.DWI,
)
"""Sequences of breast and prostate; here of the whole body, views cut them out.
There, T2w is always shown, too."""

NOTHING: frozenset[SequenceKind] = frozenset()

FILE = ConfigFile.shipped("digital-patient")


class PatientsTable(Table):
    """Which patients are drawn, and how they are imaged.

    Parameters
    ----------
    n_patients
        How many.
    n_other_contrasts, n_regional_contrasts, n_random_contrasts
        Images of each patient that are of `OTHERS`, of `REGIONAL`, and of no sequence.
    grid_mm
        Voxel of a whole body.
    near_mm, near_shape
        Voxel, and voxels along each axis, of the finer grids about its landmarks.
    """

    n_patients: Count
    n_other_contrasts: Annotated[CountOrNone, Field(le=len(OTHERS))]
    n_regional_contrasts: Annotated[CountOrNone, Field(le=len(REGIONAL))]
    n_random_contrasts: CountOrNone
    grid_mm: Positive
    near_mm: Positive
    near_shape: tuple[Count, Count, Count]

    @property
    def n_physical_contrasts(self) -> int:
        """Images of each patient that a sequence makes; T2w is there twice."""
        n_chosen = self.n_other_contrasts + self.n_regional_contrasts
        return len(ALWAYS) + n_chosen + 1


class DigitalPatientTable(DenseTable):
    """Config file of this recipe."""

    data: PatientsTable


CONFIG = FILE.checked(DigitalPatientTable)


def digital_cases(
    data: Path | None = None, *, patients: PatientsTable = CONFIG.data
) -> Generator[Progress, None, tuple[TrainingCase, ...]]:
    """Yield progress and return digital patients, each in several contrasts.

    Parameters
    ----------
    data
        Not needed: patients are drawn.
    patients
        How many, and how they are imaged.
    """
    del data
    cases = []
    for number in range(patients.n_patients):
        yield Progress(number, patients.n_patients, f"drawing patient {number + 1}")
        cases.append(digital_case(FIRST_TRAINING_SEED + number, patients))
    return tuple(cases)


def digital_case(
    seed: int,
    patients: PatientsTable = CONFIG.data,
    without: frozenset[SequenceKind] = NOTHING,
) -> TrainingCase:
    """Return one digital patient, shoulder to mid-calf, as a training case.

    Parameters
    ----------
    seed
        Number of the patient.
    patients
        How it is imaged.
    without
        Sequences not to learn from; the others are as they would be with them.
    """
    patient = draw_patient(seed)
    imaged = protocol_grid(patient, whole_body_protocols()[0])
    grid = imaged.bounding_grid(patients.grid_mm)
    targets = _targets(patient)
    whole = tissue_map(patient, grid)
    around = [_surrounding_grid(target, patients) for target in targets.tolist()]
    near = [None if part is None else tissue_map(patient, part) for part in around]
    images: list[Tensor] = []
    near_images: list[Tensor] = []
    regional: list[int] = []
    contrasts = _contrasts(np.random.default_rng([seed, 1]), patients)
    for number, (kind, contrast, of_region) in enumerate(contrasts):
        if kind in without:
            continue
        if of_region:
            regional.append(len(images))
        # The same chance again makes the same contrast of every map.
        image = contrast(whole, rng=np.random.default_rng([seed, 2, number]))
        top = max(float(np.percentile(image[::2, ::2, ::2], 99.8)), 1e-6)
        images.append(_as_bytes(image, top))
        near_images.append(
            torch.zeros(len(near), *patients.near_shape, dtype=torch.uint8)
        )
        for row, tissues in enumerate(near):
            if tissues is not None:
                image = contrast(tissues, rng=np.random.default_rng([seed, 2, number]))
                near_images[-1][row] = _as_bytes(image, top)
    origins = [(np.nan,) * 3 if g is None else g.affine_lps[:3, 3] for g in around]
    return TrainingCase(
        name=f"digital patient {seed}",
        images=tuple(images),
        spacing_mm=torch.tensor(grid.spacing_mm, dtype=torch.float32),
        origin_lps_mm=torch.tensor(grid.affine_lps[:3, 3], dtype=torch.float32),
        targets_lps_mm=targets,
        surroundings=Surroundings(
            tuple(near_images),
            patients.near_mm,
            torch.tensor(np.array(origins), dtype=torch.float32),
        ),
        regional=tuple(regional),
    )


def _contrasts(
    rng: np.random.Generator, patients: PatientsTable
) -> list[tuple[SequenceKind | None, Contrast, bool]]:
    """Return how a patient's images are made, and which may be of a region.

    Each takes its own chance.
    """
    others = rng.choice(len(OTHERS), patients.n_other_contrasts, replace=False)
    regional = rng.choice(len(REGIONAL), patients.n_regional_contrasts, replace=False)
    kinds = [(kind, False) for kind in (*ALWAYS, *(OTHERS[n] for n in others))]
    kinds += [(SequenceKind.T2W, True), *((REGIONAL[n], True) for n in regional)]
    fields_tesla = rng.choice([1.5, 3.0], len(kinds)).tolist()
    found: list[tuple[SequenceKind | None, Contrast, bool]] = []
    for (kind, of_region), field_tesla in zip(kinds, fields_tesla, strict=True):
        physical = partial(
            physical_contrast,
            kind=kind,
            field_tesla=field_tesla,
            read_along_body=not of_region,
        )
        found.append((kind, physical, of_region))
    return found + [(None, random_contrast, True)] * patients.n_random_contrasts


def _surrounding_grid(
    target_lps_mm: list[float], patients: PatientsTable
) -> VoxelGrid | None:
    """Return the fine grid about a landmark; None if there is no landmark."""
    if any(math.isnan(x) for x in target_lps_mm):
        return None
    near_mm, shape = patients.near_mm, patients.near_shape
    affine = np.diag([near_mm, near_mm, near_mm, 1.0])
    affine[:3, 3] = np.array(target_lps_mm) - near_mm * (np.array(shape) - 1) / 2
    return VoxelGrid(shape, affine)


def _as_bytes(image: npt.NDArray[np.float32], top: float) -> Tensor:
    return torch.from_numpy(np.round(np.clip(image / top, 0, 1) * 255).astype(np.uint8))


def _targets(patient: Patient) -> Tensor:
    found = patient_landmarks(patient)
    missing = (float("nan"),) * 3
    return torch.tensor([found.get(name, missing) for name in LANDMARKS])


def _in_words(n: int) -> str:
    few = ("no", "one", "two", "three", "four", "five")
    more = ("six", "seven", "eight", "nine", "ten")
    words = (*few, *more)
    return words[n] if n < len(words) else str(n)


def recipe_of(file: ConfigFile) -> Recipe:
    """Return the recipe with the numbers of a config file.

    Raises
    ------
    InputError
        If the file is not one of this recipe.
    """
    config = file.checked(DigitalPatientTable)
    patients, n = config.data, config.data.n_patients
    return Recipe(
        name="digital-patient",
        title="Digital patient: knee, trochanter, heart, kidney, nipple, prostate",
        description=(
            "Ten agents for the six MIDRL landmarks and their right-hand partners, "
            "in whole-body MRI of any sequence."
        ),
        landmarks=LANDMARKS,
        landmark_notes={
            "left knee": "center of the left knee cap",
            "right knee": "center of the right knee cap",
            "left trochanter": "left lesser trochanter",
            "right trochanter": "right lesser trochanter",
            "heart": "center of the heart",
            "left kidney": "center of the left kidney",
            "right kidney": "center of the right kidney",
            "left nipple": "tip of the left nipple",
            "right nipple": "tip of the right nipple",
            "prostate": "center of the prostate",
        },
        config=config.network_of(len(LANDMARKS), file),
        stages=config.stages(),
        make_cases=partial(digital_cases, patients=patients),
        data=(
            f"{n} procedural digital patients (numbers {FIRST_TRAINING_SEED} to "
            f"{FIRST_TRAINING_SEED + n - 1}) each in "
            f"{_in_words(patients.n_physical_contrasts)} physical and "
            f"{_in_words(patients.n_random_contrasts)} random contrasts; "
            "no image of a person."
        ),
        licence="BSD-3-Clause, as the program that draws them",
        intended_use=(
            "Research and teaching: a first guess of landmarks for a person to check, "
            "and a start for fine-tuning."
        ),
        limits=(
            "Not a medical device. Never saw a real patient in training: in the two "
            "real examinations that were tried it met the prostate in five of nine "
            "sequences and refused both kidneys (docs/real-mri.md). Knows computed "
            "bodies from shoulder to mid-calf, and breasts and prostates in the "
            "published acquisitions; there most landmarks are found within 4 mm. In "
            "whole bodies nipples are missed by more than 10 mm in one image of "
            "eleven. Of landmarks that an image does not show one in three is found "
            "in it, mostly with a confidence below 5 %: seek what the image is of."
        ),
        **config.upright(),
        source=file,
    )


RECIPE = recipe_of(FILE)
