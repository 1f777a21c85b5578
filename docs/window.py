"""A napari window that a script uses as a person would, and what it is shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QApplication

from napari_midrl.data.progress import finish
from napari_midrl.io.images import write_nifti
from napari_midrl.phantom.study import phantom_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import napari
    from qtpy.QtWidgets import QWidget

    from napari_midrl.data.annotations import Position
    from napari_midrl.data.landmarks import LandmarkSet

NEW_LANDMARK = "between the kidneys"
KIDNEYS = ("left kidney", "right kidney")


def wait(seconds: float) -> None:
    """Let the window draw."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)


def wait_until(done: Callable[[], bool], patience_s: float) -> None:
    """Let the window work until something has ended.

    Raises
    ------
    TimeoutError
        If patience ends first.
    """
    until = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > until:
            msg = f"not done after {patience_s:.0f} s"
            raise TimeoutError(msg)
        wait(0.1)


def picture_of(viewer: napari.Viewer) -> Image.Image:
    """Return the whole window as it is."""
    picture = viewer.screenshot(canvas_only=False, flash=False)
    return Image.fromarray(picture).convert("RGB")


def pixel_of(viewer: napari.Viewer, position_lps_mm: Sequence[float]) -> QPoint:
    """Return the pixel of the canvas at which a position of the slice is drawn."""
    shown = [axis - (viewer.dims.ndim - 3) for axis in viewer.dims.order[-2:]]
    point = np.asarray(position_lps_mm)[::-1][shown]
    camera = viewer.scene.camera
    sign = [
        1 if str(camera.orientation[1]) == "down" else -1,
        1 if str(camera.orientation[2]) == "right" else -1,
    ]
    native = canvas_of(viewer)
    middle = np.array([native.height(), native.width()]) / 2
    row, column = middle + (point - camera.center[-2:]) * camera.zoom * sign
    return QPoint(round(column), round(row))


def canvas_of(viewer: napari.Viewer) -> QWidget:
    """Return the widget that the slices are drawn on."""
    return viewer.window._qt_viewer.canvas.native


def places_of(truth: LandmarkSet) -> dict[str, Position]:
    """Return what lies where in a patient; one landmark is new to all agents."""
    places = {m.name: m.position_lps_mm for m in truth if m.position_lps_mm is not None}
    kidneys = [places[name] for name in KIDNEYS if name in places]
    if len(kidneys) == 2:
        x, y, z = np.mean(kidneys, axis=0).tolist()
        places[NEW_LANDMARK] = (x, y, z)
    return places


def write_digital_cases(
    folder: Path, seeds: Iterable[int]
) -> dict[Path, Mapping[str, Position]]:
    """Write digital patients as cases; return what lies where in them, LPS mm.

    One landmark is new to the agents; a patient without both kidneys has none such
    and is left out.
    """
    written: dict[Path, Mapping[str, Position]] = {}
    for seed in seeds:
        study, truth = finish(phantom_study(seed, quick=True))
        places = places_of(truth)
        if NEW_LANDMARK not in places:
            continue
        case = folder / f"patient-{seed}"
        case.mkdir(parents=True)
        write_nifti(study.volumes[0], case / "image.nii.gz")
        written[case] = places
    return written
