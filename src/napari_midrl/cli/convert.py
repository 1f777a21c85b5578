"""``midrl convert``: a landmark file in another format."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from napari_midrl.cli.arguments import Overwrite, refuse_absent
from napari_midrl.cli.console import print_line, warn


class Frame(StrEnum):
    """Frames a landmark file may be in."""

    LPS = "LPS"
    RAS = "RAS"


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help=".csv, .fcsv or .mrk.json")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help=".csv, .fcsv or .mrk.json")
    ],
    frame: Annotated[
        Frame | None,
        typer.Option(help="Frame of IN, for a file that does not say it."),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(help="The image they belong to: adds its hash and voxels."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Rewrite landmarks in another format; the points stay where they are."""
    from napari_midrl.workflows.convert import convert_landmarks

    refuse_absent(source)
    landmarks = convert_landmarks(
        source,
        target,
        frame=None if frame is None else frame.value,
        image=image,
        overwrite=overwrite,
    )
    warn(landmarks.warnings)
    print_line(f"{target}: {len(landmarks)} landmarks")
