"""Portions have turns of their own, to the end or until they are stopped."""

import pytest

from napari_midrl.plugin.turns import Turns

pytestmark = pytest.mark.gui


def portions(done, n=3):
    try:
        for number in range(n):
            done.append(number)
            yield
    finally:
        done.append("closed")


def test_nothing_is_done_before_the_windows_next_turn(qtbot):
    done, ends, turns = [], [], Turns()
    turns.start(portions(done), then=lambda: ends.append(list(done)))
    assert not done
    qtbot.waitUntil(lambda: bool(ends))
    assert ends == [[0, 1, 2, "closed"]]
    qtbot.wait(20)
    assert len(ends) == 1


def test_what_is_stopped_is_closed_and_never_ends(qtbot):
    done, ends, turns = [], [], Turns()
    turns.start(portions(done, 10**9), then=lambda: ends.append(0))
    qtbot.waitUntil(lambda: 2 in done)
    turns.stop()
    so_far = list(done)
    qtbot.wait(20)
    assert done == so_far
    assert done[-1] == "closed"
    assert not ends


def test_work_that_is_followed_by_other_work_is_done_first(qtbot):
    done, turns = [], Turns()
    turns.start(portions(done))
    turns.start(portions(done, 1))
    assert done == [0, 1, 2, "closed"]
    turns.finish()
    assert done == [0, 1, 2, "closed", 0, "closed"]


def test_work_that_fails_ends(qtbot):
    def failing():
        yield
        raise RuntimeError("no")

    ends, turns = [], Turns()
    turns.start(failing(), then=lambda: ends.append(0))
    with pytest.raises(RuntimeError, match="no"):
        turns.finish()
    assert ends == [0]
    turns.finish()
