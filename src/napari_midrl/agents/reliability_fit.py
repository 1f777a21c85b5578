"""Fit how sure agents may be, and what they refuse, to answers whose truth is known.

The confidence is a logistic regression on all answers. The limits are of answers that
the regression was not fitted to: every patient is judged by a regression on the
others, else the limits would be those of answers it has learned by heart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from napari_midrl.agents.reliability import Reliability, share_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

RIDGE = 0.003
"""Penalty on squared weights; of a few thousand answers about as many are alike."""

BIAS_RIDGE = 0.0003
"""Penalty on squared biases of landmarks, which every one of their answers shares."""

LOST = 0.002
"""Share of the answers about a landmark, of those that are there, that its limit may
refuse in patients it was not fitted to."""

N_LOWEST = 5
"""Answers of a landmark that tell its limit; more refuse more, and lose more."""


@dataclass(frozen=True, eq=False)
class Judged:
    """Answers whose truth is known.

    Parameters
    ----------
    evidence
        Shape (n_answers, n).
    landmarks
        What was sought, shape (n_answers,), str.
    patients
        In whom, shape (n_answers,); answers in one patient are no independent ones.
    is_right
        Near enough to be called right, shape (n_answers,), bool.
    is_there
        Not lost: near enough not to be refused, shape (n_answers,), bool.

    Raises
    ------
    ValueError
        If lengths differ, no answer is right, or none is wrong.
    """

    evidence: Floats
    landmarks: npt.NDArray[np.str_]
    patients: npt.NDArray[np.int64]
    is_right: npt.NDArray[np.bool_]
    is_there: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        columns = (self.landmarks, self.patients, self.is_right, self.is_there)
        lengths = {len(self.evidence), *(len(column) for column in columns)}
        if len(lengths) > 1:
            msg = f"needs as many of everything, got {sorted(lengths)}"
            raise ValueError(msg)
        if self.is_right.all() or not self.is_right.any():
            msg = "needs right answers and wrong ones"
            raise ValueError(msg)

    def only(self, rows: npt.NDArray[np.bool_]) -> Judged:
        """Return some of the answers."""
        return Judged(
            self.evidence[rows],
            self.landmarks[rows],
            self.patients[rows],
            self.is_right[rows],
            self.is_there[rows],
        )


def fitted(answers: Judged) -> Reliability:
    """Return the reliability that fits the answers, with a limit for each landmark.

    A landmark of which no answer is there has no limit: nothing tells how sure agents
    are of it where it is.
    """
    odds = held_out_odds(answers)
    limits = {}
    for landmark in dict.fromkeys(answers.landmarks.tolist()):
        those = odds[answers.is_there & (answers.landmarks == landmark)]
        if len(those):
            limits[landmark] = float(share_of(limit_below(those)))
    return replace(regression(answers), reject_below=limits)


def limit_below(odds: npt.ArrayLike, lost: float = LOST) -> float:
    """Return the log odds below which a share `lost` of further answers is expected.

    The lowest of n answers is no such limit: the next one is below the k-th lowest with
    a probability of k / (n + 1). By the meaning of log odds right answers become e
    times rarer beside wrong ones with every unit down; if they go on to do so, the next
    is t below the k-th lowest with a probability of exp(-t) k / (n + 1). So few answers
    leave a wide margin, and from 1 / `lost` on there is hardly any. Each of the lowest
    `N_LOWEST` says where the limit is, and the mean of what they say counts: the one
    lowest alone, often a freak, would decide how much is refused.

    Parameters
    ----------
    odds
        Log odds of answers that must not be refused, at least one.
    lost
        More than 0, up to 1.

    Raises
    ------
    ValueError
        If there is no answer.
    """
    known = np.sort(np.asarray(odds, np.float64))
    if not known.size:
        msg = "needs at least one answer that must not be refused"
        raise ValueError(msg)
    lowest = known[:N_LOWEST]
    ranks = np.arange(1, len(lowest) + 1)
    margins = np.log(lost * (known.size + 1) / ranks)
    # No answer speaks for a limit above itself.
    return float((lowest + np.minimum(margins, 0)).mean())


def held_out_odds(answers: Judged) -> Floats:
    """Return the log odds of every answer by a regression on the other patients.

    Where the others tell nothing, as where there are none, by one on all.
    """
    odds = np.empty(len(answers.evidence))
    for patient in np.unique(answers.patients):
        own = answers.patients == patient
        right = answers.is_right[~own]
        tells = right.any() and not right.all()
        judge = regression(answers.only(~own) if tells else answers)
        odds[own] = [
            judge.log_odds(str(landmark), numbers)
            for landmark, numbers in zip(
                answers.landmarks[own], answers.evidence[own], strict=True
            )
        ]
    return odds


def regression(answers: Judged) -> Reliability:
    """Return the confidence that fits the answers; it refuses nothing."""
    numbers, right = answers.evidence, answers.is_right
    names, which = np.unique(answers.landmarks, return_inverse=True)
    means, scales = numbers.mean(axis=0), numbers.std(axis=0)
    scales = np.where(scales > 1e-6, scales, 1.0)
    n = len(means)
    design = np.column_stack(
        [(numbers - means) / scales, np.eye(len(names))[which], np.ones(len(numbers))]
    )
    ridge = np.repeat([RIDGE, BIAS_RIDGE, 0.0], [n, len(names), 1])
    sign = np.where(right, 1.0, -1.0)

    def loss(weights: Floats) -> tuple[float, Floats]:
        odds = design @ weights
        value = np.logaddexp(0, -sign * odds).mean() + ridge @ weights**2
        slope = -(design * (sign * share_of(-sign * odds))[:, None]).mean(axis=0)
        return float(value), slope + 2 * ridge * weights

    found = minimize(loss, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B").x
    biases = dict(zip(names.tolist(), found[n:-1].tolist(), strict=True))
    return Reliability(means, scales, found[:n], float(found[-1]), biases)
