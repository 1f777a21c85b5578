"""``midrl finetune``: teach agents new landmarks, without forgetting the old ones."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_midrl.cli.arguments import Seed
from napari_midrl.cli.console import print_line, print_table, say, warn
from napari_midrl.cli.finetune_driver import (
    Reports,
    driven,
    put,
    shown,
    stopped_by_interrupt,
)
from napari_midrl.cli.steering import Steering
from napari_midrl.errors import InputError

if TYPE_CHECKING:
    from napari_midrl.evaluation.before_after import Row

COLUMNS = (
    *("cases", "landmark", "agents", ">n", ">mean mm", ">median", ">90 %"),
    *(">< 4 mm", ">< 10 mm", ">wrong", ">not found"),
)


def finetune(
    out: Annotated[str, typer.Option(help="Name of the new agents, or a folder.")],
    pack: Annotated[
        str | None, typer.Option(help="Agents to begin with; they stay.")
    ] = None,
    cases: Annotated[
        Path | None,
        typer.Option(help="Folder of cases with landmarks, as for evaluate."),
    ] = None,
    hold_out: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE|FILE",
            help="Share of the cases to hold out, or a file of their names, one per "
            "line; default what a data set says, else a fifth.",
        ),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="Name of a case not to use at all; may be repeated."),
    ] = None,
    landmark: Annotated[
        list[str] | None,
        typer.Option(help="Learn these only; may be repeated; default all."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.1, help="For everything; default 20.")
    ] = None,
    updates: Annotated[
        int | None, typer.Option(min=1, help="Instead of the minutes.")
    ] = None,
    no_replay: Annotated[
        bool,
        typer.Option("--no-replay", help="Do not rehearse: shows what is forgotten."),
    ] = False,
    share_network: Annotated[
        bool,
        typer.Option(
            "--share-network",
            help="New landmarks join the network of the old ones, instead of getting "
            "one of their own.",
        ),
    ] = False,
    no_coreset: Annotated[
        bool,
        typer.Option("--no-coreset", help="Put no images of the cases in the pack."),
    ] = False,
    seed: Seed = 0,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on after an interruption; only --out is needed with it.",
        ),
    ] = False,
    finish_now: Annotated[
        bool,
        typer.Option(
            "--finish-now", help="With --resume: take the best weights so far."
        ),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan", help="Say what would be learned and how long it takes; end then."
        ),
    ] = False,
    progress: Annotated[
        Reports,
        typer.Option(help="json: every report as a line of JSON on stdout."),
    ] = Reports.TEXT,
    steer: Annotated[
        bool,
        typer.Option(
            "--steer",
            help="For programs: obey lines on stdin, pause or finish; its end pauses.",
        ),
    ] = False,
) -> None:
    """Teach agents landmarks of your own cases; what they know stays.

    Interrupt once to stop early and keep the best weights so far.
    """
    from napari_midrl.workflows.finetune import finetune as teach
    from napari_midrl.workflows.finetune_runs import (
        resumed,
        run_folder,
        target_folder,
    )
    from napari_midrl.workflows.finetune_settings import FineTuneSettings

    steering = Steering() if steer else None
    with stopped_by_interrupt() as stop, shown(progress) as show:

        def finish_early() -> bool:
            return finish_now or stop() or bool(steering and steering.wants_finish)

        if resume and pack is None and cases is None:
            pack, data, settings = resumed(out)
        else:
            pack, data = _both(pack, cases)
            settings = FineTuneSettings(
                landmarks=tuple(landmark) if landmark else None,
                hold_out=_held_out(hold_out),
                left_out=tuple(leave_out or ()),
                minutes=_minutes(minutes, updates),
                n_updates=updates,
                replay_share=0.0 if no_replay else FineTuneSettings.replay_share,
                shares_network=share_network,
                carries_cases=not no_coreset,
                seed=seed,
            )
        task = teach(pack, data, out, settings, resume=resume, stop=finish_early)
        done = driven(task, show, steering, only_plan=plan)
    if done is None:
        _tell_stopped(
            run_folder(target_folder(out)), progress, only_plan=plan and not resume
        )
    elif progress is Reports.JSON:
        put(done)
    else:
        warn(done.notes)
        print_table(COLUMNS, map(cells_of, done.rows))
        print_line(str(done.folder))


def _tell_stopped(folder: Path, progress: Reports, *, only_plan: bool) -> None:
    """Say whether the run can be resumed; if not, nothing is left of it."""
    from napari_midrl.io.run_record import has_record
    from napari_midrl.workflows.finetune_reports import Paused
    from napari_midrl.workflows.finetune_runs import discard

    can_resume = has_record(folder) and not only_plan
    if not can_resume:
        discard(folder)
    if progress is Reports.JSON:
        put(Paused(can_resume))
    elif not only_plan:
        say("paused; --resume goes on" if can_resume else "stopped; nothing is kept")


def _both(pack: str | None, cases: Path | None) -> tuple[str, str]:
    if pack is None or cases is None:
        msg = "give --pack and --cases; only --resume goes without both"
        raise InputError(msg)
    return pack, str(cases)


def _minutes(minutes: float | None, updates: int | None) -> float | None:
    if minutes is not None and updates is not None:
        msg = "give --minutes or --updates, not both"
        raise InputError(msg)
    return 20.0 if minutes is None and updates is None else minutes


def _held_out(text: str | None) -> float | tuple[str, ...] | None:
    """Return a share, or the names in a file.

    Raises
    ------
    InputError
        If it is neither.
    """
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    try:
        lines = Path(text).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"is neither a share nor a readable file of names: {error}"
        raise InputError(msg, text) from error
    return tuple(line.strip() for line in lines if line.strip())


def cells_of(row: Row) -> tuple[object, ...]:
    """Return the printed row of one landmark and kind of agents."""
    return (
        *(row.group, row.landmark, row.agents, row.n),
        *(_mm(row.mean_mm), _mm(row.median_mm), _mm(row.p90_mm)),
        *(f"{row.within_4_mm:.0%}", f"{row.within_10_mm:.0%}", f"{row.wrong:.0%}"),
        f"{row.n_missed / row.n:.0%}",
    )


def _mm(value: float) -> str | None:
    return None if isnan(value) else f"{value:.1f}"
