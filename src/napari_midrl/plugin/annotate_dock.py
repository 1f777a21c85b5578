"""The dock "MIDRL: annotate": place, correct, propose, accept, compare, hand on."""

from __future__ import annotations

import getpass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_midrl.errors import MidrlError
from napari_midrl.io.annotation_file import read_annotations
from napari_midrl.io.protocols import find_protocol, protocol_files, read_protocol
from napari_midrl.plugin import annotate_files
from napari_midrl.plugin.actions import Action, Keys, ShortcutsPage
from napari_midrl.plugin.annotate_actions import (
    HIDE,
    LOCK,
    REDO,
    SKIP,
    UNDO,
    annotate_actions,
    buttons_of,
)
from napari_midrl.plugin.annotate_cases import Cases
from napari_midrl.plugin.annotate_handing import Handing
from napari_midrl.plugin.annotate_layout import AnnotateLayout
from napari_midrl.plugin.annotate_mouse import SliceMouse
from napari_midrl.plugin.annotate_open import open_or_ask, session_path
from napari_midrl.plugin.annotate_others import OtherReaders
from napari_midrl.plugin.annotate_pointer import Pointer
from napari_midrl.plugin.annotate_proposing import Proposing
from napari_midrl.plugin.annotate_rows import annotate_rows, hint_text, protocol_colors
from napari_midrl.plugin.annotate_scene import AnnotationScene
from napari_midrl.plugin.annotate_slices import place_of
from napari_midrl.plugin.annotate_steps import Steps
from napari_midrl.plugin.background import BackgroundTask
from napari_midrl.plugin.dock import Dock, failure_text, set_up_canvas
from napari_midrl.plugin.editor import Editor
from napari_midrl.plugin.engine import Engine, default_engine
from napari_midrl.plugin.exports import error_text
from napari_midrl.plugin.orientation import STANDARD_VIEWS, StandardView
from napari_midrl.plugin.pack_news import news
from napari_midrl.plugin.preferences import Preferences, load_preferences
from napari_midrl.plugin.surroundings import borrow
from napari_midrl.plugin.views import SLAB_MM, set_slab, show_standard_view
from napari_midrl.plugin.volumes import VolumeLayers
from napari_midrl.plugin.world import volume_of

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image

    from napari_midrl.annotation.commands import Command
    from napari_midrl.data.annotations import AnnotationSet
    from napari_midrl.data.progress import Progress
    from napari_midrl.data.volume import Volume
    from napari_midrl.workflows.annotate import AnnotationSession
    from napari_midrl.workflows.compare_readers import Comparison


class AnnotateDock(Dock):
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
        self.viewer = napari_viewer
        self.engine = engine or default_engine()
        self._preferences = preferences or load_preferences()
        self._folder = folder
        self.editor: Editor | None = None
        self.volume: Volume | None = None
        self.image: Image | None = None
        self.seen_at: tuple[float, ...] = ()
        self._current: str | None = None
        self._task: BackgroundTask | None = None

        self.ui = AnnotateLayout()
        self.fill_with(self.ui)
        self._surroundings = borrow(napari_viewer)
        pointer = Pointer(self)
        self.scene = AnnotationScene(
            napari_viewer,
            pointer.landmarks_edited,
            pointer.proposals_edited,
            pointer.others_edited,
            pointer.layer_removed,
        )
        self._mouse = SliceMouse(napari_viewer, pointer)
        self._volumes = VolumeLayers(napari_viewer, self._on_volumes_changed)
        self.steps = Steps(self)
        self.proposing = Proposing(self, self._preferences.device)
        self.others = OtherReaders(self)
        self.cases = Cases(self, folder)
        self.handing = Handing(self)
        self.registry = annotate_actions(self)
        self._keys = Keys(
            napari_viewer, self, self.ui.table.table, self.registry, self.tell
        )
        self._connect()
        self._show_choices()
        self._set_up_viewer()
        self._on_volumes_changed()
        self.refresh()

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
        ui.table.renamed.connect(self.steps.renamed)
        ui.table.lock_clicked.connect(self.steps.toggle_lock)
        ui.table.shown_clicked.connect(self.steps.toggle_shown)
        ui.placing.toggled.connect(self.refresh)
        ui.shortcuts.clicked.connect(self.show_shortcuts)
        ui.propose.cancel_clicked.connect(self.cancel)
        ui.propose.pack.currentIndexChanged.connect(self.refresh)
        news.changed.connect(self._on_pack_news)
        for button, title in buttons_of(self.ui):
            button.clicked.connect(partial(self._on_button, self.action(title)))

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
            packs = self.engine.available_packs()
        except (MidrlError, OSError) as error:
            packs = ()
            troubles.append(error_text(error))
        ui.propose.set_packs(packs, self._preferences.default_pack)
        ui.propose.set_running(False)
        if troubles:
            ui.show_status("\n".join(troubles), error=True)

    def _on_pack_news(self) -> None:
        """Offer new packs at once; the one chosen stays."""
        if not self.is_running:
            chosen = self.ui.propose.pack.currentData() or ""
            packs = self.engine.available_packs()
            self.ui.propose.set_packs(packs, chosen)
            self.refresh()

    def _set_up_viewer(self) -> None:
        viewer = self.viewer
        set_up_canvas(viewer)
        viewer.dims.events.order.connect(self._on_slicing_changed)
        viewer.dims.events.ndisplay.connect(self._on_slicing_changed)
        self._on_slicing_changed()

    def action(self, title: str) -> Action:
        """Return the action of that title."""
        return next(action for action in self.registry if action.title == title)

    # ---- opening and closing a session

    @property
    def session(self) -> AnnotationSession | None:
        """The session that is open; None if none is."""
        return None if self.editor is None else self.editor.session

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
            self.tell(form.reason_against_starting(), error=True)
            return False
        try:
            volume, warnings = volume_of(image)
            file = path or session_path(volume, protocol, reader, self._folder)
            session = open_or_ask(self, volume, protocol, reader, file)
        except (MidrlError, OSError, ValueError) as error:
            self.tell(f"Not opened: {error_text(error)}", error=True)
            return False
        if session is None:
            self.tell("Not opened; nothing was changed.")
            return False
        self._begin(session, volume, image)
        self.tell("\n".join(warnings))
        return True

    def _begin(self, session: AnnotationSession, volume: Volume, image: Image) -> None:
        self.editor = Editor(session, self)
        self.editor.changed.connect(self.refresh)
        self.editor.told.connect(self.tell)
        self.volume, self.image = volume, image
        self.seen_at = place_of(image)
        self._surroundings.planes.show(image)
        self._current = session.annotations.next_to_place()
        self.watch_window()
        self.refresh()

    def stop(self) -> None:
        """Put the landmarks away; they are saved."""
        if self.editor is None:
            return
        self.cancel()
        self.editor.deleteLater()
        self.editor = self.volume = self.image = self._current = None
        self.others.clear()
        self.scene.clear()
        self.refresh()

    def _on_choice_changed(self) -> None:
        """Another image, protocol or reader is another session."""
        if self.editor is not None and not self._is_chosen():
            name = self.editor.session.path.name
            self.stop()
            self.tell(f"Closed; everything is saved in {name}.")

    def _is_chosen(self) -> bool:
        session, form = self.session, self.ui.form
        return (
            session is not None
            and self.image is not None
            and self._volumes.layers().get(form.image.currentText()) is self.image
            and form.chosen_protocol() == session.protocol
            and form.chosen_reader() == session.reader
        )

    def _on_volumes_changed(self) -> None:
        image = self.image
        if image is not None and image not in self.viewer.layers:
            session = self.session
            self.stop()
            if session is not None:
                self.tell(
                    f"The image was removed. Its landmarks are saved in "
                    f"{session.path.name}; open the image again to go on.",
                    True,
                )
        self.ui.form.set_images(list(self._volumes.layers()))
        if self.image is not None:
            self.ui.form.image.setCurrentText(self.image.name)
        else:
            self._surroundings.planes.show(
                self._volumes.layers().get(self.ui.form.image.currentText())
            )
        self.proposing.refresh()

    def _on_protocol_file(self) -> None:
        path = annotate_files.ask_file(
            self, "Open a protocol", "Protocols (*.json *.mrk.json)"
        )
        if path is not None:
            self.attempt(lambda: self.ui.form.add_protocol(read_protocol(path), path))

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
            self.tell(f"Not opened: {error_text(error)}", error=True)
            return False
        self.stop()
        self.ui.form.add_protocol(document.protocol, path)
        self.ui.form.reader.setText(document.reader)
        return self.start(path)

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Open a study")
        if folder:
            self.cases.open_study(Path(folder))

    def volumes_beside(self) -> tuple[Volume, ...]:
        """Return the other volumes of the examination that is annotated."""
        return () if self.image is None else self._volumes.beside(self.image)

    # ---- editing

    def undo(self) -> None:
        """Undo the latest step."""
        if self.editor is not None:
            self.editor.undo()

    def redo(self) -> None:
        """Do the undone step again."""
        if self.editor is not None:
            self.editor.redo()

    def do(self, command: Command) -> bool:
        """Do any command on the open session; return whether it is done."""
        return self.editor is not None and self.editor.do(command)

    @property
    def annotations(self) -> AnnotationSet | None:
        """The landmarks now; None if no session is open."""
        return None if self.editor is None else self.editor.annotations

    @property
    def current(self) -> str | None:
        """The landmark at hand."""
        return self._current

    def set_current(self, name: str | None) -> None:
        """Make a landmark the one at hand; the views stay where they are."""
        self._current = name

    @property
    def armed(self) -> str | None:
        """The landmark that a click places; None if the one at hand has a place."""
        editor, name = self.editor, self._current
        if editor is None or name is None or not self.ui.placing.isChecked():
            return None
        landmark = editor.annotations[name]
        return None if landmark.is_placed or landmark.is_locked else name

    # ---- walking and looking

    def go_to(self, name: str) -> None:
        """Make a landmark the one at hand and move all views to it."""
        self._current = name
        self.refresh()
        self.look()

    def look(self) -> None:
        """Move all views to the landmark at hand, if it is anywhere."""
        for row in self.ui.table.value():
            if row.name == self._current and row.position_lps_mm is not None:
                self._surroundings.planes.jump_to(row.position_lps_mm)

    def show_view(self, view: StandardView) -> None:
        """Turn to a standard view."""
        show_standard_view(self.viewer, view)

    def show_shortcuts(self) -> None:
        """Show all keys, and why one of them does nothing now."""
        ShortcutsPage(self.registry, self).show()

    def _on_view_clicked(self, view: StandardView, checked: bool = False) -> None:
        self.show_view(view)

    def _on_slicing_changed(self, event: object = None) -> None:
        set_slab(self.viewer, SLAB_MM)
        self._show_hint()

    # ---- tasks beside the window

    @property
    def is_running(self) -> bool:
        """Whether something runs beside the window."""
        return self._task is not None

    def cancel(self) -> None:
        """Stop what runs; the window is free at once."""
        if self._task is not None:
            self._task.stop()
            self._task = None
            self.tell("Cancelled.")
        self.ui.propose.set_running(False)
        self.refresh()

    def start_task(self, make: Any, on_return: Any) -> None:
        """Run a generator beside the window; `on_return` gets its result."""
        self._task = BackgroundTask(
            make,
            self,
            on_report=self._on_report,
            on_return=on_return,
            on_error=self._on_error,
            on_end=self._on_end,
        )
        self.watch_window()
        self.ui.propose.set_running(True)
        self.refresh()
        self._task.start()

    def _on_report(self, progress: Progress) -> None:
        self.ui.propose.show_progress(progress)
        self.tell(progress.text)

    def _on_error(self, error: Exception) -> None:
        self.tell(failure_text(error), error=True)

    def _on_end(self) -> None:
        self._task = None
        self.ui.propose.set_running(False)
        self.refresh()

    # ---- telling

    def tell_saved(self, save: Any) -> None:
        """Write a file and tell what came of it."""
        try:
            text = save()
        except (MidrlError, OSError, ValueError) as error:
            self.tell(f"Not exported: {error_text(error)}", error=True)
        else:
            if text:
                self.tell(text)

    def attempt(self, act: Any) -> None:
        """Do something and tell the user if it cannot be done."""
        try:
            act()
        except (MidrlError, OSError, ValueError) as error:
            self.tell(error_text(error), error=True)

    # ---- showing

    def tell(self, text: str, error: bool = False) -> None:
        """Show one sentence at the foot of the dock."""
        self.ui.show_status(text, error=error)

    def _on_button(self, action: Action, checked: bool = False) -> None:
        reason = action.attempt()
        if reason:
            self.tell(reason)

    def refresh(self, value: object = None) -> None:
        """Show everything as it is now; the annotations are the truth."""
        editor, ui = self.editor, self.ui
        comparison = self.others.comparison()
        ui.form.set_open(editor is not None)
        if editor is None:
            ui.table.set_value((), {}, None)
            ui.form.saved.setText("")
        else:
            self._draw(editor, comparison)
        self._show_hint()
        self._show_buttons()
        self.proposing.refresh()
        self.others.refresh(comparison)
        self.handing.refresh()
        self.cases.keep_count()

    def _draw(self, editor: Editor, comparison: Comparison | None) -> None:
        annotations, session = editor.annotations, editor.session
        if self._current not in annotations.names:
            self._current = annotations.next_to_place()
        colors = protocol_colors(annotations, session.protocol)
        rows = annotate_rows(annotations, session.protocol, comparison)
        self.ui.table.set_value(rows, colors, annotations.progress)
        self.ui.table.go_to(self._current)
        self.ui.form.saved.setText(session.saved_text)
        self.ui.form.saved.setToolTip(str(session.path))
        self.scene.draw(
            annotations,
            session.reader,
            colors,
            self._current,
            comparison,
            self.ui.readers.shown.currentText(),
        )

    def _show_hint(self) -> None:
        editor = self.editor
        if editor is None:
            reason = self.ui.form.reason_against_starting()
            self.ui.hint.setText(reason or "Press Start to place landmarks.")
        else:
            text = hint_text(
                editor.annotations,
                editor.session.protocol,
                self._current,
                is_armed=self.armed is not None,
                is_slice=self.viewer.dims.ndisplay == 2,
            )
            self.ui.hint.setText(text)

    def _show_buttons(self) -> None:
        """Let buttons say what they would do, or why they can do nothing."""
        session = self.session
        undo = session.undo_text if session else None
        redo = session.redo_text if session else None
        landmark = None
        if self.annotations is not None and self._current is not None:
            landmark = self.annotations[self._current]
        texts = {
            UNDO: f"Undo {undo}" if undo else "Undo",
            REDO: f"Redo {redo}" if redo else "Redo",
            SKIP: "Unskip" if landmark and landmark.is_skipped else "Skip",
            LOCK: "Unlock" if landmark and landmark.is_locked else "Lock",
            HIDE: "Show" if landmark and landmark.is_hidden else "Hide",
        }
        for button, title in buttons_of(self.ui):
            action = self.action(title)
            reason = action.blocked()
            text = texts.get(title, button.text())
            room = max(button.width() - 16, 60)
            metrics = button.fontMetrics()
            right = Qt.TextElideMode.ElideRight
            button.setText(metrics.elidedText(text, right, room))
            button.setEnabled(not reason)
            says = texts.get(title, action.title)
            button.setToolTip(reason or f"{says} ({action.shown_key})")

    # ---- closing

    def let_go(self) -> None:
        """Let go of a running task; the window closes."""
        self.cancel()

    def close_all(self) -> None:
        """Stop everything and leave the viewer as one would expect without the dock."""
        news.changed.disconnect(self._on_pack_news)
        self.stop()
        self.cancel()
        self._mouse.close()
        self._keys.close()
        self.scene.close()
        self._volumes.close()
        self._surroundings.release()
        dims = self.viewer.dims
        dims.events.order.disconnect(self._on_slicing_changed)
        dims.events.ndisplay.disconnect(self._on_slicing_changed)


def _account() -> str:
    """Return the name of the user's account; empty where there is none of a person."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
    return "" if name in ("root", "user", "admin") else name
