"""Keep the garbage collector from holding the window up.

With torch loaded, a full collection looks through half a million objects, which takes a
third of a second; nothing else in Python runs meanwhile. Nearly all of them are parts
of libraries, which stay as long as the program runs.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = 1_000_000_000


@dataclass
class _Postponed:
    """How many ask for it, and the thresholds that were set before."""

    lock: threading.Lock
    n: int = 0
    usual: tuple[int, int, int] = (0, 0, 0)


_POSTPONED = _Postponed(threading.Lock())


@contextmanager
def full_collections_postponed() -> Iterator[None]:
    """Let no full collection begin by itself; young objects are collected as ever.

    May be entered several times at once, in any threads.
    """
    now = _POSTPONED
    with now.lock:
        if now.n == 0:
            now.usual = gc.get_threshold()
            gc.set_threshold(*now.usual[:2], NEVER)
        now.n += 1
    try:
        yield
    finally:
        with now.lock:
            now.n -= 1
            if now.n == 0:
                gc.set_threshold(*now.usual)
                _count_anew()


@contextmanager
def quick_collection() -> Iterator[None]:
    """Spare a collection that is asked for in here what was there before.

    What is spared is collected later, as usual.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _count_anew() -> None:
    """Let what was postponed wait for as many new objects as it usually does."""
    with quick_collection():
        pass
