"""Are tables of errors the same, whether agents move all at once or one by one?

``python -m benchmarks.same_tables digital-patient phantom:1000-1001``
``python -m benchmarks.same_tables brain-afids CASES``

Cases with known landmarks are searched twice, by the dense engine and by a plain
program that asks for one position of one agent at a time, and the tables of
`midrl evaluate` are made from either.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.speed.one_at_a_time import search_one_at_a_time
from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.evaluation.cells import summarize
from napari_midrl.workflows.cases import find_cases
from napari_midrl.workflows.evaluate import evaluate_cases
from napari_midrl.workflows.localize import load_localizer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.evaluation.cells import Cell
    from napari_midrl.evaluation.findings import Finding
    from napari_midrl.localizers.base import Localizer


@dataclass(frozen=True)
class OneAtATime:
    """A localizer whose agents move one after another."""

    dense: Localizer

    @property
    def name(self) -> str:
        return f"{self.dense.name}, one at a time"

    @property
    def landmarks(self) -> tuple[str, ...]:
        return self.dense.landmarks

    def localize(
        self, volume: Volume, settings: SearchSettings
    ) -> Generator[Progress, None, Localization]:
        yield Progress(0, 1, "searching, one agent at a time")
        return search_one_at_a_time(self.dense, volume, settings)


@dataclass(frozen=True)
class Comparison:
    """Two sets of findings of the same images.

    Parameters
    ----------
    n_cells, n_findings
        Of the tables, 3D and 2D, and in them.
    n_states
        Findings that have a position in one table only.
    largest_mm
        Largest difference between two findings of one landmark in one image.
    table_mm
        Largest difference in a cell's mean, median or 90th percentile.
    """

    n_cells: int
    n_findings: int
    n_states: int
    largest_mm: float
    table_mm: float


def main() -> None:
    """Search twice, and print how far the tables are apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack")
    parser.add_argument("data")
    parser.add_argument("--region", action="append", default=[])
    chosen = parser.parse_args()
    dense = finish(load_localizer(chosen.pack))
    cases = find_cases(chosen.data, chosen.region)
    settings = SearchSettings()
    evaluation = finish(
        evaluate_cases(dense, cases, chosen.data, settings, OneAtATime(dense))
    )
    found = compared(evaluation.findings, evaluation.others)
    print(evaluation.headline)
    print(
        f"{found.n_findings} findings, {found.n_cells} cells; found by one alone: "
        f"{found.n_states}; findings at most {found.largest_mm:.3g} mm apart; mean, "
        f"median and 90 % of a cell at most {found.table_mm:.3g} mm"
    )


def compared(one: Sequence[Finding], other: Sequence[Finding]) -> Comparison:
    """Return how far two sets of findings of the same images are apart."""
    pairs = list(zip(one, other, strict=True))
    apart = [
        float(np.linalg.norm(np.subtract(a.found_lps_mm, b.found_lps_mm)))
        for a, b in pairs
        if a.found_lps_mm is not None and b.found_lps_mm is not None
    ]
    cells = list(zip(summarize(one), summarize(other), strict=True))
    gaps = [abs(mine - yours) for a, b in cells for mine, yours in _numbers(a, b)]
    return Comparison(
        n_cells=len(cells),
        n_findings=len(pairs),
        n_states=sum(
            (a.found_lps_mm is None) != (b.found_lps_mm is None) for a, b in pairs
        ),
        largest_mm=max(apart, default=0.0),
        # A cell without a position in one table has none there; `n_states` counts it.
        table_mm=max((gap for gap in gaps if not math.isnan(gap)), default=0.0),
    )


def _numbers(a: Cell, b: Cell) -> Iterator[tuple[float, float]]:
    """Yield what two tables say of a cell in mm."""
    for name in ("mean_mm", "median_mm", "p90_mm"):
        yield getattr(a.summary, name), getattr(b.summary, name)


if __name__ == "__main__":
    main()
