"""``midrl calibrate``: how sure the answers of a pack are."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_midrl.cli.console import print_line, progress_bar


def calibrate(
    pack: Annotated[
        str, typer.Argument(metavar="PACK", help="Name, or folder of a new pack.")
    ],
    patients: Annotated[
        int, typer.Option(min=1, help="Digital patients to search.")
    ] = 8,
    jobs: Annotated[int, typer.Option(min=1, help="Patients at once.")] = 1,
) -> None:
    """Fit the confidence of agents to digital patients; the card keeps it.

    Afterwards a confidence is the share of such answers that are within 5 mm, and
    an answer with less of it than the limit of its landmark becomes "outside the
    volume".
    """
    from napari_midrl.data.progress import finish
    from napari_midrl.workflows.calibrate import calibrate as fit

    with progress_bar() as show:
        statement = finish(fit(pack, patients, jobs), show)
    print_line(statement.fitted_to)
    for landmark, limit in statement.reject_below.items():
        print_line(f"{landmark}: not in this volume below {limit:.2%}")
