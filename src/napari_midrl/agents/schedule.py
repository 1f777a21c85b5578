"""How often an agent still tries a random move as training goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

PUBLISHED_EPSILON = ((1, 1.0), (10, 0.1), (320, 0.01))
"""(epoch, epsilon): the paper gives 1 to 0.1 by epoch 10; its code goes on to 0.01."""


def epsilon_at(
    epoch: float, points: Sequence[tuple[float, float]] = PUBLISHED_EPSILON
) -> float:
    """Return the share of random moves, linear between points and flat beyond them.

    Parameters
    ----------
    epoch
        From 1, as in the paper.
    points
        (epoch, epsilon) pairs, epochs ascending.
    """
    epochs, epsilons = zip(*points, strict=True)
    return float(np.interp(epoch, epochs, epsilons))


def epoch_of(update: int, updates_per_epoch: int) -> int:
    """Return the epoch, from 1, that an update (from 0) belongs to.

    Epsilon changes once per epoch, as published; a shorter training keeps its shape
    by shorter epochs.
    """
    return 1 + update // updates_per_epoch
