"""``midrl next-case``: which case to annotate next."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_midrl.cli.arguments import AsJson, Device, Seed, Starts
from napari_midrl.cli.console import print_json, print_line, print_table, progress_bar
from napari_midrl.data.settings import SearchSettings

if TYPE_CHECKING:
    from napari_midrl.workflows.rank_cases import RankedCase

COLUMNS = ("case", ">disagree by mm", "most of all", ">starts mm", ">sequences mm")


def next_case(
    pack: Annotated[
        str, typer.Argument(metavar="PACK", help="As `midrl agents list` prints it.")
    ],
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER",
            help="One subfolder per case, or image files. Cases with landmarks are "
            "left out.",
        ),
    ],
    landmark: Annotated[
        list[str] | None,
        typer.Option(help="Seek these only; may be repeated; default all."),
    ] = None,
    starts: Starts = SearchSettings.n_starts,
    device: Device = "auto",
    seed: Seed = 0,
    json: AsJson = False,
) -> None:
    """Rank cases nobody has annotated: where starts and sequences disagree most.

    There an annotation teaches the agents most. That they agree does not mean that
    they are right.
    """
    from napari_midrl.data.progress import finish
    from napari_midrl.workflows.rank_cases import ranked_cases

    settings = SearchSettings(
        n_starts=starts,
        landmarks=tuple(landmark) if landmark else None,
        seed=seed,
        device=device,
    )
    with progress_bar() as show:
        ranked = finish(ranked_cases(folder, pack, settings), show)
    if json:
        print_json(
            [
                {**asdict(case), "images": str(case.images), "doubt_mm": case.doubt_mm}
                for case in ranked
            ]
        )
        return
    print_table(COLUMNS, map(_row, ranked))
    if not ranked[0].problem:
        print_line(f"annotate next: {ranked[0].images}")


def _row(case: RankedCase) -> tuple[object, ...]:
    if case.problem:
        return case.name, None, case.problem, None, None
    if not case.doubts:
        return case.name, f"{case.doubt_mm:.0f}", "nothing was found", None, None
    worst = case.doubts[0]
    return (
        case.name,
        f"{case.doubt_mm:.1f}",
        worst.landmark,
        f"{worst.starts_mm:.1f}",
        f"{worst.sequences_mm:.1f}",
    )
