"""What an unfinished fine-tuning is of, and whether somebody is at work on it.

Beside the place of a new pack lies, until it is done, a folder with checkpoints, the
record of what was asked for, and the mark of the process that works in it.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_midrl.errors import InputError, PackError
from napari_midrl.io.protocols import first_problem
from napari_midrl.io.untrusted import read_text, untrusted

if TYPE_CHECKING:
    from pathlib import Path

RECORD_NAME = "plan.json"
MARK_NAME = "at-work.json"


class RunRecord(BaseModel):
    """Everything needed to go on with a fine-tuning, as it is in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pack: str
    """Name or folder of the pack it began with."""
    parent: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hash of its weights."""
    data: str
    train: tuple[str, ...] = Field(min_length=1)
    held_out: tuple[str, ...]
    left_out: tuple[str, ...]
    landmarks: tuple[str, ...] = Field(min_length=1)
    replay_share: float = Field(ge=0, lt=1)
    relearns_past: bool
    shares_network: bool
    carries_cases: bool
    seed: int
    n_starts: int = Field(ge=1)
    n_patients: int = Field(ge=0)
    n_updates: int = Field(ge=1)
    seconds_per_update: float = Field(ge=0)
    begun: str = ""
    """When, as ISO 8601 in UTC."""


def has_record(folder: Path) -> bool:
    """Return whether there is something to go on with."""
    return (folder / RECORD_NAME).is_file()


def read_record(folder: Path) -> RunRecord:
    """Return what an unfinished fine-tuning is of.

    Raises
    ------
    PackError
        If the record is missing or damaged.
    """
    path = folder / RECORD_NAME
    text = read_text(path, PackError)
    with untrusted(path, PackError):
        try:
            return RunRecord.model_validate(json.loads(text))
        except ValidationError as error:
            raise PackError(first_problem(error), path) from error


def write_record(record: RunRecord, folder: Path) -> None:
    """Write the record, whole or not at all."""
    path = folder / RECORD_NAME
    unfinished = path.with_suffix(".unfinished")
    text = json.dumps(record.model_dump(mode="json"), ensure_ascii=False, indent=1)
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.replace(path)


def claim(folder: Path) -> None:
    """Mark a folder as that of this process; a mark of one that is gone is replaced.

    Raises
    ------
    InputError
        If a living process is at work in it.
    """
    path = folder / MARK_NAME
    mine = {"pid": os.getpid(), "created": psutil.Process().create_time()}
    while True:
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump(mine, file)
        except FileExistsError:
            other = worker_of(folder)
            if other is not None:
                msg = f"process {other} is at work on this fine-tuning"
                raise InputError(msg, folder) from None
            path.unlink(missing_ok=True)
        else:
            return


def release(folder: Path) -> None:
    """Take the mark away, and the folder if nothing else is in it."""
    (folder / MARK_NAME).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def worker_of(folder: Path) -> int | None:
    """Return the number of the living process at work in a folder; None without one.

    Numbers of processes are used again: one that began at another time is another.
    """
    try:
        mark = json.loads((folder / MARK_NAME).read_text(encoding="utf-8"))
        process = psutil.Process(int(mark["pid"]))
        is_same = abs(process.create_time() - float(mark["created"])) < 1.0
        is_alive = process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process.pid if is_same and is_alive else None
