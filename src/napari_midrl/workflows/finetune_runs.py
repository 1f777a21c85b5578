"""Where fine-tunings are while they are made, and which were interrupted."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_midrl.errors import InputError, OverwriteError, PackError
from napari_midrl.io.model_store import PACK_NAME, pack_folders, user_packs
from napari_midrl.io.run_record import has_record, read_record, worker_of
from napari_midrl.workflows.finetune_settings import FineTuneSettings

if TYPE_CHECKING:
    from napari_midrl.io.run_record import RunRecord

RUN_SUFFIX = ".training"
LOG_NAME = "log.jsonl"


def target_folder(out: str) -> Path:
    """Return where a new pack goes: a path as it is, a name into the user's store.

    Raises
    ------
    InputError
        If a pack cannot be called so.
    OverwriteError
        If there is something already, or a pack of that name.
    """
    is_name = not any(mark in out for mark in ("/", os.sep))
    target = user_packs() / out if is_name else Path(out)
    name = out if is_name else target.name
    if not re.fullmatch(PACK_NAME, name) or target.suffix == RUN_SUFFIX:
        msg = (
            f"agents cannot be called {name!r}: use small letters, digits, "
            "dots, dashes and underscores, at most 64, a letter or digit first"
        )
        raise InputError(msg)
    if target.exists() or (is_name and out in pack_folders()):
        msg = "exists already and was kept; choose another name"
        raise OverwriteError(msg, target)
    return target


def free_name(pack_name: str) -> str:
    """Return a name for the successor of a pack that nothing has yet."""
    stem = re.sub(r"-\d+$", "", pack_name)
    begun = (path.name for path in user_packs().glob(f"*{RUN_SUFFIX}"))
    taken = {*pack_folders(), *(name.removesuffix(RUN_SUFFIX) for name in begun)}
    number = 2
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"


def run_folder(target: Path) -> Path:
    """Return where checkpoints are while a pack is being made."""
    return target.with_name(f"{target.name}{RUN_SUFFIX}")


def check_run(folder: Path, *, resume: bool) -> None:
    """Refuse to begin what was begun, and to resume what was not.

    Raises
    ------
    InputError
        If so.
    """
    if has_record(folder) and not resume:
        msg = "holds an interrupted fine-tuning; resume it, or remove the folder"
        raise InputError(msg, folder)
    if resume and not has_record(folder):
        msg = "there is no interrupted fine-tuning to go on with"
        raise InputError(msg, folder)


@dataclass(frozen=True)
class InterruptedRun:
    """A fine-tuning that can be resumed.

    Parameters
    ----------
    folder
        Of checkpoint and log.
    name
        Of the pack it is to become.
    record
        What it is of; None if the record is damaged.
    problem
        Why it cannot be resumed; empty if it can.
    n_updates
        Made so far.
    """

    folder: Path
    name: str
    record: RunRecord | None
    problem: str = ""
    n_updates: int = 0

    @property
    def text(self) -> str:
        """How far it came: ``"120 of 600 updates"``, or what is wrong."""
        if self.record is None:
            return self.problem
        return f"{self.n_updates} of {self.record.n_updates} updates"


def interrupted_runs() -> tuple[InterruptedRun, ...]:
    """Return the fine-tunings in the user's store that nobody is at work on."""
    store = user_packs()
    if not store.is_dir():
        return ()
    folders = sorted(store.glob(f"*{RUN_SUFFIX}"))
    return tuple(
        run_in(folder)
        for folder in folders
        if has_record(folder) and worker_of(folder) is None
    )


def runs_at_work() -> tuple[Path, ...]:
    """Return the folders in the user's store that a living process is at work in."""
    folders = sorted(user_packs().glob(f"*{RUN_SUFFIX}"))
    return tuple(folder for folder in folders if worker_of(folder) is not None)


def run_in(folder: Path) -> InterruptedRun:
    """Return what is known of the fine-tuning in a folder."""
    name = folder.name.removesuffix(RUN_SUFFIX)
    try:
        record = read_record(folder)
    except PackError as error:
        return InterruptedRun(folder, name, None, str(error))
    return InterruptedRun(folder, name, record, n_updates=n_logged(folder))


def resumed(out: str) -> tuple[str, str, FineTuneSettings]:
    """Return pack, data and settings of an interrupted fine-tuning, to go on with.

    Raises
    ------
    InputError
        If there is none of that name.
    PackError
        If its record is damaged.
    """
    folder = run_folder(target_folder(out))
    check_run(folder, resume=True)
    record = read_record(folder)
    settings = FineTuneSettings(
        landmarks=record.landmarks,
        hold_out=record.held_out,
        left_out=record.left_out,
        minutes=None,
        n_updates=record.n_updates,
        replay_share=record.replay_share,
        relearns_past=record.relearns_past,
        shares_network=record.shares_network,
        carries_cases=record.carries_cases,
        seed=record.seed,
        n_starts=record.n_starts,
        n_patients=record.n_patients,
    )
    return record.pack, record.data, settings


def discard(folder: Path) -> None:
    """Remove an interrupted fine-tuning; packs and cases stay as they are.

    Raises
    ------
    InputError
        If the folder is not one of a fine-tuning, or somebody is at work in it.
    """
    if not folder.name.endswith(RUN_SUFFIX):
        msg = "is not the folder of a fine-tuning"
        raise InputError(msg, folder)
    worker = worker_of(folder)
    if worker is not None:
        msg = f"process {worker} is at work on this fine-tuning"
        raise InputError(msg, folder)
    shutil.rmtree(folder, ignore_errors=True)


def log_entries(folder: Path) -> list[dict[str, float]]:
    """Return the log of a run, one entry per update, those made twice once."""
    entries: dict[int, dict[str, float]] = {}
    path = folder / LOG_NAME
    if not path.exists():
        return []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            entries[int(entry["update"])] = entry
        except (ValueError, KeyError, TypeError):
            # The interruption came in the middle of a line.
            continue
    return [entries[number] for number in sorted(entries)]


def history(folder: Path) -> list[dict[str, float]]:
    """Return what was measured on the way."""
    names = ("update", "held_out_median_mm", "held_out_mean_mm", "held_out_wrong")
    return [
        {name: round(entry[name], 4) for name in names}
        for entry in log_entries(folder)
        if "held_out_median_mm" in entry
    ]


def logged_seconds(folder: Path) -> float:
    """Return how long the updates took."""
    return sum(entry["seconds"] for entry in log_entries(folder))


def n_logged(folder: Path) -> int:
    """Return the number of the latest update in the log; 0 without any."""
    entries = log_entries(folder)
    return int(entries[-1]["update"]) if entries else 0
