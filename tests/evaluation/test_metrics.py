"""Millimeters, shares and missed cases, worked by hand."""

import math

import numpy as np
import pytest

from napari_midrl.evaluation.metrics import (
    SUCCESS_RADII_MM,
    error_mm,
    summarize_errors,
)


def test_the_error_is_the_euclidean_distance():
    assert error_mm((1, 2, 3), (4, 6, 3)) == pytest.approx(5)


def test_errors_of_many_points_keep_their_shape():
    predicted = np.zeros((2, 3, 3))
    assert error_mm(predicted, predicted - [0, 0, 2]).tolist() == [[2.0] * 3] * 2


def test_a_summary_of_four_cases():
    summary = summarize_errors([1.0, 2.0, 4.0, 9.0])
    assert summary.n == 4
    assert summary.n_missed == 0
    assert summary.mean_mm == pytest.approx(4)
    assert summary.median_mm == pytest.approx(3)
    # Deviations -3, -2, 0, 5.
    assert summary.sd_mm == pytest.approx(math.sqrt(38 / 4))
    # Nine tenths of the way from the first to the last: 4 + 0.7 * 5.
    assert summary.p90_mm == pytest.approx(7.5)
    assert summary.success_at_mm == {2.0: 0.5, 4.0: 0.75, 6.0: 0.75, 8.0: 0.75, 10.0: 1}


def test_an_error_of_just_the_radius_is_a_success():
    assert summarize_errors([4.0]).success_at_mm[4.0] == 1


def test_a_missed_landmark_has_no_error_and_is_a_failure():
    summary = summarize_errors([1.0, math.nan, 3.0, math.nan])
    assert summary.n == 4
    assert summary.n_missed == 2
    assert summary.mean_mm == pytest.approx(2)
    assert summary.success_at_mm[10.0] == 0.5


def test_all_missed_gives_no_millimeters():
    summary = summarize_errors([math.nan, math.nan])
    assert summary.n_missed == 2
    assert math.isnan(summary.mean_mm)
    assert math.isnan(summary.sd_mm)
    assert math.isnan(summary.median_mm)
    assert math.isnan(summary.p90_mm)
    assert set(summary.success_at_mm.values()) == {0.0}


def test_shares_grow_with_the_radius():
    rng = np.random.default_rng(0)
    shares = summarize_errors(rng.uniform(0, 12, 50).tolist()).success_at_mm
    assert tuple(shares) == SUCCESS_RADII_MM
    assert sorted(shares.values()) == list(shares.values())


def test_no_case_cannot_be_summarized():
    with pytest.raises(ValueError, match="at least one"):
        summarize_errors([])
