"""A folder of cases to annotate: how far each is, and which comes next."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from napari_midrl.errors import AnnotationFileError
from napari_midrl.io.annotation_file import read_annotations
from napari_midrl.plugin.column import ELLIPSIS
from napari_midrl.plugin.readers import study_layers
from napari_midrl.plugin.removal import remove_layers
from napari_midrl.plugin.world import METADATA_KEY
from napari_midrl.workflows.annotation_cases import CaseRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Layer

    from napari_midrl.data.study import Study
    from napari_midrl.data.volume import Volume
    from napari_midrl.plugin.annotate_dock import AnnotateDock
    from napari_midrl.workflows.rank_cases import RankedCase


class Cases:
    """Lists cases for a dock and opens them.

    Parameters
    ----------
    dock
        The dock.
    folder
        Where landmark files go; None means beside the images.
    """

    def __init__(self, dock: AnnotateDock, folder: Path | None) -> None:
        self._dock = dock
        self._box = dock.ui.cases
        self._annotations = folder
        self._folder: Path | None = None
        self._layers: tuple[Layer, ...] = ()
        self._opened: CaseRow | None = None
        self._box.folder_clicked.connect(self._on_folder)
        self._box.refresh_clicked.connect(self._on_refresh)
        self._box.next_clicked.connect(self.open_next)
        self._box.rank_clicked.connect(self.rank)
        self._box.case_chosen.connect(self.open)
        self._box.dataset_clicked.connect(self._on_dataset)

    @property
    def folder(self) -> Path | None:
        """The folder of cases that is listed; None if none is."""
        return self._folder

    def annotated(self) -> tuple[CaseRow, ...]:
        """Return the cases with something placed: those listed, and the open one."""
        session, volume = self._dock.session, self._dock.volume
        here = None if session is None else session.path
        rows = [row for row in self._box.value() if row.file and row.file != here]
        if session is not None and volume is not None:
            rows.append(
                CaseRow(
                    _case_name(self._box.value(), session.path, volume),
                    _image_of(self._box.value(), session.path, volume),
                    session.annotations.progress,
                    session.path,
                    session.image.name,
                )
            )
        return tuple(row for row in rows if row.problem or row.count.n_placed)

    def show(self, folder: Path) -> None:
        """List the cases of a folder and how far the reader is with each."""
        from napari_midrl.workflows.annotation_cases import case_rows

        form = self._dock.ui.form
        protocol, reader = form.chosen_protocol(), form.chosen_reader()
        if self._dock.is_running or protocol is None or not reader:
            self._dock.tell("Choose a protocol and say who reads first.", error=True)
            return
        if folder != self._folder:
            self._box.set_value((), {})
        self._folder = folder
        self._dock.start_task(
            lambda: case_rows(folder, protocol, reader, self._annotations),
            self._on_rows,
        )

    def rank(self) -> None:
        """Let the chosen agents say which case would teach them most."""
        from napari_midrl.workflows.rank_cases import ranked_cases

        dock, folder = self._dock, self._folder
        pack, protocol = dock.ui.propose.chosen_pack(), dock.ui.form.chosen_protocol()
        if dock.is_running or folder is None or protocol is None:
            return
        if pack is None:
            dock.tell("No agent pack is installed.", error=True)
            return
        names = {mark.name for mark in protocol.landmarks}
        known = tuple(name for name in pack.landmarks if name in names)
        if not known:
            dock.tell("These agents know no landmark of this list.", error=True)
            return
        settings = dock.proposing.search_settings(known)
        dock.start_task(
            lambda: ranked_cases(folder, pack.name, settings), self._on_ranked
        )

    def keep_count(self) -> None:
        """Show how far the open case is, after every edit."""
        session, opened = self._dock.session, self._opened
        if session is None:
            return
        rows = list(self._box.value())
        for n, row in enumerate(rows):
            if row.file == session.path or (row.file is None and row is opened):
                count = session.annotations.progress
                image = session.document.image.name
                now = replace(row, file=session.path, count=count, image_name=image)
                if now != row:
                    rows[n] = now
                    self._opened = now if row is opened else opened
                    self._box.set_value(rows)
                return

    def open_next(self) -> None:
        """Open a case that is not done, and not open already: the most doubtful."""
        from napari_midrl.workflows.annotation_cases import next_case

        session = self._dock.session
        here = None if session is None else session.path
        rows = [r for r in self._box.value() if r.file is None or r.file != here]
        doubts_mm = self._box.doubts_mm
        rows.sort(key=lambda row: -doubts_mm.get(row.name, 0.0))
        row = next_case(rows)
        if row is None:
            self._dock.tell("All other cases are done.")
        else:
            self.open(row)

    def open(self, row: CaseRow) -> None:
        """Open the images of a case and go on with its landmarks."""
        dock = self._dock
        if dock.is_running:
            dock.tell("Wait until what runs has ended, or cancel it.", error=True)
            return
        dock.stop()
        dock.start_task(
            partial(dock.engine.load_study, (row.images,)),
            partial(self._on_loaded, row),
        )
        dock.tell(f"Reading {row.name}{ELLIPSIS}")

    def open_study(self, folder: Path) -> None:
        """Read a study beside the window and add its volumes."""
        dock = self._dock
        if not dock.is_running:
            load = partial(dock.engine.load_study, (folder,))
            dock.start_task(load, self._on_study)

    def write_dataset(self, folder: Path, seed: int = 0) -> None:
        """Write the annotated cases as a data set, a fifth of them for testing."""
        from napari_midrl.workflows.export_dataset import export_dataset, random_splits

        protocol, rows = self._dock.ui.form.chosen_protocol(), self._box.value()
        if protocol is None:
            return

        def write() -> str:
            used = [row.name for row in rows if row.count.n_placed]
            splits = random_splits(used, seed)
            path, left_out = export_dataset(rows, splits, folder, protocol)
            without = f"; nothing placed in {', '.join(left_out)}" if left_out else ""
            return f"Wrote {len(used)} cases to {path}{without}"

        self._dock.tell_saved(write)

    def _on_rows(self, rows: tuple[CaseRow, ...]) -> None:
        self._box.set_value(rows)
        n_done = sum(row.count.is_done for row in rows)
        self._dock.tell(f"{n_done} of {len(rows)} cases are done.")

    def _on_ranked(self, ranked: tuple[RankedCase, ...]) -> None:
        searched = [case for case in ranked if not case.problem]
        doubts_mm = {case.name: case.doubt_mm for case in searched}
        self._box.set_value(self._box.value(), doubts_mm)
        failed = len(ranked) - len(searched)
        unread = f"; {failed} could not be read" if failed else ""
        if searched:
            self._dock.tell(
                f"Agents are least sure of {searched[0].name}; *Open next* opens it"
                f"{unread}."
            )
        else:
            self._dock.tell(f"Failed: {ranked[0].problem}", error=True)

    def _on_loaded(self, row: CaseRow, study: Study) -> None:
        dock = self._dock
        self._opened = row
        remove_layers(dock.viewer, self._layers)
        self._add(study)
        wanted = annotated_volume(row, study)
        for layer in self._layers:
            if layer.metadata.get(METADATA_KEY, {}).get("volume") is wanted:
                layer.visible = True
                dock.ui.form.image.setCurrentText(layer.name)
        dock.viewer.reset_view()
        if dock.start(row.file) and dock.session is not None:
            dock.tell(f"Opened {row.name}, {dock.session.annotations.progress.text}.")

    def _on_study(self, study: Study) -> None:
        self._add(study)
        dock = self._dock
        dock.ui.form.image.setCurrentText(study.volumes[0].name)
        dock.viewer.reset_view()
        dock.tell(f"Opened {len(study.volumes)} volumes")

    def _add(self, study: Study) -> None:
        self._layers = tuple(
            self._dock.viewer.add_image(data, **options)
            for data, options, _ in study_layers(study)
        )

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self._dock, "Folder of cases")
        if folder:
            self.show(Path(folder))

    def _on_refresh(self) -> None:
        if self._folder is not None:
            self.show(self._folder)

    def _on_dataset(self) -> None:
        folder = QFileDialog.getExistingDirectory(self._dock, "Folder for the data set")
        if folder:
            self.write_dataset(Path(folder))


def _case_name(rows: Sequence[CaseRow], path: Path, volume: Volume) -> str:
    listed = next((row for row in rows if row.file == path), None)
    return volume.name if listed is None else listed.name


def _image_of(rows: Sequence[CaseRow], path: Path, volume: Volume) -> Path:
    """Return what to open for the volume; a computed one has no file."""
    listed = next((row for row in rows if row.file == path), None)
    return Path(volume.provenance.source) if listed is None else listed.images


def annotated_volume(row: CaseRow, study: Study) -> Volume:
    """Return the volume of a study that a case's file is of; the first one if none.

    It is told by its voxels, since names of layers may have changed.
    """
    if row.file is not None:
        try:
            sha256 = read_annotations(row.file).document.image.sha256
        except AnnotationFileError:
            return study.volumes[0]
        for volume in study.volumes:
            if volume.content_hash == sha256:
                return volume
    return study.volumes[0]
