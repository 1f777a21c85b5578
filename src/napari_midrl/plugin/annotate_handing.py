"""The page of files: takes landmarks over and hands them on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog

from napari_midrl.annotation.imports import Import
from napari_midrl.errors import MidrlError
from napari_midrl.io.annotation_file import ANNOTATION_SUFFIX
from napari_midrl.plugin import annotate_files
from napari_midrl.plugin.exports import error_text

if TYPE_CHECKING:
    from napari_midrl.plugin.annotate_dock import AnnotateDock


class Handing:
    """Imports and exports of a dock.

    Parameters
    ----------
    dock
        The dock.
    """

    def __init__(self, dock: AnnotateDock) -> None:
        self._dock = dock
        self._box = box = dock.ui.files
        box.import_button.clicked.connect(self._on_import)
        box.export_button.clicked.connect(partial(self._on_export, False))
        box.proposals_button.clicked.connect(partial(self._on_export, True))
        box.sr_button.clicked.connect(partial(self._on_export_dicom, "SR"))
        box.rtstruct_button.clicked.connect(partial(self._on_export_dicom, "RTSTRUCT"))
        box.save_as_button.clicked.connect(self._on_save_as)

    def refresh(self) -> None:
        """Enable what can be done."""
        annotations = self._dock.annotations
        for button in self._box.buttons:
            button.setEnabled(annotations is not None)
        if annotations is not None and not annotations.proposals:
            self._box.proposals_button.setEnabled(False)

    def import_file(self, path: Path) -> bool:
        """Take the landmarks of a file over; return whether that is done."""
        dock = self._dock
        editor, volume = dock.editor, dock.volume
        if editor is None or volume is None:
            return False
        try:
            command = annotate_files.import_or_ask(dock, editor.session, volume, path)
        except (MidrlError, OSError, ValueError) as error:
            dock.tell(f"Not imported: {error_text(error)}", error=True)
            return False
        if command is None:
            return False
        is_done = (
            editor.take_over(command)
            if isinstance(command, Import)
            else editor.do(command)
        )
        if is_done:
            dock.tell(f"Imported {path.name}.")
        return is_done

    def _on_import(self) -> None:
        session = self._dock.session
        if session is None:
            return
        path = annotate_files.ask_file(
            self._dock,
            "Import landmarks",
            annotate_files.IMPORT_FILTER,
            str(session.path.parent),
        )
        if path is not None:
            self.import_file(path)

    def _on_export(self, proposals: bool, checked: bool = False) -> None:
        dock = self._dock
        session, volume = dock.session, dock.volume
        if session is not None and volume is not None:
            dock.tell_saved(
                lambda: annotate_files.export_own(
                    dock, session, volume, proposals=proposals
                )
            )

    def _on_export_dicom(self, kind: Any, checked: bool = False) -> None:
        dock = self._dock
        session, volume = dock.session, dock.volume
        if session is not None and volume is not None:
            dock.tell_saved(
                lambda: annotate_files.export_as_dicom(dock, session, volume, kind)
            )

    def _on_save_as(self) -> None:
        session = self._dock.session
        if session is None:
            return
        chosen, _ = QFileDialog.getSaveFileName(
            self._dock,
            "Go on in another file",
            str(session.path),
            annotate_files.SESSION_FILTER,
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if chosen:
            path = Path(chosen)
            if not path.name.endswith(ANNOTATION_SUFFIX):
                path = path.with_name(path.name + ANNOTATION_SUFFIX)
            self._dock.attempt(lambda: session.save_as(path))
            self._dock.refresh()
