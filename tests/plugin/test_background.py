"""A task beside the window, and whether it rests while its reports are shown."""

import time

import pytest
from qtpy.QtCore import QObject

from napari_midrl.data.progress import Progress
from napari_midrl.plugin.background import MOST_WAITED_S, BackgroundTask

pytestmark = pytest.mark.gui
SHOWING_S = 0.1


def run(qtbot, reports, show, *, waits):
    """Run a task to its end."""
    ends, owner = [], QObject()
    task = BackgroundTask(
        reports,
        owner,
        on_report=show,
        on_return=lambda value: None,
        on_error=pytest.fail,
        on_end=lambda: ends.append(0),
        waits=waits,
    )
    task.start()
    qtbot.waitUntil(lambda: bool(ends), timeout=20_000)


@pytest.mark.parametrize("waits", [False, True])
def test_a_task_may_rest_while_a_report_is_shown(qtbot, waits):
    made, meanwhile = [0], []

    def reports():
        while len(meanwhile) < 3:
            made[0] += 1
            yield Progress(made[0], 0, "")
            time.sleep(0.001)

    def show(report):
        before = made[0]
        time.sleep(SHOWING_S)
        meanwhile.append(made[0] - before)

    run(qtbot, reports, show, waits=waits)
    assert (max(meanwhile) == 0) == waits


def test_no_task_waits_long_for_a_window_that_is_busy(qtbot):
    begun, times = time.monotonic(), []

    def reports():
        for n in range(3):
            times.append(time.monotonic() - begun)
            yield Progress(n, 3, "")
            time.sleep(0.05)

    def show(report):
        time.sleep(10 * MOST_WAITED_S)

    run(qtbot, reports, show, waits=True)
    assert times[-1] < 5 * MOST_WAITED_S
