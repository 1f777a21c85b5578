"""Teach agents new landmarks, or old ones in new images, and keep what they know."""

from __future__ import annotations

import json
import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from napari_midrl.data.progress import Progress
from napari_midrl.errors import InputError, OverwriteError, PackError
from napari_midrl.io.model_store import find_pack, pack_folders, read_pack
from napari_midrl.workflows.finetune_cases import cases_in, landmarks_in, split_of
from napari_midrl.workflows.finetune_pack import (
    card_of,
    coreset_of,
    notes_on,
    write_whole,
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

PLAN_NAME = "plan.json"
MIN_UPDATES = 20


def target_folder(out: str) -> Path:
    """Return where a new pack goes: a path as it is, a name into the user's store.

    Raises
    ------
    OverwriteError
        If there is something already, or a pack of that name.
    """
    is_name = not any(mark in out for mark in ("/", os.sep))
    store = Path(platformdirs.user_data_dir("napari-midrl")) / "packs"
    target = store / out if is_name else Path(out)
    if target.exists() or (is_name and out in pack_folders()):
        msg = "exists already and was kept; choose another name"
        raise OverwriteError(msg, target)
    return target


def run_folder(target: Path) -> Path:
    """Return where checkpoints are while a pack is being made."""
    return target.with_name(f"{target.name}.training")


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

    A generator that is closed or killed leaves a checkpoint beside the place of the
    new pack; with `resume` it goes on from there. The pack itself appears whole, in
    one step, and nothing is ever replaced.

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
        into the pack: the last measured, if none was better.

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
    begun = time.perf_counter()
    settings = settings or FineTuneSettings()
    target = target_folder(out)
    work = Work(_parent(pack_name), settings, run_folder(target))
    _check_run(work.folder, resume=resume)
    found = cases_in(data)
    split = split_of(data, found, settings.hold_out, settings.seed)
    learned_from = [case for case in found if case.name in split.train]
    work.landmarks = landmarks_in(learned_from, settings.landmarks)
    yield Progress(0, 0, "loading the engine")
    yield from read_cases(work, found, split)
    yield from recall(work)
    before, seconds = yield from rows_before(work)
    plan = yield from _planned(work, split, seconds, begun, resume=resume)
    yield PlanProgress(0, plan.n_updates, "ready to learn", plan=plan)
    network, n_done, history = yield from _learned(work, plan, stop)
    after = yield from rows_of_agents(
        work, localizer_of_network(work, network), "after"
    )
    rows = (*before, *after)
    card = card_of(work, target.name, plan, n_done, rows, history)
    card["training"]["seconds"] = round(_logged_seconds(work.folder), 1)
    kept = coreset_of(work, network)
    write_whole(target, card, network, kept)
    shutil.rmtree(work.folder, ignore_errors=True)
    yield Progress(1, 1, f"wrote {target}")
    return FineTuned(target, plan, n_done, rows, tuple(notes_on(work)))


def _parent(pack_name: str) -> Pack:
    pack = read_pack(find_pack(pack_name))
    if pack.card.architecture != "midrl-dense":
        msg = f"agents of architecture {pack.card.architecture} cannot be fine-tuned"
        raise PackError(msg, pack.folder)
    return pack


def _check_run(folder: Path, *, resume: bool) -> None:
    has_plan = (folder / PLAN_NAME).exists()
    if has_plan and not resume:
        msg = "holds an interrupted fine-tuning; resume it, or remove the folder"
        raise InputError(msg, folder)
    if resume and not has_plan:
        msg = "there is no interrupted fine-tuning to go on with"
        raise InputError(msg, folder)


def _planned(
    work: Work, split: Split, seconds: float, begun: float, *, resume: bool
) -> Generator[Progress, None, Plan]:
    """Return the plan: measured, or that of the run that is resumed."""
    from napari_midrl.training.dense_loop import seconds_per_update

    path = work.folder / PLAN_NAME
    mine = _identity(work, split)
    if resume:
        theirs = json.loads(path.read_text(encoding="utf-8"))
        for name, value in mine.items():
            if theirs.get(name) != value:
                msg = f"is of a fine-tuning with {name} {theirs.get(name)}, not {value}"
                raise PackError(msg, path)
        return Plan(
            split,
            work.landmarks,
            work.new,
            theirs["n_updates"],
            theirs["seconds_per_update"],
            theirs["n_updates"] * theirs["seconds_per_update"] + seconds,
        )
    yield Progress(0, 0, "measuring how long an update takes")
    settings, network = training_of(work, 1000), grown_network(work)
    each = seconds_per_update(network.config, work.cases, settings, network, work.past)
    n_updates = work.settings.n_updates
    if n_updates is None:
        assert work.settings.minutes is not None
        # What was spent so far, and a table like the first at the end. Measuring on
        # the way takes a fifth of a table every tenth of the way.
        left = 60 * work.settings.minutes - (time.perf_counter() - begun) - 3 * seconds
        n_updates = int(left / each)
        if n_updates < MIN_UPDATES:
            msg = (
                f"{work.settings.minutes:g} minutes are enough for {max(0, n_updates)}"
            )
            msg += f" updates of {each:.1f} s; at least {MIN_UPDATES} are needed"
            raise InputError(msg)
    work.folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**mine, "n_updates": n_updates, "seconds_per_update": each})
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
    total = n_updates * each + 3 * seconds
    return Plan(split, work.landmarks, work.new, n_updates, each, total)


def _identity(work: Work, split: Split) -> dict[str, Any]:
    """Return what must be the same for a run to go on."""
    settings = work.settings
    return {
        "parent": work.pack.card.weights_sha256,
        "train": list(split.train),
        "held_out": list(split.held_out),
        "landmarks": list(work.landmarks),
        "replay_share": settings.replay_share,
        "seed": settings.seed,
    }


def _learned(
    work: Work, plan: Plan, stop: Callable[[], bool]
) -> Generator[Progress, None, tuple[DenseQNetwork, int, list[dict[str, float]]]]:
    """Return the trained network, its number of updates, and what was measured."""
    from napari_midrl.training.finetune import best_in, fine_tune

    settings = training_of(work, plan.n_updates)
    training = fine_tune(
        grown_network(work),
        work.cases,
        settings,
        work.folder,
        past=work.past,
        measure=partial(_measured, work) if _measures(work) else None,
        measure_every=max(1, plan.n_updates // 10),
    )
    n_done = plan.n_updates
    while True:
        if stop():
            best = best_in(work.folder, grown_network(work))
            if best is not None:
                training.close()
                return best.network, best.n_updates, _history(work.folder)
        try:
            progress = next(training)
        except StopIteration as done:
            network: DenseQNetwork = done.value
            return network, n_done, _history(work.folder)
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


def _lines(folder: Path) -> list[dict[str, float]]:
    """Return the log, one entry per update, those made twice once."""
    entries: dict[int, dict[str, float]] = {}
    path = folder / "log.jsonl"
    if not path.exists():
        return []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            # The interruption came in the middle of a line.
            continue
        entries[entry["update"]] = entry
    return list(entries.values())


def _history(folder: Path) -> list[dict[str, float]]:
    """Return what was measured on the way."""
    names = ("update", "held_out_median_mm", "held_out_mean_mm", "held_out_wrong")
    return [
        {name: round(entry[name], 4) for name in names}
        for entry in _lines(folder)
        if "held_out_median_mm" in entry
    ]


def _logged_seconds(folder: Path) -> float:
    return sum(entry["seconds"] for entry in _lines(folder))
