"""What the menus and the command palette offer besides the dock."""

from __future__ import annotations

import napari.viewer

from napari_midrl.plugin.orientation import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    THREE_D,
    StandardView,
)
from napari_midrl.plugin.preferences import PLUGIN
from napari_midrl.plugin.views import show_standard_view

DOCK = "MIDRL: search"
ANNOTATE_DOCK = "MIDRL: annotate"
FINETUNE_DOCK = "MIDRL: fine-tune"


def open_dock() -> None:
    """Open the search dock in the current viewer."""
    _viewer().window.add_plugin_dock_widget(PLUGIN, DOCK)


def open_annotate_dock() -> None:
    """Open the annotation dock in the current viewer."""
    _viewer().window.add_plugin_dock_widget(PLUGIN, ANNOTATE_DOCK)


def open_finetune_dock() -> None:
    """Open the fine-tuning dock in the current viewer."""
    _viewer().window.add_plugin_dock_widget(PLUGIN, FINETUNE_DOCK)


def view_axial() -> None:
    """Turn to the axial view."""
    _turn(AXIAL)


def view_coronal() -> None:
    """Turn to the coronal view."""
    _turn(CORONAL)


def view_sagittal() -> None:
    """Turn to the sagittal view."""
    _turn(SAGITTAL)


def view_3d() -> None:
    """Turn to the 3D view."""
    _turn(THREE_D)


def _turn(view: StandardView) -> None:
    show_standard_view(_viewer(), view)


def _viewer() -> napari.viewer.Viewer:
    viewer = napari.viewer.current_viewer()
    if viewer is None:
        msg = "there is no napari viewer"
        raise RuntimeError(msg)
    return viewer
