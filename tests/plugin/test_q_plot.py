"""The curves of Q-values under a replay: what is not known is not drawn."""

import numpy as np
import pytest

from napari_midrl.data.playback import Playback
from napari_midrl.plugin.q_plot import QPlot, q_curve

NAN = np.nan
COLORS = {"heart": "#FF0000", "left knee": "#00FF00"}


@pytest.fixture
def playback():
    """Two agents of the heart, the second settles earlier, and one of a knee."""
    best_q = np.array([[3.0, 2.0, 1.0], [1.0, 0.0, NAN], [5.0, NAN, NAN]])
    return Playback(
        landmarks=("heart", "left knee"),
        landmark_of_agent=np.array([0, 0, 1]),
        start_of_agent=np.array([0, 1, 0]),
        positions_lps_mm=np.zeros((3, 3, 3)),
        box_sizes_mm=np.ones((3, 3, 3)),
        best_q=best_q,
        n_positions=np.array([3, 2, 1]),
    )


@pytest.mark.parametrize(
    ("start", "landmark", "expected"),
    [
        (0, "heart", [3.0, 2.0, 1.0]),
        (1, "heart", [1.0, 0.0]),
        (None, "heart", [2.0, 1.0, 1.0]),
        (0, "left knee", [5.0]),
    ],
)
def test_a_curve_is_the_median_of_those_that_still_walk(
    playback, start, landmark, expected
):
    np.testing.assert_array_equal(q_curve(playback, start, landmark), expected)


def numbers_are_shown(plot):
    return {plot.plot.getAxis(side).style["showValues"] for side in ("left", "bottom")}


def test_axes_have_numbers_only_where_there_are_curves(playback, qtbot):
    plot = QPlot()
    qtbot.addWidget(plot)
    assert numbers_are_shown(plot) == {False}
    plot.set_value(playback, 0, COLORS)
    assert numbers_are_shown(plot) == {True}
    assert len(plot.plot.listDataItems()) == 2
    assert plot.line.isVisible()
    plot.set_value(None, None, COLORS)
    assert numbers_are_shown(plot) == {False}
    assert plot.plot.listDataItems() == []
    assert not plot.line.isVisible()
