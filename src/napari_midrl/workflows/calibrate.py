"""Find out how sure the answers of a pack are, and write it into its card."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import InputError, PackError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.model_store import (
    DENSE_ARCHITECTURE,
    ReliabilityStatement,
    find_pack,
    read_card,
    read_pack,
    write_card,
)
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.study import phantom_study
from napari_midrl.workflows.processes import results_in_order

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_midrl.data.volume import Volume

FIRST_SEED = 200_000
"""Digital patients that no training and no table uses."""

RIGHT_MM, THERE_MM = 5.0, 10.0
"""Up to which an answer counts as right, and as not lost; the latter is not to be
refused."""

CROPS = 4
"""Partial fields of view of every whole-body image, most landmarks outside of them."""

MIN_BODY_SHARE = 0.25


@dataclass(frozen=True)
class Answer:
    """One answer of agents whose truth is known.

    Parameters
    ----------
    landmark
        What was sought.
    patient, image
        Number of the digital patient, and name of its volume, which crops share.
    evidence
        `LandmarkResult.evidence`.
    error_mm
        Distance from the truth; infinite where the image does not show the landmark.
    """

    landmark: str
    patient: int
    image: str
    evidence: tuple[float, ...]
    error_mm: float


def calibrate(
    pack_name: str, n_patients: int = 8, n_jobs: int = 1
) -> Generator[Progress, None, ReliabilityStatement]:
    """Yield progress, and fit and store the reliability of a pack.

    Digital patients it did not learn from are searched whole, in part, and in the
    published fields of view of breast and prostate.

    Parameters
    ----------
    pack_name
        Of agents that know landmarks of the digital patient.
    n_patients
        To search, from `FIRST_SEED` on.
    n_jobs
        Patients searched at once, in processes.

    Raises
    ------
    PackError
        If the pack is missing, its agents give no evidence, or they know no landmark
        of the digital patient.
    InputError
        If its answers are all right or all wrong.
    """
    folder = find_pack(pack_name)
    card = read_card(folder)
    if card.architecture != DENSE_ARCHITECTURE:
        msg = f"agents of architecture {card.architecture} give no evidence"
        raise PackError(msg, folder)
    if not of_digital_patients(card.landmarks):
        msg = f"agents for {card.landmarks} know no landmark of the digital patient"
        raise PackError(msg, folder)
    seeds = range(FIRST_SEED, FIRST_SEED + n_patients)
    answers = yield from answers_in(folder, seeds, n_jobs)
    statement = fitted(answers, n_patients)
    if card.networks:
        fitted_to = [n for n in card.networks if of_digital_patients(n)]
        judged = [name for network in fitted_to for name in network]
        statement = statement.model_copy(update={"landmarks": judged})
    write_card(folder, card.model_copy(update={"reliability": statement}))
    return statement


def answers_in(
    folder: Path, seeds: Sequence[int], n_jobs: int
) -> Generator[Progress, None, list[Answer]]:
    """Yield progress and return what agents answer on digital patients.

    Parameters
    ----------
    folder
        Of the pack.
    seeds
        Numbers of the patients.
    n_jobs
        Patients searched at once, in processes.
    """
    answers: list[Answer] = []
    yield Progress(0, len(seeds), "searching digital patients")
    found = results_in_order(partial(answers_of, folder), seeds, n_jobs)
    with closing(found):
        for number, own in enumerate(found, start=1):
            answers += own
            yield Progress(number, len(seeds), f"{len(answers)} answers")
    return answers


def fitted(answers: list[Answer], n_patients: int) -> ReliabilityStatement:
    """Return the reliability that fits the answers.

    Raises
    ------
    InputError
        If they are all right or all wrong.
    """
    from napari_midrl.agents import reliability_fit

    errors = np.array([answer.error_mm for answer in answers])
    try:
        found = reliability_fit.fitted(
            reliability_fit.Judged(
                np.array([answer.evidence for answer in answers]),
                np.array([answer.landmark for answer in answers]),
                np.array([answer.patient for answer in answers]),
                errors <= RIGHT_MM,
                errors <= THERE_MM,
            )
        )
    except ValueError as error:
        raise InputError(str(error)) from error
    return ReliabilityStatement(
        means=found.means.round(5).tolist(),
        scales=found.scales.round(5).tolist(),
        weights=found.weights.round(5).tolist(),
        bias=round(found.bias, 5),
        landmark_bias={n: round(b, 5) for n, b in found.landmark_bias.items()},
        # Some are millionths: a number of decimals would make nothing of them.
        reject_below={n: float(f"{b:.4g}") for n, b in found.reject_below.items()},
        fitted_to=(
            f"{len(answers)} answers in {n_patients} digital patients from number "
            f"{FIRST_SEED} on, {np.mean(errors <= RIGHT_MM):.0%} of them within "
            f"{RIGHT_MM:g} mm; the rest farther off, or of landmarks that the image "
            f"does not show. Limits are to refuse {reliability_fit.LOST:.1%} of the "
            f"answers about a landmark that are within {THERE_MM:g} mm."
        ),
    )


def answers_of(folder: Path, seed: int) -> list[Answer]:
    """Return what agents answer on one digital patient, whole and in part."""
    from napari_midrl.agents.reliability import evidence_size
    from napari_midrl.localizers.midrl import config_of
    from napari_midrl.localizers.packs import localizer_of

    pack = read_pack(folder)
    # It refuses nothing: the fit is to learn from all answers.
    n = evidence_size(len(config_of(pack.card).scales))
    neutral = ReliabilityStatement(
        means=[0.0] * n, scales=[1.0] * n, weights=[0.0] * n, bias=0
    )
    bare = pack.card.model_copy(update={"reliability": neutral})
    localizer = localizer_of(replace(pack, card=bare))
    sex = draw_patient(seed).sex
    regions = ("whole body", "prostate" if sex == "male" else "breast")
    study, truth = finish(phantom_study(seed, regions=regions))
    there = {mark.name: mark.position_lps_mm for mark in truth.landmarks}
    rng = np.random.default_rng([seed, 3])
    sought = of_digital_patients(pack.card.landmarks)
    answers = []
    for volume in study.volumes:
        is_whole = volume.name.startswith("whole body")
        parts = [cropped(volume, rng) for _ in range(CROPS if is_whole else 0)]
        for shown in (volume, *parts):
            settings = SearchSettings(landmarks=sought, seed=int(rng.integers(1000)))
            for result in finish(localizer.localize(shown, settings)).results:
                place = there.get(result.name)
                error_mm = float("inf")
                if place is not None and bool(shown.grid.contains(place)):
                    found = result.position_lps_mm
                    if found is None:
                        continue
                    error_mm = float(np.linalg.norm(np.subtract(found, place)))
                elif result.position_lps_mm is None:
                    continue
                answers.append(
                    Answer(result.name, seed, volume.name, result.evidence, error_mm)
                )
    return answers


def of_digital_patients(landmarks: Sequence[str]) -> tuple[str, ...]:
    """Return those of which a digital patient tells whether and where they are."""
    from napari_midrl.training.digital_patient import LANDMARKS

    return tuple(name for name in landmarks if name in LANDMARKS)


def cropped(volume: Volume, rng: np.random.Generator) -> Volume:
    """Return a partial field of view of a volume, a slab more often than not.

    At least a quarter of it is body.
    """
    size, spacing_mm = np.array(volume.grid.shape_ijk), volume.grid.spacing_mm
    dark = 0.1 * float(volume.array.max())
    while True:
        edges_mm = np.exp(rng.uniform(np.log(90), np.log(400), 3))
        if rng.random() < 0.6:
            edges_mm[rng.integers(3)] = np.exp(rng.uniform(np.log(50), np.log(140)))
        part = np.clip(np.round(edges_mm / spacing_mm).astype(int), 2, size)
        first = np.array([rng.integers(0, n + 1) for n in size - part])
        box = tuple(slice(a, a + n) for a, n in zip(first, part, strict=True))
        array = volume.array[box]
        if float(np.mean(np.greater(array, dark))) > MIN_BODY_SHARE:
            break
    affine = volume.grid.affine_lps.copy()
    affine[:3, 3] = volume.grid.to_lps_mm(first)
    i, j, k = (int(n) for n in part)
    return replace(volume, array=array, grid=VoxelGrid((i, j, k), affine))
