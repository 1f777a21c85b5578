"""``midrl inspect``: what a study holds."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from napari_midrl.cli.arguments import AsJson, StudyPaths, load
from napari_midrl.cli.console import print_json, print_table, warn

if TYPE_CHECKING:
    from napari_midrl.workflows.inspect import VolumeSummary

COLUMNS = (
    "volume",
    "kind",
    ">size",
    ">spacing mm",
    ">b s/mm2",
    ">time s",
    "axes",
    "format",
)


def inspect(study: StudyPaths, json: AsJson = False) -> None:
    """List the volumes of a study: sequence, size, spacing, b-value, time, warnings."""
    from napari_midrl.workflows.inspect import summarize_study

    summary = summarize_study(load(study))
    if json:
        print_json(asdict(summary))
        return
    print_table(COLUMNS, map(_row, summary.volumes))
    for volume in summary.volumes:
        warn(f"{volume.name}: {text}" for text in volume.warnings)


def _row(volume: VolumeSummary) -> tuple[object, ...]:
    return (
        volume.name,
        volume.kind,
        " x ".join(str(n) for n in volume.shape_ijk),
        " x ".join(f"{mm:.2f}" for mm in volume.spacing_mm),
        _number(volume.b_value_s_mm2),
        _number(volume.time_s),
        volume.axis_codes,
        volume.format,
    )


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"
