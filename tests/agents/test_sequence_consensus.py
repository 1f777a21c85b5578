"""One answer from all images of an examination."""

from math import nan

import numpy as np
import pytest

from napari_midrl.agents.sequence_consensus import Answer, combined
from napari_midrl.data.trajectory import LandmarkResult, SearchState
from napari_midrl.geometry.grid import VoxelGrid

WHOLE = VoxelGrid((200, 200, 200), np.eye(4))
"""Shows everything below."""
PART = VoxelGrid((20, 20, 20), np.eye(4))


def answer(image, place, sure=0.5, grid=WHOLE, name="heart", agreement=1.0):
    found = SearchState.OUTSIDE if place is None else SearchState.FOUND
    place = None if place is None else tuple(float(mm) for mm in place)
    return Answer(
        image, grid, LandmarkResult(name, found, place, nan, agreement, 9, sure)
    )


def test_answers_that_agree_are_averaged_by_their_confidence():
    found = combined(
        [answer("T1w", (100, 50, 50), 0.6), answer("T2w", (104, 50, 50), 0.2)]
    )
    assert found.position_lps_mm == pytest.approx((101.0, 50.0, 50.0))
    # 3/4 are 1 mm away, 1/4 are 3 mm away.
    assert found.spread_mm == pytest.approx(np.sqrt(0.75 * 1 + 0.25 * 9))
    assert found.confidence == 0.6
    assert found.agreeing == ("T1w", "T2w")
    assert found.n_showing == 2


def test_one_sure_image_outweighs_many_that_guess():
    guesses = [answer(f"phase {n}", (20, 20, 20), 0.02) for n in range(6)]
    found = combined([*guesses, answer("DWI", (90, 90, 90), 0.5)])
    assert found.position_lps_mm == pytest.approx((90.0, 90.0, 90.0))
    assert (found.agreeing, found.n_showing) == (("DWI",), 7)


def test_several_outweigh_one_that_is_a_little_surer():
    several = [answer(f"phase {n}", (20 + n, 20, 20), 0.4) for n in range(3)]
    found = combined([answer("DWI", (90, 90, 90), 0.5), *several])
    assert found.position_lps_mm == pytest.approx((21.0, 20.0, 20.0))
    assert found.confidence == 0.4


def test_an_answer_far_off_does_not_move_the_place():
    near = [answer("T1w", (50, 50, 50)), answer("T2w", (52, 50, 50))]
    alone, beside = combined(near), combined([*near, answer("ADC", (150, 9, 9), 0.3)])
    assert beside.position_lps_mm == alone.position_lps_mm
    assert (alone.n_showing, beside.n_showing) == (2, 3)


def test_images_that_do_not_show_the_place_have_no_say():
    found = combined(
        [
            answer("whole", (100, 100, 100), 0.9),
            answer("part", None, 0.01, PART),
            answer("refused", None, 0.01),
        ]
    )
    assert (found.agreeing, found.n_showing) == (("whole",), 2)


def test_the_order_of_the_images_does_not_matter():
    answers = [
        answer("T1w", (50, 50, 50), 0.3),
        answer("T2w", (53, 50, 50), 0.4),
        answer("ADC", (90, 50, 50), 0.6),
    ]
    one, other = combined(answers), combined(answers[::-1])
    assert one.position_lps_mm == pytest.approx(other.position_lps_mm)
    assert (one.agreeing, one.n_showing) == (other.agreeing, other.n_showing)


def test_without_confidences_the_share_of_starts_counts():
    found = combined(
        [
            answer("T1w", (10, 10, 10), None, agreement=0.9),
            answer("T2w", (90, 90, 90), None, agreement=0.3),
        ]
    )
    assert found.position_lps_mm == pytest.approx((10.0, 10.0, 10.0))
    assert found.confidence is None


def test_nothing_found_is_no_place():
    found = combined([answer("T1w", None), answer("T2w", None)])
    assert found.position_lps_mm is None
    assert (found.agreeing, found.n_showing) == ((), 0)


@pytest.mark.parametrize(
    "answers", [[], [answer("a", None), answer("b", None, name="knee")]]
)
def test_answers_are_of_one_landmark(answers):
    with pytest.raises(ValueError, match="answers of one landmark"):
        combined(answers)
