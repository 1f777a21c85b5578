"""npe2 readers: volumes as image layers, landmark files as points."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from napari_midrl.plugin.colors import landmark_colors
from napari_midrl.plugin.layers import landmarks_layer
from napari_midrl.plugin.world import volume_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_midrl.data.study import Study
    from napari_midrl.plugin.world import LayerData

    Paths = str | Sequence[str]

LANDMARK_SUFFIXES = (".mrk.json", ".fcsv", ".csv")

_LOG = logging.getLogger(__name__)


def get_volume_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return a reader of volumes, or None if nothing here is an image."""
    from napari_midrl.io.study import is_readable

    if not all(is_readable(one) for one in _as_list(path)):
        return None
    return read_volume_layers


def get_landmark_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return a reader of landmark files, or None if there is one of another kind."""
    paths = _as_list(path)
    if not all(is_landmark_file(Path(one)) for one in paths):
        return None
    return read_landmark_layers


def is_landmark_file(path: Path) -> bool:
    """Return whether this may be a landmark file; a CSV must name its frame."""
    name = path.name.lower()
    if not name.endswith(LANDMARK_SUFFIXES) or not path.is_file():
        return False
    if not name.endswith(".csv"):
        return True
    with path.open("rb") as file:
        header = file.readline(4096).decode("utf-8", "replace").lower()
    columns = {column.strip().strip('"\ufeff') for column in header.split(",")}
    return "label" in columns and (
        {"l", "p", "s"} <= columns or {"r", "a", "s"} <= columns
    )


def read_volume_layers(path: Paths) -> list[LayerData]:
    """Return one image layer per volume, the first one shown."""
    from napari_midrl.io.study import read_study

    return study_layers(read_study(_as_list(path)))


def study_layers(study: Study) -> list[LayerData]:
    """Return one image layer per volume of a study; what the reader noticed is told."""
    notes = [
        f"{volume.name}: {w}"
        for volume in study.volumes
        for w in volume.provenance.warnings
    ]
    tell([*study.warnings, *notes])
    # napari puts the last layer on top; the study's first volume is what one expects.
    volumes = list(reversed(study.volumes))
    return [
        volume_layer(volume, visible=volume is study.volumes[0]) for volume in volumes
    ]


def read_landmark_layers(path: Paths) -> list[LayerData]:
    """Return one points layer per landmark file."""
    from napari_midrl.io.landmarks import read_landmarks

    layers = []
    for one in _as_list(path):
        landmarks = read_landmarks(Path(one))
        tell([f"{Path(one).name}: {warning}" for warning in landmarks.warnings])
        colors = landmark_colors([landmark.name for landmark in landmarks])
        layers.append(landmarks_layer(landmarks, colors, name=Path(one).name))
    return layers


def tell(notes: Sequence[str]) -> None:
    """Show the user what a reader had to decide."""
    if not notes:
        return
    from napari.utils.notifications import show_warning

    for note in notes:
        _LOG.warning("%s", note)
    shown = list(notes[:5])
    if len(notes) > len(shown):
        shown.append(f"and {len(notes) - len(shown)} more, in the log")
    show_warning("\n".join(shown))


def _as_list(path: Paths) -> list[str]:
    return [path] if isinstance(path, str) else list(path)
