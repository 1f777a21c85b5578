"""``midrl finetune``: teach agents new landmarks, without forgetting the old ones."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_midrl.cli.arguments import Seed
from napari_midrl.cli.console import print_line, print_table, progress_bar, say, warn
from napari_midrl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_midrl.data.progress import Progress
    from napari_midrl.evaluation.before_after import Row
    from napari_midrl.workflows.finetune_settings import Plan

COLUMNS = (
    *("cases", "landmark", "agents", ">n", ">mean mm", ">median", ">90 %"),
    *(">< 4 mm", ">< 10 mm", ">wrong", ">not found"),
)


def finetune(
    pack: Annotated[str, typer.Option(help="Agents to begin with; they stay.")],
    cases: Annotated[
        Path,
        typer.Option(help="Folder of cases with landmarks, as for evaluate."),
    ],
    out: Annotated[str, typer.Option(help="Name of the new agents, or a folder.")],
    hold_out: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE|FILE",
            help="Share of the cases to hold out, or a file of their names, one per "
            "line; default what a data set says, else a fifth.",
        ),
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
    no_coreset: Annotated[
        bool,
        typer.Option("--no-coreset", help="Put no images of the cases in the pack."),
    ] = False,
    seed: Seed = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on after an interruption.")
    ] = False,
    finish_now: Annotated[
        bool,
        typer.Option(
            "--finish-now", help="With --resume: take the best weights so far."
        ),
    ] = False,
) -> None:
    """Teach agents landmarks of your own cases; the old ones are rehearsed.

    Interrupt once to stop early and keep the best weights so far.
    """
    from napari_midrl.data.progress import finish
    from napari_midrl.workflows.finetune import finetune as teach
    from napari_midrl.workflows.finetune_settings import FineTuneSettings

    if minutes is None and updates is None:
        minutes = 20.0
    elif minutes is not None and updates is not None:
        msg = "give --minutes or --updates, not both"
        raise InputError(msg)
    settings = FineTuneSettings(
        landmarks=tuple(landmark) if landmark else None,
        hold_out=_held_out(hold_out),
        minutes=minutes,
        n_updates=updates,
        replay_share=0.0 if no_replay else FineTuneSettings.replay_share,
        carries_cases=not no_coreset,
        seed=seed,
    )
    with _stopped_by_interrupt() as stop, progress_bar() as show:
        task = teach(
            pack,
            str(cases),
            out,
            settings,
            resume=resume,
            stop=lambda: finish_now or stop(),
        )
        done = finish(task, _announced(show))
    warn(done.notes)
    print_table(COLUMNS, map(_row, done.rows))
    print_line(str(done.folder))


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


@contextmanager
def _stopped_by_interrupt() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether the user interrupted; the second time ends."""
    wanted = False

    def stop(*_: Any) -> None:
        nonlocal wanted
        wanted = True
        signal.signal(signal.SIGINT, before)
        say("stopping; the best weights so far are kept. Again to interrupt.")

    try:
        before = signal.signal(signal.SIGINT, stop)
    except ValueError:
        # Not the main thread, such as in a test; then nobody presses Ctrl-C here.
        yield lambda: False
        return
    try:
        yield lambda: wanted
    finally:
        signal.signal(signal.SIGINT, before)


def _announced(
    show: Callable[[Progress], None] | None,
) -> Callable[[Progress], None]:
    """Return what shows progress, and prints the plan and what was measured."""
    from napari_midrl.workflows.finetune_settings import PlanProgress

    def announce(report: Progress) -> None:
        if isinstance(report, PlanProgress) and report.plan is not None:
            for line in _in_words(report.plan):
                say(line)
        measured = (report.metrics or {}).get("held_out_median_mm")
        if measured is not None:
            say(f"{report.text}; held-out median {measured:.1f} mm")
        if show is not None:
            show(report)

    return announce


def _in_words(plan: Plan) -> Iterator[str]:
    new = f", new: {', '.join(plan.new_landmarks)}" if plan.new_landmarks else ""
    yield f"landmarks: {', '.join(plan.landmarks)}{new}"
    yield f"learned from: {', '.join(plan.split.train)}"
    yield f"held out: {', '.join(plan.split.held_out) or 'none'}"
    yield (
        f"{plan.n_updates} updates of {plan.seconds_per_update:.2f} s: about "
        f"{plan.seconds / 60:.0f} minutes"
    )


def _row(row: Row) -> tuple[object, ...]:
    """Return the printed row of one landmark and kind of agents."""
    return (
        *(row.group, row.landmark, row.agents, row.n),
        *(_mm(row.mean_mm), _mm(row.median_mm), _mm(row.p90_mm)),
        *(f"{row.within_4_mm:.0%}", f"{row.within_10_mm:.0%}", f"{row.wrong:.0%}"),
        f"{row.n_missed / row.n:.0%}",
    )


def _mm(value: float) -> str | None:
    return None if isnan(value) else f"{value:.1f}"
