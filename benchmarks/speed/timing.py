"""Clocks, ratios, and what parts of a program take."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """Return how many seconds a call took, and what it returned."""
    begun = time.perf_counter()
    result = call()
    return time.perf_counter() - begun, result


def best_of(n: int, call: Callable[[], T]) -> tuple[float, T]:
    """Return the shortest of n times, and what was returned then.

    Other work on the machine can only make a time longer.
    """
    return min((timed(call) for _ in range(n)), key=lambda pair: pair[0])


def ratio(ours: float, theirs: float) -> float:
    """Return ours / theirs to three digits; both must be positive.

    Raises
    ------
    ValueError
        If there is nothing to compare.
    """
    if not (ours > 0 and theirs > 0):
        msg = f"a ratio needs two positive numbers, got {ours} and {theirs}"
        raise ValueError(msg)
    return rounded(ours / theirs)


def rounded(value: float, digits: int = 3) -> float:
    """Return a number with so many digits that mean something."""
    return float(f"{value:.{digits}g}")


class Stopwatch:
    """Adds up what calls of some functions take, by label."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def watching(self, *calls: tuple[Any, str, str]) -> Iterator[Stopwatch]:
        """Time functions while the context lasts.

        Parameters
        ----------
        calls
            Module or class, name of the function in it, and label.
        """
        originals = [(owner, name, getattr(owner, name)) for owner, name, _ in calls]
        try:
            for (owner, name, original), (_, _, label) in zip(
                originals, calls, strict=True
            ):
                setattr(owner, name, self._timing(original, label))
            yield self
        finally:
            for owner, name, original in originals:
                setattr(owner, name, original)

    def _timing(self, original: Callable[..., T], label: str) -> Callable[..., T]:
        def call(*arguments: Any, **named: Any) -> T:
            begun = time.perf_counter()
            try:
                return original(*arguments, **named)
            finally:
                self.seconds[label] += time.perf_counter() - begun

        return call
