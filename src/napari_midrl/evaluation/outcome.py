"""Everything one evaluation brought, and the same as plain numbers and rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING, Any

from napari_midrl.evaluation.boxes import BOX_VOXELS, Dimension
from napari_midrl.evaluation.cells import pool, summarize
from napari_midrl.evaluation.intervals import N_RESAMPLES
from napari_midrl.evaluation.metrics import SUCCESS_RADII_MM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.evaluation.cells import Cell
    from napari_midrl.evaluation.findings import Finding
    from napari_midrl.evaluation.intervals import PairedDifference
    from napari_midrl.evaluation.metrics import ErrorSummary
    from napari_midrl.evaluation.pictures import WorstCase

NOTICE = "Research use only; not a medical device."


@dataclass(frozen=True)
class PackUsed:
    """The agents that were measured.

    Parameters
    ----------
    name
        Of the pack.
    model_sha256
        Hash of its weights; empty if it has none.
    """

    name: str
    model_sha256: str


@dataclass(frozen=True)
class Evaluation:
    """Everything one evaluation brought.

    Parameters
    ----------
    pack, against
        The agents measured, and those compared with; `against` may be None.
    data
        The data in words, such as ``"phantom:1000-1099"`` or a folder's name.
    cases
        Names of all cases evaluated.
    n_images
        Images searched, over all cases.
    settings
        Of every search.
    findings, others
        Of the pack, and of the one compared with.
    worst
        Largest errors with their pictures, worst first.
    notes
        What a careful reader should know, one sentence each.
    """

    pack: PackUsed
    against: PackUsed | None
    data: str
    cases: tuple[str, ...]
    n_images: int
    settings: SearchSettings
    findings: tuple[Finding, ...]
    others: tuple[Finding, ...]
    worst: tuple[WorstCase, ...]
    notes: tuple[str, ...]

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """One per landmark, sequence and dimension."""
        return summarize(self.findings, self.others)

    @cached_property
    def pooled(self) -> tuple[Cell, ...]:
        """Every landmark over all sequences, and everything; 3D and 2D."""
        return pool(self.findings, self.others)

    @property
    def headline(self) -> str:
        """Which agents, on which data, how many cases, in one sentence."""
        cases = "1 case" if len(self.cases) == 1 else f"{len(self.cases)} cases"
        images = "1 image" if self.n_images == 1 else f"{self.n_images} images"
        against = "" if self.against is None else f" against {self.against.name}"
        return f"{self.pack.name}{against} on {self.data}: {cases}, {images}"


def as_plain(evaluation: Evaluation) -> dict[str, Any]:
    """Return the evaluation as dicts, lists and numbers for JSON; NaN becomes None."""
    settings = asdict(evaluation.settings)
    plain = {
        "notice": NOTICE,
        "pack": asdict(evaluation.pack),
        "against": None if evaluation.against is None else asdict(evaluation.against),
        "data": evaluation.data,
        "n_cases": len(evaluation.cases),
        "n_images": evaluation.n_images,
        "cases": list(evaluation.cases),
        "settings": {name: settings[name] for name in ("n_starts", "max_steps", "seed")}
        | {"n_resamples": N_RESAMPLES},
        "box_voxels": {str(d): list(size) for d, size in BOX_VOXELS.items()},
        "notes": list(evaluation.notes),
        "cells": [_plain_cell(cell) for cell in evaluation.cells],
        "pooled": [_plain_cell(cell) for cell in evaluation.pooled],
        "findings": [_plain_finding(finding) for finding in evaluation.findings],
    }
    return {name: _tidy(value) for name, value in plain.items()}


CELL_COLUMNS = (
    *("landmark", "sequence", "dimension", "n", "n_cases", "mean_mm", "sd_mm"),
    *("median_mm", "p90_mm", "mean_low_mm", "mean_high_mm"),
    *("median_low_mm", "median_high_mm"),
    *(f"success_at_{radius:g}_mm" for radius in SUCCESS_RADII_MM),
    *("iou_mean", "dice_mean", "confused", "confused_left_right", "not_converged"),
    *("baseline_mean_mm", "baseline_median_mm", "baseline_p90_mm"),
    *("against_n_pairs", "against_median_difference_mm"),
    *("against_low_mm", "against_high_mm", "against_p_value"),
)
"""Columns of the table of `rows`."""


def rows(cells: Iterable[Cell]) -> list[dict[str, str]]:
    """Return one flat row of texts per cell; what is not there is an empty text."""
    table = []
    for cell in cells:
        plain = _tidy(_plain_cell(cell))
        row = {name: plain[name] for name in CELL_COLUMNS if name in plain}
        for radius, share in plain["success_at_mm"].items():
            row[f"success_at_{radius}_mm"] = share
        for name in ("mean", "median"):
            row |= _ends(name, plain[f"{name}_interval_mm"])
        for name, value in (plain["baseline"] or {}).items():
            row[f"baseline_{name}"] = value
        for name, value in (plain["against"] or {}).items():
            row[f"against_{name}"] = value
        if plain["against"]:
            row |= _ends("against", plain["against"]["interval_mm"])
        table.append(
            {
                name: "" if row.get(name) is None else str(row[name])
                for name in CELL_COLUMNS
            }
        )
    return table


def _ends(name: str, interval: list[float] | None) -> dict[str, Any]:
    low, high = interval or (None, None)
    return {f"{name}_low_mm": low, f"{name}_high_mm": high}


def _plain_cell(cell: Cell) -> dict[str, Any]:
    summary = cell.summary
    return {
        "landmark": cell.landmark,
        "sequence": cell.sequence,
        "dimension": str(cell.dimension),
        "n": summary.n,
        "n_cases": len(set(cell.cases)),
        **_millimeters(summary),
        "mean_interval_mm": cell.mean_interval_mm,
        "median_interval_mm": cell.median_interval_mm,
        "iou_mean": cell.iou_mean,
        "dice_mean": cell.dice_mean,
        "confused": cell.confused,
        "confused_left_right": cell.confused_left_right,
        "not_converged": cell.not_converged,
        "baseline": None if cell.baseline is None else _millimeters(cell.baseline),
        "against": None if cell.against is None else _plain_difference(cell.against),
    }


def _millimeters(summary: ErrorSummary) -> dict[str, Any]:
    return {
        "mean_mm": summary.mean_mm,
        "sd_mm": summary.sd_mm,
        "median_mm": summary.median_mm,
        "p90_mm": summary.p90_mm,
        "success_at_mm": {
            f"{r:g}": share for r, share in summary.success_at_mm.items()
        },
    }


def _plain_difference(difference: PairedDifference) -> dict[str, Any]:
    return {
        "n_pairs": difference.n_pairs,
        "median_difference_mm": difference.median_mm,
        "interval_mm": difference.interval_mm,
        "p_value": difference.p_value,
    }


def _plain_finding(finding: Finding) -> dict[str, Any]:
    overlaps = {str(d): finding.overlap(d) for d in Dimension}
    return {
        "case": finding.case,
        "image": finding.image,
        "sequence": finding.sequence,
        "landmark": finding.landmark,
        "true_lps_mm": finding.true_lps_mm,
        "found_lps_mm": finding.found_lps_mm,
        "error_mm": {str(d): finding.error_mm(d) for d in Dimension},
        "dice": {name: dice for name, (dice, _) in overlaps.items()},
        "iou": {name: iou for name, (_, iou) in overlaps.items()},
        "nearer_to": finding.nearer_to,
        "is_on_wrong_side": finding.is_on_wrong_side,
    }


def _tidy(value: Any) -> Any:
    """Return a value with numbers to four decimals; JSON knows no NaN."""
    if isinstance(value, dict):
        return {name: _tidy(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_tidy(inner) for inner in value]
    if isinstance(value, float):
        return round(value, 4) if isfinite(value) else None
    return value
