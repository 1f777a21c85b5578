"""Teach agents new landmarks, or old ones in new images, and keep what they know."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import secrets
import shutil
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import platformdirs

from napari_midrl.data.progress import Progress, relayed
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import InputError, OverwriteError, PackError
from napari_midrl.evaluation.before_after import Row, as_plain, rows_of
from napari_midrl.evaluation.findings import known_positions
from napari_midrl.io.coreset import CORESET_NAME, coreset_bytes, read_coreset
from napari_midrl.io.model_store import find_pack, pack_folders, read_pack, write_pack
from napari_midrl.workflows.evaluate import evaluate_cases
from napari_midrl.workflows.finetune_cases import (
    OpenedCase,
    QuickPatient,
    Split,
    cases_in,
    landmarks_in,
    opened,
    split_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_midrl.agents.constellation import Constellation
    from napari_midrl.agents.dense_network import DenseQNetwork
    from napari_midrl.evaluation.findings import Finding
    from napari_midrl.io.coreset import StoredCase
    from napari_midrl.io.model_store import ModelCard, Pack
    from napari_midrl.localizers.base import Localizer
    from napari_midrl.training.dense_loop import DenseTrainingSettings, Past
    from napari_midrl.training.views import TrainingCase
    from napari_midrl.workflows.cases import Case

PLAN_NAME = "plan.json"
QUICK_STARTS = 6
"""Starts per landmark while training; enough for a curve."""

MIN_UPDATES = 20


@dataclass(frozen=True)
class FineTuneSettings:
    """What a user may choose.

    Parameters
    ----------
    landmarks
        To learn, of those the cases place; None means all.
    hold_out
        Share of the cases, or their names; see `split_of`.
    minutes
        For everything, tables included; None if the number of updates is given.
    n_updates
        Instead of the minutes.
    replay_share
        Of the updates that rehearse what the pack knows; 0 forgets it.
    carries_cases
        Whether the new pack gets a small coreset of the cases it learned from, so
        that a later fine-tuning need not forget them. It then holds image data.
    seed
        Of split, views and new weights.
    n_starts
        Start points per landmark of the tables.
    n_patients
        Digital patients to measure old landmarks on.
    training
        Of the loop; None for what suits a fine-tuning. Its seed and number of updates
        are replaced.

    Raises
    ------
    ValueError
        If a number is out of range, or neither or both of minutes and updates are
        given.
    """

    landmarks: tuple[str, ...] | None = None
    hold_out: float | tuple[str, ...] | None = None
    minutes: float | None = 20.0
    n_updates: int | None = None
    replay_share: float = 0.25
    carries_cases: bool = True
    seed: int = 0
    n_starts: int = 16
    n_patients: int = 4
    training: DenseTrainingSettings | None = None

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.n_updates is None):
            msg = f"give minutes or updates, got {self.minutes} and {self.n_updates}"
            raise ValueError(msg)
        if not (self.minutes or self.n_updates or 0) > 0:
            msg = (
                f"need some time, got {self.minutes} minutes, {self.n_updates} updates"
            )
            raise ValueError(msg)
        if not 0 <= self.replay_share < 1 or self.n_starts < 1 or self.n_patients < 0:
            msg = f"share must be 0 to 1, and numbers positive, got {self}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Plan:
    """What is going to be done, before it is done.

    Parameters
    ----------
    split
        Cases to learn from and held out.
    landmarks, new_landmarks
        To be learned, and those of them that the pack does not know.
    n_updates
        Views to learn from.
    seconds_per_update
        As measured from a few that were thrown away.
    seconds
        All that is still to come, tables included.
    """

    split: Split
    landmarks: tuple[str, ...]
    new_landmarks: tuple[str, ...]
    n_updates: int
    seconds_per_update: float
    seconds: float


@dataclass(frozen=True)
class PlanProgress(Progress):
    """The report that carries the plan."""

    plan: Plan | None = None


@dataclass(frozen=True)
class FineTuned:
    """A new pack, and what changed.

    Parameters
    ----------
    folder
        Of the pack.
    plan
        How it was made.
    n_updates
        After which the weights were taken; fewer than planned if it was stopped.
    rows
        The table before and after.
    notes
        What a careful reader should know, one sentence each.
    """

    folder: Path
    plan: Plan
    n_updates: int
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


@dataclass
class _Work:
    """Everything that the steps of a fine-tuning hand on."""

    pack: Pack
    settings: FineTuneSettings
    folder: Path
    train: tuple[OpenedCase, ...] = ()
    held_out: tuple[OpenedCase, ...] = ()
    landmarks: tuple[str, ...] = ()
    cases: tuple[TrainingCase, ...] = ()
    constellations: tuple[Constellation, ...] = ()
    past: Past | None = None
    coreset: tuple[StoredCase, ...] = ()

    @property
    def old(self) -> tuple[str, ...]:
        """Landmarks that the pack knows."""
        return tuple(self.pack.card.landmarks)

    @property
    def new(self) -> tuple[str, ...]:
        """Landmarks that it does not know."""
        return tuple(name for name in self.landmarks if name not in self.old)

    @property
    def all(self) -> tuple[str, ...]:
        """Landmarks of the new pack."""
        return self.old + self.new

    @property
    def recipe(self) -> str:
        """Whose cases can be made anew to rehearse; empty if they cannot."""
        from napari_midrl.training.past import REGENERATED

        card = self.pack.card
        own = card.replay_recipe or card.training.recipe
        return own if own in REGENERATED else ""


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
    work = _Work(_parent(pack_name), settings, run_folder(target))
    _check_run(work.folder, resume=resume)
    found = cases_in(data)
    split = split_of(data, found, settings.hold_out, settings.seed)
    learned_from = [case for case in found if case.name in split.train]
    work.landmarks = landmarks_in(learned_from, settings.landmarks)
    yield Progress(0, 0, "loading the engine")
    yield from _read(work, found, split)
    yield from _recall(work)
    before, seconds = yield from _before(work)
    plan = yield from _planned(work, split, seconds, begun, resume=resume)
    yield PlanProgress(0, plan.n_updates, "ready to learn", plan=plan)
    network, n_done, history = yield from _learned(work, plan, stop)
    after = yield from _table(work, _localizer(work, network), "after")
    rows = (*before, *after)
    card = _card(work, target.name, plan, n_done, rows, history)
    card["training"]["seconds"] = round(_logged_seconds(work.folder), 1)
    kept = _kept(work, network)
    _write(target, card, network, kept)
    shutil.rmtree(work.folder, ignore_errors=True)
    yield Progress(1, 1, f"wrote {target}")
    return FineTuned(target, plan, n_done, rows, tuple(_notes(work)))


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


def _read(
    work: _Work, found: Sequence[Any], split: Split
) -> Generator[Progress, None, None]:
    """Read all cases; make training cases and constellations of those to learn from."""
    from napari_midrl.agents.constellation import Constellation
    from napari_midrl.agents.dense_network import DenseQConfig
    from napari_midrl.localizers.constellations import constellation_of
    from napari_midrl.training.case_views import case_of

    cases = []
    for number, case in enumerate(found):
        yield Progress(number, len(found), f"reading {case.name}")
        cases.append((yield from opened(case)))
    work.train = tuple(case for case in cases if case.name in split.train)
    work.held_out = tuple(case for case in cases if case.name in split.held_out)
    config = DenseQConfig(n_landmarks=len(work.old), **work.pack.card.config)
    made, positions = [], []
    for case in work.train:
        known = _known(case, work.landmarks)
        if not known:
            continue
        assert case.study is not None
        for volume in case.study.volumes:
            name = f"{case.name}, {volume.name}"
            made.append(case_of(volume, known, work.all, config, name))
        missing = (np.nan,) * 3
        positions.append([known.get(name, missing) for name in work.landmarks])
    if not made:
        msg = f"no case to learn from places any of {list(work.landmarks)}"
        raise InputError(msg)
    work.cases = tuple(made)
    learned = Constellation.learned(work.landmarks, np.array(positions))
    ours = () if learned is None else (learned,)
    work.constellations = ours + tuple(
        constellation_of(statement)
        for statement in work.pack.card.constellations
        if not set(statement.landmarks) & set(work.landmarks)
    )


def _known(case: OpenedCase, landmarks: Sequence[str]) -> dict[str, Any]:
    known = known_positions(case.truth)
    return {name: known[name] for name in landmarks if name in known}


def _recall(work: _Work) -> Generator[Progress, None, None]:
    """Gather past experience, if it is to be mixed in."""
    from napari_midrl.training.past import past_cases, past_of

    card = work.pack.card
    work.coreset = read_coreset(work.pack.folder, card.coreset_sha256)
    if not work.settings.replay_share:
        return
    cases, weights = yield from past_cases(work.recipe, work.coreset, work.all)
    work.past = past_of(cases, weights, work.settings.replay_share)


def _grown(work: _Work) -> DenseQNetwork:
    """Return the network to begin with."""
    from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
    from napari_midrl.localizers.weights import fitting_its_card, loaded_network
    from napari_midrl.training.growing import grown

    pack = work.pack
    with fitting_its_card(pack):
        config = DenseQConfig(n_landmarks=len(work.old), **pack.card.config)
        network = loaded_network(pack, lambda: DenseQNetwork(config))
    return grown(network, len(work.new), work.settings.seed)


def _localizer(work: _Work, network: DenseQNetwork) -> Localizer:
    from napari_midrl.localizers.midrl import MidrlLocalizer

    return MidrlLocalizer(
        "fine-tuned", work.all, network, constellations=work.constellations
    )


def _before(
    work: _Work,
) -> Generator[Progress, None, tuple[tuple[Row, ...], float]]:
    """Return the rows of the guess and of the old agents, and how long it took."""
    from napari_midrl.localizers.mean_position import MeanPosition
    from napari_midrl.localizers.packs import localizer_of

    begun = time.perf_counter()
    guess = MeanPosition.of(
        (volume.grid, _known(case, work.landmarks))
        for case in work.train
        if case.study is not None
        for volume in case.study.volumes
    )
    rows: list[Row] = []
    rows += rows_of((yield from _held_out(work, guess)), "held out", "mean position")
    rows += yield from _table(work, localizer_of(work.pack), "before")
    return tuple(rows), time.perf_counter() - begun


def _table(
    work: _Work, localizer: Localizer, agents: str
) -> Generator[Progress, None, tuple[Row, ...]]:
    """Return the rows of some agents, on held-out cases and on what was known."""
    rows = rows_of((yield from _held_out(work, localizer)), "held out", agents)
    if not work.recipe:
        return rows
    patients = tuple(QuickPatient(seed) for seed in range(work.settings.n_patients))
    kept = tuple(name for name in work.old if name not in work.landmarks)
    found = yield from _found(localizer, patients, kept, work.settings.n_starts)
    return rows + rows_of(found, "kept", agents)


def _held_out(
    work: _Work, localizer: Localizer, n_starts: int = 0
) -> Generator[Progress, None, tuple[Finding, ...]]:
    """Return what is found in the held-out cases of the landmarks to learn."""
    sought = tuple(n for n in work.landmarks if n in localizer.landmarks)
    cases = tuple(case for case in work.held_out if _known(case, sought))
    n_starts = n_starts or work.settings.n_starts
    return (yield from _found(localizer, cases, sought, n_starts))


def _found(
    localizer: Localizer,
    cases: Sequence[Case],
    landmarks: tuple[str, ...],
    n_starts: int,
) -> Generator[Progress, None, tuple[Finding, ...]]:
    if not cases or not landmarks:
        return ()
    search = SearchSettings(landmarks=landmarks, n_starts=n_starts)
    measured = yield from relayed(
        evaluate_cases(localizer, cases, "", search),
        lambda report: replace(report, text=f"measuring: {report.text}"),
    )
    return measured.findings


def _planned(
    work: _Work, split: Split, seconds: float, begun: float, *, resume: bool
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
    settings, network = _training(work, 1000), _grown(work)
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


def _identity(work: _Work, split: Split) -> dict[str, Any]:
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


def _training(work: _Work, n_updates: int) -> DenseTrainingSettings:
    from napari_midrl.training.finetune import settings_for

    seed = work.settings.seed
    if work.settings.training is None:
        return settings_for(n_updates, seed)
    return replace(work.settings.training, n_updates=n_updates, seed=seed)


def _learned(
    work: _Work, plan: Plan, stop: Callable[[], bool]
) -> Generator[Progress, None, tuple[DenseQNetwork, int, list[dict[str, float]]]]:
    """Return the trained network, its number of updates, and what was measured."""
    from napari_midrl.training.finetune import best_in, fine_tune

    settings = _training(work, plan.n_updates)
    training = fine_tune(
        _grown(work),
        work.cases,
        settings,
        work.folder,
        past=work.past,
        measure=partial(_measured, work) if work.held_out else None,
        measure_every=max(1, plan.n_updates // 10),
    )
    n_done = plan.n_updates
    while True:
        if stop():
            best = best_in(work.folder, _grown(work))
            if best is not None:
                training.close()
                return best.network, best.n_updates, _history(work.folder)
        try:
            progress = next(training)
        except StopIteration as done:
            network: DenseQNetwork = done.value
            return network, n_done, _history(work.folder)
        yield progress


def _measured(
    work: _Work, network: DenseQNetwork
) -> Generator[Progress, None, dict[str, float]]:
    """Yield progress and return how near a network comes in the held-out cases.

    The error to be small is the mean: one that a median hides, a wrong vertebra,
    counts. A search without an answer counts as much as the largest error.
    """
    from copy import deepcopy

    localizer = _localizer(work, deepcopy(network))
    found = yield from _held_out(work, localizer, QUICK_STARTS)
    errors = np.array([finding.error_mm() for finding in found])
    missed = np.isnan(errors)
    if missed.all():
        return {"error": float("inf"), "wrong": 1.0}
    filled = np.where(missed, np.nanmax(errors), errors)
    return {
        "error": float(filled.mean()),
        "held_out_median_mm": float(np.median(filled)),
        "held_out_mean_mm": float(filled.mean()),
        "held_out_wrong": float(np.mean([f.nearer_to is not None for f in found])),
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


def _kept(work: _Work, network: DenseQNetwork) -> tuple[StoredCase, ...]:
    """Return the coreset of the new pack, of the old one's cases and the new ones."""
    from napari_midrl.training.coreset import (
        N_KEPT,
        mean_return,
        recalled,
        selected,
        stored,
    )

    if not work.settings.carries_cases:
        return work.coreset
    settings = _training(work, 1)
    base_mm = network.config.base_mm
    candidates = list(work.coreset)
    candidates += [stored(case, work.all, base_mm) for case in work.cases]
    cases = [recalled(case, work.all) for case in candidates]
    returns = np.array([mean_return(network, case, settings) for case in cases])
    kept, _ = selected(returns, N_KEPT)
    # A case that stands for many passes all of them on.
    nearest = np.abs(returns[:, None] - returns[list(kept)]).argmin(axis=1)
    weights = np.array([case.weight for case in candidates])
    return tuple(
        replace(candidates[row], weight=float(weights[nearest == number].sum()))
        for number, row in enumerate(kept)
    )


def _card(
    work: _Work,
    name: str,
    plan: Plan,
    n_done: int,
    rows: Sequence[Row],
    history: list[dict[str, float]],
) -> dict[str, Any]:
    """Return the model card of the new pack."""
    from napari_midrl.localizers.constellations import statement_of

    parent: ModelCard = work.pack.card
    names = ", ".join(work.landmarks)
    card = parent.model_dump(exclude={"weights_sha256", "coreset_sha256", "metrics"})
    return card | {
        "name": name,
        "title": f"{parent.title}; fine-tuned on {names}"[:200],
        "version": importlib.metadata.version("napari-midrl"),
        "description": (
            f"Agents of {parent.name}, fine-tuned on {names} in "
            f"{len(work.train)} cases. {parent.description}"
        ),
        "landmarks": list(work.all),
        # Its positions are of all landmarks together; those of new ones relative to
        # the old ones are not known.
        "arrangement": None if work.new else card["arrangement"],
        "constellations": [statement_of(c) for c in work.constellations],
        "parent": {"name": parent.name, "weights_sha256": parent.weights_sha256},
        "replay_recipe": work.recipe,
        "training": {
            "recipe": "fine-tune",
            "data": _data_in_words(work),
            "licence": "that of the cases it was fine-tuned on; ask their owner",
            "seed": work.settings.seed,
            "n_updates": n_done,
            "seconds": 0.0,
            "settings": _settings_in_card(work, plan),
            "versions": {
                "python": platform.python_version(),
                "torch": importlib.metadata.version("torch"),
            },
            "note": ""
            if n_done == plan.n_updates
            else "Stopped early: of the weights measured on the way those with the "
            "smallest held-out error, which the held-out cases therefore chose.",
        },
        "metrics": {
            "before_after": [as_plain(row) for row in rows],
            "history": history,
        },
        "limits": (
            f"Not a medical device. What it learned of {names} is of "
            f"{len(work.train)} cases. {parent.limits}"
        ),
    }


def _data_in_words(work: _Work) -> str:
    text = f"{len(work.train)} cases of the user's own"
    if work.past is not None:
        text += f"; mixed in, {len(work.past.cases)} cases of what was learned before"
    if work.settings.carries_cases:
        text += ". The pack carries image data of some of them: share it only as they"
        text += " may be shared"
    return f"{text}."


def _settings_in_card(work: _Work, plan: Plan) -> dict[str, Any]:
    return {
        "train": {case.name: _hashes(case) for case in work.train},
        "held_out": {case.name: _hashes(case) for case in work.held_out},
        "landmarks": list(work.landmarks),
        "replay_share": 0.0 if work.past is None else work.past.share,
        "n_updates_planned": plan.n_updates,
        "training": asdict(_training(work, plan.n_updates)),
    }


def _hashes(case: OpenedCase) -> list[str]:
    """Return the hashes of a case's images and of its landmark file."""
    assert case.study is not None
    landmarks = hashlib.sha256(case.landmark_file.read_bytes()).hexdigest()
    return [*(volume.content_hash for volume in case.study.volumes), landmarks]


def _write(
    target: Path,
    card: dict[str, Any],
    network: DenseQNetwork,
    kept: Sequence[StoredCase],
) -> None:
    """Put the whole pack in its place in one step.

    Raises
    ------
    OverwriteError
        If something has come there meanwhile.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    unfinished.mkdir()
    try:
        if kept:
            content = coreset_bytes(kept)
            (unfinished / CORESET_NAME).write_bytes(content)
            card["coreset_sha256"] = hashlib.sha256(content).hexdigest()
        weights = {n: t.contiguous().numpy() for n, t in network.state_dict().items()}
        write_pack(unfinished, card, weights)
        if target.exists():
            msg = "has come into being meanwhile and was kept; choose another name"
            raise OverwriteError(msg, target)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _notes(work: _Work) -> list[str]:
    notes = []
    if not work.held_out:
        notes.append("No case was held out: how near the agents come is not known.")
    kept = [name for name in work.old if name not in work.landmarks]
    if kept and work.past is None:
        notes.append(f"Nothing was rehearsed: expect {', '.join(kept)} to get worse.")
    if kept and not work.recipe:
        notes.append(f"{work.pack.card.name} brings no cases to measure {kept} on.")
    if work.new and work.pack.card.arrangement is not None:
        notes.append("A turned patient is no longer searched upright.")
    return notes
