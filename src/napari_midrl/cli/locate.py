"""``midrl locate``: find landmarks without a window."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_midrl.cli.arguments import (
    Device,
    Overwrite,
    Seed,
    Starts,
    StudyPaths,
    load,
)
from napari_midrl.cli.console import (
    DISCLAIMER,
    print_line,
    print_table,
    progress_bar,
    say,
    warn,
)
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import InputError, OverwriteError

if TYPE_CHECKING:
    from napari_midrl.data.trajectory import LandmarkResult

COLUMNS = (
    "landmark",
    ">L mm",
    ">P mm",
    ">S mm",
    ">spread mm",
    ">agree",
    ">sure",
    ">steps",
)
NOTHING_FOUND = 1


def locate(
    study: StudyPaths,
    agents: Annotated[str, typer.Option(help="As `midrl agents list` prints it.")],
    out: Annotated[Path, typer.Option(help="Landmark file: .csv, .mrk.json or .fcsv")],
    volume: Annotated[
        str | None,
        typer.Option(
            help="Volume to search; by default the first of T1w, T2w, Dixon water, ..."
        ),
    ] = None,
    landmarks: Annotated[
        str | None, typer.Option(help="Names with commas between; default all.")
    ] = None,
    starts: Starts = SearchSettings.n_starts,
    device: Device = "auto",
    seed: Seed = 0,
    trajectories: Annotated[
        Path | None, typer.Option(help="Also write every step of every agent (.csv).")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Find landmarks in a volume and write them to a file.

    A landmark that was not found becomes a row without a position.

    Exit code 1: none was found.
    """
    from napari_midrl.data.progress import finish
    from napari_midrl.io.landmarks import LANDMARK_SUFFIXES, write_landmarks
    from napari_midrl.io.trajectories import write_trajectories
    from napari_midrl.workflows.inspect import choose_volume
    from napari_midrl.workflows.localize import as_landmarks
    from napari_midrl.workflows.localize import locate as search

    _refuse_early(out, LANDMARK_SUFFIXES, overwrite)
    if trajectories is not None:
        _refuse_early(trajectories, (".csv",), overwrite)
    settings = SearchSettings(
        landmarks=_names(landmarks), n_starts=starts, seed=seed, device=device
    )
    whole = load(study)
    image = choose_volume(whole, volume)
    # Such as a file that does not say where it lies: its millimeters are a guess.
    warn(f"{image.name}: {text}" for text in image.provenance.warnings)
    say(f"searching {image.name!r} with {agents}")
    with progress_bar() as show:
        found = finish(search(image, agents, settings), show)
    if found.turned_degrees:
        say(f"searched as turned by {found.turned_degrees:.0f} degrees, upright")
    landmark_set = replace(as_landmarks(found, image), case_id=whole.name)
    write_landmarks(landmark_set, out, grid=image.grid, overwrite=overwrite)
    if trajectories is not None:
        write_trajectories(found.trajectories, trajectories, overwrite=overwrite)
    print_table((*COLUMNS, "state"), map(_row, found.results))
    doubtful = [result.name for result in found.results if result.is_doubtful]
    if doubtful:
        warn([f"hardly sure, look twice or leave out: {', '.join(doubtful)}"])
    print_line(f"{out}: {len(found.results)} landmarks")
    say(DISCLAIMER)
    if not any(result.position_lps_mm for result in found.results):
        raise typer.Exit(NOTHING_FOUND)


def _refuse_early(path: Path, suffixes: tuple[str, ...], overwrite: bool) -> None:
    """Refuse before the search what the writers would refuse after it."""
    if not path.name.lower().endswith(suffixes):
        msg = f"expected a name that ends in {' or '.join(suffixes)}"
        raise InputError(msg, path)
    if not path.parent.is_dir():
        msg = "its folder does not exist"
        raise InputError(msg, path)
    if path.exists() and not overwrite:
        msg = "already exists; --overwrite replaces it"
        raise OverwriteError(msg, path)


def _names(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip()) or None


def _row(result: LandmarkResult) -> tuple[object, ...]:
    position = result.position_lps_mm
    lps = (None,) * 3 if position is None else tuple(f"{mm:.1f}" for mm in position)
    spread = None if isnan(result.spread_mm) else f"{result.spread_mm:.1f}"
    agreement = f"{result.agreement:.0%}"
    sure = None if result.confidence is None else f"{result.confidence:.0%}"
    numbers = (spread, agreement, sure, result.n_steps)
    return (result.name, *lps, *numbers, result.state.value)
