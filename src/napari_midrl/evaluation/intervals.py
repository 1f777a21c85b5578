"""How sure a number is: bootstrap intervals and a paired test, case by case."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Interval = tuple[float, float]

N_RESAMPLES = 2000
SEED = 0
_VALUES_AT_ONCE = 2_000_000
_TAILS_PERCENT = (2.5, 97.5)


@dataclass(frozen=True)
class PairedDifference:
    """How much nearer one pack comes than another on the same images.

    Parameters
    ----------
    n_pairs
        Images in which both packs gave a position.
    median_mm
        Median over those of the error of the first pack minus that of the other:
        negative where the first is nearer. NaN without a pair.
    interval_mm
        95 % bootstrap interval of the median; None with fewer than two cases.
    p_value
        Of the Wilcoxon signed-rank test, two-sided, on the cases' mean differences;
        NaN without a pair.
    """

    n_pairs: int
    median_mm: float
    interval_mm: Interval | None
    p_value: float


def bootstrap_interval(
    values: Sequence[float],
    cases: Sequence[str],
    statistic: Callable[..., Array],
) -> Interval | None:
    """Return the 95 % percentile bootstrap interval of a statistic over cases.

    Cases are drawn with replacement and bring all their images along: images of one
    patient err together, and drawing them singly would claim too much.

    Parameters
    ----------
    values
        One per image; NaN where there is none.
    cases
        The case each value belongs to.
    statistic
        `numpy.nanmean` or `numpy.nanmedian`.

    Returns
    -------
    low, high
        None if fewer than two cases have a value.

    Notes
    -----
    2000 resamples from a fixed seed, so that a report can be made again.
    """
    table = _by_case(values, cases)
    if len(table) < 2:
        return None
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(len(table), size=(N_RESAMPLES, len(table)))
    # In parts, or all landmarks of a thousand cases would fill the memory.
    n_parts = -(-N_RESAMPLES * table.size // _VALUES_AT_ONCE)
    resampled = [
        statistic(table[part].reshape(len(part), -1), axis=1)
        for part in np.array_split(drawn, min(n_parts, N_RESAMPLES))
    ]
    low, high = np.percentile(np.concatenate(resampled), _TAILS_PERCENT).tolist()
    return low, high


def paired_difference(
    errors_mm: Sequence[float], others_mm: Sequence[float], cases: Sequence[str]
) -> PairedDifference:
    """Return how the errors of one pack compare with another's on the same images.

    Parameters
    ----------
    errors_mm, others_mm
        One per image, in mm; NaN where that pack gave no position.
    cases
        The case each image belongs to.
    """
    differences = np.asarray(errors_mm, float) - np.asarray(others_mm, float)
    paired = differences[~np.isnan(differences)]
    if paired.size == 0:
        return PairedDifference(0, np.nan, None, np.nan)
    # One value per case: images of one patient are no independent witnesses.
    case_means = np.nanmean(_by_case(differences.tolist(), cases), axis=1)
    decided = case_means[case_means != 0]
    return PairedDifference(
        n_pairs=int(paired.size),
        median_mm=float(np.median(paired)),
        interval_mm=bootstrap_interval(differences.tolist(), cases, np.nanmedian),
        p_value=float(stats.wilcoxon(decided).pvalue) if decided.size else 1.0,
    )


def _by_case(values: Sequence[float], cases: Sequence[str]) -> Array:
    """Return one row per case that has a value, padded with NaN."""
    rows: dict[str, list[float]] = defaultdict(list)
    for value, case in zip(values, cases, strict=True):
        if not np.isnan(value):
            rows[case].append(value)
    table = np.full((len(rows), max(map(len, rows.values()), default=0)), np.nan)
    for row, numbers in zip(table, rows.values(), strict=True):
        row[: len(numbers)] = numbers
    return table
