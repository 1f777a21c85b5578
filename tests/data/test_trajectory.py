"""What one search says of one landmark."""

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
