"""The file buttons of the annotation dock: ask where, write, say what happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_midrl.errors import LandmarkFileError, OtherImageError
from napari_midrl.plugin import exports, questions
from napari_midrl.plugin.exports import LANDMARK_FILTERS

if TYPE_CHECKING:
    from napari_midrl.annotation.commands import AddProposals
    from napari_midrl.annotation.imports import Import
    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.volume import Volume
    from napari_midrl.io.frames import Frame
    from napari_midrl.workflows.annotate import AnnotationSession

OWN_FILTERS = LANDMARK_FILTERS | {"Voxel indices, as rl-medical reads (*.txt)": ".txt"}
IMPORT_FILTER = "Landmarks (*.csv *.mrk.json *.fcsv *.txt *.midrl.json)"
SESSION_FILTER = "Annotations (*.midrl.json)"
WRITE = "Write it with identifiers"
ANYWAY = "Import anyway"
FRAMES: dict[str, Frame] = {"LPS (DICOM, ITK)": "LPS", "RAS (NIfTI, old Slicer)": "RAS"}


def ask_file(parent: QWidget, title: str, kind: str, folder: str = "") -> Path | None:
    """Return the file the user picks; None if cancelled."""
    chosen, _ = QFileDialog.getOpenFileName(parent, title, folder, kind)
    return Path(chosen) if chosen else None


def export_own(
    parent: QWidget, session: AnnotationSession, volume: Volume, *, proposals: bool
) -> str:
    """Ask where, write, and return what to tell the user; empty if cancelled."""
    from napari_midrl.workflows.export_annotations import (
        export_landmarks,
        export_proposals,
    )

    stem = "proposals" if proposals else f"landmarks-{session.reader}"
    filters = LANDMARK_FILTERS if proposals else OWN_FILTERS
    path = exports.ask_path(parent, f"Export {stem}", _beside(session, stem), filters)
    if path is None:
        return ""
    in_voxels = path.name.lower().endswith(".txt")
    if not in_voxels and not exports.ask_mm(parent, volume):
        return "Not exported."
    exists = path.exists()
    if exists and not exports.ask_replace(parent, path):
        return "Not exported."
    write = export_proposals if proposals else export_landmarks
    written = write(session.document, path, volume, overwrite=exists)
    return f"Exported to {', '.join(str(file) for file in written)}"


def export_as_dicom(
    parent: QWidget,
    session: AnnotationSession,
    volume: Volume,
    kind: Literal["SR", "RTSTRUCT"],
) -> str:
    """Warn of identifiers, ask where, write, and return what to tell the user."""
    from napari_midrl.io.dicom_export import IDENTIFIER_WARNING
    from napari_midrl.workflows.export_annotations import export_dicom, source_files

    # First, so that nobody answers questions in vain.
    source_files(volume)
    answer = questions.choose(
        parent, "Identifiers of the patient", IDENTIFIER_WARNING, (WRITE,)
    )
    if answer != WRITE:
        return "Not exported."
    stem = _beside(session, "landmarks-sr" if kind == "SR" else "landmarks-rtstruct")
    path = exports.ask_path(parent, f"Export {kind}", stem, {"DICOM (*.dcm)": ".dcm"})
    if path is None:
        return ""
    exists = path.exists()
    if exists and not exports.ask_replace(parent, path):
        return "Not exported."
    export_dicom(
        session.document,
        path,
        volume,
        kind,
        identifiers_confirmed=True,
        overwrite=exists,
    )
    return f"Exported to {path}, with identifiers of the patient"


def export_set(
    parent: QWidget, landmarks: LandmarkSet, volume: Volume, stem: str
) -> str:
    """Ask where, write any landmarks, and return what to tell the user."""
    from napari_midrl.io.landmarks import write_landmarks

    if not exports.ask_mm(parent, volume):
        return "Not exported."
    path = exports.ask_path(parent, f"Export {stem}", stem, LANDMARK_FILTERS)
    if path is None:
        return ""
    exists = path.exists()
    if exists and not exports.ask_replace(parent, path):
        return "Not exported."
    write_landmarks(landmarks, path, grid=volume.grid, overwrite=exists)
    return f"Exported to {path}"


def import_or_ask(
    parent: QWidget, session: AnnotationSession, volume: Volume, path: Path
) -> Import | AddProposals | None:
    """Return the command that takes a file over; None if the user cancels.

    A file of another image, and one that does not say its frame, are asked about.

    Raises
    ------
    LandmarkFileError
        If the file is malformed.
    EditError
        If it holds nothing for this set.
    """
    from napari_midrl.workflows.annotate import import_command

    frame: Frame | None = None
    any_image = False
    # Two questions at most, each asked once.
    while True:
        try:
            return import_command(
                path,
                volume,
                session.annotations,
                frame=frame,
                names=session.protocol.names,
                any_image=any_image,
            )
        except OtherImageError as problem:
            text = f"{problem}\n\n{ANYWAY}: positions in mm are taken as they are."
            answer = questions.choose(parent, "Another image", text, (ANYWAY,))
            if any_image or not answer:
                return None
            any_image = True
        except LandmarkFileError as problem:
            if frame is not None or "frame" not in str(problem):
                raise
            answer = questions.choose(
                parent, "Which frame?", str(problem), tuple(FRAMES)
            )
            if not answer:
                return None
            frame = FRAMES[answer]


def _beside(session: AnnotationSession, stem: str) -> str:
    """Return a proposed name without its ending, in the folder of the session."""
    image = session.path.name.split(".")[0]
    return str(session.path.parent / f"{image}-{stem}")
