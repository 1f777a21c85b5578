"""The experience that a pack learned from, as far as it can be had again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_midrl.data.progress import Progress
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED
from napari_midrl.training.coreset import recalled, with_landmarks
from napari_midrl.training.dense_loop import Past
from napari_midrl.training.digital_patient import CONFIG, LANDMARKS, digital_case
from napari_midrl.training.digital_patient import RECIPE as DIGITAL_PATIENT

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_midrl.io.coreset import StoredCase
    from napari_midrl.training.cases import TrainingCase

N_PATIENTS = 12
"""Digital patients that are drawn again."""

VIEW = [s for s in DIGITAL_PATIENT.stages if s.learns != "organs"][-1].view
"""Views of past cases: those that digital patients were learned from, of all that they
show. No view is larger than its case, so they suit smaller cases, too."""

REGENERATED = ("digital-patient",)
"""Recipes whose cases can be made anew wherever the program runs."""


def past_cases(
    recipe: str, coreset: Sequence[StoredCase], landmarks: Sequence[str]
) -> Generator[Progress, None, tuple[tuple[TrainingCase, ...], tuple[float, ...]]]:
    """Yield progress and return past cases and how much each counts.

    Drawn patients, together, count as much as the whole coreset.

    Parameters
    ----------
    recipe
        Whose cases are made anew; another than of `REGENERATED` makes none.
    coreset
        Cases that the pack carries.
    landmarks
        Of the new network, old ones first.
    """
    cases = [recalled(case, landmarks) for case in coreset]
    total = sum(case.weight for case in coreset)
    weights = [case.weight / total for case in coreset]
    if recipe in REGENERATED:
        for number in range(N_PATIENTS):
            yield Progress(number, N_PATIENTS, f"drawing past patient {number + 1}")
            drawn = digital_case(FIRST_TRAINING_SEED + number, CONFIG.data)
            cases.append(with_landmarks(drawn, LANDMARKS, landmarks))
            weights.append(1 / N_PATIENTS)
    return tuple(cases), tuple(weights)


def past_of(
    cases: Sequence[TrainingCase],
    weights: Sequence[float],
    share: float,
    *,
    is_relearned: bool = False,
) -> Past | None:
    """Return past cases as what a training mixes in; None without any."""
    if not cases or not share:
        return None
    return Past(tuple(cases), torch.tensor(weights), share, VIEW, is_relearned)
