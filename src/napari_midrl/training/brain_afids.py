"""Recipe of the pack `brain-afids`: 32 anatomical fiducials of the brain.

Three images of two public brain templates are seen in endless poses, shapes,
contrasts, resolutions and fields of view, so that the agents cannot lean on template
space. Images of the template MNI152Lin are held back for testing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_midrl.data.progress import Progress
from napari_midrl.errors import InputError, LandmarkFileError
from napari_midrl.geometry.grid import axis_aligned_view
from napari_midrl.io.images import read_image
from napari_midrl.io.landmarks import read_landmarks
from napari_midrl.training.cases import TrainingCase
from napari_midrl.training.config_file import ConfigFile
from napari_midrl.training.config_tables import DenseTable
from napari_midrl.training.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LANDMARKS = (
    "AC",
    "PC",
    "infracollicular sulcus",
    "PMJ",
    "superior interpeduncular fossa",
    "R superior LMS",
    "L superior LMS",
    "R inferior LMS",
    "L inferior LMS",
    "culmen",
    "intermammillary sulcus",
    "R MB",
    "L MB",
    "pineal gland",
    "R LV at AC",
    "L LV at AC",
    "R LV at PC",
    "L LV at PC",
    "genu of CC",
    "splenium of CC",
    "R AL temporal horn",
    "L AL temporal horn",
    "R superior AM temporal horn",
    "L superior AM temporal horn",
    "R inferior AM temporal horn",
    "L inferior AM temporal horn",
    "R indusium griseum origin",
    "L indusium griseum origin",
    "R ventral occipital horn",
    "L ventral occipital horn",
    "R olfactory sulcal fundus",
    "L olfactory sulcal fundus",
)

_NOTES = {
    "AC": "anterior commissure",
    "PC": "posterior commissure",
    "PMJ": "pontomesencephalic junction",
    "genu of CC": "genu of the corpus callosum",
    "splenium of CC": "splenium of the corpus callosum",
}
_ABBREVIATIONS = {
    "LMS": "lateral mesencephalic sulcus",
    "MB": "mammillary body",
    "LV": "lateral ventricle",
    "AL": "anterolateral",
    "AM": "anteromedial",
    "R": "right",
    "L": "left",
}

TRAINING_FILES = (
    (
        "tpl-MNI152NLin2009cAsym_res-01_T1w.nii.gz",
        "tpl-MNI152NLin2009cAsym_res-01_desc-groundtruth_afids.fcsv",
    ),
    (
        "MNI152_T1_2mm.nii.gz",
        "tpl-MNI152NLin6Asym_res-01_desc-groundtruth_afids.fcsv",
    ),
    (
        "MNI152_T2_2mm.nii.gz",
        "tpl-MNI152NLin6Asym_res-01_desc-groundtruth_afids.fcsv",
    ),
)
"""Image and fiducials; those of MNI152Lin (`avg152*`) are not among them."""


def brain_cases(
    data: Path | None,
) -> Generator[Progress, None, tuple[TrainingCase, ...]]:
    """Yield progress and return the training templates.

    Parameters
    ----------
    data
        Folder with the files of `TRAINING_FILES`.

    Raises
    ------
    InputError
        If no folder is given or a file is missing or malformed.
    """
    if data is None:
        msg = "this recipe needs a folder with the template images and fiducials"
        raise InputError(msg)
    cases = []
    for number, (image, fiducials) in enumerate(TRAINING_FILES):
        yield Progress(number, len(TRAINING_FILES), f"reading {image}")
        cases.append(_case(data / image, data / fiducials))
    return tuple(cases)


def _case(image: Path, fiducials: Path) -> TrainingCase:
    volume = read_image(image)
    array, grid = axis_aligned_view(volume.array, volume.grid)
    values = array.astype(np.float32)
    low, high = np.percentile(values, [0.5, 99.8])
    scaled = np.clip((values - low) / (high - low), 0, 1)
    placed = read_landmarks(fiducials)
    positions = {landmark.name: landmark.position_lps_mm for landmark in placed}
    missing = [name for name in LANDMARKS if positions.get(name) is None]
    if missing:
        msg = f"needs all {len(LANDMARKS)} fiducials, lacks {missing}"
        raise LandmarkFileError(msg, fiducials)
    targets = [positions[name] for name in LANDMARKS]
    return TrainingCase(
        name=image.name,
        images=(torch.from_numpy(np.ascontiguousarray(scaled, dtype=np.float32)),),
        spacing_mm=torch.tensor(grid.spacing_mm, dtype=torch.float32),
        origin_lps_mm=torch.tensor(grid.affine_lps[:3, 3], dtype=torch.float32),
        targets_lps_mm=torch.tensor(targets, dtype=torch.float32),
    )


def _note(name: str) -> str:
    if name in _NOTES:
        return _NOTES[name]
    return " ".join(_ABBREVIATIONS.get(word, word) for word in name.split())


def recipe_of(file: ConfigFile) -> Recipe:
    """Return the recipe with the numbers of a config file.

    Raises
    ------
    InputError
        If the file is not one of this recipe.
    """
    config = file.checked(DenseTable)
    return Recipe(
        name="brain-afids",
        title="Brain: 32 anatomical fiducials (AFIDs)",
        description=(
            "Agents for the 32 AFIDs, AC and PC among them, in head MRI of any "
            "sequence."
        ),
        landmarks=LANDMARKS,
        landmark_notes={name: _note(name) for name in LANDMARKS},
        config=config.network_of(len(LANDMARKS), file),
        stages=config.stages(),
        make_cases=brain_cases,
        data=(
            "MNI152NLin2009cAsym T1w (1 mm), MNI152NLin6Asym T1w and T2w (2 mm) with "
            "the AFIDs of afids-data. Held back: every image of MNI152Lin. Copyright "
            "(C) 1993-2004 Louis Collins, McConnell Brain Imaging Centre, Montreal "
            "Neurological Institute, McGill University."
        ),
        licence=(
            "Weights: BSD-3-Clause. Learned from images under the permission notice "
            "of the MNI (use, copying, modification and distribution for any purpose, "
            "with the copyright notice) and fiducials under CC-BY-4.0 (AFIDs)."
        ),
        intended_use=(
            "Research and teaching: a first guess of the AFIDs for a rater to check, "
            "and a start for fine-tuning."
        ),
        limits=(
            "Not a medical device. Learned from two average anatomies only; single, "
            "diseased or operated brains differ more than the training poses did. A "
            "turned head is searched again upright; measured up to 20 degrees. "
            "Measured on one template with the skull in the image."
        ),
        **config.upright(),
        source=file,
    )


RECIPE = recipe_of(ConfigFile.shipped("brain-afids"))
