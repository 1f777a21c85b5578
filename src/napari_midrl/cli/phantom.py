"""``midrl phantom``: a study of the digital patient as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_midrl.cli.console import print_line, progress_bar


def phantom(
    seed: Annotated[int, typer.Argument(help="Of the patient.", min=0)],
    out: Annotated[Path, typer.Option(help="New folder for the files.")],
    quick: Annotated[
        bool, typer.Option("--quick", help="Image on coarser grids.")
    ] = False,
) -> None:
    """Image a digital patient: NIfTI files and exact landmarks."""
    from napari_midrl.data.progress import finish
    from napari_midrl.workflows.phantom import write_phantom

    with progress_bar() as show:
        files = finish(write_phantom(seed, out, quick=quick), show)
    for file in files:
        print_line(str(file))
