"""Draw the README's contact sheet: every sequence of two digital patients.

    python docs/make_contact_sheet.py [--female 12] [--male 2] [--out FILE]

Each tile is one slice through a landmark, scanned like the rest of the study; only
the slices needed are computed, so the sheet takes some seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.phantom.acquire import acquire
from napari_midrl.phantom.patient import draw_patient
from napari_midrl.phantom.protocols import (
    breast_protocols,
    prostate_protocols,
    protocol_grid,
    whole_body_protocols,
)
from napari_midrl.phantom.render import patient_landmarks, tissue_map

GAP = 6
WIDTH = 1500


def slice_tiles(patient, protocol, position_lps_mm, height):
    """Return labeled tiles of one protocol at the slice through a position."""
    grid = protocol_grid(patient, protocol)
    k = int(
        np.clip(np.round(grid.to_ijk(position_lps_mm)[2]), 1, grid.shape_ijk[2] - 2)
    )
    affine = grid.affine_lps.copy()
    affine[:3, 3] = grid.to_lps_mm([0, 0, k - 1])
    thin = VoxelGrid((*grid.shape_ijk[:2], 3), affine)
    volumes = acquire(patient, protocol, tissue_map(patient, thin))
    return [tile(v, height, f"{v.sequence.label}") for v in volumes]


def tile(volume, height, label):
    """Return one labeled picture, windowed like a reader would."""
    pixels = volume.array[:, :, 1].T.astype(float)
    high = np.percentile(pixels, 99.6) if volume.sequence.kind != "ADC" else 2600
    low = 0.02 * high
    gray = np.clip((pixels - low) / (high - low), 0, 1) ** 0.9 * 255
    image = Image.fromarray(gray.astype(np.uint8))
    scale = volume.grid.spacing_mm[0] * image.width / volume.grid.spacing_mm[1]
    width = round(height * scale / image.height)
    image = image.resize((width, height), Image.Resampling.LANCZOS)
    ImageDraw.Draw(image).text((5, 4), label, fill=255, font=ImageFont.load_default(15))
    return image


def row(images):
    """Return pictures of one height side by side."""
    canvas = Image.new(
        "L", (sum(i.width + GAP for i in images) - GAP, images[0].height)
    )
    x = 0
    for image in images:
        canvas.paste(image, (x, 0))
        x += image.width + GAP
    return canvas.resize(
        (WIDTH, round(canvas.height * WIDTH / canvas.width)), Image.Resampling.LANCZOS
    )


def body_row(patient, landmark, shift_p_mm=0.0):
    """Return all whole-body images at the coronal slice through a landmark."""
    position = np.array(patient_landmarks(patient)[landmark])
    position[1] += shift_p_mm
    protocols = whole_body_protocols()
    return row([t for p in protocols for t in slice_tiles(patient, p, position, 700)])


def region_row(patient, protocols, landmark):
    """Return all images of a region at the slice through a landmark."""
    position = patient_landmarks(patient)[landmark]
    return row([t for p in protocols for t in slice_tiles(patient, p, position, 400)])


def contact_sheet(woman, man):
    """Return the sheet of a woman's and a man's images."""
    side = "left" if woman.tumor_side > 0 else "right"
    rows = [
        body_row(woman, "left kidney"),
        body_row(man, "left trochanter", -8.0),
        region_row(woman, breast_protocols(), f"{side} nipple"),
        region_row(man, prostate_protocols(), "prostate"),
    ]
    canvas = Image.new("L", (WIDTH, sum(r.height + GAP for r in rows) - GAP))
    y = 0
    for part in rows:
        canvas.paste(part, (0, y))
        y += part.height + GAP
    return canvas


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--female", type=int, default=12, help="seed of the woman")
    parser.add_argument("--male", type=int, default=2, help="seed of the man")
    default = Path(__file__).parent / "images" / "contact-sheet.jpg"
    parser.add_argument("--out", type=Path, default=default)
    chosen = parser.parse_args()
    woman = draw_patient(chosen.female, "female")
    sheet = contact_sheet(woman, draw_patient(chosen.male, "male"))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(chosen.out, quality=88)
    print(f"{chosen.out}: {sheet.width} x {sheet.height}")


if __name__ == "__main__":
    main()
