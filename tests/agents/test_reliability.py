"""How sure an answer is, and what is refused: numbers of a card at work."""

import math
import pickle

import numpy as np
import pytest

from napari_midrl.agents.reliability import Reliability

PLAIN = Reliability([1.0, 0.0], [2.0, 1.0], [3.0, 0.0], bias=-0.5)
KNOWING = Reliability(
    [1.0, 0.0],
    [2.0, 1.0],
    [3.0, 0.0],
    bias=-0.5,
    landmark_bias={"heart": 1.5},
    reject_below={"heart": 0.2, "prostate": 0.01},
)


def test_log_odds_are_those_of_standardized_numbers():
    """Standardized (5 - 1) / 2 = 2, so 3 x 2 - 0.5 = 5.5."""
    assert PLAIN.log_odds("heart", (5.0, 9.0)) == pytest.approx(5.5)
    assert PLAIN.confidence("heart", (5.0, 9.0)) == pytest.approx(
        1 / (1 + math.exp(-5.5))
    )


def test_a_landmark_has_its_own_bias():
    assert KNOWING.log_odds("heart", (5.0, 9.0)) == pytest.approx(7.0)
    assert KNOWING.log_odds("prostate", (5.0, 9.0)) == pytest.approx(5.5)


def test_every_landmark_is_refused_below_its_own_limit():
    assert KNOWING.refuses("heart", 0.19)
    assert not KNOWING.refuses("heart", 0.2)
    assert not KNOWING.refuses("prostate", 0.19)
    assert KNOWING.refuses("prostate", 0.009)


def test_a_landmark_without_a_limit_is_never_refused():
    assert not KNOWING.refuses("left knee", 0.0)
    assert not PLAIN.refuses("heart", 0.0)


def test_it_tells_of_which_landmarks_it_speaks():
    assert KNOWING.landmarks == {"heart", "prostate"}


def test_another_process_gets_the_same():
    there = pickle.loads(pickle.dumps(KNOWING))  # our own bytes
    assert there.log_odds("heart", (5.0, 9.0)) == KNOWING.log_odds("heart", (5.0, 9.0))
    assert dict(there.reject_below) == dict(KNOWING.reject_below)
    assert dict(there.landmark_bias) == dict(KNOWING.landmark_bias)


def test_far_off_evidence_is_no_overflow():
    assert PLAIN.confidence("heart", (1e6, 0)) == 1.0
    assert PLAIN.confidence("heart", (-1e6, 0)) == 0.0


def test_what_was_fitted_cannot_be_changed():
    limits = {"heart": 0.2}
    frozen = Reliability([0.0], [1.0], [1.0], 0.0, {}, limits)
    limits["heart"] = 1.0
    assert frozen.reject_below["heart"] == 0.2
    with pytest.raises(TypeError):
        frozen.reject_below["heart"] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        frozen.weights[0] = 2.0


@pytest.mark.parametrize(
    "changes",
    [
        {"means": np.zeros(2)},
        {"weights": np.full(3, np.nan)},
        {"scales": np.zeros(3)},
        {"bias": np.inf},
        {"landmark_bias": {"heart": np.nan}},
        {"reject_below": {"heart": 1.5}},
        {"reject_below": {"heart": -0.1}},
        {"reject_below": {"heart": np.nan}},
        {"means": np.zeros((3, 1))},
    ],
)
def test_bad_numbers_are_refused(changes):
    good = {
        "means": np.zeros(3),
        "scales": np.ones(3),
        "weights": np.ones(3),
        "bias": 0.0,
        "landmark_bias": {"heart": 1.0},
        "reject_below": {"heart": 0.1},
    }
    Reliability(**good)
    with pytest.raises(ValueError, match=r"shapes|finite|reject_below"):
        Reliability(**{**good, **changes})
