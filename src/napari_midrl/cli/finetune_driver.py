"""Runs a fine-tuning for the command line: shown, steered, and stopped."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from napari_midrl.cli.console import progress_bar, say
from napari_midrl.errors import MidrlError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from napari_midrl.cli.steering import Steering
    from napari_midrl.data.progress import Progress
    from napari_midrl.workflows.finetune_reports import Message
    from napari_midrl.workflows.finetune_settings import FineTuned, Plan

LEAST_INTERVAL_S = 0.2
"""Reports closer than this are dropped, but for those with numbers or the plan."""


class Reports(StrEnum):
    """How the command tells what it does."""

    TEXT = "text"
    JSON = "json"


def driven(
    task: Generator[Progress, None, FineTuned],
    show: Callable[[Progress], None],
    steering: Steering | None,
    *,
    only_plan: bool,
) -> FineTuned | None:
    """Return the new pack; None if it was paused, or only the plan was asked for.

    A task that is closed between two updates loses nothing. One that is closed while
    it measures goes back to its latest checkpoint, so a pause waits for the end of
    the measuring; but for nobody, once the program that steers is gone.

    Parameters
    ----------
    task
        The fine-tuning.
    show
        Called with every report.
    steering
        What another program asks for; None without one.
    only_plan
        Whether to end after the plan.
    """
    from napari_midrl.workflows.finetune_settings import PlanProgress

    learns = False
    try:
        while True:
            try:
                report = next(task)
            except StopIteration as done:
                result: FineTuned = done.value
                return result
            show(report)
            is_plan = isinstance(report, PlanProgress)
            if is_plan and only_plan:
                return None
            is_update = bool(report.metrics)
            learns = (learns or is_plan) and not (
                is_update and report.done == report.total
            )
            if steering is not None and steering.wants_pause:
                between = not learns or is_update or is_plan
                if between or steering.is_alone:
                    return None
    finally:
        task.close()


def put(message: Message) -> None:
    """Write one message for another program to stdout, at once."""
    from napari_midrl.workflows.finetune_reports import line_of

    sys.stdout.write(line_of(message) + "\n")
    sys.stdout.flush()


@contextmanager
def shown(reports: Reports) -> Iterator[Callable[[Progress], None]]:
    """Give a function that shows progress; tell failures to a program, too."""
    if reports is Reports.TEXT:
        with progress_bar() as show:
            yield announced(show)
        return
    from napari_midrl.workflows.finetune_reports import Failed

    try:
        yield _throttled(put)
    except (MidrlError, OSError) as error:
        put(Failed(str(error)))
        raise


def _throttled(put: Callable[[Progress], None]) -> Callable[[Progress], None]:
    from napari_midrl.workflows.finetune_settings import PlanProgress

    last = 0.0

    def put_some(report: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        counts = bool(report.metrics) or isinstance(report, PlanProgress)
        if counts or now - last >= LEAST_INTERVAL_S:
            last = now
            put(report)

    return put_some


@contextmanager
def stopped_by_interrupt() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether the user interrupted; the second time ends."""
    wanted = False

    def stop(*_: Any) -> None:
        nonlocal wanted
        wanted = True
        signal.signal(signal.SIGINT, before)
        say("stopping; the best weights so far are kept. Again to interrupt.")

    try:
        before = signal.signal(signal.SIGINT, stop)
    except ValueError:
        # Not the main thread, such as in a test; then nobody presses Ctrl-C here.
        yield lambda: False
        return
    try:
        yield lambda: wanted
    finally:
        signal.signal(signal.SIGINT, before)


def announced(
    show: Callable[[Progress], None] | None,
) -> Callable[[Progress], None]:
    """Return what shows progress, and prints the plan and what was measured."""
    from napari_midrl.workflows.finetune_settings import PlanProgress

    def announce(report: Progress) -> None:
        if isinstance(report, PlanProgress) and report.plan is not None:
            for line in _in_words(report.plan):
                say(line)
        measured = (report.metrics or {}).get("held_out_median_mm")
        if measured is not None:
            say(f"{report.text}; held-out median {measured:.1f} mm")
        if show is not None:
            show(report)

    return announce


def _in_words(plan: Plan) -> Iterator[str]:
    new = f", new: {', '.join(plan.new_landmarks)}" if plan.new_landmarks else ""
    yield f"landmarks: {', '.join(plan.landmarks)}{new}"
    yield f"learned from: {', '.join(plan.split.train)}"
    yield f"held out: {', '.join(plan.split.held_out) or 'none'}"
    yield (
        f"{plan.n_updates} updates of {plan.seconds_per_update:.2f} s: about "
        f"{plan.seconds / 60:.0f} minutes"
    )
