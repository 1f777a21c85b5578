"""Open an examination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_midrl.io.study import study_steps

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Sequence

    from napari_midrl.data.progress import Progress
    from napari_midrl.data.study import Study
    from napari_midrl.io.untrusted import ReadLimits


def load_study(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    limits: ReadLimits | None = None,
) -> Generator[Progress, None, Study]:
    """Yield progress and return the study in a folder, a file or several files.

    Parameters
    ----------
    paths
        A folder of DICOM or image files, one such file, or a list of them.
    limits
        How much one volume may take; None means `ReadLimits()`.

    Raises
    ------
    ImageError
        If nothing could be read; the message names the files and why.
    """
    return (yield from study_steps(paths, limits))
