"""What one search says of one landmark."""

from dataclasses import replace

import pytest

from napari_midrl.data.trajectory import LandmarkResult, SearchState


@pytest.mark.parametrize(
    ("state", "confidence", "doubtful"),
    [
        (SearchState.FOUND, 0.01, True),
        (SearchState.FOUND, 0.0, True),
        (SearchState.FOUND, 0.5, False),
        (SearchState.FOUND, None, False),
        (SearchState.OUTSIDE, 0.01, False),
    ],
)
def test_what_is_found_with_hardly_any_confidence_is_doubtful(
    state, confidence, doubtful
):
    place = (1.0, 2.0, 3.0) if state == SearchState.FOUND else None
    result = LandmarkResult("heart", state, place, 0.0, 1.0, 3, confidence)
    assert result.is_doubtful is doubtful
    assert result.is_unsure is (confidence in (0.0, 0.01))


@pytest.mark.parametrize(
    ("agreeing", "agreement", "contested"),
    [((), 0.2, False), (("T2w",), 1 / 3, True), (("T2w",), 0.5, False)],
)
def test_what_fewer_than_half_of_the_images_agree_on_is_contested(
    agreeing, agreement, contested
):
    place = (1.0, 2.0, 3.0)
    found = LandmarkResult("heart", SearchState.FOUND, place, 0.0, agreement, 3, 0.9)
    result = replace(found, agreeing=agreeing)
    assert result.is_contested is contested
    assert result.is_doubtful is contested
