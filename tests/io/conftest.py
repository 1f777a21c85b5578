"""Real data where present, and a factory of small DICOM series."""

import os
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images that travels beside the project."""
    folder = Path(os.environ.get("MIDRL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: set MIDRL_DATA, {folder} is not there")
    return folder


# Rows run to the left and a little down, columns to posterior: an oblique stack.
ROW = np.array([0.96, 0.0, -0.28])
COLUMN = np.array([0.0, 1.0, 0.0])
NORMAL = np.cross(ROW, COLUMN)
FIRST = np.array([-40.0, 25.0, 310.0])
UID = "1.2.826.0.1.3680043.8.498."


@dataclass
class Slice:
    """One synthetic DICOM slice; `tags` go over the defaults."""

    number: int
    height_mm: float
    tags: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> Path:
        """Write the file; voxel (i, j) of slice n holds 100 n + 10 j + i."""
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = MRImageStorage
        ds.SOPClassUID = MRImageStorage
        ds.PatientName = "Secret^Name"
        ds.PatientID = "SECRET-ID"
        ds.StudyInstanceUID = UID + "1"
        ds.SeriesInstanceUID = UID + "2"
        ds.FrameOfReferenceUID = UID + "3"
        ds.Modality = "MR"
        ds.SeriesNumber = 1
        ds.SeriesDescription = "t2_tse_tra"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
        ds.InstanceNumber = self.number + 1
        ds.EchoTime, ds.RepetitionTime = 100, 4000
        ds.Rows, ds.Columns = 6, 8
        ds.PixelSpacing = [1.5, 0.75]
        ds.SliceThickness = 9.0  # must never be used as the slice distance
        ds.SpacingBetweenSlices = 9.0
        ds.ImageOrientationPatient = [*ROW.tolist(), *COLUMN.tolist()]
        position = FIRST + self.height_mm * NORMAL
        ds.ImagePositionPatient = [f"{x:.6f}" for x in position]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
        ds.PixelRepresentation = 0
        rows, columns = np.mgrid[0:6, 0:8]
        pixels = (100 * self.number + 10 * rows + columns).astype("<u2")
        ds.PixelData = pixels.tobytes()
        for name, value in self.tags.items():
            setattr(ds, name, value)
        ds.SOPInstanceUID = (
            ds.SeriesInstanceUID + f".{zlib.crc32(path.parent.name.encode())}"
            f".{zlib.crc32(path.name.encode())}"
        )
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path, enforce_file_format=True)
        return path


@pytest.fixture
def write_series():
    """Write `n` slices 3 mm apart into a folder; returns the paths, lowest first."""

    def _write(folder: Path, n: int = 5, prefix: str = "im", **tags: Any) -> list[Path]:
        return [
            Slice(k, 3.0 * k, tags).save(folder / f"{prefix}-{k}.dcm") for k in range(n)
        ]

    return _write


@pytest.fixture
def edit():
    """Change tags of a written file."""

    def _edit(path: Path, **tags: Any) -> None:
        ds = pydicom.dcmread(path)
        for name, value in tags.items():
            setattr(ds, name, value)
        ds.save_as(path)

    return _edit


@pytest.fixture
def expected_affine() -> np.ndarray:
    """LPS mm of voxel (i, j, k) of a synthetic series."""
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = ROW * 0.75, COLUMN * 1.5
    affine[:3, 2], affine[:3, 3] = NORMAL * 3.0, FIRST
    return affine
