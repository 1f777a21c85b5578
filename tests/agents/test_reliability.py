"""How sure an answer is: fitted to answers whose truth is known."""

import numpy as np
import pytest

from napari_midrl.agents.reliability import Reliability

RNG = np.random.default_rng(4)
N = 4000
EVIDENCE = RNG.normal(0, [1.0, 3.0, 1.0], (N, 3))
ODDS = 2.0 * EVIDENCE[:, 0] - 0.5 * EVIDENCE[:, 1] - 0.4
IS_RIGHT = RNG.random(N) < 1 / (1 + np.exp(-ODDS))
FITTED = Reliability.fitted(EVIDENCE, IS_RIGHT, IS_RIGHT)


def test_a_confidence_is_the_share_of_such_answers_that_are_right():
    fresh = np.random.default_rng(5).normal(0, [1.0, 3.0, 1.0], (N, 3))
    odds = 2.0 * fresh[:, 0] - 0.5 * fresh[:, 1] - 0.4
    right = np.random.default_rng(6).random(N) < 1 / (1 + np.exp(-odds))
    said = np.array([FITTED.confidence(row) for row in fresh])
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        those = (said >= low) & (said < low + 0.2)
        assert those.sum() > 100
        assert right[those].mean() == pytest.approx(said[those].mean(), abs=0.06)


def test_the_limit_keeps_what_it_is_told_to_keep():
    for keep in (0.99, 0.9):
        found = Reliability.fitted(EVIDENCE, IS_RIGHT, IS_RIGHT, keep=keep)
        said = np.array([found.confidence(row) for row in EVIDENCE[IS_RIGHT]])
        assert (said >= found.reject_below).mean() == pytest.approx(keep, abs=0.002)
        wrong = np.array([found.confidence(row) for row in EVIDENCE[~IS_RIGHT]])
        assert (wrong < found.reject_below).mean() > 1 - keep
    said = np.array([FITTED.confidence(row) for row in EVIDENCE[IS_RIGHT]])
    assert said.min() == pytest.approx(FITTED.reject_below)


def test_numbers_that_say_nothing_do_not_count():
    constant = np.column_stack([EVIDENCE, np.full(N, 7.0)])
    found = Reliability.fitted(constant, IS_RIGHT, IS_RIGHT)
    assert abs(found.weights[3]) < 1e-6
    assert abs(found.weights[2]) < 0.2 < found.weights[0]


def test_far_off_evidence_is_no_overflow():
    assert FITTED.confidence((1e6, 0, 0)) == 1.0
    assert FITTED.confidence((-1e6, 0, 0)) == 0.0


@pytest.mark.parametrize("right", [True, False])
def test_answers_of_one_kind_tell_nothing(right):
    with pytest.raises(ValueError, match="wrong ones"):
        Reliability.fitted(EVIDENCE, np.full(N, right), np.full(N, right))


@pytest.mark.parametrize(
    "changes",
    [
        {"means": np.zeros(2)},
        {"weights": np.full(3, np.nan)},
        {"scales": np.zeros(3)},
        {"bias": np.inf},
        {"reject_below": 1.5},
        {"means": np.zeros((3, 1))},
    ],
)
def test_bad_numbers_are_refused(changes):
    good = {
        "means": np.zeros(3),
        "scales": np.ones(3),
        "weights": np.ones(3),
        "bias": 0.0,
        "reject_below": 0.1,
    }
    Reliability(**good)
    with pytest.raises(ValueError, match=r"shapes|finite|reject_below"):
        Reliability(**{**good, **changes})
