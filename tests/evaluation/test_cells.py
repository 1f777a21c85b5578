"""Cells worked by hand: summaries, intervals, baseline, comparison."""

import math
from dataclasses import replace

import numpy as np
import pytest

from napari_midrl.evaluation.baseline import guess_the_mean
from napari_midrl.evaluation.boxes import Dimension
from napari_midrl.evaluation.cells import ALL, of_dimension, pool, summarize
from napari_midrl.evaluation.intervals import bootstrap_interval, paired_difference
from napari_midrl.geometry.grid import VoxelGrid


def test_a_cell_of_four_cases(finding):
    findings = [
        finding(0, "a"),
        finding(9, "b", nearer_to="liver"),
        finding(-3, "c", nearer_to="left kidney", is_on_wrong_side=True),
        finding(None, "d"),
    ]

    volume, plane = summarize(findings)

    assert (volume.dimension, plane.dimension) == (Dimension.VOLUME, Dimension.PLANE)
    assert (volume.landmark, volume.sequence, volume.summary.n) == ("heart", "T1w", 4)
    assert volume.summary.mean_mm == pytest.approx(4)
    assert volume.summary.median_mm == pytest.approx(3)
    assert volume.summary.success_at_mm[4.0] == 0.5
    assert volume.not_converged == 0.25
    assert volume.confused == 0.5
    assert volume.confused_left_right == 0.25
    # Offsets 0, 9 and 3 of 45 voxels, and no box at all.
    assert volume.dice_mean == pytest.approx((1 + 36 / 45 + 42 / 45 + 0) / 4)
    assert volume.iou_mean == pytest.approx((1 + 36 / 54 + 42 / 48 + 0) / 4)


def test_the_plane_leaves_out_what_is_across_it(finding):
    """3 mm in the slice, 8 mm = 4 slices across."""
    volume, plane = summarize([finding(0, found_lps_mm=(53.0, 50.0, 48.0))])

    assert plane.summary.mean_mm == pytest.approx(3)
    assert volume.summary.mean_mm == pytest.approx(math.hypot(3, 8))
    assert plane.dice_mean == pytest.approx(42 / 45)
    assert volume.dice_mean == pytest.approx(42 / 45 * 7 / 11)


def test_cells_are_by_landmark_and_sequence(finding):
    findings = [
        finding(1),
        finding(2, image="T2w", sequence="T2w"),
        finding(4, landmark="prostate"),
    ]

    cells = of_dimension(summarize(findings), Dimension.VOLUME)
    pooled = of_dimension(pool(findings), Dimension.VOLUME)

    assert [(c.landmark, c.sequence, c.summary.mean_mm) for c in cells] == [
        ("heart", "T1w", 1),
        ("heart", "T2w", 2),
        ("prostate", "T1w", 4),
    ]
    assert [(c.landmark, c.sequence, c.summary.mean_mm) for c in pooled] == [
        ("heart", ALL, 1.5),
        ("prostate", ALL, 4),
        (ALL, ALL, pytest.approx(7 / 3)),
    ]


def test_the_baseline_is_the_mean_of_the_other_cases(finding):
    """True places at 40, 50 and 66 mm: the guess for each is the others' mean."""
    places = {"a": 40.0, "b": 50.0, "c": 66.0}
    findings = [
        finding(0, case, true_lps_mm=(x, 50.0, 40.0)) for case, x in places.items()
    ]

    assert [guess[0] for guess in guess_the_mean(findings)] == pytest.approx(
        [58, 53, 45]
    )
    (volume, _) = summarize(findings)
    assert volume.baseline.mean_mm == pytest.approx((18 + 3 + 21) / 3)


def test_the_baseline_is_relative_to_the_field_of_view(finding):
    """A quarter from the right, 0.4 from the front, 0.7 from below, in both images.

    The large one is stored in other directions: i to P, j to I, k to R.
    """
    small = VoxelGrid((10, 10, 10), np.diag([2.0, 2.0, 2.0, 1.0]))
    turned = np.array(
        [[0, 0, -4.0, 300], [3.0, 0, 0, 5], [0, -2.0, 0, 9], [0, 0, 0, 1]]
    )
    large = VoxelGrid((40, 60, 50), turned)
    # It reaches from 102 to 302 mm, from 3.5 to 123.5 mm, from -110 to 10 mm.
    places = ((4.0, 7.0, 13.0), (152.0, 51.5, -26.0))
    findings = [
        finding(0, case, grid=grid, true_lps_mm=place)
        for case, grid, place in zip("ab", (small, large), places, strict=True)
    ]

    for guess, place in zip(guess_the_mean(findings), places, strict=True):
        assert guess == pytest.approx(place)


def test_images_of_one_case_do_not_teach_each_other(finding):
    findings = [finding(0, "a", image="T1w"), finding(0, "a", image="T1w (2)")]

    assert guess_the_mean(findings) == (None, None)
    assert summarize(findings)[0].baseline is None
    assert summarize(findings)[0].median_interval_mm is None


def test_an_interval_is_that_of_theory():
    """The mean of n normal values: 1.96 standard errors to each side."""
    values = np.random.default_rng(3).normal(10, 2, 200)
    cases = [str(n) for n in range(200)]

    low, high = bootstrap_interval(values.tolist(), cases, np.nanmean)

    error = values.std() / math.sqrt(200)
    assert (low, high) == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.05
    )
    assert bootstrap_interval(values.tolist(), cases, np.nanmean) == (low, high)


def test_images_of_one_case_are_no_further_evidence():
    """Every value five times over, in the same cases, tells nothing new."""
    values = np.random.default_rng(3).normal(10, 2, 40)
    cases = [str(n) for n in range(40)]

    once = bootstrap_interval(values.tolist(), cases, np.nanmean)
    often = bootstrap_interval(
        values.repeat(5).tolist(), list(np.repeat(cases, 5)), np.nanmean
    )

    assert often == pytest.approx(once)


def test_missed_cases_take_no_part_in_an_interval():
    low, high = bootstrap_interval([3.0, math.nan, 3.0], ["a", "b", "c"], np.nanmedian)

    assert (low, high) == (3, 3)
    assert bootstrap_interval([3.0, math.nan], ["a", "b"], np.nanmedian) is None


def test_a_pack_that_is_always_nearer():
    mine = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, math.nan]
    others = [2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 1.0]

    difference = paired_difference(mine, others, list("abcdefg"))

    assert difference.n_pairs == 6
    assert difference.median_mm == pytest.approx(-3.5)
    assert difference.interval_mm[1] < 0
    # All six signs agree: 2 of 2 to the 6th arrangements are as extreme.
    assert difference.p_value == pytest.approx(2 / 64)


def test_a_pack_compared_with_itself():
    difference = paired_difference([1.0, 2.0], [1.0, 2.0], ["a", "b"])

    assert (difference.median_mm, difference.p_value) == (0, 1)


def test_nothing_to_compare():
    difference = paired_difference([1.0, math.nan], [math.nan, 2.0], ["a", "b"])

    assert difference.n_pairs == 0
    assert math.isnan(difference.p_value)


def test_a_cell_is_compared_image_by_image(finding):
    """The other pack's findings in another order, and one it does not know."""
    mine = [finding(n, str(n)) for n in range(1, 6)]
    others = [finding(n + 2, str(n)) for n in (4, 2, 5, 1)]

    (volume, plane) = summarize(mine, others)

    assert volume.against.n_pairs == 4
    assert volume.against.median_mm == pytest.approx(-2)
    assert plane.against.median_mm == pytest.approx(-2)
    assert summarize(mine)[0].against is None
    unknown = [replace(other, landmark="liver") for other in others]
    assert summarize(mine, unknown)[0].against.n_pairs == 0
