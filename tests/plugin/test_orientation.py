"""Which side of the patient is where on the screen."""

from __future__ import annotations

import numpy as np

from napari_midrl.plugin.orientation import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    direction_letters,
    edge_letters_2d,
    edge_letters_3d,
)


def letters(view):
    edges = edge_letters_2d(view.order_zyx, view.orientation)
    return "".join(edges[edge] for edge in ("left", "right", "top", "bottom"))


def test_standard_views_are_the_radiological_ones():
    """The patient's left is on the right of the screen; anterior or head is up."""
    assert letters(AXIAL) == "RLAP"
    assert letters(CORONAL) == "RLSI"
    assert letters(SAGITTAL) == "APSI"


def test_an_oblique_direction_gets_two_letters():
    assert direction_letters((0, -0.8, 0.7)) == "AL"
    assert direction_letters((-1, 0.1, 0)) == "I"


def test_a_mirrored_camera_swaps_left_and_right():
    """Looking at the face, head up: the patient's left is on the right."""
    straight = edge_letters_3d((0, 1, 0), (1, 0, 0), right_handed=True)
    mirrored = edge_letters_3d((0, 1, 0), (1, 0, 0), right_handed=False)
    assert (straight["left"], straight["right"]) == ("R", "L")
    assert (mirrored["left"], mirrored["right"]) == ("L", "R")
    assert straight["top"] == mirrored["top"] == "S"
    assert np.all(straight["bottom"] == "I")
