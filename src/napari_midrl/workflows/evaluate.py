"""Measure a pack on cases whose landmarks are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress
from napari_midrl.evaluation.metrics import error_mm, summarize_errors
from napari_midrl.phantom.study import phantom_study
from napari_midrl.workflows.localize import load_localizer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.sequence import SequenceKind
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.evaluation.metrics import ErrorSummary


@dataclass(frozen=True)
class Cell:
    """One landmark in one sequence over all cases.

    Parameters
    ----------
    landmark, sequence
        Which.
    errors_mm
        One per case that has the landmark; NaN where the agents gave no position.
    """

    landmark: str
    sequence: str
    errors_mm: tuple[float, ...]

    @property
    def summary(self) -> ErrorSummary:
        """Mean, median and so on."""
        return summarize_errors(self.errors_mm)


def case_errors(localization: Localization, truth: LandmarkSet) -> dict[str, float]:
    """Return mm by landmark for those the truth has; NaN where none was found."""
    known = {landmark.name: landmark.position_lps_mm for landmark in truth}
    errors = {}
    for result in localization.results:
        true_lps_mm = known.get(result.name)
        if true_lps_mm is None:
            continue
        found = result.position_lps_mm
        errors[result.name] = (
            math.nan if found is None else float(error_mm(found, true_lps_mm))
        )
    return errors


def gather(rows: Iterable[tuple[str, dict[str, float]]]) -> tuple[Cell, ...]:
    """Return cells from (sequence, errors by landmark) of many cases."""
    cells: dict[tuple[str, str], list[float]] = {}
    for sequence, errors in rows:
        for landmark, error in errors.items():
            cells.setdefault((landmark, sequence), []).append(error)
    return tuple(
        Cell(landmark, sequence, tuple(errors))
        for (landmark, sequence), errors in cells.items()
    )


def evaluate_on_digital_patients(
    pack_name: str,
    seeds: Sequence[int],
    kinds: Sequence[SequenceKind],
    settings: SearchSettings,
    *,
    regions: tuple[str, ...] = ("whole body",),
) -> Generator[Progress, None, tuple[Cell, ...]]:
    """Yield progress and return the errors on digital patients.

    Parameters
    ----------
    pack_name
        Of the agents.
    seeds
        Numbers of the patients; training draws from 100000 on.
    kinds
        Sequences to search, one after the other, each on its own.
    settings
        Of every search.
    regions
        Acquisitions to make.
    """
    localizer = yield from load_localizer(pack_name)
    rows = []
    for number, seed in enumerate(seeds):
        yield Progress(number, len(seeds), f"digital patient {seed}")
        study, truth = yield from phantom_study(seed, regions=regions)
        for volume in study.volumes:
            if volume.sequence.kind not in kinds:
                continue
            yield Progress(number, len(seeds), f"patient {seed}, {volume.name}")
            found = yield from localizer.localize(volume, settings)
            rows.append((volume.sequence.label, case_errors(found, truth)))
    return gather(rows)
