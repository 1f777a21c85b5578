"""The same work on many things, several at once in processes of their own."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

T = TypeVar("T")
Result = TypeVar("Result")


def results_in_order(
    work: Callable[[T], Result],
    things: Iterable[T],
    n_jobs: int,
    begin: Callable[..., None] | None = None,
    *given: Any,
) -> Generator[Result, None, None]:
    """Yield what the work makes of each thing, in the order of the things.

    Whoever closes this early gets no more of what has not begun. The cores are shared
    out among the processes.

    Parameters
    ----------
    work
        Of one thing; it, the things and the results go from process to process.
    things
        All of them.
    n_jobs
        Processes.
    begin, given
        Called once in every process before its first work, and with what.
    """
    n_threads = max(1, (os.cpu_count() or 1) // n_jobs)
    # A forked process could hang on locks that torch's threads held.
    with ProcessPoolExecutor(
        n_jobs, get_context("spawn"), _begin, (n_threads, begin, given)
    ) as workers:
        waiting = [workers.submit(work, thing) for thing in things]
        try:
            for task in waiting:
                yield task.result()
        finally:
            for task in waiting:
                task.cancel()


def _begin(
    n_threads: int, begin: Callable[..., None] | None, given: tuple[Any, ...]
) -> None:
    # Torch takes seconds to import; whoever only asks for help does not pay for it.
    import torch

    torch.set_num_threads(n_threads)
    if begin is not None:
        begin(*given)
