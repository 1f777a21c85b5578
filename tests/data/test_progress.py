"""Tests for napari_midrl.data.progress."""

from dataclasses import replace

from napari_midrl.data.progress import Progress, finish, relayed


def counting(closed):
    try:
        for number in range(3):
            yield Progress(number, 3, "counting")
    finally:
        closed.append(True)
    return "done"


def test_a_relayed_task_returns_what_it_returned_and_its_reports_are_changed():
    reports = []
    task = relayed(counting([]), lambda r: replace(r, text=r.text.upper()))
    assert finish(task, reports.append) == "done"
    assert [(r.done, r.text) for r in reports] == [(n, "COUNTING") for n in range(3)]


def test_cancelling_a_relayed_task_cancels_the_task():
    closed = []
    task = relayed(counting(closed), lambda r: r)
    next(task)
    task.close()
    del task
    assert closed == [True]
