"""How far a long task is; a long task is a generator of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import numpy as np
    import numpy.typing as npt

Result = TypeVar("Result")


@dataclass(frozen=True)
class Progress:
    """One report of a long task.

    Parameters
    ----------
    done, total
        Parts finished and parts in all; total 0 means unknown.
    text
        What is happening, for the user.
    metrics
        Numbers worth a log line or a curve, by name.
    """

    done: int
    total: int
    text: str
    metrics: dict[str, float] | None = None


@dataclass(frozen=True)
class SearchProgress(Progress):
    """A report of a running search that also says where the agents are.

    Parameters
    ----------
    positions_lps_mm
        Shape (n_landmarks, n_starts, 3), LPS mm; None before the first step.
    box_sizes_mm
        Edges along L, P, S of each agent's region; same shape.
    """

    positions_lps_mm: npt.NDArray[np.float64] | None = None
    box_sizes_mm: npt.NDArray[np.float64] | None = None


def relayed(
    task: Generator[Progress, None, Result], change: Callable[[Progress], Progress]
) -> Generator[Progress, None, Result]:
    """Pass a long task on, every report changed, and return its result.

    Parameters
    ----------
    task
        Generator that yields progress and returns its result.
    change
        From a report to the one that is passed on.
    """
    while True:
        try:
            progress = next(task)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        yield change(progress)


def finish(
    task: Generator[Progress, Any, Result],
    show: Callable[[Progress], object] | None = None,
) -> Result:
    """Run a long task to its end and return its result.

    Parameters
    ----------
    task
        Generator that yields progress and returns its result.
    show
        Called with every report.
    """
    while True:
        try:
            progress = next(task)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        if show is not None:
            show(progress)
