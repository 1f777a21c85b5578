"""How near predictions come: millimeters, detection rates, box overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

SUCCESS_RADII_MM = (2.0, 4.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class ErrorSummary:
    """Localization errors of one landmark in one kind of image.

    Parameters
    ----------
    n
        Cases in which the landmark exists.
    n_missed
        Of those, how many got no position. They have no error in mm and count as
        failures in `success_at_mm`.
    mean_mm, sd_mm, median_mm, p90_mm
        Of the cases that got a position; NaN if there are none.
    success_at_mm
        Share of all n cases within that radius.
    """

    n: int
    n_missed: int
    mean_mm: float
    sd_mm: float
    median_mm: float
    p90_mm: float
    success_at_mm: dict[float, float]


def error_mm(
    predicted_lps_mm: npt.ArrayLike, true_lps_mm: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return Euclidean distances in mm; shape (*any,) from (*any, 3)."""
    difference = np.asarray(predicted_lps_mm, float) - np.asarray(true_lps_mm, float)
    distance: npt.NDArray[np.float64] = np.linalg.norm(difference, axis=-1)
    return distance


def summarize_errors(errors_mm: Sequence[float]) -> ErrorSummary:
    """Return the summary of errors; NaN marks a case that got no position.

    Raises
    ------
    ValueError
        If there is no case.
    """
    all_cases = np.asarray(errors_mm, dtype=float)
    if all_cases.size == 0:
        msg = "need at least one case to summarize"
        raise ValueError(msg)
    placed = all_cases[~np.isnan(all_cases)]
    nothing = placed.size == 0
    return ErrorSummary(
        n=int(all_cases.size),
        n_missed=int(np.isnan(all_cases).sum()),
        mean_mm=float("nan") if nothing else float(placed.mean()),
        sd_mm=float("nan") if nothing else float(placed.std()),
        median_mm=float("nan") if nothing else float(np.median(placed)),
        p90_mm=float("nan") if nothing else float(np.percentile(placed, 90)),
        success_at_mm={
            radius: float((placed <= radius).sum() / all_cases.size)
            for radius in SUCCESS_RADII_MM
        },
    )
