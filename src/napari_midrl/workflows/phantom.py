"""Write a study of the digital patient as files."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress
from napari_midrl.errors import OverwriteError
from napari_midrl.io.images import write_nifti
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.phantom.study import phantom_study

if TYPE_CHECKING:
    from collections.abc import Generator


def write_phantom(
    seed: int, out: Path, *, quick: bool = False
) -> Generator[Progress, None, tuple[Path, ...]]:
    """Yield progress while imaging a digital patient; return the files written.

    The folder appears at once when everything is written, so that a cancelled run
    leaves nothing behind.

    Parameters
    ----------
    seed
        Of the patient; the same seed is the same patient.
    out
        Folder to make; it may exist if it is empty.
    quick
        Whether to image on coarser grids.

    Returns
    -------
    files
        One NIfTI file per sequence and ``landmarks.csv`` with the exact positions.

    Raises
    ------
    OverwriteError
        If the folder holds anything, or a file has its name.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        msg = "already exists; choose a folder that is new or empty"
        raise OverwriteError(msg, out)
    study, landmarks = yield from phantom_study(seed, quick=quick)
    out.parent.mkdir(parents=True, exist_ok=True)
    names = [f"{_file_stem(volume.name)}.nii.gz" for volume in study.volumes]
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder = Path(scratch) / out.name
        folder.mkdir()
        for done, (volume, name) in enumerate(zip(study.volumes, names, strict=True)):
            yield Progress(done, len(names), f"writing {name}")
            write_nifti(volume, folder / name)
        write_landmarks(landmarks, folder / "landmarks.csv")
        if out.exists():
            out.rmdir()
        folder.replace(out)
    return (*(out / name for name in names), out / "landmarks.csv")


def _file_stem(name: str) -> str:
    """Return a file name that every system takes: ``"DWI b=800"`` to ``dwi_b800``."""
    kept = re.sub(r"[^a-z0-9. -]", "", name.lower())
    return re.sub(r"[ -]+", "_", kept).strip("._")
