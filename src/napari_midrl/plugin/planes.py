"""In 3D a volume is three orthogonal slices: legible, and fast without a GPU."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from napari.utils import Colormap

from napari_midrl.plugin.removal import remove_layers
from napari_midrl.plugin.views import jump_to
from napari_midrl.plugin.world import METADATA_KEY, world_zyx_mm

if TYPE_CHECKING:
    import napari.viewer
    import numpy.typing as npt

_NORMALS = {"axial": (1, 0, 0), "coronal": (0, 1, 0), "sagittal": (0, 0, 1)}


def plane_colormap() -> Colormap:
    """Return gray with a transparent black, so that air hides nothing behind it."""
    return Colormap(
        [[0, 0, 0, 0], [0.04, 0.04, 0.05, 0.9], [1, 1, 1, 1]],
        controls=[0, 0.12, 1],
        name="midrl planes",
    )


class OrthoPlanes:
    """Three slice planes of one volume, there while the viewer is in 3D.

    Parameters
    ----------
    viewer
        The viewer; in 3D the layers of whole volumes are hidden, in 2D they are back.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._source: Image | None = None
        self._hidden: list[Image] = []
        self._planes: dict[str, Image] = {}
        viewer.dims.events.ndisplay.connect(self._on_ndisplay)

    @property
    def planes(self) -> tuple[Image, ...]:
        """The plane layers that are in the viewer now."""
        return tuple(p for p in self._planes.values() if p in self._viewer.layers)

    @property
    def position_lps_mm(self) -> npt.NDArray[np.float64] | None:
        """Where the planes meet, shape (3,); None while they are not all there."""
        if len(self.planes) < len(_NORMALS):
            return None
        across = [
            plane.data_to_world(plane.plane.position)[axis]
            for axis, plane in enumerate(self._planes.values())
        ]
        return world_zyx_mm(across)

    def show(self, source: Image | None) -> None:
        """Take the planes from this image layer from now on."""
        if source is self._source:
            return
        self._source = source
        if self._viewer.dims.ndisplay == 3:
            self._remove_planes()
            self._add_planes()

    def jump_to(self, position_lps_mm: npt.ArrayLike) -> None:
        """Move slices and planes to a position; see `views.jump_to`."""
        jump_to(self._viewer, position_lps_mm)
        point = world_zyx_mm(position_lps_mm)
        for plane in self.planes:
            plane.plane.position = tuple(plane.world_to_data(point))

    def close(self) -> None:
        """Take the planes away and show the volumes again."""
        self._viewer.dims.events.ndisplay.disconnect(self._on_ndisplay)
        self._remove_planes()
        self._restore()

    def _on_ndisplay(self, event: object = None) -> None:
        if self._viewer.dims.ndisplay == 3:
            self._add_planes()
        else:
            self._remove_planes()
            self._restore()

    def _add_planes(self) -> None:
        source = self._source
        if source is None or source not in self._viewer.layers or self.planes:
            return
        for layer in self._viewer.layers:
            if METADATA_KEY in layer.metadata and _is_volume(layer) and layer.visible:
                layer.visible = False
                self._hidden.append(layer)
        if source.visible:
            source.visible = False
            self._hidden.append(source)
        selected = set(self._viewer.layers.selection)
        for n, (name, normal) in enumerate(_NORMALS.items()):
            plane = Image(source.data, **_plane_options(source, name, normal))
            self._planes[name] = plane
            self._viewer.layers.insert(self._viewer.layers.index(source) + 1 + n, plane)
        self._viewer.layers.selection = selected & set(self._viewer.layers)
        self._begin_at_the_slice(source)
        for axis, plane in enumerate(self._planes.values()):
            plane.plane.events.position.connect(partial(self._on_moved, axis, plane))
        source.events.contrast_limits.connect(self._on_contrast)

    def _begin_at_the_slice(self, source: Image) -> None:
        """Let the planes meet where the slices were, if the volume shows the place."""
        place = np.array(self._viewer.dims.point[-3:])
        low, high = source.extent.world
        if ((low <= place) & (place <= high)).all():
            for plane in self.planes:
                plane.plane.position = tuple(plane.world_to_data(place))

    def _on_moved(self, axis: int, plane: Image, event: object = None) -> None:
        """Take the slice along: back in 2D it shows what the plane showed."""
        at = plane.data_to_world(plane.plane.position)[axis]
        self._viewer.dims.set_point(self._viewer.dims.ndim - 3 + axis, at)

    def _on_contrast(self, event: object = None) -> None:
        if self._source is not None:
            for plane in self.planes:
                plane.contrast_limits = self._source.contrast_limits

    def _remove_planes(self) -> None:
        remove_layers(self._viewer, self.planes)
        self._planes = {}

    def _restore(self) -> None:
        for layer in self._hidden:
            if layer in self._viewer.layers:
                layer.visible = True
        self._hidden = []


def _is_volume(layer: object) -> bool:
    return isinstance(layer, Image) and layer.depiction == "volume"


def _plane_options(
    source: Image, name: str, normal: tuple[int, int, int]
) -> dict[str, Any]:
    middle = (np.array(source.data.shape) - 1) / 2
    return {
        "name": f"{source.name} \N{MIDDLE DOT} {name}",
        "scale": source.scale,
        "translate": source.translate,
        "units": source.units,
        "axis_labels": source.axis_labels,
        "contrast_limits": source.contrast_limits,
        "colormap": plane_colormap(),
        "depiction": "plane",
        "plane": {"position": tuple(middle), "normal": normal, "thickness": 1},
        "blending": "translucent",
        "rendering": "mip",
        "interpolation3d": "linear",
        "projection_mode": "none",
        "metadata": {METADATA_KEY: {"role": "plane"}},
    }
