"""Recipe of the pack `digital-patient`: agents that learned on digital patients."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from napari_midrl.agents.dense_network import DenseQConfig
from napari_midrl.data.progress import Progress
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED, draw_patient
from napari_midrl.phantom.protocols import protocol_grid, whole_body_protocols
from napari_midrl.phantom.render import patient_landmarks, tissue_map
from napari_midrl.phantom.training_views import physical_contrast, random_contrast
from napari_midrl.training.dense_loop import DenseTrainingSettings
from napari_midrl.training.recipes import Recipe
from napari_midrl.training.views import Surroundings, TrainingCase, ViewSettings

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

GRID_MM = 4.0
NEAR_MM = 2.0
NEAR_SHAPE = (50, 50, 50)
"""Finer grids about every landmark hold a close-up of 64 mm, turned and off center."""

N_PATIENTS = 160
N_OTHER_CONTRASTS = 2
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
"""Sequences of breast and prostate; here of the whole body, views cut them out."""

N_RANDOM_CONTRASTS = 2
NOTHING: frozenset[SequenceKind] = frozenset()


def digital_cases(
    data: Path | None = None, *, n_patients: int = N_PATIENTS
) -> Generator[Progress, None, tuple[TrainingCase, ...]]:
    """Yield progress and return digital patients, each in eight contrasts.

    Parameters
    ----------
    data
        Not needed: patients are drawn.
    n_patients
        How many.
    """
    del data
    cases = []
    for number in range(n_patients):
        yield Progress(number, n_patients, f"drawing patient {number + 1}")
        cases.append(digital_case(FIRST_TRAINING_SEED + number))
    return tuple(cases)


def digital_case(seed: int, without: frozenset[SequenceKind] = NOTHING) -> TrainingCase:
    """Return one digital patient, shoulder to mid-calf, as a training case.

    Parameters
    ----------
    seed
        Number of the patient.
    without
        Sequences not to learn from; the others are as they would be with them.
    """
    patient = draw_patient(seed)
    imaged = protocol_grid(patient, whole_body_protocols()[0])
    grid = imaged.bounding_grid(GRID_MM)
    targets = _targets(patient)
    whole = tissue_map(patient, grid)
    around = [_surrounding_grid(target) for target in targets.tolist()]
    near = [None if part is None else tissue_map(patient, part) for part in around]
    images, near_images = [], []
    for number, (kind, contrast) in enumerate(
        _contrasts(np.random.default_rng([seed, 1]))
    ):
        if kind in without:
            continue
        # The same chance again makes the same contrast of every map.
        image = contrast(whole, rng=np.random.default_rng([seed, 2, number]))
        top = max(float(np.percentile(image[::2, ::2, ::2], 99.8)), 1e-6)
        images.append(_as_bytes(image, top))
        near_images.append(torch.zeros(len(near), *NEAR_SHAPE, dtype=torch.uint8))
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
            NEAR_MM,
            torch.tensor(np.array(origins), dtype=torch.float32),
        ),
    )


def _contrasts(
    rng: np.random.Generator,
) -> list[tuple[SequenceKind | None, Contrast]]:
    """Return how a patient's images are made; each takes its own chance."""
    others = rng.choice(len(OTHERS), N_OTHER_CONTRASTS, replace=False)
    kinds = [*ALWAYS, *(OTHERS[index] for index in others)]
    kinds.append(REGIONAL[int(rng.integers(len(REGIONAL)))])
    fields_tesla = rng.choice([1.5, 3.0], len(kinds)).tolist()
    found: list[tuple[SequenceKind | None, Contrast]] = []
    for kind, field_tesla in zip(kinds, fields_tesla, strict=True):
        physical = partial(physical_contrast, kind=kind, field_tesla=field_tesla)
        found.append((kind, physical))
    return found + [(None, random_contrast)] * N_RANDOM_CONTRASTS


def _surrounding_grid(target_lps_mm: list[float]) -> VoxelGrid | None:
    """Return the fine grid about a landmark; None if there is no landmark."""
    if any(math.isnan(x) for x in target_lps_mm):
        return None
    affine = np.diag([NEAR_MM, NEAR_MM, NEAR_MM, 1.0])
    affine[:3, 3] = np.array(target_lps_mm) - NEAR_MM * (np.array(NEAR_SHAPE) - 1) / 2
    return VoxelGrid(NEAR_SHAPE, affine)


def _as_bytes(image: npt.NDArray[np.float32], top: float) -> Tensor:
    return torch.from_numpy(np.round(np.clip(image / top, 0, 1) * 255).astype(np.uint8))


def _targets(patient: Patient) -> Tensor:
    found = patient_landmarks(patient)
    missing = (float("nan"),) * 3
    return torch.tensor([found.get(name, missing) for name in LANDMARKS])


_VIEW = ViewSettings(
    rotation_degrees=8.0,
    scale=0.07,
    elastic_mm=4.0,
    elastic_grid_mm=80.0,
    extent_mm=((110.0, 140.0, 72.0), (540.0, 400.0, 1300.0)),
    whole_share=0.55,
    whole_extent_mm=(540.0, 400.0, 1300.0),
    landmark_share=0.7,
    shift_mm=20.0,
    # Of physical contrasts, too, for sequences that are not among them.
    remap_share=0.25,
    blur_mm=6.0,
    noise=0.05,
    bias=0.3,
)


def _stage(
    n_updates: int, learning_rate: float, n_starts: int, n_fine_landmarks: int = 8
) -> DenseTrainingSettings:
    return DenseTrainingSettings(
        n_updates=n_updates,
        n_starts=n_starts,
        n_fine_landmarks=n_fine_landmarks,
        learning_rate=learning_rate,
        outside_weight=0.1,
        view=_VIEW,
    )


RECIPE = Recipe(
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
    config=DenseQConfig(n_landmarks=len(LANDMARKS), base_mm=8.0, has_detail=True),
    stages=(
        _stage(6500, 2e-3, 192),
        _stage(4000, 1.2e-3, 128),
        _stage(4000, 1e-3, 128, n_fine_landmarks=10),
    ),
    make_cases=digital_cases,
    data=(
        f"{N_PATIENTS} procedural digital patients (numbers {FIRST_TRAINING_SEED} to "
        f"{FIRST_TRAINING_SEED + N_PATIENTS - 1}) each in six physical and two "
        "random contrasts; "
        "no image of a person."
    ),
    licence="BSD-3-Clause, as the program that draws them",
    intended_use=(
        "Research and teaching: a first guess of landmarks for a person to check, "
        "and a start for fine-tuning."
    ),
    limits=(
        "Not a medical device. Never saw a real patient in training. Sees about 4 mm: "
        "single landmarks, nipples above all, are missed by more than 10 mm now and "
        "then. Knows whole bodies from shoulder to mid-calf. In breast images of 3 "
        "women nipples were found within 6 mm, in prostate images of 5 men the "
        "prostate within 8 mm, subtraction and diffusion included; trochanters at the "
        "rim of prostate images are missed by 4 to 5 cm: seek what the image is of. A "
        "prostate is found in women, too."
    ),
)
