"""Save buttons: ask where, ask before replacing, say what happened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_midrl.errors import MidrlError
from napari_midrl.plugin import questions
from napari_midrl.plugin.movie import movie_suffixes
from napari_midrl.plugin.writers import replaces_human, save_landmarks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.trajectory import Trajectory
    from napari_midrl.data.volume import Volume

LANDMARK_FILTERS = {
    "Landmark table (*.csv)": ".csv",
    "3D Slicer markups (*.mrk.json)": ".mrk.json",
    "3D Slicer fiducials (*.fcsv)": ".fcsv",
}
MM_ANYWAY = "Write them anyway"


def ask_path(
    parent: QWidget, title: str, stem: str, filters: dict[str, str]
) -> Path | None:
    """Return the file the user wants to write, or None; replacing is asked later.

    Parameters
    ----------
    parent
        Qt parent of the dialog.
    title
        Of the dialog.
    stem
        Proposed name without its ending.
    filters
        Ending by description; added if the user types none of them.
    """
    first = next(iter(filters.values()))
    chosen, kind = QFileDialog.getSaveFileName(
        parent,
        title,
        stem + first,
        ";;".join(filters),
        options=QFileDialog.Option.DontConfirmOverwrite,
    )
    if not chosen:
        return None
    if not chosen.lower().endswith(tuple(filters.values())):
        chosen += filters.get(kind, first)
    return Path(chosen)


def ask_replace(parent: QWidget, path: Path, *, person: bool = False) -> bool:
    """Return whether the user agrees to replace a file; "No" is the default."""
    question = f"{path.name} exists. Replace it?"
    if person:
        question = (
            f"{path.name} holds landmarks placed by a person. "
            "Replace them by those of a model?"
        )
    buttons = QMessageBox.StandardButton
    answer = QMessageBox.question(
        parent, "Replace file?", question, buttons.Yes | buttons.No, buttons.No
    )
    return bool(answer == buttons.Yes)


def ask_mm(parent: QWidget, volume: Volume) -> bool:
    """Return whether positions in mm are to be written; asked if they are a guess."""
    if not volume.provenance.is_place_guessed:
        return True
    text = (
        f"Nothing says where {volume.name} lies in the patient: left and right are a "
        "guess, and so are positions in mm."
    )
    answer = questions.choose(parent, "Positions in mm", text, (MM_ANYWAY,))
    return answer == MM_ANYWAY


def export_landmarks(parent: QWidget, landmarks: LandmarkSet, volume: Volume) -> str:
    """Ask where, write, and return what to tell the user; empty if cancelled."""
    if not ask_mm(parent, volume):
        return "Not saved."
    path = ask_path(parent, "Save landmarks", "landmarks", LANDMARK_FILTERS)
    if path is None:
        return ""
    exists = path.exists()
    if exists and not ask_replace(parent, path, person=replaces_human(landmarks, path)):
        return "Not saved."
    save_landmarks(
        landmarks, path, grid=volume.grid, confirmed=exists, over_human=exists
    )
    n_placed = sum(m.position_lps_mm is not None for m in landmarks)
    return f"Saved {n_placed} of {len(landmarks)} landmarks to {path}"


def export_trajectories(parent: QWidget, trajectories: Sequence[Trajectory]) -> str:
    """Ask where, write, and return what to tell the user; empty if cancelled."""
    from napari_midrl.io.trajectories import write_trajectories

    filters = {"Trajectories (*.csv)": ".csv"}
    path = ask_path(parent, "Save trajectories", "trajectories", filters)
    if path is None:
        return ""
    exists = path.exists()
    if exists and not ask_replace(parent, path):
        return "Not saved."
    write_trajectories(trajectories, path, overwrite=exists)
    return f"Saved {len(trajectories)} trajectories to {path}"


def ask_movie_path(parent: QWidget) -> Path | None:
    """Return where a movie goes, replacing already agreed to; None if cancelled."""
    names = {".mp4": "MP4 movie", ".gif": "GIF", ".webp": "WebP"}
    filters = {f"{names[s]} (*{s})": s for s in movie_suffixes()}
    path = ask_path(parent, "Save movie", "search", filters)
    if path is None or (path.exists() and not ask_replace(parent, path)):
        return None
    return path


def error_text(error: Exception) -> str:
    """Return an error as a sentence for the user."""
    if isinstance(error, MidrlError | OSError | ValueError):
        return str(error)
    return f"{type(error).__name__}: {error}"
