"""Kill a program that annotates and exports, again and again: what is lost?

    python -m benchmarks.kill -n 200

A child process edits landmarks, with undo and redo, and exports them now and then. It
acknowledges every step that returned. The parent kills it at a random moment and looks
at the files: the annotations must be those of the last acknowledged step or of the one
after it, which was under way, and every file must be readable. The next child goes on
where the last one was killed. The exit status is 1 if anything was lost.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import struct
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.annotation.commands import (
    Accept,
    AddProposals,
    Delete,
    Move,
    NudgeAndAccept,
    Place,
    Rename,
    Skip,
)
from napari_midrl.annotation.history import History
from napari_midrl.data.annotations import Proposal, new_annotations
from napari_midrl.data.volume import Volume
from napari_midrl.errors import MidrlError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.annotation_file import backup_of, read_annotations
from napari_midrl.io.landmarks import read_landmarks, write_landmarks
from napari_midrl.io.protocols import find_protocol
from napari_midrl.workflows.annotate import AnnotationSession, open_session

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from napari_midrl.data.annotations import AnnotationSet

    Acknowledge = Callable[[int], None]
    Editor = Callable[[Path, int, Acknowledge], None]

LONGEST_LIFE_S = 0.4
STEPS_PER_EXPORT = 7
N_STEPS = 5000
"""More than any child lives for."""

ANNOTATIONS = "case.midrl.json"
EXPORTS = ("case.csv", "case.mrk.json", "case.fcsv")


@dataclass
class Counts:
    """What happened in all runs, and what was wrong."""

    kills: int = 0
    acknowledged_steps: int = 0
    one_step_further: int = 0
    half_written_files_left: int = 0
    exports_checked: int = 0
    lost: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


class Shadow:
    """What a session should do, without a file."""

    def __init__(self, annotations: AnnotationSet) -> None:
        self.history = History(annotations)

    @property
    def annotations(self) -> AnnotationSet:
        return self.history.current

    @property
    def undo_text(self) -> str | None:
        return self.history.undo_text

    @property
    def redo_text(self) -> str | None:
        return self.history.redo_text

    def apply(self, command) -> None:
        self.history = self.history.apply(command)

    def undo(self) -> None:
        self.history = self.history.undo()

    def redo(self) -> None:
        self.history = self.history.redo()


def act(editor: AnnotationSession | Shadow, rng: np.random.Generator) -> None:
    """Do one random thing that can be done."""
    now = editor.annotations
    name = str(rng.choice(now.names))
    x, y, z = rng.uniform(-100, 100, 3).tolist()
    choice = rng.integers(10)
    if choice == 0 and editor.undo_text:
        editor.undo()
    elif choice == 1 and editor.redo_text:
        editor.redo()
    elif choice == 2:
        editor.apply(AddProposals({name: Proposal((x, y, z), "agents", 0.5)}))
    elif choice == 3 and name in now.proposals:
        editor.apply(Accept(name, replace_placed=True))
    elif choice == 4 and name in now.proposals:
        editor.apply(NudgeAndAccept(name, (x, y, z), replace_placed=True))
    elif choice == 5:
        editor.apply(Rename(name, f"{name[:3]} {rng.integers(10**9)}"))
    elif not now[name].is_placed:
        editor.apply(Skip(name) if choice == 6 else Place(name, (x, y, z)))
    else:
        editor.apply(Delete(name) if choice == 6 else Move(name, (x, y, z)))


def image() -> Volume:
    """Return a small image; what is on it does not matter."""
    array = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    return Volume(array, VoxelGrid((10, 10, 10), np.diag([2.0, 2, 3, 1])), "T2w")


def opened(folder: Path) -> AnnotationSession:
    """Return the session of the file in the folder."""
    protocol = find_protocol("midrl")
    return open_session(image(), protocol, "Ann", folder / ANNOTATIONS)


def edit_and_export(folder: Path, seed: int, acknowledge: Acknowledge) -> None:
    """Edit until killed; acknowledge the number of steps done."""
    rng = np.random.default_rng(seed)
    session = opened(folder)
    for step in range(N_STEPS):
        act(session, rng)
        acknowledge(step + 1)
        if step % STEPS_PER_EXPORT == 0:
            landmarks = session.document.as_landmark_set("case")
            for name in EXPORTS:
                write_landmarks(
                    landmarks, folder / name, grid=image().grid, overwrite=True
                )


def kill_often(
    n: int, folder: Path, seed: int = 0, editor: Editor = edit_and_export
) -> Counts:
    """Return the counts of `n` children killed at random moments.

    Parameters
    ----------
    n
        Kills.
    folder
        Where the files go; empty at first.
    seed
        Of the editing and of the moments.
    editor
        What the children do; another one only to see that losses are found.
    """
    counts = Counts()
    rng = np.random.default_rng([seed, 1])
    before = new_annotations(find_protocol("midrl"))
    exported: list[set[str]] = [set() for _ in EXPORTS]
    for run in range(n):
        life_s = float(rng.uniform(0, LONGEST_LIFE_S))
        acknowledged = killed_child(editor, folder, seed + run, life_s)
        states = _states(before, seed + run, acknowledged + 1)
        counts.kills += 1
        counts.acknowledged_steps += acknowledged
        for known in exported:
            known.update(_facts(states[k]) for k in range(1, len(states)))
        found = _found(folder, states[0], counts)
        if found is None:
            return counts
        if found not in states[acknowledged:]:
            counts.lost.append(f"run {run}: not the state after step {acknowledged}")
        elif found != states[acknowledged]:
            counts.one_step_further += 1
        _check_exports(folder, exported, counts)
        leftovers = list(folder.glob(".*"))
        counts.half_written_files_left += len(leftovers)
        for path in leftovers:
            path.unlink()
        before = found
    return counts


def killed_child(editor: Editor, folder: Path, seed: int, life_s: float) -> int:
    """Let a child edit for a while, kill it, and return the steps it acknowledged."""
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_live, args=(editor, folder, seed, sender))
    child.start()
    sender.close()
    # A spawned child takes long to begin: its life counts from its first word.
    receiver.recv_bytes()
    time.sleep(life_s)
    child.kill()
    child.join()
    acknowledged = 0
    try:
        while True:
            (acknowledged,) = struct.unpack("q", receiver.recv_bytes())
    except (EOFError, OSError):
        return acknowledged
    finally:
        receiver.close()


def _live(editor: Editor, folder: Path, seed: int, sender: Connection) -> None:
    sender.send_bytes(struct.pack("q", 0))
    editor(folder, seed, lambda step: sender.send_bytes(struct.pack("q", step)))


def _states(start: AnnotationSet, seed: int, n: int) -> list[AnnotationSet]:
    """Return the set before and after each of the first `n` steps of a child."""
    shadow, rng = Shadow(start), np.random.default_rng(seed)
    states = [start]
    for _ in range(n):
        act(shadow, rng)
        states.append(shadow.annotations)
    return states


def _found(folder: Path, start: AnnotationSet, counts: Counts) -> AnnotationSet | None:
    """Return what the file says; None if it cannot be read."""
    path = folder / ANNOTATIONS
    try:
        if backup_of(path).exists():
            read_annotations(backup_of(path))
        if not path.exists():
            return start
        return opened(folder).annotations
    except MidrlError as problem:
        counts.unreadable.append(str(problem))
        return None


def _facts(annotations: AnnotationSet) -> str:
    """Return names and positions of what is placed, as every format keeps them."""
    placed = [(m.name, m.position_lps_mm) for m in annotations.landmarks]
    return repr([pair for pair in placed if pair[1] is not None])


def _check_exports(folder: Path, known: list[set[str]], counts: Counts) -> None:
    """Every export is whole, and of a state that really was."""
    for name, states in zip(EXPORTS, known, strict=True):
        path = folder / name
        if not path.exists():
            continue
        try:
            landmarks = read_landmarks(path, grid=image().grid)
            for sidecar in folder.glob("*.grid.json"):
                json.loads(sidecar.read_text("utf-8"))
        except (MidrlError, ValueError) as problem:
            counts.unreadable.append(str(problem))
            continue
        counts.exports_checked += 1
        placed = [(m.name, m.position_lps_mm) for m in landmarks]
        facts = repr([pair for pair in placed if pair[1] is not None])
        if facts not in states:
            counts.lost.append(f"{name} holds a state that never was")


def main() -> None:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200, help="kills")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = kill_often(arguments.n, Path(folder), arguments.seed)
    for name, value in asdict(counts).items():
        shown = value if isinstance(value, int) else len(value)
        print(f"{name.replace('_', ' '):26} {shown}")
    for problem in (*counts.lost, *counts.unreadable):
        print(problem)
    sys.exit(bool(counts.lost or counts.unreadable))


if __name__ == "__main__":
    main()
