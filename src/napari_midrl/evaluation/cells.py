"""Findings gathered by landmark, sequence and dimension, as papers print them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.evaluation.baseline import guess_the_mean
from napari_midrl.evaluation.boxes import Dimension
from napari_midrl.evaluation.intervals import (
    PairedDifference,
    bootstrap_interval,
    paired_difference,
)
from napari_midrl.evaluation.metrics import summarize_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.evaluation.findings import Finding
    from napari_midrl.evaluation.intervals import Interval
    from napari_midrl.evaluation.metrics import ErrorSummary

ALL = "all"
"""Stands for every landmark or every sequence in a pooled cell."""


@dataclass(frozen=True)
class Cell:
    """One landmark in one sequence over all cases.

    Parameters
    ----------
    landmark, sequence, dimension
        Which; landmark and sequence may be `ALL`.
    cases
        Case of every image.
    errors_mm
        One per image; NaN where the pack gave no position.
    summary
        Of those errors.
    mean_interval_mm, median_interval_mm
        95 % bootstrap intervals; None with fewer than two cases.
    iou_mean, dice_mean
        Of the paper's boxes, over all images; an image without a position counts 0.
    confused
        Share of images in which the found position is nearer to another landmark's
        true position than to its own.
    confused_left_right
        Share in which it is nearer to the mirror partner's than to its own.
    not_converged
        Share that got no position.
    baseline
        Errors of the mean position of the other cases; None with one case.
    against
        Comparison with another pack; None without one.
    """

    landmark: str
    sequence: str
    dimension: Dimension
    cases: tuple[str, ...]
    errors_mm: tuple[float, ...]
    summary: ErrorSummary
    mean_interval_mm: Interval | None
    median_interval_mm: Interval | None
    iou_mean: float
    dice_mean: float
    confused: float
    confused_left_right: float
    not_converged: float
    baseline: ErrorSummary | None
    against: PairedDifference | None = None


def summarize(
    findings: Sequence[Finding], others: Sequence[Finding] = ()
) -> tuple[Cell, ...]:
    """Return one cell per landmark, sequence and dimension.

    Parameters
    ----------
    findings
        Of one pack.
    others
        Of another pack on the same images, to compare with.
    """
    keys = [(finding.landmark, finding.sequence) for finding in findings]
    return _gather(findings, others, keys)


def pool(
    findings: Sequence[Finding], others: Sequence[Finding] = ()
) -> tuple[Cell, ...]:
    """Return cells of every landmark over all sequences, then one of everything."""
    landmarks = [(finding.landmark, ALL) for finding in findings]
    everything = [(ALL, ALL)] * len(findings)
    return (
        *_gather(findings, others, landmarks),
        *_gather(findings, others, everything),
    )


def of_dimension(cells: Sequence[Cell], dimension: Dimension) -> tuple[Cell, ...]:
    """Return the cells of one dimension."""
    return tuple(cell for cell in cells if cell.dimension == dimension)


def _gather(
    findings: Sequence[Finding],
    others: Sequence[Finding],
    keys: Sequence[tuple[str, str]],
) -> tuple[Cell, ...]:
    """Return cells of the findings that share a key, in 3D and 2D."""
    guesses = _guesses(findings)
    rivals = {_identity(finding): finding for finding in others}
    members: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        members[key].append(number)
    cells = []
    for (landmark, sequence), numbers in members.items():
        mine = [findings[number] for number in numbers]
        guessed = [guesses[number] for number in numbers]
        rival = [rivals.get(_identity(finding)) for finding in mine]
        for dimension in (Dimension.VOLUME, Dimension.PLANE):
            cell = _cell(landmark, sequence, dimension, mine, guessed)
            if others:
                cell = replace(cell, against=_compare(cell, rival))
            cells.append(cell)
    return tuple(cells)


def _cell(
    landmark: str,
    sequence: str,
    dimension: Dimension,
    findings: Sequence[Finding],
    guesses: Sequence[Finding | None],
) -> Cell:
    """Return the cell of these findings."""
    errors_mm = tuple(finding.error_mm(dimension) for finding in findings)
    cases = tuple(finding.case for finding in findings)
    summary = summarize_errors(errors_mm)
    dice, iou = np.mean([finding.overlap(dimension) for finding in findings], axis=0)
    guess_mm = [guess.error_mm(dimension) for guess in guesses if guess is not None]
    return Cell(
        landmark=landmark,
        sequence=sequence,
        dimension=dimension,
        cases=cases,
        errors_mm=errors_mm,
        summary=summary,
        mean_interval_mm=bootstrap_interval(errors_mm, cases, np.nanmean),
        median_interval_mm=bootstrap_interval(errors_mm, cases, np.nanmedian),
        iou_mean=float(iou),
        dice_mean=float(dice),
        confused=_share([f.nearer_to is not None for f in findings]),
        confused_left_right=_share([f.is_on_wrong_side for f in findings]),
        not_converged=summary.n_missed / summary.n,
        baseline=summarize_errors(guess_mm) if guess_mm else None,
    )


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags)


def _compare(cell: Cell, rivals: Sequence[Finding | None]) -> PairedDifference:
    """Return how a cell compares with another pack's findings on the same images."""
    others_mm = [
        np.nan if rival is None else rival.error_mm(cell.dimension) for rival in rivals
    ]
    return paired_difference(cell.errors_mm, others_mm, cell.cases)


def _guesses(findings: Sequence[Finding]) -> list[Finding | None]:
    """Return every finding with the mean of the other cases as the found position."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, finding in enumerate(findings):
        groups[finding.landmark, finding.sequence].append(number)
    guesses: list[Finding | None] = [None] * len(findings)
    for numbers in groups.values():
        members = [findings[number] for number in numbers]
        positions = guess_the_mean(members)
        for number, member, position in zip(numbers, members, positions, strict=True):
            if position is not None:
                guesses[number] = replace(member, found_lps_mm=position)
    return guesses


def _identity(finding: Finding) -> tuple[str, str, str]:
    """Return what tells a finding from all others of its pack."""
    return finding.case, finding.image, finding.landmark
