"""Teach agents new landmarks, or old ones in new images, and keep what they know."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.data.progress import Progress
from napari_midrl.errors import InputError, PackError
from napari_midrl.evaluation.before_after import as_plain
from napari_midrl.io.model_store import DENSE_ARCHITECTURE, find_pack, read_pack
from napari_midrl.io.run_record import (
    RECORD_NAME,
    RunRecord,
    claim,
    read_record,
    release,
    write_record,
)
from napari_midrl.workflows.finetune_cases import cases_in, landmarks_in, split_of
from napari_midrl.workflows.finetune_pack import (
    card_of,
    coreset_of,
    notes_on,
    pack_of,
    weights_of,
    write_whole,
)
from napari_midrl.workflows.finetune_runs import (
    check_run,
    history,
    logged_seconds,
    n_logged,
    run_folder,
    target_folder,
)
from napari_midrl.workflows.finetune_settings import (
    FineTuned,
    FineTuneSettings,
    Plan,
    PlanProgress,
)
from napari_midrl.workflows.finetune_work import (
    QUICK_STARTS,
    Work,
    check_networks,
    found_in_held_out,
    grown_network,
    known_in,
    localizer_of_network,
    read_cases,
    recall,
    rows_before,
    rows_of_agents,
    training_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_midrl.agents.dense_network import DenseQNetwork
    from napari_midrl.io.model_store import Pack
    from napari_midrl.workflows.finetune_cases import Split

MIN_UPDATES = 20
SHARE_MEASURED = 0.01
"""Of the minutes, to measure how long an update takes."""
SHARE_PLANNED = 0.95
"""Of the minutes; other programs may want the processors, too."""


def finetune(
    pack_name: str,
    data: str,
    out: str,
    settings: FineTuneSettings | None = None,
    *,
    resume: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Generator[Progress, None, FineTuned]:
    """Yield progress and return the new pack.

    A generator that is closed leaves a checkpoint beside the place of the new pack,
    one that is killed its latest one; with `resume` it goes on from there. The pack
    itself appears whole, in one step, and nothing is ever replaced.

    Parameters
    ----------
    pack_name
        Of the agents to begin with; they stay as they are.
    data
        Folder of cases with landmarks, or a data set.
    out
        Name of the new pack in the user's store, or a folder for it.
    settings
        See there; None for the defaults.
    resume
        Go on from the checkpoint of an interrupted run.
    stop
        Asked after every update. Once it says yes, the best weights so far are made
        into the pack: the last measured, if none was better, or the latest, if there
        is nothing to measure on.

    Raises
    ------
    InputError
        If cases, split or landmarks cannot be used, there is a checkpoint and
        `resume` was not asked for, or there is none and it was.
    OverwriteError
        If the new pack exists.
    PackError
        If the pack cannot be fine-tuned, or the checkpoint is of another run.
    TrainingError
        If the weights no longer change.
    """
    settings = settings or FineTuneSettings()
    target = target_folder(out)
    work = Work(_parent(pack_name), settings, run_folder(target))
    check_run(work.folder, resume=resume)
    try:
        return (yield from _made(work, data, target, stop, resume=resume))
    finally:
        if work.is_claimed:
            release(work.folder)


def _made(
    work: Work,
    data: str,
    target: Path,
    stop: Callable[[], bool],
    *,
    resume: bool,
) -> Generator[Progress, None, FineTuned]:
    """Yield progress and return the new pack, step by step."""
    begun = time.perf_counter()
    settings = work.settings
    found = cases_in(data, settings.left_out)
    split = split_of(data, found, settings.hold_out, settings.seed)
    learned_from = [case for case in found if case.name in split.train]
    work.landmarks = landmarks_in(learned_from, settings.landmarks)
    check_networks(work)
    work.folder.mkdir(parents=True, exist_ok=True)
    claim(work.folder)
    work.is_claimed = True
    yield Progress(0, 0, "loading the engine")
    from napari_midrl.localizers.packs import localizer_of

    yield from read_cases(work, found, split)
    yield from recall(work)
    before, seconds = yield from rows_before(work)
    asked = _Asked(data, split, seconds, begun, resume)
    plan = yield from _planned(work, asked)
    yield PlanProgress(0, plan.n_updates, "ready to learn", plan=plan)
    network, n_done, history = yield from _learned(work, plan, stop)
    card = card_of(work, target.name, plan, n_done, history)
    weights = weights_of(work, network)
    made = localizer_of(pack_of(work, card, weights))
    rows = (*before, *(yield from rows_of_agents(work, made, "after")))
    card["training"]["seconds"] = round(logged_seconds(work.folder), 1)
    table = [as_plain(row) for row in rows]
    card["metrics"] = {"before_after": table, "history": history}
    write_whole(target, card, weights, coreset_of(work, network))
    shutil.rmtree(work.folder, ignore_errors=True)
    yield Progress(1, 1, f"wrote {target}")
    return FineTuned(target, plan, n_done, rows, tuple(notes_on(work)))


def _parent(pack_name: str) -> Pack:
    pack = read_pack(find_pack(pack_name))
    if pack.card.architecture != DENSE_ARCHITECTURE:
        msg = f"agents of architecture {pack.card.architecture} cannot be fine-tuned"
        raise PackError(msg, pack.folder)
    return pack


@dataclass(frozen=True)
class _Asked:
    """What a plan depends on besides the work: data, split, and the time spent."""

    data: str
    split: Split
    table_seconds: float
    begun: float
    resume: bool


def _planned(work: Work, asked: _Asked) -> Generator[Progress, None, Plan]:
    """Return the plan: measured, or that of the run that is resumed."""
    if asked.resume:
        return _plan_of(work, asked, _same_run(work, asked.split))
    yield Progress(0, 0, "measuring how long an update takes")
    record = _new_record(work, asked, *_n_updates(work, asked))
    write_record(record, work.folder)
    return _plan_of(work, asked, record)


def _n_updates(work: Work, asked: _Asked) -> tuple[int, float]:
    """Return how many updates there is time for, and how long each takes."""
    from napari_midrl.training.dense_loop import seconds_per_update

    settings, network = training_of(work, 1000), grown_network(work)
    seconds = 60 * (work.settings.minutes or 0.0)
    each = seconds_per_update(
        network.config,
        work.cases,
        settings,
        network,
        work.past,
        measured_s=SHARE_MEASURED * seconds,
    )
    if work.settings.n_updates is not None:
        return work.settings.n_updates, each
    # What was spent so far, and a table like the first at the end. Measuring on
    # the way takes a fifth of a table every tenth of the way.
    spent = time.perf_counter() - asked.begun
    left = SHARE_PLANNED * seconds - spent - 3 * asked.table_seconds
    n_updates = int(left / each)
    if n_updates < MIN_UPDATES:
        msg = f"{work.settings.minutes:g} minutes are enough for {max(0, n_updates)}"
        msg += f" updates of {each:.1f} s; at least {MIN_UPDATES} are needed"
        raise InputError(msg)
    return n_updates, each


def _plan_of(work: Work, asked: _Asked, record: RunRecord) -> Plan:
    """Return the plan of a run; of one that is resumed, the time that is left."""
    each, n_updates = record.seconds_per_update, record.n_updates
    n_left = n_updates - n_logged(work.folder)
    return Plan(
        asked.split,
        work.landmarks,
        work.new,
        n_updates,
        each,
        n_left * each + 3 * asked.table_seconds,
    )


def _same_run(work: Work, split: Split) -> RunRecord:
    """Return the record of the run that is resumed.

    Raises
    ------
    PackError
        If it is of another fine-tuning.
    """
    record = read_record(work.folder)
    theirs = record.model_dump()
    for name, value in _identity(work, split).items():
        if theirs[name] != value:
            msg = f"is of a fine-tuning with {name} {theirs[name]}, not {value}"
            raise PackError(msg, work.folder / RECORD_NAME)
    return record


def _identity(work: Work, split: Split) -> dict[str, Any]:
    """Return what must be the same for a run to go on."""
    settings = work.settings
    return {
        "parent": work.pack.card.weights_sha256,
        "train": split.train,
        "held_out": split.held_out,
        "landmarks": work.landmarks,
        "replay_share": settings.replay_share,
        "relearns_past": settings.relearns_past,
        "shares_network": settings.shares_network,
        "seed": settings.seed,
    }


def _new_record(work: Work, asked: _Asked, n_updates: int, each: float) -> RunRecord:
    settings = work.settings
    return RunRecord(
        **_identity(work, asked.split),
        pack=str(work.pack.folder.absolute()),
        data=str(Path(asked.data).absolute()),
        left_out=settings.left_out,
        carries_cases=settings.carries_cases,
        n_starts=settings.n_starts,
        n_patients=settings.n_patients,
        n_updates=n_updates,
        seconds_per_update=each,
        begun=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _learned(
    work: Work, plan: Plan, stop: Callable[[], bool]
) -> Generator[Progress, None, tuple[DenseQNetwork, int, list[dict[str, float]]]]:
    """Return the trained network, its number of updates, and what was measured."""
    from napari_midrl.training.finetune import best_in, fine_tune, latest_in

    settings = training_of(work, plan.n_updates)
    measures, has_learned = _measures(work), False
    training = fine_tune(
        grown_network(work),
        work.cases,
        settings,
        work.folder,
        past=work.past,
        measure=partial(_measured, work) if measures else None,
        measure_every=max(1, plan.n_updates // 10),
    )
    n_done = plan.n_updates
    while True:
        if stop():
            best = best_in(work.folder, grown_network(work))
            if best is None and has_learned and not measures:
                training.close()
                best = latest_in(work.folder, grown_network(work))
            if best is not None:
                training.close()
                return best.network, best.n_updates, history(work.folder)
        try:
            progress = next(training)
        except StopIteration as done:
            network: DenseQNetwork = done.value
            return network, n_done, history(work.folder)
        has_learned = True
        yield progress


def _measures(work: Work) -> bool:
    """Return whether any held-out case places a landmark that is learned."""
    return any(known_in(case, work.landmarks) for case in work.held_out)


def _measured(
    work: Work, network: DenseQNetwork
) -> Generator[Progress, None, dict[str, float]]:
    """Yield progress and return how near a network comes in the held-out cases.

    The error to be small is the mean: a wrong vertebra, which a median hides, counts.
    A search without an answer counts as far off as the image is large.
    """
    from copy import deepcopy

    localizer = localizer_of_network(work, deepcopy(network))
    found = yield from found_in_held_out(work, localizer, QUICK_STARTS)
    if not found:
        return {}
    errors = np.array([finding.error_mm() for finding in found])
    sizes = [float(np.linalg.norm(finding.grid.size_mm)) for finding in found]
    filled = np.where(np.isnan(errors), sizes, errors)
    wrong = [finding.nearer_to is not None for finding in found]
    return {
        "error": float(filled.mean()),
        "held_out_median_mm": float(np.median(filled)),
        "held_out_mean_mm": float(filled.mean()),
        "held_out_wrong": float(np.mean(wrong)),
    }
