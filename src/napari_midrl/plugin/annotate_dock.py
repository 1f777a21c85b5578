"""The dock "MIDRL: annotate": place, correct, propose, accept, compare, hand on."""

from __future__ import annotations

import getpass
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from napari_midrl.annotation.commands import (
    Accept,
    Delete,
    Hide,
    Lock,
    Move,
    NudgeAndAccept,
    Place,
    Reject,
    Rename,
    Reorder,
    Show,
    Skip,
    Unlock,
    Unskip,
)
from napari_midrl.annotation.imports import Import
from napari_midrl.annotation.snap import snapped
from napari_midrl.data.annotations import AnnotationState
from napari_midrl.data.progress import Progress
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import MidrlError
from napari_midrl.io.annotation_file import read_annotations
from napari_midrl.io.protocols import find_protocol, protocol_files, read_protocol
from napari_midrl.plugin import annotate_files, questions
from napari_midrl.plugin.actions import Action, Keys, ShortcutsPage
from napari_midrl.plugin.annotate_edits import (
    edits_of_landmarks,
    edits_of_proposals,
    together,
)
from napari_midrl.plugin.annotate_layout import SNAPS, AnnotateLayout
from napari_midrl.plugin.annotate_mouse import SliceMouse
from napari_midrl.plugin.annotate_open import open_or_ask, session_path
from napari_midrl.plugin.annotate_rows import annotate_rows, protocol_colors
from napari_midrl.plugin.annotate_scene import AnnotationScene, Held
from napari_midrl.plugin.annotate_slices import is_inside, position_on_slice
from napari_midrl.plugin.background import BackgroundTask
from napari_midrl.plugin.editor import Editor
from napari_midrl.plugin.engine import Engine, default_engine
from napari_midrl.plugin.exports import error_text
from napari_midrl.plugin.orientation import STANDARD_VIEWS, StandardView
from napari_midrl.plugin.preferences import Preferences, load_preferences
from napari_midrl.plugin.readers import study_layers
from napari_midrl.plugin.removal import remove_layers
from napari_midrl.plugin.surroundings import borrow
from napari_midrl.plugin.views import (
    SLAB_MM,
    jump_to,
    set_slab,
    show_standard_view,
)
from napari_midrl.plugin.volumes import VolumeLayers
from napari_midrl.plugin.world import volume_of

if TYPE_CHECKING:
    import napari.viewer
    import numpy.typing as npt
    from napari.layers import Image, Layer

    from napari_midrl.annotation.commands import Command
    from napari_midrl.data.annotations import AnnotationDocument, Position
    from napari_midrl.data.study import Study
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.workflows.annotate import AnnotationSession
    from napari_midrl.workflows.annotation_cases import CaseRow
    from napari_midrl.workflows.compare_readers import Comparison

NO_SESSION = "Start first: choose image, protocol and reader above."

_LOG = logging.getLogger(__name__)


class AnnotateDock(QWidget):
    """Place landmarks on a volume; every step is saved and can be undone.

    Parameters
    ----------
    napari_viewer
        The viewer it is docked in.
    engine
        The workflows behind it; None means those of this package.
    preferences
        Defaults; None means those of napari's Preferences.
    folder
        Where landmark files go; None puts them beside their images.
    """

    def __init__(
        self,
        napari_viewer: napari.viewer.Viewer,
        engine: Engine | None = None,
        preferences: Preferences | None = None,
        folder: Path | None = None,
    ) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._engine = engine or default_engine()
        self._preferences = preferences or load_preferences()
        self._folder = folder
        self._editor: Editor | None = None
        self._volume: Volume | None = None
        self._image: Image | None = None
        self._seen_at: tuple[float, ...] = ()
        self._current: str | None = None
        self._others: tuple[AnnotationDocument, ...] = ()
        self._task: BackgroundTask | None = None
        self._case_layers: tuple[Layer, ...] = ()
        self._cases_folder: Path | None = None
        self._closed = False

        self.ui = AnnotateLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.ui)
        self._surroundings = borrow(napari_viewer)
        self._scene = AnnotationScene(
            napari_viewer,
            self._on_landmarks_edited,
            self._on_proposals_edited,
            self._on_others_edited,
            self._on_layer_removed,
        )
        self._mouse = SliceMouse(napari_viewer, self)
        self._volumes = VolumeLayers(napari_viewer, self._on_volumes_changed)
        self.actions_ = self._make_actions()
        self._keys = Keys(
            napari_viewer, self, self.ui.table.table, self.actions_, self._tell
        )
        self._connect()
        self._show_choices()
        self._set_up_viewer()
        self._on_volumes_changed()
        self._update()

    # ---- set-up

    def _connect(self) -> None:
        ui = self.ui
        for view in STANDARD_VIEWS:
            ui.views[view.name].clicked.connect(partial(self._on_view_clicked, view))
        ui.form.start_requested.connect(self.start)
        ui.form.stop_requested.connect(self.stop)
        ui.form.open_requested.connect(self._on_open)
        ui.form.protocol_requested.connect(self._on_protocol_file)
        ui.form.resume_requested.connect(self._on_resume)
        ui.form.changed.connect(self._on_choice_changed)
        ui.table.chosen.connect(self.go_to)
        ui.table.renamed.connect(self._on_renamed)
        ui.table.lock_clicked.connect(self.toggle_lock)
        ui.table.shown_clicked.connect(self.toggle_shown)
        ui.placing.toggled.connect(self._update)
        ui.shortcuts.clicked.connect(self.show_shortcuts)
        for button, title in (
            (ui.undo_button, "Undo"),
            (ui.redo_button, "Redo"),
            (ui.skip_button, "Skip, or take up again"),
            (ui.lock_button, "Lock or unlock"),
            (ui.hide_button, "Hide or show"),
            (ui.delete_button, "Delete the position"),
            (ui.up_button, "Move up in the list"),
            (ui.down_button, "Move down in the list"),
            (ui.propose.accept_button, "Accept the proposal"),
            (ui.propose.reject_button, "Reject the proposal"),
            (ui.propose.next_button, "Go to the least certain proposal"),
            (ui.propose.accept_all_button, "Accept all proposals"),
            (ui.propose.run_button, "Let agents propose"),
        ):
            button.clicked.connect(partial(self._on_button, self.action(title)))
        ui.propose.cancel_clicked.connect(self.cancel)
        ui.propose.pack.currentIndexChanged.connect(self._update)
        ui.readers.load_clicked.connect(self._on_load_reader)
        ui.readers.forget_clicked.connect(self._on_forget_readers)
        ui.readers.consensus_clicked.connect(self._on_consensus)
        ui.readers.changed.connect(self._update)
        ui.cases.folder_clicked.connect(self._on_cases_folder)
        ui.cases.refresh_clicked.connect(self._on_cases_refresh)
        ui.cases.next_clicked.connect(self.open_next_case)
        ui.cases.case_chosen.connect(self.open_case)
        ui.cases.dataset_clicked.connect(self._on_dataset)
        files = ui.files
        files.import_button.clicked.connect(self._on_import)
        files.export_button.clicked.connect(partial(self._on_export, False))
        files.proposals_button.clicked.connect(partial(self._on_export, True))
        files.sr_button.clicked.connect(partial(self._on_export_dicom, "SR"))
        files.rtstruct_button.clicked.connect(
            partial(self._on_export_dicom, "RTSTRUCT")
        )
        files.save_as_button.clicked.connect(self._on_save_as)

    def _show_choices(self) -> None:
        ui = self.ui
        ui.table.frame.setCurrentText(self._preferences.frame)
        ui.propose.n_starts.setValue(self._preferences.n_starts)
        ui.form.reader.setText(self._preferences.reader or _account())
        protocols, troubles = {}, []
        for name in sorted(protocol_files()):
            try:
                protocols[name] = find_protocol(name)
            except MidrlError as error:
                troubles.append(error_text(error))
        ui.form.set_protocols(protocols)
        ui.form.choose_protocol(self._preferences.protocol)
        try:
            packs = self._engine.available_packs()
        except (MidrlError, OSError) as error:
            packs = ()
            troubles.append(error_text(error))
        ui.propose.set_packs(packs, self._preferences.default_pack)
        ui.propose.set_running(False)
        if troubles:
            ui.show_status("\n".join(troubles), error=True)

    def _set_up_viewer(self) -> None:
        viewer = self._viewer
        scale_bar = viewer.canvas.overlays.scale_bar
        scale_bar.visible = True
        scale_bar.font_size = 12
        viewer.scene.camera.orientation = ("away", "down", "right")
        viewer.dims.events.order.connect(self._on_slicing_changed)
        viewer.dims.events.ndisplay.connect(self._on_slicing_changed)
        self._on_slicing_changed()

    def _make_actions(self) -> tuple[Action, ...]:
        """Return everything that has a key."""
        at_hand = self._why_none_at_hand
        return (
            Action("Undo", "Control-Z", self.undo, self._why_no_undo),
            Action("Redo", "Control-Shift-Z", self.redo, self._why_no_redo),
            Action("Next landmark", "Down", partial(self.walk, 1), self._why_closed),
            Action("Landmark before", "Up", partial(self.walk, -1), self._why_closed),
            Action(
                "Next landmark to place",
                "Return",
                self.go_to_next,
                self._why_nothing_left,
            ),
            Action("Look at the landmark", "J", self.look, self._why_nowhere),
            Action("Skip, or take up again", "K", self.toggle_skip, self._why_no_skip),
            Action("Lock or unlock", "L", self.toggle_lock, at_hand),
            Action("Hide or show", "H", self.toggle_shown, at_hand),
            Action("Rename", "F2", self.rename, self._why_locked),
            Action("Delete the position", "Delete", self.delete, self._why_not_placed),
            Action(
                "Move up in the list",
                "Shift-Up",
                partial(self.reorder, -1),
                partial(self._why_no_move, -1),
            ),
            Action(
                "Move down in the list",
                "Shift-Down",
                partial(self.reorder, 1),
                partial(self._why_no_move, 1),
            ),
            Action("Place by click on or off", "B", self.toggle_placing, _never),
            Action("Next way to snap", "M", self.next_snap, _never),
            Action("Let agents propose", "Shift-P", self.propose, self._why_no_agents),
            Action("Accept the proposal", "Y", self.accept, self._why_no_proposal_here),
            Action(
                "Reject the proposal",
                "N",
                self.reject,
                partial(self._why_no_proposal_here, rejecting=True),
            ),
            Action(
                "Go to the least certain proposal",
                "W",
                self.go_to_worst,
                self._why_no_proposal,
            ),
            Action(
                "Accept all proposals",
                "Shift-Y",
                self.accept_all,
                self._why_no_acceptable,
            ),
            *(
                Action(
                    f"{view.name} view", view.key, partial(self.show_view, view), _never
                )
                for view in STANDARD_VIEWS
            ),
            Action("Shortcuts", "F1", self.show_shortcuts, _never),
        )

    def action(self, title: str) -> Action:
        """Return the action of that title."""
        return next(action for action in self.actions_ if action.title == title)

    # ---- opening and closing a session

    @property
    def session(self) -> AnnotationSession | None:
        """The session that is open; None if none is."""
        return None if self._editor is None else self._editor.session

    def start(self, path: Path | None = None) -> bool:
        """Open the session of the chosen image, protocol and reader.

        Parameters
        ----------
        path
            Its file; None takes the usual one.

        Returns
        -------
        is_open
            False if it could not be opened; the reason is shown.
        """
        self.stop()
        form = self.ui.form
        protocol, reader = form.chosen_protocol(), form.chosen_reader()
        image = self._volumes.layers().get(form.image.currentText())
        if protocol is None or image is None or form.reason_against_starting():
            self._tell(form.reason_against_starting(), True)
            return False
        try:
            volume, warnings = volume_of(image)
            file = path or session_path(volume, protocol, reader, self._folder)
            session = open_or_ask(self, volume, protocol, reader, file)
        except (MidrlError, OSError, ValueError) as error:
            self._tell(f"Not opened: {error_text(error)}", True)
            return False
        if session is None:
            self._tell("Not opened; nothing was changed.")
            return False
        self._begin(session, volume, image)
        self._tell("\n".join(warnings))
        return True

    def _begin(self, session: AnnotationSession, volume: Volume, image: Image) -> None:
        self._editor = Editor(session, self)
        self._editor.changed.connect(self._update)
        self._editor.told.connect(self._tell)
        self._volume, self._image = volume, image
        self._seen_at = _place_of(image)
        self._surroundings.planes.show(image)
        self._current = session.annotations.next_to_place()
        window = self.window()
        if window is not None:
            window.installEventFilter(self)
        self._update()

    def stop(self) -> None:
        """Put the landmarks away; they are saved."""
        if self._editor is None:
            return
        self.cancel()
        self._editor.deleteLater()
        self._editor = self._volume = self._image = self._current = None
        self._others = ()
        self._scene.clear()
        self._update()

    def _on_choice_changed(self) -> None:
        """Another image, protocol or reader is another session."""
        if self._editor is not None and not self._is_chosen():
            name = self._editor.session.path.name
            self.stop()
            self._tell(f"Closed; everything is saved in {name}.")

    def _is_chosen(self) -> bool:
        session, form = self.session, self.ui.form
        return (
            session is not None
            and self._image is not None
            and self._volumes.layers().get(form.image.currentText()) is self._image
            and form.chosen_protocol() == session.protocol
            and form.chosen_reader() == session.reader
        )

    def _on_volumes_changed(self) -> None:
        image = self._image
        if image is not None and image not in self._viewer.layers:
            session = self.session
            self.stop()
            if session is not None:
                self._tell(
                    f"The image was removed. Its landmarks are saved in "
                    f"{session.path.name}; open the image again to go on.",
                    True,
                )
        self.ui.form.set_images(list(self._volumes.layers()))
        if self._image is not None:
            self.ui.form.image.setCurrentText(self._image.name)
        else:
            self._surroundings.planes.show(
                self._volumes.layers().get(self.ui.form.image.currentText())
            )

    def _on_protocol_file(self) -> None:
        path = annotate_files.ask_file(
            self, "Open a protocol", "Protocols (*.json *.mrk.json)"
        )
        if path is not None:
            self._attempt(lambda: self.ui.form.add_protocol(read_protocol(path), path))

    def _on_resume(self) -> None:
        path = annotate_files.ask_file(
            self, "Go on with a landmark file", annotate_files.SESSION_FILTER
        )
        if path is not None:
            self.resume(path)

    def resume(self, path: Path) -> bool:
        """Go on with a landmark file, as its own reader and after its protocol."""
        try:
            document = read_annotations(path).document
        except MidrlError as error:
            self._tell(f"Not opened: {error_text(error)}", True)
            return False
        self.stop()
        self.ui.form.add_protocol(document.protocol, path)
        self.ui.form.reader.setText(document.reader)
        return self.start(path)

    # ---- editing

    def undo(self) -> None:
        """Undo the latest step."""
        if self._editor is not None:
            self._editor.undo()

    def redo(self) -> None:
        """Do the undone step again."""
        if self._editor is not None:
            self._editor.redo()

    def do(self, command: Command) -> bool:
        """Do any command on the open session; return whether it is done."""
        return self._editor is not None and self._editor.do(command)

    @property
    def current(self) -> str | None:
        """The landmark at hand."""
        return self._current

    @property
    def armed(self) -> str | None:
        """The landmark that a click places; None if the one at hand has a place."""
        editor, name = self._editor, self._current
        if editor is None or name is None or not self.ui.placing.isChecked():
            return None
        landmark = editor.annotations[name]
        return None if landmark.is_placed or landmark.is_locked else name

    def place(self, position_lps_mm: Position) -> bool:
        """Place the armed landmark and arm the next one."""
        name, volume = self.armed, self._volume
        if self._editor is None or volume is None or name is None:
            return False
        if not is_inside(volume.grid, position_lps_mm):
            self._tell("That is outside of the image; nothing was placed.", True)
            return False
        position, note = self._snapped(volume, position_lps_mm)
        if not self.do(Place(name, position)):
            return False
        self._current = self._editor.annotations.next_to_place(name) or name
        self._update()
        self._tell(f"Placed {name}.{note}")
        return True

    def _snapped(self, volume: Volume, position: Position) -> tuple[Position, str]:
        """Return the local extremum the user asks for, or the position itself."""
        extremum = SNAPS[self.ui.snap.currentText()]
        if extremum is None:
            return position, ""
        found = snapped(volume, position, extremum)
        if found is None:
            return position, f" Nothing {extremum.value} was near; it is at the click."
        return found, f" Moved to the {extremum.value} place near the click."

    def toggle_skip(self) -> None:
        """Say that the landmark at hand cannot be placed, or take that back."""
        editor, name = self._editor, self._current
        if editor is None or name is None:
            return
        if editor.annotations[name].is_skipped:
            editor.do(Unskip(name))
        elif editor.do(Skip(name)):
            self._current = editor.annotations.next_to_place(name) or name
            self._update()

    def toggle_lock(self, name: str | None = None) -> None:
        """Protect a landmark, the one at hand by default, or let it be changed."""
        name = name or self._current
        if self._editor is not None and name is not None:
            is_locked = self._editor.annotations[name].is_locked
            self.do(Unlock(name) if is_locked else Lock(name))

    def toggle_shown(self, name: str | None = None) -> None:
        """Hide a landmark, the one at hand by default, or show it."""
        name = name or self._current
        if self._editor is not None and name is not None:
            is_hidden = self._editor.annotations[name].is_hidden
            self.do(Show(name) if is_hidden else Hide(name))

    def delete(self) -> None:
        """Take the position of the landmark at hand away."""
        if self._current is not None:
            self.do(Delete(self._current))

    def rename(self) -> None:
        """Let the user type another name for the landmark at hand."""
        self.ui.table.begin_renaming()

    def _on_renamed(self, name: str, new_name: str) -> None:
        try:
            command = Rename(name, new_name)
        except ValueError as error:
            self._tell(f"Not renamed: {error_text(error)}", True)
            self._update()
            return
        before = self._current
        if name == before:
            self._current = new_name
        if not self.do(command):
            self._current = before
            self._update()

    def reorder(self, by: int) -> None:
        """Move the landmark at hand up or down in the list."""
        if self._editor is not None and self._current is not None:
            index = self._editor.annotations.names.index(self._current)
            self.do(Reorder(self._current, index + by))

    def toggle_placing(self) -> None:
        """Let clicks place landmarks, or not."""
        self.ui.placing.toggle()

    def next_snap(self) -> None:
        """Choose the next way to put a point."""
        snap = self.ui.snap
        snap.setCurrentIndex((snap.currentIndex() + 1) % snap.count())
        self._tell(f"Put the point: {snap.currentText().lower()}.")

    # ---- walking and looking

    def go_to(self, name: str) -> None:
        """Make a landmark the one at hand and move all views to it."""
        self._current = name
        self._update()
        self.look()

    def walk(self, by: int) -> None:
        """Go down or up the table."""
        if self._editor is None:
            return
        names = self._editor.annotations.names
        index = -1 if self._current is None else names.index(self._current)
        self.go_to(names[min(max(index + by, 0), len(names) - 1)])

    def go_to_next(self) -> None:
        """Go to the next landmark that is still to be placed."""
        if self._editor is not None:
            name = self._editor.annotations.next_to_place(self._current)
            if name is not None:
                self.go_to(name)

    def look(self) -> None:
        """Move all views to the landmark at hand, if it is anywhere."""
        for row in self.ui.table.value():
            if row.name == self._current and row.position_lps_mm is not None:
                jump_to(self._viewer, row.position_lps_mm)
                self._surroundings.planes.move_to(row.position_lps_mm)

    def show_view(self, view: StandardView) -> None:
        """Turn to a standard view."""
        show_standard_view(self._viewer, view)

    def show_shortcuts(self) -> None:
        """Show all keys, and why one of them does nothing now."""
        ShortcutsPage(self.actions_, self).show()

    def _on_view_clicked(self, view: StandardView, checked: bool = False) -> None:
        self.show_view(view)

    def _on_slicing_changed(self, event: object = None) -> None:
        set_slab(self._viewer, SLAB_MM)
        self._scene.show_names()
        self._show_hint()

    # ---- the mouse on a slice

    def held_at(
        self, point_zyx: npt.NDArray[Any], shown: tuple[int, int], reach: float
    ) -> Held | None:
        """Return the point under the mouse."""
        return (
            None
            if self._editor is None
            else self._scene.nearest(point_zyx, shown, reach)
        )

    def clicked(self, held: object | None, point_zyx: npt.NDArray[Any]) -> None:
        """Go to the landmark under the mouse, or place the armed one."""
        if self._editor is None or self._image is None:
            return
        if isinstance(held, Held):
            self._current = held.name
            self._update()
        elif self.armed is not None and not self._is_moved_away():
            self.place(position_on_slice(self._viewer, self._image, point_zyx))

    def dragged(self, held: object, point_zyx: npt.NDArray[Any]) -> None:
        """Draw a point where it is dragged to, if it may be moved."""
        if isinstance(held, Held) and self._why_held_fast(held) == "":
            self._scene.preview(held, self._dropped_at(held, point_zyx))

    def dropped(self, held: object, point_zyx: npt.NDArray[Any]) -> None:
        """Move a landmark, or correct and accept a proposal: one step."""
        if not isinstance(held, Held) or self._editor is None or self._volume is None:
            return
        reason = self._why_held_fast(held)
        position = self._dropped_at(held, point_zyx)
        if not reason and not is_inside(self._volume.grid, position):
            reason = "That is outside of the image."
        if reason:
            self._tell(f"{held.name} was not moved. {reason}", True)
            self._update()
            return
        self._current = held.name
        if held.is_proposal:
            self.do(NudgeAndAccept(held.name, position))
        else:
            self.do(Move(held.name, position))

    def _dropped_at(self, held: Held, point_zyx: npt.NDArray[Any]) -> Position:
        assert self._editor is not None  # points are there while a session is open
        assert self._image is not None
        annotations = self._editor.annotations
        before = annotations[held.name].position_lps_mm
        if held.is_proposal:
            before = annotations.proposals[held.name].position_lps_mm
        return position_on_slice(self._viewer, self._image, point_zyx, before)

    def _why_held_fast(self, held: Held) -> str:
        if self._editor is None:
            return NO_SESSION
        landmark = self._editor.annotations[held.name]
        if landmark.is_locked:
            return "It is locked; unlock it first."
        if held.is_proposal and landmark.is_placed:
            return "It has a place of its own; accept or reject the proposal."
        if self._is_moved_away():
            return "The image was moved in the viewer."
        return ""

    def _is_moved_away(self) -> bool:
        """Return whether the image is not drawn any more where it lies."""
        if self._image is None or _place_of(self._image) == self._seen_at:
            return False
        self._tell(
            f"{self._image.name} was moved or scaled in the viewer, so a click would "
            "lie elsewhere in the patient. Reset its transform first.",
            True,
        )
        return True

    # ---- napari's own tools on our layers

    def _on_landmarks_edited(
        self,
        drawn: tuple[str, ...],
        kept: dict[str, Position],
        added: list[Position],
    ) -> None:
        if self._editor is None:
            return
        armed = self.armed
        inside = [p for p in added if self._volume and is_inside(self._volume.grid, p)]
        command, denied = edits_of_landmarks(
            self._editor.annotations, drawn, kept, inside, armed
        )
        done = command is not None and self._editor.do(command)
        if done and added and armed is not None:
            self._current = self._editor.annotations.next_to_place(armed) or armed
        if denied:
            self._tell(f"Locked, and as before: {', '.join(denied)}.", True)
        elif added and (armed is None or not inside):
            self._tell("No landmark is waiting to be placed there.", True)
        self._update()

    def _on_proposals_edited(
        self,
        drawn: tuple[str, ...],
        kept: dict[str, Position],
        added: list[Position],
    ) -> None:
        if self._editor is None:
            return
        command, denied = edits_of_proposals(self._editor.annotations, drawn, kept)
        if command is not None:
            self._editor.do(command)
        if denied:
            self._tell(f"Placed or locked already: {', '.join(denied)}.", True)
        self._update()

    def _on_others_edited(self, *edit: object) -> None:
        self._tell("Other readers' landmarks are theirs; they stay.", True)
        self._update()

    def _on_layer_removed(self) -> None:
        if self._editor is not None:
            self._tell(
                "A layer was removed, no landmark: it comes back with the next step."
            )

    # ---- proposals

    @property
    def is_running(self) -> bool:
        """Whether something runs beside the window."""
        return self._task is not None

    def propose(self) -> None:
        """Let the chosen agents seek what is not placed yet."""
        pack, volume, editor = self.ui.propose.chosen_pack(), self._volume, self._editor
        if pack is None or volume is None or editor is None:
            return
        settings = SearchSettings(
            landmarks=self._sought(pack.landmarks),
            n_starts=self.ui.propose.n_starts.value(),
            device=self._preferences.device,
        )
        self._start_task(
            partial(self._engine.locate, volume, pack.name, settings),
            partial(self._on_proposed, editor, volume),
        )
        self._tell(f"Loading the engine{'...'}")

    def _sought(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return what the agents know and the reader has not placed; else all."""
        if self._editor is None:
            return ()
        landmarks = self._editor.annotations.landmarks
        asked = {name for m in landmarks for name in (m.name, m.protocol_name)}
        placed = {
            name
            for m in landmarks
            if m.is_placed or m.is_skipped
            for name in (m.name, m.protocol_name)
        }
        both = tuple(name for name in known if name in asked)
        return tuple(name for name in both if name not in placed) or both

    def _on_proposed(self, editor: Editor, volume: Volume, found: Localization) -> None:
        from napari_midrl.workflows.annotate import proposal_command
        from napari_midrl.workflows.localize import as_landmarks

        if editor is not self._editor:
            self._tell("Other landmarks are open by now; proposals were dropped.")
            return
        try:
            command = proposal_command(as_landmarks(found, volume), editor.annotations)
        except MidrlError as error:
            self._tell(error_text(error), True)
            return
        if editor.do(command):
            self._tell(
                f"{len(command.proposals)} proposals in {found.seconds:.1f} s; judge "
                "the least certain first."
            )
            self.go_to_worst()

    def accept(self) -> None:
        """Make the proposal at hand the landmark; ask before a place is replaced."""
        editor, name = self._editor, self._current
        if editor is None or name is None:
            return
        replaces = editor.annotations[name].is_placed
        if replaces:
            answer = questions.choose(
                self,
                "Replace your landmark?",
                f"You have placed {name} yourself. Put it where the model says?",
                ("Replace mine",),
            )
            if not answer:
                return
        if editor.do(Accept(name, replace_placed=replaces)):
            self._after_judging()

    def reject(self) -> None:
        """Put the proposal at hand away."""
        if self._current is not None and self.do(Reject(self._current)):
            self._after_judging()

    def accept_all(self) -> None:
        """Make all proposals landmarks that replace nothing; one step to undo."""
        names = self._acceptable()
        command = together(
            [Accept(name) for name in names], f"accept {len(names)} proposals"
        )
        if command is not None and self.do(command):
            self._tell(f"Accepted {len(names)} proposals.")

    def go_to_worst(self) -> None:
        """Go to the proposal of which the model is least certain."""
        if self._editor is not None:
            for name in self._editor.annotations.proposals_worst_first()[:1]:
                self.go_to(name)

    def _after_judging(self) -> None:
        if self._editor is not None and self._editor.annotations.proposals:
            self.go_to_worst()

    def _acceptable(self) -> tuple[str, ...]:
        if self._editor is None:
            return ()
        annotations = self._editor.annotations
        return tuple(
            name
            for name in annotations.proposals
            if not (annotations[name].is_placed or annotations[name].is_locked)
        )

    # ---- tasks beside the window

    def cancel(self) -> None:
        """Stop what runs; the window is free at once."""
        if self._task is not None:
            self._task.stop()
            self._task = None
            self._tell("Cancelled.")
        self.ui.propose.set_running(False)
        self._update()

    def _start_task(self, make: Any, on_return: Any) -> None:
        self._task = BackgroundTask(
            make,
            self,
            on_report=self._on_report,
            on_return=on_return,
            on_error=self._on_error,
            on_end=self._on_end,
        )
        window = self.window()
        if window is not None:
            window.installEventFilter(self)
        self.ui.propose.set_running(True)
        self._update()
        self._task.start()

    def _on_report(self, progress: Progress) -> None:
        self.ui.propose.show_progress(progress)
        self._tell(progress.text)

    def _on_error(self, error: Exception) -> None:
        if not isinstance(error, MidrlError):
            _LOG.error("task failed", exc_info=error)
        self._tell(f"Failed: {error_text(error)}", True)

    def _on_end(self) -> None:
        self._task = None
        self.ui.propose.set_running(False)
        self._update()

    # ---- other readers

    def comparison(self) -> Comparison | None:
        """Return how far the readers are apart; None if there is one only."""
        from napari_midrl.workflows.compare_readers import compare_readers

        session = self.session
        if session is None or not self._others:
            return None
        return compare_readers(
            session.document, self._others, blind=self.ui.readers.blind.isChecked()
        )

    def load_reader(self, path: Path) -> bool:
        """Take another reader's landmarks in for comparison."""
        from napari_midrl.workflows.compare_readers import compare_readers

        session = self.session
        if session is None:
            return False
        try:
            document = read_annotations(path, image=session.image).document
            others = tuple(o for o in self._others if o.reader != document.reader)
            compare_readers(session.document, (*others, document))
        except MidrlError as error:
            self._tell(f"Not loaded: {error_text(error)}", True)
            return False
        self._others = (*others, document)
        self._update()
        self._tell(f"Loaded {document.reader}.")
        return True

    def _on_load_reader(self) -> None:
        session = self.session
        if session is None:
            return
        path = annotate_files.ask_file(
            self,
            "Load another reader",
            annotate_files.SESSION_FILTER,
            str(session.path.parent),
        )
        if path is not None:
            self.load_reader(path)

    def _on_forget_readers(self) -> None:
        self._others = ()
        self._update()

    def _on_consensus(self) -> None:
        from napari_midrl.workflows.compare_readers import consensus_landmarks

        session, volume, comparison = self.session, self._volume, self.comparison()
        if session is not None and volume is not None and comparison is not None:
            self._tell_saved(
                lambda: annotate_files.export_set(
                    self,
                    consensus_landmarks(session.document, comparison),
                    volume,
                    "consensus",
                )
            )

    # ---- cases

    def _on_cases_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of cases")
        if folder:
            self.show_cases(Path(folder))

    def _on_cases_refresh(self) -> None:
        if self._cases_folder is not None:
            self.show_cases(self._cases_folder)

    def show_cases(self, folder: Path) -> None:
        """List the cases of a folder and how far the reader is with each."""
        from napari_midrl.workflows.annotation_cases import case_rows

        protocol, reader = self.ui.form.chosen_protocol(), self._reader()
        if self.is_running or protocol is None or not reader:
            self._tell("Choose a protocol and say who reads first.", True)
            return
        self._cases_folder = folder
        self._start_task(
            lambda: case_rows(folder, protocol, reader, self._folder), self._on_cases
        )

    def _reader(self) -> str:
        return self.ui.form.chosen_reader()

    def _on_cases(self, rows: tuple[CaseRow, ...]) -> None:
        self.ui.cases.set_value(rows)
        done = sum(row.count.is_done for row in rows)
        self._tell(f"{done} of {len(rows)} cases are done.")

    def open_next_case(self) -> None:
        """Open the first case that is not done."""
        from napari_midrl.workflows.annotation_cases import next_case

        row = next_case([r for r in self.ui.cases.value() if r.file != self._file()])
        if row is None:
            self._tell("All cases are done.")
        else:
            self.open_case(row)

    def _file(self) -> Path | None:
        session = self.session
        return Path() if session is None else session.path

    def open_case(self, row: CaseRow) -> None:
        """Open the images of a case and go on with its landmarks."""
        if self.is_running:
            self._tell("Wait until what runs has ended, or cancel it.", True)
            return
        self.stop()
        self._start_task(
            partial(self._engine.load_study, (row.images,)),
            partial(self._on_case_loaded, row),
        )
        self._tell(f"Reading {row.name}...")

    def _on_case_loaded(self, row: CaseRow, study: Study) -> None:
        old = [layer for layer in self._case_layers if layer in self._viewer.layers]
        self._add_study(study)
        remove_layers(self._viewer, old)
        names = [volume.name for volume in study.volumes]
        wanted = row.image_name if row.image_name in names else names[0]
        for layer in self._case_layers:
            known = layer.metadata.get("midrl", {}).get("volume")
            if known is not None and known.name == wanted:
                layer.visible = True
                self.ui.form.image.setCurrentText(layer.name)
        self._viewer.reset_view()
        self.start(row.file)
        self._on_cases_refresh_later()

    def _on_cases_refresh_later(self) -> None:
        """Mark in the table which case is open; the counts follow on Refresh."""
        session = self.session
        if session is not None:
            self._tell(f"Opened {session.image.name}: {session.saved_text}.")

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a study")
        if folder and not self.is_running:
            self._start_task(
                partial(self._engine.load_study, (Path(folder),)), self._on_study
            )

    def _on_study(self, study: Study) -> None:
        self._add_study(study)
        self.ui.form.image.setCurrentText(study.volumes[0].name)
        self._viewer.reset_view()
        self._tell(f"Opened {len(study.volumes)} volumes")

    def _add_study(self, study: Study) -> None:
        self._case_layers = tuple(
            self._viewer.add_image(data, **options)
            for data, options, _ in study_layers(study)
        )

    def _on_dataset(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the data set")
        if folder:
            self.write_dataset(Path(folder))

    def write_dataset(self, folder: Path, seed: int = 0) -> None:
        """Write the annotated cases as a data set, a fifth of them for testing."""
        from napari_midrl.workflows.export_dataset import (
            export_dataset,
            random_splits,
        )

        protocol, rows = self.ui.form.chosen_protocol(), self.ui.cases.value()
        if protocol is None:
            return

        def write() -> str:
            used = [row.name for row in rows if row.count.n_placed]
            splits = random_splits(used, seed)
            path, left_out = export_dataset(rows, splits, folder, protocol)
            without = f"; nothing placed in {', '.join(left_out)}" if left_out else ""
            return f"Wrote {len(used)} cases to {path}{without}"

        self._tell_saved(write)

    # ---- files

    def _on_import(self) -> None:
        session = self.session
        if session is None:
            return
        path = annotate_files.ask_file(
            self,
            "Import landmarks",
            annotate_files.IMPORT_FILTER,
            str(session.path.parent),
        )
        if path is not None:
            self.import_file(path)

    def import_file(self, path: Path) -> bool:
        """Take the landmarks of a file over; return whether that is done."""
        editor, volume = self._editor, self._volume
        if editor is None or volume is None:
            return False
        try:
            command = annotate_files.import_or_ask(self, editor.session, volume, path)
        except (MidrlError, OSError, ValueError) as error:
            self._tell(f"Not imported: {error_text(error)}", True)
            return False
        if command is None:
            return False
        is_done = (
            editor.take_over(command)
            if isinstance(command, Import)
            else editor.do(command)
        )
        if is_done:
            self._tell(f"Imported {path.name}.")
        return is_done

    def _on_export(self, proposals: bool, checked: bool = False) -> None:
        session, volume = self.session, self._volume
        if session is not None and volume is not None:
            self._tell_saved(
                lambda: annotate_files.export_own(
                    self, session, volume, proposals=proposals
                )
            )

    def _on_export_dicom(self, kind: Any, checked: bool = False) -> None:
        session, volume = self.session, self._volume
        if session is not None and volume is not None:
            self._tell_saved(
                lambda: annotate_files.export_as_dicom(self, session, volume, kind)
            )

    def _on_save_as(self) -> None:
        session = self.session
        if session is None:
            return
        chosen, _ = QFileDialog.getSaveFileName(
            self,
            "Go on in another file",
            str(session.path),
            annotate_files.SESSION_FILTER,
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if chosen:
            path = Path(chosen)
            if not path.name.endswith(".midrl.json"):
                path = path.with_name(path.name + ".midrl.json")
            self._attempt(lambda: session.save_as(path))
            self._update()

    def _tell_saved(self, save: Any) -> None:
        try:
            text = save()
        except (MidrlError, OSError, ValueError) as error:
            self._tell(f"Not exported: {error_text(error)}", True)
        else:
            if text:
                self._tell(text)

    def _attempt(self, act: Any) -> None:
        try:
            act()
        except (MidrlError, OSError, ValueError) as error:
            self._tell(error_text(error), True)

    # ---- why something cannot be done now

    def _why_closed(self) -> str:
        return NO_SESSION if self._editor is None else ""

    def _why_none_at_hand(self) -> str:
        if self._editor is None:
            return NO_SESSION
        return "" if self._current is not None else "Choose a row first."

    def _why_no_undo(self) -> str:
        session = self.session
        if session is None:
            return NO_SESSION
        return "" if session.undo_text else "There is nothing to undo."

    def _why_no_redo(self) -> str:
        session = self.session
        if session is None:
            return NO_SESSION
        return "" if session.redo_text else "There is nothing to do again."

    def _why_nothing_left(self) -> str:
        if self._editor is None:
            return NO_SESSION
        left = self._editor.annotations.next_to_place()
        return "" if left is not None else "Every landmark is placed or skipped."

    def _why_locked(self) -> str:
        reason = self._why_none_at_hand()
        if not reason and self._editor is not None and self._current is not None:
            is_locked = self._editor.annotations[self._current].is_locked
            reason = f"{self._current} is locked." if is_locked else ""
        return reason

    def _why_no_skip(self) -> str:
        reason = self._why_locked()
        if not reason and self._editor is not None and self._current is not None:
            is_placed = self._editor.annotations[self._current].is_placed
            reason = "It is placed; delete its position first." if is_placed else ""
        return reason

    def _why_not_placed(self) -> str:
        reason = self._why_locked()
        if not reason and self._editor is not None and self._current is not None:
            is_placed = self._editor.annotations[self._current].is_placed
            reason = "" if is_placed else "It has no position."
        return reason

    def _why_nowhere(self) -> str:
        reason = self._why_none_at_hand()
        if not reason and self._editor is not None and self._current is not None:
            state = self._editor.annotations.state_of(self._current)
            is_somewhere = state in (AnnotationState.PLACED, AnnotationState.PROPOSED)
            reason = "" if is_somewhere else "It has no position."
        return reason

    def _why_no_move(self, by: int) -> str:
        reason = self._why_none_at_hand()
        if not reason and self._editor is not None and self._current is not None:
            names = self._editor.annotations.names
            index = names.index(self._current) + by
            reason = "" if 0 <= index < len(names) else "It is at the end of the list."
        return reason

    def _why_no_proposal(self) -> str:
        if self._editor is None:
            return NO_SESSION
        return "" if self._editor.annotations.proposals else "There are no proposals."

    def _why_no_proposal_here(self, rejecting: bool = False) -> str:
        reason = self._why_none_at_hand() or self._why_no_proposal()
        if not reason and self._editor is not None:
            if self._current not in self._editor.annotations.proposals:
                reason = f"There is no proposal for {self._current}."
            elif not rejecting:
                reason = self._why_locked()
        return reason

    def _why_no_acceptable(self) -> str:
        reason = self._why_no_proposal()
        if not reason and not self._acceptable():
            reason = "The landmarks proposed are placed or locked."
        return reason

    def _why_no_agents(self) -> str:
        pack = self.ui.propose.chosen_pack()
        if self._editor is None:
            return NO_SESSION
        if self.is_running:
            return "Something is running; cancel it first."
        if pack is None:
            return "No agent pack is installed."
        if not self._sought(pack.landmarks):
            return "These agents know no landmark of this list."
        return ""

    # ---- showing

    def _tell(self, text: str, error: bool = False) -> None:
        self.ui.show_status(text, error=error)

    def _on_button(self, action: Action, checked: bool = False) -> None:
        reason = action.attempt()
        if reason:
            self._tell(reason)

    def _update(self, value: object = None) -> None:
        """Show everything as it is now; the annotations are the truth."""
        editor, ui = self._editor, self.ui
        ui.form.set_open(editor is not None)
        if editor is None:
            ui.table.set_value((), {}, None)
            ui.form.saved.setText("")
        else:
            self._draw(editor)
        self._show_hint()
        self._show_buttons()
        self._show_proposals()

    def _draw(self, editor: Editor) -> None:
        annotations, session = editor.annotations, editor.session
        if self._current not in annotations.names:
            self._current = annotations.next_to_place()
        colors = protocol_colors(annotations, session.protocol)
        comparison = self.comparison()
        rows = annotate_rows(annotations, session.protocol, comparison)
        self.ui.table.set_value(rows, colors, annotations.progress)
        self.ui.table.go_to(self._current)
        self.ui.form.saved.setText(session.saved_text)
        self.ui.form.saved.setToolTip(str(session.path))
        self._show_comparison(comparison)
        self._scene.draw(
            annotations,
            session.reader,
            colors,
            self._current,
            comparison,
            self.ui.readers.shown.currentText(),
        )

    def _show_comparison(self, comparison: Comparison | None) -> None:
        box = self.ui.readers
        if comparison is None:
            box.summary.setText("No other reader")
            return
        others = ", ".join(comparison.readers[1:])
        if comparison.is_blind:
            box.summary.setText(
                f"{others}: hidden until all of yours are placed or skipped"
            )
            return
        apart = [r.distance_mm for r in comparison.rows if r.distance_mm is not None]
        agreed = sum(r.consensus_lps_mm is not None for r in comparison.rows)
        text = f"{others}: no landmark in common yet"
        if apart:
            text = (
                f"{others}: mean {sum(apart) / len(apart):.1f} mm, largest "
                f"{max(apart):.1f} mm apart; agreed on {agreed} of {len(apart)}"
            )
        box.summary.setText(text)

    def _show_hint(self) -> None:
        self.ui.hint.setText(self._hint())

    def _hint(self) -> str:
        editor, name = self._editor, self._current
        if editor is None:
            return self.ui.form.reason_against_starting() or "Start to place landmarks."
        if name is None:
            return "Every landmark is placed or skipped. Drag a point to correct it."
        if self._viewer.dims.ndisplay != 2:
            return "Turn to a slice to place or to correct; clicks do nothing in 3D."
        landmark = editor.annotations[name]
        asked = landmark.protocol_name
        about = editor.session.protocol[asked].description if asked else ""
        if self.armed is not None:
            what = f"Click on a slice to place <b>{name}</b>"
            if name in editor.annotations.proposals:
                what = f"Accept, reject or drag the proposal for <b>{name}</b>"
            return f"{what}: {about}." if about else f"{what}."
        if landmark.is_locked:
            return f"<b>{name}</b> is locked."
        if landmark.is_placed:
            return f"<b>{name}</b> is placed; drag it to correct it."
        return f"<b>{name}</b> waits, but placing by click is off."

    def _show_buttons(self) -> None:
        ui, session = self.ui, self.session
        undo = session.undo_text if session else None
        redo = session.redo_text if session else None
        self._show_action(ui.undo_button, "Undo", f"Undo {undo}" if undo else "Undo")
        self._show_action(ui.redo_button, "Redo", f"Redo {redo}" if redo else "Redo")
        landmark = None
        if self._editor is not None and self._current is not None:
            landmark = self._editor.annotations[self._current]
        for button, title, text in (
            (
                ui.skip_button,
                "Skip, or take up again",
                "Unskip" if landmark and landmark.is_skipped else "Skip",
            ),
            (
                ui.lock_button,
                "Lock or unlock",
                "Unlock" if landmark and landmark.is_locked else "Lock",
            ),
            (
                ui.hide_button,
                "Hide or show",
                "Show" if landmark and landmark.is_hidden else "Hide",
            ),
            (ui.delete_button, "Delete the position", "Delete"),
            (ui.up_button, "Move up in the list", ui.up_button.text()),
            (ui.down_button, "Move down in the list", ui.down_button.text()),
        ):
            self._show_action(button, title, text)
        for button in ui.files.buttons:
            button.setEnabled(session is not None)
        readers = ui.readers
        readers.load_button.setEnabled(session is not None)
        readers.forget_button.setEnabled(bool(self._others))
        comparison = self.comparison()
        readers.consensus_button.setEnabled(
            comparison is not None and not comparison.is_blind
        )

    def _show_action(self, button: Any, title: str, text: str) -> None:
        """Let a button say what its action would do, or why it can do nothing."""
        action = self.action(title)
        reason = action.blocked()
        button.setText(text)
        button.setEnabled(not reason)
        button.setToolTip(reason or f"{text} ({action.shown_key})")

    def _show_proposals(self) -> None:
        box, editor = self.ui.propose, self._editor
        for button, title in (
            (box.accept_button, "Accept the proposal"),
            (box.reject_button, "Reject the proposal"),
            (box.next_button, "Go to the least certain proposal"),
            (box.accept_all_button, "Accept all proposals"),
            (box.run_button, "Let agents propose"),
        ):
            self._show_action(button, title, button.text())
        worst = () if editor is None else editor.annotations.proposals_worst_first()
        if editor is None or not worst:
            box.open_label.setText("No proposals to judge")
            return
        confidence = editor.annotations.proposals[worst[0]].confidence
        sure = "" if confidence is None else f" ({confidence:.0%} sure)"
        box.open_label.setText(
            f"{len(worst)} to judge; least certain: {worst[0]}{sure}"
        )

    # ---- closing

    def event(self, event: QEvent | None) -> bool:
        """Shut down when the dock is closed, that is taken out of its parent."""
        is_moved = event is not None and event.type() == QEvent.Type.ParentChange
        if is_moved and self.parent() is None:
            self.shut_down()
        return bool(super().event(event))

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Let go of a running task when the window closes."""
        if event is not None and event.type() == QEvent.Type.Close:
            self.cancel()
        return False

    def shut_down(self) -> None:
        """Stop everything and leave the viewer as one would expect without the dock."""
        if self._closed:
            return
        self._closed = True
        self.stop()
        self.cancel()
        self._mouse.close()
        self._keys.close()
        self._scene.close()
        self._volumes.close()
        self._surroundings.release()
        dims = self._viewer.dims
        dims.events.order.disconnect(self._on_slicing_changed)
        dims.events.ndisplay.disconnect(self._on_slicing_changed)


def _never() -> str:
    """Return that nothing stands against it."""
    return ""


def _account() -> str:
    """Return the name of the user's account; empty where there is none of a person."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
    return "" if name in ("root", "user", "admin") else name


def _place_of(image: Image) -> tuple[float, ...]:
    """Return where a layer draws its first and second voxel along every axis."""
    corners = ([0] * image.ndim, [1] * image.ndim)
    return tuple(
        round(float(x), 6) for corner in corners for x in image.data_to_world(corner)
    )
