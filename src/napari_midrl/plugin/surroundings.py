"""What the docks of one viewer share: slice planes in 3D and the patient's letters."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from napari_midrl.plugin.planes import OrthoPlanes
from napari_midrl.plugin.views import PatientLetters

if TYPE_CHECKING:
    import napari.viewer


class Surroundings:
    """Planes and letters, there as long as a dock needs them.

    Parameters
    ----------
    viewer
        The viewer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self.planes = OrthoPlanes(viewer)
        self.letters = PatientLetters(viewer)
        self.n_borrowers = 0

    def release(self) -> None:
        """Say that one dock needs them no longer; the last one takes them away."""
        self.n_borrowers -= 1
        if self.n_borrowers == 0:
            self.planes.close()
            self.letters.close()


# Weak both ways: a viewer that is gone must not be kept by what it lent.
_LENT: weakref.WeakKeyDictionary[
    napari.viewer.Viewer, weakref.ReferenceType[Surroundings]
] = weakref.WeakKeyDictionary()


def borrow(viewer: napari.viewer.Viewer) -> Surroundings:
    """Return what the docks of this viewer share; `release` it when done."""
    lent = _LENT.get(viewer)
    found = None if lent is None else lent()
    if found is None or found.n_borrowers == 0:
        found = Surroundings(viewer)
        _LENT[viewer] = weakref.ref(found)
    found.n_borrowers += 1
    return found
