"""Cases of held-back brain templates, as they lie and in random poses.

``python -m benchmarks.template_poses FOLDER CASES --poses 10``
``midrl evaluate brain-afids CASES/posed --json posed.json``

FOLDER holds the template images and fiducials. CASES/upright gets the images as they
lie; CASES/posed each of the poses in all contrasts: turned by up to 20 degrees about
any axis, scaled by 0.9 to 1.1 along each axis, shifted by up to 25 mm, in a field of
view of another size, voxels of 1 to 3 mm along each axis. ``--training`` poses the
templates the agents learned from instead: for choosing among settings.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk  # noqa: N813
from scipy.spatial.transform import Rotation

from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.io.landmarks import read_landmarks, write_landmarks

if TYPE_CHECKING:
    import numpy.typing as npt

FIRST_SEED = 500


@dataclass(frozen=True)
class Template:
    """One average anatomy: images in one frame, and its fiducials."""

    images: tuple[str, ...]
    fiducials: str


HELD_BACK = (
    Template(
        ("avg152T1.nii.gz", "avg152T2.nii.gz", "avg152PD.nii.gz"),
        "tpl-MNI152Lin_res-01_desc-groundtruth_afids.fcsv",
    ),
)
TRAINING = (
    Template(
        ("tpl-MNI152NLin2009cAsym_res-01_T1w.nii.gz",),
        "tpl-MNI152NLin2009cAsym_res-01_desc-groundtruth_afids.fcsv",
    ),
    Template(
        ("MNI152_T1_2mm.nii.gz", "MNI152_T2_2mm.nii.gz"),
        "tpl-MNI152NLin6Asym_res-01_desc-groundtruth_afids.fcsv",
    ),
)


@dataclass(frozen=True)
class Pose:
    """Where a head lies, and how it is imaged.

    `matrix` leads from places in the posed image to the template, about `center`.
    """

    matrix: npt.NDArray[np.float64]
    shift_mm: npt.NDArray[np.float64]
    fov_mm: npt.NDArray[np.float64]
    spacing_mm: npt.NDArray[np.float64]

    @classmethod
    def draw(cls, seed: int) -> Pose:
        rng = np.random.default_rng(seed)
        axis = rng.normal(size=3)
        angle = np.radians(rng.uniform(0, 20))
        turn = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
        direction = rng.normal(size=3)
        shift = rng.uniform(0, 25) * direction / np.linalg.norm(direction)
        matrix = turn @ np.diag(1 / rng.uniform(0.9, 1.1, 3))
        fov = rng.uniform((180, 210, 180), (230, 260, 230))
        return cls(matrix, shift, fov, rng.uniform(1, 3, 3))

    def image(
        self, image: sitk.Image, center_lps_mm: npt.NDArray[np.float64]
    ) -> sitk.Image:
        size = np.round(self.fov_mm / self.spacing_mm).astype(int)
        origin = center_lps_mm - (size - 1) * self.spacing_mm / 2
        return sitk.Resample(
            image,
            size.tolist(),
            self._transform(center_lps_mm),
            sitk.sitkLinear,
            origin.tolist(),
            self.spacing_mm.tolist(),
            np.eye(3).ravel().tolist(),
            0.0,
            sitk.sitkFloat32,
        )

    def place(
        self,
        position_lps_mm: tuple[float, float, float],
        center_lps_mm: npt.NDArray[np.float64],
    ) -> tuple[float, float, float]:
        back = self._transform(center_lps_mm).GetInverse()
        x, y, z = back.TransformPoint(position_lps_mm)
        return x, y, z

    def _transform(
        self, center_lps_mm: npt.NDArray[np.float64]
    ) -> sitk.AffineTransform:
        transform = sitk.AffineTransform(3)
        transform.SetCenter(center_lps_mm.tolist())
        transform.SetMatrix(self.matrix.ravel().tolist())
        transform.SetTranslation(self.shift_mm.tolist())
        return transform


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--poses", type=int, default=10)
    parser.add_argument("--training", action="store_true")
    chosen = parser.parse_args()
    templates = TRAINING if chosen.training else HELD_BACK
    for number, template in enumerate(templates):
        upright = chosen.cases / "upright" / f"template-{number}"
        upright.mkdir(parents=True)
        for name in (*template.images, template.fiducials):
            shutil.copy(chosen.data / name, upright / name)
        for seed in range(FIRST_SEED, FIRST_SEED + chosen.poses):
            folder = chosen.cases / "posed" / f"template-{number}-pose-{seed}"
            folder.mkdir(parents=True)
            write_posed(chosen.data, template, Pose.draw(seed), folder)


def write_posed(data: Path, template: Template, pose: Pose, folder: Path) -> None:
    center = None
    for name in template.images:
        image = sitk.ReadImage(str(data / name), sitk.sitkFloat32)
        if center is None:
            middle = (np.array(image.GetSize()) - 1) / 2
            center = np.array(
                image.TransformContinuousIndexToPhysicalPoint(middle.tolist())
            )
        sitk.WriteImage(pose.image(image, center), str(folder / name))
    truth = LandmarkSet(
        tuple(
            Landmark(placed.name, pose.place(placed.position_lps_mm, center))
            for placed in read_landmarks(data / template.fiducials)
        )
    )
    write_landmarks(truth, folder / "truth.csv")


if __name__ == "__main__":
    main()
