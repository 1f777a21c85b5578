"""How sure a search may be: what agents promise themselves where they rest.

Where a landmark is, the best move from it is worth little and every agent's neighbors
agree on that from the coarsest scale to the finest. Where an image does not show the
landmark, agents rest all the same, and all of them in one place, but what they promise
themselves there does not fit, and from where they set out they expected little. A
logistic regression on these numbers and on which landmark it is, fitted to digital
patients the agents did not learn from, says how often an answer like this one is right.
Below a limit of each landmark's own the answer is "not in this volume": agents are less
sure of a prostate that is there than of a knee that is not.

How both are fitted: `agents.reliability_fit`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from napari_midrl.agents.dense_search import Leg
    from napari_midrl.agents.working_view import WorkingView

    Floats = npt.NDArray[np.float64]


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
    landmark_bias
        Log odds that come on top where this landmark is sought; 0 for others.
    reject_below
        Confidence under which an answer about this landmark counts as "not in this
        volume". One that is not named is never refused.

    Raises
    ------
    ValueError
        If shapes differ, numbers are not finite, a scale is not positive, or a limit
        is not 0 to 1.
    """

    means: Floats
    scales: Floats
    weights: Floats
    bias: float
    landmark_bias: Mapping[str, float] = field(default_factory=dict)
    reject_below: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("means", "scales", "weights"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        for name in ("landmark_bias", "reject_below"):
            by_landmark = MappingProxyType(dict(getattr(self, name)))
            object.__setattr__(self, name, by_landmark)
        arrays = (self.means, self.scales, self.weights)
        if self.means.ndim != 1 or len({array.shape for array in arrays}) > 1:
            msg = f"shapes must be one, got {[array.shape for array in arrays]}"
            raise ValueError(msg)
        biases = np.array([self.bias, *self.landmark_bias.values()], np.float64)
        numbers = np.concatenate([*arrays, biases])
        if not np.isfinite(numbers).all() or (self.scales <= 0).any():
            msg = "means, scales, weights and biases must be finite, scales positive"
            raise ValueError(msg)
        for landmark, limit in self.reject_below.items():
            if not 0 <= limit <= 1:
                msg = f"reject_below of {landmark!r} must be 0 to 1, got {limit}"
                raise ValueError(msg)

    def __reduce__(self) -> tuple[type[Reliability], tuple[object, ...]]:
        """Return how to make it again in another process; a proxy cannot go there."""
        numbers = self.means, self.scales, self.weights, self.bias
        return type(self), (*numbers, dict(self.landmark_bias), dict(self.reject_below))

    @property
    def landmarks(self) -> frozenset[str]:
        """Those it says something special about."""
        return frozenset(self.landmark_bias) | frozenset(self.reject_below)

    def confidence(self, landmark: str, evidence: npt.ArrayLike) -> float:
        """Return the share of answers with this evidence that are right, 0 to 1."""
        return float(share_of(self.log_odds(landmark, evidence)))

    def log_odds(self, landmark: str, evidence: npt.ArrayLike) -> float:
        """Return the same as log odds, which do not crowd together at 0 and 1."""
        standard = (np.asarray(evidence, np.float64) - self.means) / self.scales
        odds = float(standard @ self.weights) + self.bias
        return odds + self.landmark_bias.get(landmark, 0.0)

    def refuses(self, landmark: str, confidence: float) -> bool:
        """Return whether so little confidence means that it is not in the volume."""
        return confidence < self.reject_below.get(landmark, 0.0)


def evidence_size(n_scales: int) -> int:
    """Return how many numbers `evidence_of` gives for so many scales."""
    return 3 * n_scales + n_scales - 1 + 4


def evidence_of(
    legs: Sequence[Leg], number: int, view: WorkingView
) -> tuple[float, ...]:
    """Return what the starts of one landmark promise themselves, and where they rest.

    For every scale the best, the worst and the mean Q-value at rest; how far the next
    scale moved the middle of the starts, log(1 + mm); their scatter at last, log(1 +
    mm); their distance from the edge of the image, log mm. Medians over the starts
    that came to rest, 0 where none did. Then the best Q-value where they set out, all
    over the image, their mean: agents far from a landmark that is there expect to come
    nearer with every move. Last how much is imaged, log mm3: a small image shows few
    landmarks.

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
        _at_the_start(legs[0], number),
        float(np.log(np.maximum(base_mm * (view.high - view.low), 1.0)).sum()),
    )


def _at_rest(leg: Leg, number: int) -> tuple[float, float, float]:
    """Return the best, worst and mean Q-value where agents settled; medians."""
    starts = leg.closed[number].nonzero()[0]
    if len(starts) == 0 or len(leg.q_values) == 0:
        return 0.0, 0.0, 0.0
    settled = leg.q_values[leg.n_moves[number, starts], number, starts]
    best, worst = np.median(settled.max(axis=-1)), np.median(settled.min(axis=-1))
    return float(best), float(worst), float(np.median(settled.mean(axis=-1)))


def _at_the_start(coarsest: Leg, number: int) -> float:
    """Return the best Q-value where agents set out, their mean."""
    if len(coarsest.q_values) == 0:
        return 0.0
    return float(coarsest.q_values[0, number].max(axis=-1).mean())


def share_of(log_odds: npt.ArrayLike) -> Floats:
    """Return the logistic function, without overflow."""
    share: Floats = 0.5 * (1 + np.tanh(0.5 * np.asarray(log_odds, np.float64)))
    return share
