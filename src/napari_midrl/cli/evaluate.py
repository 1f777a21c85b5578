"""``midrl evaluate``: how near a pack comes on cases with known landmarks."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_midrl.cli.arguments import Device, Overwrite, Seed, Starts
from napari_midrl.cli.console import print_line, print_table, progress_bar, warn
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.data.settings import SearchSettings

if TYPE_CHECKING:
    from napari_midrl.evaluation.cells import Cell

COLUMNS = (
    *("landmark", "sequence", ">n", ">mean mm", ">sd", ">median", ">90 %"),
    *(">< 10 mm", ">IoU 3D", ">IoU 2D", ">confused", ">not conv.", ">baseline"),
)


def evaluate(
    pack: Annotated[
        str, typer.Argument(metavar="PACK", help="As `midrl agents list` prints it.")
    ],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Folder with one subfolder per case (images and one landmark file), "
            "one such case, or digital patients: phantom:1000-1099.",
        ),
    ],
    json: Annotated[
        Path | None, typer.Option(help="Write all numbers for a program.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a report with plots and pictures.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write one row per landmark and sequence.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="PACK", help="Compare with these agents, case by case."),
    ] = None,
    sequence: Annotated[
        list[SequenceKind] | None,
        typer.Option(
            case_sensitive=False,
            help="Search these only; may be repeated; default all.",
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            help="Of digital patients: whole body (default), breast, prostate; "
            "may be repeated."
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Cases searched at once, in processes.")
    ] = 1,
    starts: Starts = SearchSettings.n_starts,
    device: Device = "auto",
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Measure agents on cases with known landmarks; write a report.

    The table counts mm in 3D; its last column is the median of a guess that does not
    look at the image.
    """
    from napari_midrl.data.progress import finish
    from napari_midrl.evaluation.outcome import NOTICE
    from napari_midrl.workflows.evaluate import evaluate as measure
    from napari_midrl.workflows.evaluation_files import refuse_useless, write_evaluation

    outputs = [path for path in (json, html, csv) if path is not None]
    refuse_useless(outputs, overwrite=overwrite)
    settings = SearchSettings(n_starts=starts, seed=seed, device=device)
    task = measure(
        pack,
        data,
        settings,
        against=against,
        kinds=tuple(sequence or ()),
        regions=tuple(region or ()),
        n_jobs=jobs,
    )
    with progress_bar() as show:
        evaluation = finish(task, show)
    written = write_evaluation(
        evaluation,
        json_file=json,
        html_file=html,
        csv_file=csv,
        overwrite=overwrite,
    )
    warn(evaluation.notes)
    one_sequence = len({cell.sequence for cell in evaluation.cells}) == 1
    # With one sequence, landmarks over all sequences would be the same rows again.
    pooled = evaluation.pooled[-2:] if one_sequence else evaluation.pooled
    cells = (*evaluation.cells, *pooled)
    # 3D and 2D of one landmark and sequence follow each other.
    print_table(COLUMNS, map(_row, cells[::2], cells[1::2]))
    if evaluation.against is not None:
        print_table(
            ("landmark", "sequence", ">pairs", ">median difference mm", ">p"),
            map(_difference, cells[::2]),
        )
    for path in written:
        print_line(str(path))
    print_line(evaluation.headline)
    print_line(NOTICE)


def _row(volume: Cell, plane: Cell) -> tuple[object, ...]:
    """Return the printed row of one landmark and sequence."""
    summary = volume.summary
    return (
        volume.landmark,
        volume.sequence,
        summary.n,
        _mm(summary.mean_mm),
        _mm(summary.sd_mm),
        _mm(summary.median_mm),
        _mm(summary.p90_mm),
        f"{summary.success_at_mm[10.0]:.0%}",
        f"{volume.iou_mean:.2f}",
        f"{plane.iou_mean:.2f}",
        f"{volume.confused:.0%}",
        f"{volume.not_converged:.0%}",
        None if volume.baseline is None else _mm(volume.baseline.median_mm),
    )


def _difference(cell: Cell) -> tuple[object, ...]:
    """Return the printed row that compares two packs."""
    difference = cell.against
    assert difference is not None
    p = None if isnan(difference.p_value) else f"{difference.p_value:.2g}"
    median = difference.median_mm
    return (
        cell.landmark,
        cell.sequence,
        difference.n_pairs,
        None if isnan(median) else f"{median:+.1f}",
        p,
    )


def _mm(value: float) -> str | None:
    return None if isnan(value) else f"{value:.1f}"
