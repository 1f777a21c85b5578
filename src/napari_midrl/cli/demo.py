"""``midrl demo``: the sample study, searched and played."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from napari_midrl.cli.arguments import Seed
from napari_midrl.cli.console import DISCLAIMER, print_line, say
from napari_midrl.cli.display import has_display, virtual_display
from napari_midrl.errors import MidrlError


def demo(
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for landmarks, movie and picture of the window."),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Open napari with a sample study and play how the agents search it.

    Without a display the same happens out of sight and leaves demo-output/.
    """
    try:
        from napari_midrl.plugin.demo import open_demo
    except ModuleNotFoundError as error:
        msg = (
            f"the window needs {error.name}, which is not installed: "
            "pip install 'napari-midrl[pyqt6,video]'"
        )
        raise MidrlError(msg) from error

    seen = has_display()
    if out is None and not seen:
        out = Path("demo-output")
    say(DISCLAIMER)
    with nullcontext() if seen else virtual_display():
        open_demo(seed=seed, out=out)
    if out is not None:
        for file in sorted(out.iterdir()):
            print_line(str(file.resolve()))
