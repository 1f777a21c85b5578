"""How sure a search may be: what agents promise themselves where they rest.

Where a landmark is, the best move from it is worth little and every agent's neighbors
agree on that from the coarsest scale to the finest. Where an image does not show the
landmark, agents rest all the same, and all of them in one place, but what they promise
themselves there does not fit. A logistic regression on these numbers, fitted to digital
patients the agents did not learn from, says how often an answer like this one is right.
It also says "not in this volume" where it hardly ever is.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_midrl.agents.dense_search import Leg
    from napari_midrl.agents.working_view import WorkingView

    Floats = npt.NDArray[np.float64]

RIDGE = 0.003
"""Penalty on squared weights; of a few thousand answers about as many are alike."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """From the evidence of a search to the share of such answers that are right.

    Parameters
    ----------
    means, scales
        Of each number of the evidence, shape (n,).
    weights
        Of the numbers so standardized, shape (n,).
    bias
        Log odds where all numbers are at their means.
    reject_below
        Confidence under which an answer counts as "not in this volume".

    Raises
    ------
    ValueError
        If shapes differ, numbers are not finite, a scale is not positive, or the limit
        is not 0 to 1.
    """

    means: Floats
    scales: Floats
    weights: Floats
    bias: float
    reject_below: float

    def __post_init__(self) -> None:
        for name in ("means", "scales", "weights"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        arrays = (self.means, self.scales, self.weights)
        if self.means.ndim != 1 or len({array.shape for array in arrays}) > 1:
            msg = f"shapes must be one, got {[array.shape for array in arrays]}"
            raise ValueError(msg)
        numbers = np.concatenate([*arrays, [self.bias, self.reject_below]])
        if not np.isfinite(numbers).all() or (self.scales <= 0).any():
            msg = "means, scales, weights and bias must be finite, scales positive"
            raise ValueError(msg)
        if not 0 <= self.reject_below <= 1:
            msg = f"reject_below must be 0 to 1, got {self.reject_below}"
            raise ValueError(msg)

    def confidence(self, evidence: Sequence[float]) -> float:
        """Return the share of answers with this evidence that are right, 0 to 1."""
        return float(_share(self._log_odds(np.array([evidence], np.float64)))[0])

    def _log_odds(self, evidence: Floats) -> Floats:
        standard = (evidence - self.means) / self.scales
        odds: Floats = standard @ self.weights + self.bias
        return odds

    @classmethod
    def fitted(
        cls,
        evidence: npt.ArrayLike,
        is_right: npt.ArrayLike,
        is_there: npt.ArrayLike,
        keep: float = 1.0,
    ) -> Reliability:
        """Return the reliability that fits answers whose truth is known.

        Parameters
        ----------
        evidence
            Shape (n_answers, n).
        is_right
            Near enough to be called right, shape (n_answers,), bool.
        is_there
            Not lost: near enough not to be rejected, shape (n_answers,), bool.
        keep
            Share of the latter that is not rejected. By default all: some cells of
            landmark and sequence are rare, and a hundredth of all answers could be
            every one of them.

        Raises
        ------
        ValueError
            If no answer is right, or none is wrong.
        """
        numbers = np.asarray(evidence, np.float64)
        right, there = np.asarray(is_right, bool), np.asarray(is_there, bool)
        if right.all() or not right.any() or not there.any():
            msg = "needs right answers and wrong ones"
            raise ValueError(msg)
        means, scales = numbers.mean(axis=0), numbers.std(axis=0)
        scales = np.where(scales > 1e-6, scales, 1.0)
        design = np.column_stack([(numbers - means) / scales, np.ones(len(numbers))])
        sign = np.where(right, 1.0, -1.0)

        def loss(weights: Floats) -> tuple[float, Floats]:
            odds = design @ weights
            wrongness = _share(-sign * odds)
            penalty = np.append(weights[:-1], 0.0)
            value = np.logaddexp(0, -sign * odds).mean() + RIDGE * penalty @ penalty
            slope = -(design * (sign * wrongness)[:, None]).mean(axis=0)
            return float(value), slope + 2 * RIDGE * penalty

        found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
        limit = float(np.quantile(_share(design @ found)[there], 1 - keep))
        return cls(means, scales, found[:-1], float(found[-1]), limit)


def evidence_size(n_scales: int) -> int:
    """Return how many numbers `evidence_of` gives for so many scales."""
    return 3 * n_scales + n_scales - 1 + 2


def evidence_of(
    legs: Sequence[Leg], number: int, view: WorkingView
) -> tuple[float, ...]:
    """Return what the starts of one landmark promise themselves, and where they rest.

    For every scale the best, the worst and the mean Q-value at rest; how far the next
    scale moved the middle of the starts, log(1 + mm); their scatter at last, log(1 +
    mm); and their distance from the edge of the image, log mm. Medians over the starts
    that came to rest, 0 where none did.

    Parameters
    ----------
    legs
        Of all scales.
    number
        Of the landmark in them.
    view
        What was searched.
    """
    base_mm = float(view.grid.spacing_mm[0])
    promised = [_at_rest(leg, number) for leg in legs]
    middles = [np.median(leg.endpoints[number], axis=0) for leg in legs]
    moved = [
        float(np.log1p(base_mm * np.linalg.norm(after - before)))
        for before, after in pairwise(middles)
    ]
    apart = np.linalg.norm(legs[-1].endpoints[number] - middles[-1], axis=1)
    to_edge = min((middles[-1] - view.low).min(), (view.high - middles[-1]).min())
    return (
        *(value for values in promised for value in values),
        *moved,
        float(np.log1p(base_mm * apart.mean())),
        float(np.log(max(base_mm * float(to_edge), 1.0))),
    )


def _at_rest(leg: Leg, number: int) -> tuple[float, float, float]:
    """Return the best, worst and mean Q-value where agents settled; medians."""
    starts = leg.closed[number].nonzero()[0]
    if len(starts) == 0 or len(leg.q_values) == 0:
        return 0.0, 0.0, 0.0
    settled = leg.q_values[leg.n_moves[number, starts], number, starts]
    best, worst = np.median(settled.max(axis=-1)), np.median(settled.min(axis=-1))
    return float(best), float(worst), float(np.median(settled.mean(axis=-1)))


def _share(log_odds: Floats) -> Floats:
    """Return the logistic function, without overflow."""
    share: Floats = 0.5 * (1 + np.tanh(0.5 * log_odds))
    return share
