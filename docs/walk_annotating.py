"""The walk through the dock MIDRL: annotate."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from unittest.mock import patch

import numpy as np
from qtpy.QtWidgets import QFileDialog
from walk_cases import NEW_ONE, OTHER_READER, PROTOCOL, READER
from window import canvas_of, wait, wait_until

from napari_midrl.data.annotations import AnnotationState
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.plugin.annotate_dock import AnnotateDock
from napari_midrl.plugin.annotate_slices import position_on_slice
from napari_midrl.plugin.commands import ANNOTATE_DOCK
from napari_midrl.plugin.orientation import CORONAL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import napari
    from hand import Hand
    from qtpy.QtWidgets import QWidget
    from walk_cases import WalkCases

    from napari_midrl.data.annotations import Position

D = TypeVar("D")
CORRECTED = "heart"
SLIPPED_MM = (14.0, 0.0, -11.0)
"""How far the first click on it misses, across the slice."""

MOST_VOXELS_OFF = 0.5 + 1e-6
"""A point may lie on the border of two slices."""

CHEST_LPS_MM, CHEST_ZOOM = (0.0, 0.0, 245.0), 2.2
"""What the view shows: heart and kidneys; pixels per mm."""

READING_S, SEARCH_S = 60.0, 600.0


def annotate(hand: Hand, cases: WalkCases) -> None:
    """Annotate the last case of a folder, with the help of agents, and export it."""
    dock = dock_of(hand.viewer, ANNOTATE_DOCK, AnnotateDock)
    open_next_case(hand, dock, cases)
    place_by_click(hand, dock, cases)
    correct_and_undo(hand, dock, cases)
    let_agents_propose(hand, dock)
    judge_proposals(hand, dock, cases)
    compare_readers(hand, dock, cases)
    export(hand, dock, cases)


def open_next_case(hand: Hand, dock: AnnotateDock, cases: WalkCases) -> None:
    """Choose list, reader and folder; open the case that is not done."""
    ui = dock.ui
    hand.say("MIDRL: annotate. Choose a list of landmarks, here one of your own.", 1.2)
    with answering("getOpenFileName", (str(cases.protocol), "")):
        hand.click(ui.form.protocol_button)
    check(ui.form.chosen_protocol() == PROTOCOL, "the protocol was not taken")
    hand.type(ui.form.reader, READER)
    hand.say("A folder of patients, all but one annotated: Open next opens that one.")
    hand.click_tab(ui.tabs, ui.cases)
    with answering("getExistingDirectory", str(cases.folder)):
        hand.click(ui.cases.folder_button)
    wait_until(lambda: not dock.is_running, READING_S)
    hand.look(1.0)
    done = [row.name for row in ui.cases.value() if row.count.is_done]
    check(len(done) == ui.cases.table.rowCount() - 1, f"done: {done}")
    hand.click(ui.cases.next_button)
    wait_until(lambda: not dock.is_running, READING_S)
    hand.click(ui.views[CORONAL.name])
    check(dock.session is not None, ui.status.text())
    check(cases.open_case in ui.status.text(), ui.status.text())
    hand.zoom_to(CHEST_LPS_MM, CHEST_ZOOM)
    hand.look(0.8)


def place_by_click(hand: Hand, dock: AnnotateDock, cases: WalkCases) -> None:
    """Scroll to two landmarks and click on them; the second click misses."""
    hand.say("Scroll to the slice and click: the landmark of the row is placed there.")
    check(dock.armed == NEW_ONE, f"armed: {dock.armed}")
    place(hand, dock, cases.places[NEW_ONE])
    hand.look()
    hand.keep(
        "Click on a slice: there the landmark lies, saved at once.", *seen(hand, dock)
    )
    hand.say("The next landmark is armed by itself. This click misses the heart a bit.")
    check(dock.armed == CORRECTED, f"armed: {dock.armed}")
    missed = np.add(cases.places[CORRECTED], SLIPPED_MM)
    place(hand, dock, missed)
    hand.look()


def correct_and_undo(hand: Hand, dock: AnnotateDock, cases: WalkCases) -> None:
    """Drag a point to its place, take that back, and do it again."""
    assert dock.session is not None
    hand.say("Drag it to the middle of the heart: one step, on disk at once.")
    before = dock.session.annotations
    goal = on_slice(dock, cases.places[CORRECTED])
    hand.drag_canvas(position_of(dock, CORRECTED), goal)
    check_near(dock, position_of(dock, CORRECTED), goal)
    after = dock.session.annotations
    hand.look()
    hand.keep("Drag to correct it. Every step can be undone.", *seen(hand, dock))
    hand.say("Undo takes every step back, down to the first; redo does it again.")
    hand.click(dock.ui.undo_button)
    hand.look()
    check(dock.session.annotations == before, "undo did not restore")
    hand.click(dock.ui.redo_button)
    hand.look()
    check(dock.session.annotations == after, "redo did not restore")


def let_agents_propose(hand: Hand, dock: AnnotateDock) -> None:
    """Let the shipped agents seek what is not placed."""
    hand.say("Let agents seek the rest; they look from 16 starts per landmark.")
    hand.click_tab(dock.ui.tabs, dock.ui.propose)
    hand.click(dock.ui.propose.run_button)
    hand.watch(lambda: not dock.is_running, 2.5, patience_s=SEARCH_S)
    assert dock.session is not None
    proposals = dock.session.annotations.proposals
    check(set(proposals) == set(PROTOCOL.names[2:]), dock.ui.status.text())
    hand.say("Their proposals are diamonds. You judge, the least certain one first.")
    hand.look(1.5)
    caption = "Agents propose the rest: accept, reject or drag, least certain first."
    hand.keep(caption, *seen(hand, dock))


def judge_proposals(hand: Hand, dock: AnnotateDock, cases: WalkCases) -> None:
    """Reject one and place it by hand, drag one right, accept the others."""
    rejected, nudged, accepted, *_ = dock.annotations.proposals_worst_first()
    reject_and_place(hand, dock, rejected, cases.places[rejected])
    hand.say("Drag one that is nearly right: corrected and accepted in one step.")
    hand.click(dock.ui.propose.next_button)
    check(dock.current == nudged, f"at hand: {dock.current}")
    proposed = dock.annotations.proposals[nudged].position_lps_mm
    goal = on_slice(dock, cases.places[nudged], proposed)
    hand.drag_canvas(proposed, goal)
    check_near(dock, position_of(dock, nudged), goal)
    hand.look()
    hand.say("Accept what is right; its source and confidence stay on record.")
    hand.click(dock.ui.propose.next_button)
    check(dock.current == accepted, f"at hand: {dock.current}")
    hand.click(dock.ui.propose.accept_button)
    check(dock.annotations[accepted].source.value == "model", "whose is it?")
    hand.click(dock.ui.propose.accept_all_button)
    check(not dock.annotations.proposals, "not all were accepted")
    check(dock.annotations.progress.is_done, dock.annotations.progress.text)
    hand.look()


def reject_and_place(
    hand: Hand, dock: AnnotateDock, name: str, position: Position
) -> None:
    """Put a proposal away and click where the landmark really lies."""
    hand.say("Reject one that you do not trust, and place it yourself.")
    check(dock.current == name, f"at hand: {dock.current}")
    hand.click(dock.ui.propose.reject_button)
    state = dock.annotations.state_of(name)
    check(state == AnnotationState.UNDEFINED, f"{name} is {state}")
    hand.click_cell(dock.ui.table.table, PROTOCOL.names.index(name))
    place(hand, dock, position)
    hand.look()


def compare_readers(hand: Hand, dock: AnnotateDock, cases: WalkCases) -> None:
    """Load the other reader, who was hidden until now."""
    hand.say("A second reader stays hidden until you are done.")
    hand.zoom_to(CHEST_LPS_MM, CHEST_ZOOM)
    hand.click_tab(dock.ui.tabs, dock.ui.readers)
    with answering("getOpenFileName", (str(cases.other_reader), "")):
        hand.click(dock.ui.readers.load_button)
    apart = {row.name: row.other_mm for row in dock.ui.table.value()}
    check(None not in apart.values(), f"apart: {apart}")
    most = max(apart, key=apart.__getitem__)
    hand.say(f"{most}: {apart[most]:.0f} mm apart, which is worth another look.")
    hand.click_cell(dock.ui.table.table, PROTOCOL.names.index(most))
    hand.look(1.2)
    check(OTHER_READER in dock.ui.readers.summary.text(), "no other reader")
    caption = "A second reader: how many mm apart, and where to look again."
    hand.keep(caption, dock.ui.table.table, with_mouse=False)


def export(hand: Hand, dock: AnnotateDock, cases: WalkCases) -> None:
    """Write the landmarks for another program, and read them again."""
    hand.say("Export: a table, 3D Slicer, DICOM. The positions are mm in the patient.")
    hand.click_tab(dock.ui.tabs, dock.ui.files)
    path = cases.folder.with_name("landmarks.mrk.json")
    with answering("getSaveFileName", (str(path), "")):
        hand.click(dock.ui.files.export_button)
    hand.look(1.2)
    check_written(dock, path)
    # In the table of cases, which the other dock takes over.
    hand.click_tab(dock.ui.tabs, dock.ui.cases)
    hand.look()
    n_done = sum(row.count.is_done for row in dock.ui.cases.value())
    check(n_done == dock.ui.cases.table.rowCount(), f"{n_done} are done")


# ---- what each step needs


def seen(hand: Hand, dock: AnnotateDock) -> tuple[QWidget, ...]:
    """Return what a tile of the strip shows: some of the slice, some of the table."""
    canvas = canvas_of(hand.viewer)
    return canvas, canvas, dock.ui.table.table


def place(hand: Hand, dock: AnnotateDock, position: Position) -> None:
    """Click where a position lies; check that the landmark lies there, too."""
    name = dock.armed
    check(name is not None, "no landmark waits to be placed")
    hand.scroll_to(position)
    hand.click_canvas(position)
    check_near(dock, position_of(dock, name), position)


def on_slice(
    dock: AnnotateDock, position: Position, depth_of: Position | None = None
) -> Position:
    """Return a position moved into the middle of the slice that is shown."""
    point = np.array(position[::-1], dtype=float)
    dims = dock.viewer.dims
    axis = dims.order[-3] - (dims.ndim - 3)
    point[axis] = dims.point[dims.order[-3]]
    return position_on_slice(dock.viewer, dock.image, point, depth_of)


def position_of(dock: AnnotateDock, name: str) -> Position:
    """Return where a landmark is placed."""
    position = dock.annotations[name].position_lps_mm
    check(position is not None, f"{name} was not placed: {dock.ui.status.text()}")
    return position


def check_near(dock: AnnotateDock, placed: Position, goal: Position) -> None:
    """Check that a landmark lies within half a voxel of where the mouse was."""
    grid = dock.volume.grid
    off = float(np.abs(grid.to_ijk(placed) - grid.to_ijk(goal)).max())
    check(off < MOST_VOXELS_OFF, f"{off:.2f} voxels from the click")


def check_written(dock: AnnotateDock, path: Path) -> None:
    """Check that a file holds every landmark where it was placed."""
    back = {mark.name: mark.position_lps_mm for mark in read_landmarks(path)}
    for name in PROTOCOL.names:
        off_mm = math.dist(back[name], position_of(dock, name))
        check(off_mm < 1e-3, f"{name} is {off_mm} mm off in {path.name}")


def check(is_so: bool, text: str) -> None:
    """End the walk if a step did not do what it should."""
    if not is_so:
        msg = f"the walk went astray: {text}"
        raise SystemExit(msg)


def dock_of(viewer: napari.Viewer, name: str, kind: type[D]) -> D:
    """Return a dock of the window that the Plugins menu opened."""
    wait(0.5)
    docks = viewer.window.dock_widgets
    found = [d for key, d in docks.items() if key.startswith(name)]
    check(len(found) == 1 and isinstance(found[0], kind), f"docks: {list(docks)}")
    return found[0]


@contextmanager
def answering(question: str, answer: object) -> Iterator[None]:
    """Answer a file dialog, which would wait for a person."""
    with patch.object(QFileDialog, question, staticmethod(lambda *_, **__: answer)):
        yield
