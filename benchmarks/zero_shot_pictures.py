"""Three slices through an endpoint, with all that is needed to judge it by eye."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

from napari_midrl.evaluation.boxes import BOX_VOXELS, Dimension
from napari_midrl.evaluation.pictures import PLANES
from napari_midrl.geometry.affine import directions_of
from napari_midrl.geometry.grid import VoxelGrid, axis_aligned_view, resample

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from napari_midrl.data.volume import Volume
    from napari_midrl.evaluation.pictures import Plane

WIDTH = 1280
GAP = 14
CAPTION = 88
NEAR_MM = 60
"""The gray values about the endpoint fill the window."""
SCALE_MM = 50
CROSS, BOX, ORGAN, CENTROID = "#ffd000", "#4dc3ff", "#5dff6b", "#ff5df0"
LETTERS = str.maketrans("SI", "HF")
"""Head and feet, as scanners write them."""


@dataclass(frozen=True)
class Shown:
    """One endpoint to look at.

    Parameters
    ----------
    name
        Of the file, without its ending.
    volume
        Slices are of this.
    end_lps_mm
        Endpoint; None: slices through the middle, without cross and box.
    title, caption
        Lines below the slices.
    labels, label, centroid_lps_mm
        Organ to outline and its centroid, where there is a label map.
    """

    name: str
    volume: Volume
    end_lps_mm: tuple[float, float, float] | None
    title: str
    caption: str
    labels: Volume | None = None
    label: int = 0
    centroid_lps_mm: tuple[float, float, float] | None = None


def draw(shown: list[Shown], folder: Path) -> None:
    """Write one PNG file for each."""
    if shown:
        folder.mkdir(parents=True, exist_ok=True)
    for one in shown:
        picture_of(one).save(folder / f"{one.name}.png", optimize=True)


def picture_of(shown: Shown) -> Image.Image:
    """Return the axial slice beside the coronal above the sagittal, in one scale.

    Slices lie along the image's own axes, which may be tilted in the patient.
    """
    view = patient_view(shown.volume.grid)
    left, posterior, _ = view.size_mm
    px_per_mm = (WIDTH - 3 * GAP) / (left + max(left, posterior))
    slices = [_Slice(shown, view, plane, px_per_mm) for plane in PLANES]
    near = np.concatenate([s.near(NEAR_MM) for s in slices])
    low, high = np.percentile(near, (1, 99.5)) if near.size else (0.0, 1.0)
    axial, coronal, sagittal = (s.drawn(float(low), float(high)) for s in slices)
    height = max(axial.height, coronal.height + GAP + sagittal.height)
    canvas = Image.new("RGB", (WIDTH, height + 2 * GAP + CAPTION), "#101014")
    canvas.paste(axial, (GAP, GAP))
    canvas.paste(coronal, (axial.width + 2 * GAP, GAP))
    canvas.paste(sagittal, (axial.width + 2 * GAP, coronal.height + 2 * GAP))
    pen = ImageDraw.Draw(canvas)
    y = height + 2 * GAP - 2
    pen.text((GAP, y), shown.title, "white", ImageFont.load_default(21))
    tilt = tilt_degrees(view)
    caption = shown.caption
    if tilt >= 1:
        caption += f"; slices tilted by {tilt:.0f} degrees, as imaged"
    pen.text((GAP, y + 30), caption, "#c8c8d0", ImageFont.load_default(18))
    x = float(GAP)
    for text, color in _legend(shown):
        font = ImageFont.load_default(16)
        pen.text((x, y + 58), text, color, font)
        x += pen.textlength(text, font) + 24
    return canvas


def patient_view(grid: VoxelGrid) -> VoxelGrid:
    """Return the same block with the axes nearest to L, P, S first to last."""
    no_voxels = np.broadcast_to(np.uint8(0), grid.shape_ijk)
    return axis_aligned_view(no_voxels, grid)[1]


def tilt_degrees(view: VoxelGrid) -> float:
    """Return the largest angle between an axis of the image and the patient's."""
    along = np.diag(directions_of(view.affine_lps))
    return float(np.degrees(np.arccos(np.clip(along.min(), -1, 1))))


def _legend(shown: Shown) -> list[tuple[str, str]]:
    legend = []
    if shown.end_lps_mm is not None:
        edges = " x ".join(str(n) for n in BOX_VOXELS[Dimension.VOLUME])
        legend += [("endpoint", CROSS), (f"box of {edges} voxels", BOX)]
    if shown.labels is not None:
        legend.append(("organ in the label map", ORGAN))
    if shown.centroid_lps_mm is not None:
        legend.append(("its centroid, projected", CENTROID))
    return legend


class _Slice:
    """One plane through the endpoint, as large as the image."""

    def __init__(
        self, shown: Shown, view: VoxelGrid, plane: Plane, px_per_mm: float
    ) -> None:
        self.shown, self.plane, self.px_per_mm = shown, plane, px_per_mm
        middle = view.center_lps_mm
        through = shown.end_lps_mm
        self.through = middle if through is None else np.array(through)
        axes = directions_of(view.affine_lps)
        right, down = axes @ plane.right_lps, axes @ plane.down_lps
        normal = np.cross(right, down)
        size = [abs(float(view.size_mm @ a)) for a in (plane.right_lps, plane.down_lps)]
        self.n = [max(round(mm * px_per_mm), 1) for mm in size]
        corner = middle - (right * size[0] + down * size[1]) / 2
        # Onto the plane through the endpoint.
        corner = corner + normal * float((self.through - corner) @ normal)
        affine = np.eye(4)
        affine[:3, :3] = np.stack([right, down, normal], axis=1) / px_per_mm
        affine[:3, 3] = corner + (right + down) / px_per_mm / 2
        self.grid = VoxelGrid((self.n[0], self.n[1], 1), affine)
        self.pixels = self._of(shown.volume)

    def _of(self, volume: Volume, nearest: bool = False) -> npt.NDArray[np.float64]:
        seen = resample(volume.array, volume.grid, self.grid, nearest=nearest)
        return seen[:, :, 0].T.astype(np.float64)

    def near(self, radius_mm: float) -> npt.NDArray[np.float64]:
        """Return the pixels about the endpoint: a coil near the skin outshines all."""
        columns, rows = np.meshgrid(*(np.arange(n) for n in self.n))
        x, y = self._px(self.through)
        within = np.hypot(columns - x, rows - y) < radius_mm * self.px_per_mm
        return np.asarray(self.pixels[within])

    def drawn(self, low: float, high: float) -> Image.Image:
        """Return the slice with everything on it."""
        gray = np.clip((self.pixels - low) / max(high - low, 1e-9), 0, 1) * 255
        image = Image.fromarray(gray.astype(np.uint8)).convert("RGB")
        if self.shown.labels is not None:
            seen = self._of(self.shown.labels, nearest=True)
            organ = np.asarray(seen == self.shown.label)
            _outline(image, organ, ORGAN)
        if self.shown.end_lps_mm is not None:
            _outline(image, self._box(), BOX)
        pen = ImageDraw.Draw(image)
        if self.shown.centroid_lps_mm is not None:
            x, y = self._px(self.shown.centroid_lps_mm)
            pen.ellipse((x - 6, y - 6, x + 6, y + 6), outline=CENTROID, width=2)
        if self.shown.end_lps_mm is not None:
            x, y = self._px(self.shown.end_lps_mm)
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                pen.line((x + 5 * dx, y + 5 * dy, x + 20 * dx, y + 20 * dy), CROSS, 2)
        self._letters(pen)
        if self.plane.name == "axial":
            self._scale(pen)
        return image

    def _box(self) -> npt.NDArray[np.bool_]:
        """Return which pixels lie in the box of the published size."""
        grid = self.shown.volume.grid
        edges = np.zeros(3)
        across = grid.slice_axis
        in_plane = [axis for axis in range(3) if axis != across]
        edges[[*in_plane, across]] = BOX_VOXELS[Dimension.VOLUME]
        columns, rows = np.meshgrid(*(np.arange(n) for n in self.n))
        flat = np.stack([columns, rows, np.zeros_like(rows)], axis=-1)
        offset = grid.to_ijk(self.grid.to_lps_mm(flat)) - grid.to_ijk(self.through)
        return np.asarray((np.abs(offset) <= edges / 2).all(axis=-1))

    def _px(self, position_lps_mm: npt.ArrayLike) -> tuple[float, float]:
        x, y, _ = self.grid.to_ijk(position_lps_mm)
        return float(x), float(y)

    def _letters(self, pen: ImageDraw.ImageDraw) -> None:
        width, height = self.n
        left, right, top, bottom = list(self.plane.letters.translate(LETTERS))
        places = (
            (left, (5, height / 2), "lm"),
            (right, (width - 5, height / 2), "rm"),
            (top, (width / 2, 3), "mt"),
            (bottom, (width / 2, height - 3), "mb"),
            (self.plane.name, (5, 3), "lt"),
        )
        for text, place, anchor in places:
            pen.text(
                place,
                text,
                "white",
                ImageFont.load_default(18),
                anchor,
                stroke_width=2,
                stroke_fill="black",
            )

    def _scale(self, pen: ImageDraw.ImageDraw) -> None:
        width, height = self.n
        x, y = width - 12, height - 12
        length = SCALE_MM * self.px_per_mm
        pen.line((x - length, y, x, y), "white", 3)
        pen.text(
            (x - length / 2, y - 5),
            f"{SCALE_MM} mm",
            "white",
            ImageFont.load_default(18),
            "mb",
            stroke_width=2,
            stroke_fill="black",
        )


def _outline(image: Image.Image, mask: npt.NDArray[np.bool_], color: str) -> None:
    """Draw the rim of a mask; the border of the picture counts as outside."""
    rim = mask & ~binary_erosion(mask, iterations=2)
    image.paste(color, (0, 0), Image.fromarray(rim.astype(np.uint8) * 255))
