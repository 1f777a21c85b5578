"""Confidence and limits are fitted to answers whose truth is known."""

import math

import numpy as np
import pytest

from napari_midrl.agents import reliability_fit
from napari_midrl.agents.reliability_fit import (
    Judged,
    fitted,
    held_out_odds,
    limit_below,
    regression,
)

N = 4000
LIFT = {"heart": 1.5, "prostate": -1.5}
"""Log odds that a landmark has beside what the evidence says."""


def judged(seed, n=N, n_patients=8):
    """Return answers whose odds are known; the third number says nothing."""
    rng = np.random.default_rng(seed)
    evidence = rng.normal(0, [1.0, 3.0, 1.0], (n, 3))
    landmarks = rng.choice(list(LIFT), n)
    odds = 2.0 * evidence[:, 0] - 0.5 * evidence[:, 1] - 0.4
    odds += [LIFT[name] for name in landmarks]
    right = rng.random(n) < 1 / (1 + np.exp(-odds))
    return Judged(evidence, landmarks, rng.integers(0, n_patients, n), right, right)


ANSWERS = judged(4)
FITTED = fitted(ANSWERS)


def confidences(reliability, answers):
    return np.array(
        [
            reliability.confidence(name, numbers)
            for name, numbers in zip(answers.landmarks, answers.evidence, strict=True)
        ]
    )


@pytest.mark.parametrize("landmark", LIFT)
def test_a_confidence_is_the_share_of_such_answers_that_are_right(landmark):
    """Of each landmark for itself, though the evidence is the same."""
    fresh = judged(5)
    fresh = fresh.only(fresh.landmarks == landmark)
    said = confidences(FITTED, fresh)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        those = (said >= low) & (said < low + 0.2)
        assert those.sum() > 100
        share = fresh.is_right[those].mean()
        assert share == pytest.approx(said[those].mean(), abs=0.08)


def test_numbers_that_say_nothing_do_not_count():
    evidence = np.column_stack([ANSWERS.evidence, np.full(N, 7.0)])
    found = regression(
        Judged(
            evidence,
            ANSWERS.landmarks,
            ANSWERS.patients,
            ANSWERS.is_right,
            ANSWERS.is_there,
        )
    )
    assert abs(found.weights[3]) < 1e-6
    assert abs(found.weights[2]) < 0.2 < found.weights[0]
    assert found.landmark_bias["heart"] - found.landmark_bias["prostate"] > 2
    assert not found.reject_below


def test_one_right_answer_leaves_a_wide_margin():
    """The next is below it with 1/2, and t below it with exp(-t)/2: log(2 x 0.01)."""
    assert limit_below([1.5], lost=0.01) == pytest.approx(1.5 + math.log(0.02))


def test_the_lowest_answers_each_speak_for_a_limit(monkeypatch):
    """Of three: 0 - log(1/.04), 1 - log(2/.04), 4 - log(3/.04), their mean."""
    said = [math.log(0.04), 1 + math.log(0.02), 4 + math.log(0.04 / 3)]
    assert limit_below([4.0, 0.0, 1.0], lost=0.01) == pytest.approx(np.mean(said))
    monkeypatch.setattr(reliability_fit, "N_LOWEST", 2)
    assert limit_below([4.0, 0.0, 1.0], lost=0.01) == pytest.approx(np.mean(said[:2]))


def test_many_right_answers_leave_no_margin():
    odds = np.arange(5000.0)
    assert limit_below(odds, lost=0.01) == pytest.approx(2.0)


def test_more_right_answers_allow_a_higher_limit():
    limits = [limit_below(np.zeros(n)) for n in (1, 10, 100, 1000)]
    assert limits == sorted(limits)
    assert limits[0] == pytest.approx(math.log(2 * reliability_fit.LOST))


def test_a_freak_does_not_decide_alone():
    odds = np.linspace(0, 3, 60)
    freak = np.append(odds[1:], -20.0)
    assert limit_below(odds) - 5 < limit_below(freak) < limit_below(odds)


def test_a_limit_of_nothing_is_a_mistake():
    with pytest.raises(ValueError, match="at least one"):
        limit_below([])


def test_limits_refuse_what_they_should_of_patients_they_were_not_fitted_to():
    fresh = judged(6)
    said = confidences(FITTED, fresh)
    refused = np.array(
        [
            FITTED.refuses(name, share)
            for name, share in zip(fresh.landmarks, said, strict=True)
        ]
    )
    for landmark in LIFT:
        own = fresh.landmarks == landmark
        assert refused[own & fresh.is_there].mean() < 3 * reliability_fit.LOST
        assert refused[own & ~fresh.is_right].mean() > 0.05


def test_every_landmark_has_a_limit_of_its_own_kind():
    """Agents are less sure of the prostate that is there than of the heart."""
    assert set(FITTED.reject_below) == set(LIFT)
    assert FITTED.reject_below["prostate"] < FITTED.reject_below["heart"] < 0.5


def test_a_landmark_that_was_never_found_has_no_limit():
    is_heart = ANSWERS.landmarks == "heart"
    blind = Judged(
        ANSWERS.evidence,
        ANSWERS.landmarks,
        ANSWERS.patients,
        ANSWERS.is_right & ~is_heart,
        ANSWERS.is_there & ~is_heart,
    )
    found = fitted(blind)
    assert set(found.reject_below) == {"prostate"}
    assert not found.refuses("heart", 0.0)
    assert found.landmark_bias["heart"] < found.landmark_bias["prostate"] - 2


def test_no_patient_judges_itself():
    """One patient's truth turned round changes the odds of others, not its own."""
    odds = held_out_odds(ANSWERS)
    turned = ANSWERS.patients == 3
    changed = held_out_odds(
        Judged(
            ANSWERS.evidence,
            ANSWERS.landmarks,
            ANSWERS.patients,
            ANSWERS.is_right ^ turned,
            ANSWERS.is_there,
        )
    )
    assert np.array_equal(changed[turned], odds[turned])
    assert not np.isclose(changed[~turned], odds[~turned]).any()


def test_a_single_patient_is_judged_by_itself():
    alone = judged(7, n=300, n_patients=1)
    whole = regression(alone)
    expected = [
        whole.log_odds(name, numbers)
        for name, numbers in zip(alone.landmarks, alone.evidence, strict=True)
    ]
    assert held_out_odds(alone) == pytest.approx(expected)
    assert set(fitted(alone).reject_below) == set(LIFT)


@pytest.mark.parametrize("right", [True, False])
def test_answers_of_one_kind_tell_nothing(right):
    same = np.full(3, right)
    with pytest.raises(ValueError, match="wrong ones"):
        Judged(np.zeros((3, 2)), np.array(["a"] * 3), np.zeros(3), same, same)


def test_columns_of_different_lengths_are_a_mistake():
    right = np.array([True, False])
    with pytest.raises(ValueError, match="as many"):
        Judged(np.zeros((2, 2)), np.array(["a"]), np.zeros(2), right, right)
