"""What a guess without looking reaches: the mean position of the other cases."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.geometry.grid import VoxelGrid, axis_aligned_view

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_midrl.evaluation.findings import Finding

    Position = tuple[float, float, float]


def guess_the_mean(findings: Sequence[Finding]) -> tuple[Position | None, ...]:
    """Return where the mean of the other cases puts a landmark, LPS mm.

    A position is written as a share of the image's field of view along its axes
    nearest to L, P and S. The guess is the mean of these shares over the other cases,
    each case with one vote however many images it has, put into the image at hand.

    Parameters
    ----------
    findings
        Of one landmark in one sequence.

    Returns
    -------
    guesses
        One per finding; None where there is no other case to learn from.
    """
    views = [_patient_view(finding.grid) for finding in findings]
    by_case: dict[str, list[npt.NDArray[np.float64]]] = defaultdict(list)
    for finding, view in zip(findings, views, strict=True):
        share = (view.to_ijk(finding.true_lps_mm) + 0.5) / view.shape_ijk
        by_case[finding.case].append(share)
    means = {case: np.mean(shares, axis=0) for case, shares in by_case.items()}
    guesses: list[Position | None] = []
    for finding, view in zip(findings, views, strict=True):
        others = [mean for case, mean in means.items() if case != finding.case]
        if not others:
            guesses.append(None)
            continue
        position_ijk = np.mean(others, axis=0) * view.shape_ijk - 0.5
        left, posterior, superior = view.to_lps_mm(position_ijk).tolist()
        guesses.append((left, posterior, superior))
    return tuple(guesses)


def _patient_view(grid: VoxelGrid) -> VoxelGrid:
    """Return the same block with axes i, j, k that run to L, P, S."""
    # Only the shape counts, so no memory is taken for the voxels.
    no_voxels = np.broadcast_to(np.uint8(0), grid.shape_ijk)
    return axis_aligned_view(no_voxels, grid)[1]
