"""Recipe of the pack `digital-patient`: agents that learned on digital patients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_midrl.agents.dense_network import DenseQConfig
from napari_midrl.data.progress import Progress
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED, draw_patient
from napari_midrl.phantom.protocols import protocol_grid, whole_body_protocols
from napari_midrl.phantom.render import patient_landmarks, tissue_map
from napari_midrl.phantom.training_views import physical_contrast, random_contrast
from napari_midrl.training.dense_loop import DenseTrainingSettings
from napari_midrl.training.recipes import Recipe
from napari_midrl.training.views import TrainingCase, ViewSettings

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import numpy.typing as npt
    from torch import Tensor

    from napari_midrl.phantom.patient import Patient

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
N_PATIENTS = 120
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


def digital_case(seed: int) -> TrainingCase:
    """Return one digital patient, shoulder to mid-calf, as a training case."""
    patient = draw_patient(seed)
    imaged = protocol_grid(patient, whole_body_protocols()[0])
    grid = imaged.bounding_grid(GRID_MM)
    tissues = tissue_map(patient, grid)
    rng = np.random.default_rng([seed, 1])
    others = rng.choice(len(OTHERS), N_OTHER_CONTRASTS, replace=False)
    images = []
    for kind in (*ALWAYS, *(OTHERS[index] for index in others)):
        field_tesla = float(rng.choice([1.5, 3.0]))
        images.append(physical_contrast(tissues, kind, field_tesla, rng))
    regional = REGIONAL[int(rng.integers(len(REGIONAL)))]
    field_tesla = float(rng.choice([1.5, 3.0]))
    images.append(physical_contrast(tissues, regional, field_tesla, rng))
    images += [random_contrast(tissues, rng) for _ in range(N_RANDOM_CONTRASTS)]
    return TrainingCase(
        name=f"digital patient {seed}",
        images=tuple(_as_bytes(image) for image in images),
        spacing_mm=torch.tensor(grid.spacing_mm, dtype=torch.float32),
        origin_lps_mm=torch.tensor(grid.affine_lps[:3, 3], dtype=torch.float32),
        targets_lps_mm=_targets(patient),
    )


def _as_bytes(image: npt.NDArray[np.float32]) -> Tensor:
    top = float(np.percentile(image[::2, ::2, ::2], 99.8))
    scaled = np.clip(image / max(top, 1e-6), 0, 1) * 255
    return torch.from_numpy(np.round(scaled).astype(np.uint8))


def _targets(patient: Patient) -> Tensor:
    found = patient_landmarks(patient)
    missing = (float("nan"),) * 3
    return torch.tensor([found.get(name, missing) for name in LANDMARKS])


_VIEW = ViewSettings(
    rotation_degrees=8.0,
    scale=0.07,
    elastic_mm=4.0,
    elastic_grid_mm=80.0,
    extent_mm=((130.0, 170.0, 150.0), (540.0, 400.0, 1300.0)),
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
    config=DenseQConfig(n_landmarks=len(LANDMARKS), base_mm=8.0),
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
