"""``midrl locate``: find landmarks without a window."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    from napari_midrl.agents.sequence_consensus import StudyResult
    from napari_midrl.data.study import Study
    from napari_midrl.data.trajectory import LandmarkResult
    from napari_midrl.data.volume import Volume

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
STUDY_COLUMNS = (*COLUMNS[:5], ">images agree", ">sure", "surest in")
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
    all_volumes: Annotated[
        bool,
        typer.Option(
            "--all-volumes", help="Search every volume; one answer where they agree."
        ),
    ] = False,
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
    """Find landmarks in a volume, or in all of a study, and write them to a file.

    A landmark that was not found becomes a row without a position.

    Exit code 1: none was found.
    """
    from napari_midrl.io.landmarks import LANDMARK_SUFFIXES

    _refuse_early(out, LANDMARK_SUFFIXES, overwrite)
    if trajectories is not None:
        _refuse_early(trajectories, (".csv",), overwrite)
    if all_volumes and (volume is not None or trajectories is not None):
        msg = "--all-volumes goes with neither --volume nor --trajectories"
        raise InputError(msg)
    settings = SearchSettings(
        landmarks=_names(landmarks), n_starts=starts, seed=seed, device=device
    )
    asked = _Asked(agents, settings, out, trajectories, overwrite)
    study_read = load(study)
    if all_volumes:
        is_found = _located_in_all(study_read, asked)
    else:
        is_found = _located_in_one(study_read, volume, asked)
    say(DISCLAIMER)
    if not is_found:
        raise typer.Exit(NOTHING_FOUND)


@dataclass(frozen=True)
class _Asked:
    """What to search with, and where to write it."""

    agents: str
    settings: SearchSettings
    out: Path
    trajectories: Path | None
    overwrite: bool


def _located_in_one(study: Study, volume: str | None, asked: _Asked) -> bool:
    """Search a volume, write and show what was found; return whether anything was."""
    from napari_midrl.data.progress import finish
    from napari_midrl.io.landmarks import write_landmarks
    from napari_midrl.io.trajectories import write_trajectories
    from napari_midrl.workflows.inspect import choose_volume
    from napari_midrl.workflows.localize import as_landmarks
    from napari_midrl.workflows.localize import locate as search

    image = choose_volume(study, volume)
    _warn_of(image)
    say(f"searching {image.name!r} with {asked.agents}")
    with progress_bar() as show:
        found = finish(search(image, asked.agents, asked.settings), show)
    if found.turned_degrees:
        say(f"searched as turned by {found.turned_degrees:.0f} degrees, upright")
    landmark_set = replace(as_landmarks(found, image), case_id=study.name)
    write_landmarks(landmark_set, asked.out, grid=image.grid, overwrite=asked.overwrite)
    if asked.trajectories is not None:
        write_trajectories(
            found.trajectories, asked.trajectories, overwrite=asked.overwrite
        )
    print_table((*COLUMNS, "state"), map(_row, found.results))
    return _said(found.results, asked.out)


def _located_in_all(study: Study, asked: _Asked) -> bool:
    """Search all volumes, write and show one answer each; as `_located_in_one`."""
    from napari_midrl.data.progress import finish
    from napari_midrl.io.landmarks import write_landmarks
    from napari_midrl.workflows.localize_study import locate_in_study

    for image in study.volumes:
        _warn_of(image)
    say(f"searching {len(study.volumes)} volumes with {asked.agents}")
    with progress_bar() as show:
        found = finish(locate_in_study(study, asked.agents, asked.settings), show)
    warn(f"not searched: {text}" for text in found.left_out)
    write_landmarks(
        found.as_landmarks(study.name),
        asked.out,
        grid=found.reference.grid,
        overwrite=asked.overwrite,
    )
    print_table(STUDY_COLUMNS, map(_study_row, found.results))
    return _said(found.as_localization().results, asked.out)


def _warn_of(image: Volume) -> None:
    # Such as a file that does not say where it lies: its millimeters are a guess.
    warn(f"{image.name}: {text}" for text in image.provenance.warnings)


def _said(results: tuple[LandmarkResult, ...], out: Path) -> bool:
    """Say what to look at twice and what was written; return whether there is any."""
    doubtful = [result.name for result in results if result.is_doubtful]
    if doubtful:
        warn([f"hardly sure, look twice or leave out: {', '.join(doubtful)}"])
    print_line(f"{out}: {len(results)} landmarks")
    return any(result.position_lps_mm for result in results)


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
    numbers = (f"{result.agreement:.0%}", _sure(result), result.n_steps)
    return (*_place(result), *numbers, result.state.value)


def _study_row(result: StudyResult) -> tuple[object, ...]:
    agree = None
    if result.position_lps_mm is not None:
        agree = f"{len(result.agreeing)} of {result.n_showing}"
    best = result.agreeing[0] if result.agreeing else None
    return (*_place(result), agree, _sure(result), best)


def _place(result: LandmarkResult | StudyResult) -> tuple[object, ...]:
    """Return name, LPS mm and spread."""
    position = result.position_lps_mm
    lps = (None,) * 3 if position is None else tuple(f"{mm:.1f}" for mm in position)
    spread = None if isnan(result.spread_mm) else f"{result.spread_mm:.1f}"
    return (result.name, *lps, spread)


def _sure(result: LandmarkResult | StudyResult) -> str | None:
    return None if result.confidence is None else f"{result.confidence:.0%}"
