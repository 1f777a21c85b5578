"""``midrl train``: remake an agent pack from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_midrl.cli.arguments import Seed
from napari_midrl.cli.console import print_line, progress_bar
from napari_midrl.errors import InputError


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="brain-afids, digital-patient, midrl-2d, midrl-3d; or own-cases: a "
            "data set or a folder of cases with landmarks."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the pack and checkpoints; needed to train."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the training data, for recipes that need one."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file of numbers to train by, not the recipe's own."),
    ] = None,
    print_config: Annotated[
        bool,
        typer.Option("--print-config", help="Print the recipe's own such file; stop."),
    ] = False,
    seed: Seed = 0,
    updates: Annotated[
        int | None,
        typer.Option(min=1, help="Another length of every stage than the recipe's."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the last checkpoint in the folder."),
    ] = False,
    tensorboard: Annotated[
        bool,
        typer.Option("--tensorboard", help="Write the log for TensorBoard, too."),
    ] = False,
) -> None:
    """Train agents by a recipe; hours on a CPU, and it can be resumed."""
    from napari_midrl.data.progress import finish
    from napari_midrl.workflows.train import config_text, train_pack

    if print_config:
        for line in config_text(recipe).splitlines():
            print_line(line)
        return
    if out is None:
        msg = "--out is needed: a folder for the pack and checkpoints"
        raise InputError(msg)
    task = train_pack(
        recipe,
        out,
        seed=seed,
        resume=resume,
        data=data,
        config=config,
        n_updates=updates,
        tensorboard=tensorboard,
    )
    with progress_bar() as show:
        pack = finish(task, show)
    print_line(str(pack))
