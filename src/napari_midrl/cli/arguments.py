"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_midrl.errors import InputError

if TYPE_CHECKING:
    from napari_midrl.data.study import Study

StudyPaths = Annotated[
    list[Path],
    typer.Argument(
        metavar="STUDY",
        help="Image files (DICOM, NIfTI, NRRD, MHA), or a folder of DICOM files.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the file if it exists.")
]
Starts = Annotated[int, typer.Option(help="Start points per landmark.", min=1)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, ...")]
Seed = Annotated[int, typer.Option(help="Same seed, same result.", min=0)]


def refuse_absent(path: Path) -> None:
    """Raise InputError if there is nothing at the path."""
    if not path.exists():
        msg = "no such file or folder"
        raise InputError(msg, path)


def load(paths: list[Path]) -> Study:
    """Return the study in these files; show progress and its warnings."""
    from napari_midrl.cli.console import progress_bar, warn
    from napari_midrl.data.progress import finish
    from napari_midrl.workflows.load import load_study

    for path in paths:
        refuse_absent(path)
    with progress_bar() as show:
        study = finish(load_study(paths), show)
    warn(study.warnings)
    return study
