"""The shipped brain agents on a real template they have not learned from."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from typer.testing import CliRunner

from napari_midrl.cli.main import app
from napari_midrl.geometry.affine import flip_lps_ras
from napari_midrl.io.landmarks import read_landmarks

DATA = Path(os.environ.get("MIDRL_DATA", Path(__file__).parents[2] / "shared" / "data"))
TEMPLATES = DATA / "brain-afids"
FIDUCIALS = TEMPLATES / "tpl-MNI152Lin_res-01_desc-groundtruth_afids.fcsv"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not FIDUCIALS.exists(),
        reason="needs the brain templates in ../shared/data or $MIDRL_DATA",
    ),
]

LIMIT_MM = 4.0
CONTRASTS = ("avg152T1", "avg152T2", "avg152PD")


def located_lps_mm(image: Path, out: Path) -> dict[str, np.ndarray]:
    """Run the program as a user would and read what it wrote."""
    arguments = ["locate", str(image), "--agents", "brain-afids", "--out", str(out)]
    outcome = CliRunner().invoke(app, [*arguments, "--landmarks", "AC,PC"])
    assert outcome.exit_code == 0, outcome.output
    placed = read_landmarks(out)
    return {name: np.array(placed[name].position_lps_mm) for name in ("AC", "PC")}


def true_lps_mm(name: str) -> np.ndarray:
    """Read the fiducial without our own reader: RAS mm in columns 2 to 4."""
    for line in FIDUCIALS.read_text().splitlines():
        fields = line.split(",")
        if len(fields) > 12 and fields[12] == name:
            return flip_lps_ras([float(x) for x in fields[1:4]])
    raise AssertionError(name)


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_ac_and_pc_are_found_on_a_template_held_back(contrast, tmp_path):
    """Another average anatomy, blurrier, and a contrast (PD) never seen."""
    found = located_lps_mm(TEMPLATES / f"{contrast}.nii.gz", tmp_path / "out.csv")

    for name, position in found.items():
        assert np.linalg.norm(position - true_lps_mm(name)) < LIMIT_MM, name


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_ac_and_pc_are_found_in_another_pose_and_resolution(contrast, tmp_path):
    """Turned 15 degrees about an oblique axis, shifted 20 mm, 1 x 1 x 3 mm voxels."""
    image = sitk.ReadImage(str(TEMPLATES / f"{contrast}.nii.gz"), sitk.sitkFloat32)
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint((45, 54, 45)))
    axis = np.array([1.0, 1.0, 0.6]) / np.linalg.norm([1.0, 1.0, 0.6])
    shift = np.array([12.0, -12.0, -10.583])
    assert np.linalg.norm(shift) == pytest.approx(20, abs=0.01)
    new_to_old = sitk.VersorRigid3DTransform()
    new_to_old.SetCenter(middle.tolist())
    new_to_old.SetRotation(axis.tolist(), np.radians(15))
    new_to_old.SetTranslation(shift.tolist())
    size = (200, 240, 72)
    origin = middle - (np.array(size) - 1) * [1, 1, 3] / 2
    moved = sitk.Resample(
        image,
        size,
        new_to_old,
        sitk.sitkLinear,
        origin.tolist(),
        (1.0, 1.0, 3.0),
        np.eye(3).ravel().tolist(),
        0.0,
    )
    sitk.WriteImage(moved, str(tmp_path / "moved.nii.gz"))

    found = located_lps_mm(tmp_path / "moved.nii.gz", tmp_path / "out.csv")

    old_to_new = new_to_old.GetInverse()
    for name, position in found.items():
        truth = old_to_new.TransformPoint(true_lps_mm(name).tolist())
        assert np.linalg.norm(position - np.array(truth)) < LIMIT_MM, name
