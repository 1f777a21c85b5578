"""``midrl train``: remake an agent pack from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_midrl.cli.arguments import Seed
from napari_midrl.cli.console import print_line, progress_bar


def train(
    recipe: Annotated[
        str, typer.Argument(help="brain-afids, digital-patient, midrl-2d or midrl-3d.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the pack and checkpoints.")],
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the training data, for recipes that need one."),
    ] = None,
    seed: Seed = 0,
    updates: Annotated[
        int | None,
        typer.Option(min=1, help="Another length of every stage than the recipe's."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the last checkpoint in the folder."),
    ] = False,
) -> None:
    """Train agents by a recipe; hours on a CPU, and it can be resumed."""
    from napari_midrl.data.progress import finish
    from napari_midrl.workflows.train import train_pack

    with progress_bar() as show:
        pack = finish(
            train_pack(
                recipe, out, seed=seed, resume=resume, data=data, n_updates=updates
            ),
            show,
        )
    print_line(str(pack))
