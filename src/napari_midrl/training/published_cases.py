"""Digital patients as the published agents saw theirs: whole images, one sequence each.

The paper trained on 17 patients of the whole body, 9 women's breasts, 5 men's
prostates, in the published acquisitions [1]_, and so do the recipes. The paper images
one side; here it is the left one of what comes in pairs, and the breast that the
protocol images.

References
----------
.. [1] Parekh et al. (2020), Proc. MIDL, PMLR 121, 588-600, section 3.1,
   https://proceedings.mlr.press/v121/parekh20a.html
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED, draw_patient
from napari_midrl.phantom.study import phantom_study

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_midrl.training.published_world import Case

    Cases = Generator[Progress, None, tuple[Case, ...]]

WHOLE_BODY_LANDMARKS = ("left knee", "left trochanter", "heart", "left kidney")


def whole_body_cases(data: Path | None = None, *, n_patients: int) -> Cases:
    """Yield progress and return whole bodies: T1w, T2w and four Dixon images each.

    Parameters
    ----------
    data
        Not needed: patients are drawn.
    n_patients
        How many.
    """
    del data
    seeds = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + n_patients)
    names = dict.fromkeys(WHOLE_BODY_LANDMARKS)
    return (yield from _cases(list(seeds), "whole body", dict(names)))


def all_cases(
    data: Path | None = None,
    *,
    n_whole_bodies: int,
    n_breasts: int,
    n_prostates: int,
) -> Cases:
    """Yield progress and return whole bodies, breasts and prostates.

    Parameters
    ----------
    data
        Not needed: patients are drawn.
    n_whole_bodies, n_breasts, n_prostates
        How many of each; no patient is in two of the groups.
    """
    bodies = yield from whole_body_cases(data, n_patients=n_whole_bodies)
    first = FIRST_TRAINING_SEED + n_whole_bodies
    nipples: dict[str, str | None] = {"left nipple": "nipple", "right nipple": "nipple"}
    women = _seeds_of("female", first, n_breasts)
    breasts = yield from _cases(women, "breast", nipples)
    men = _seeds_of("male", first, n_prostates)
    prostates = yield from _cases(men, "prostate", {"prostate": None})
    return (*bodies, *breasts, *prostates)


def _seeds_of(sex: str, first: int, n: int) -> list[int]:
    found: list[int] = []
    for seed in count(first):
        if len(found) == n:
            break
        if draw_patient(seed).sex == sex:
            found.append(seed)
    return found


def _cases(seeds: list[int], region: str, names: dict[str, str | None]) -> Cases:
    """Return every volume of some patients with the landmarks it shows.

    Parameters
    ----------
    seeds
        Patients.
    region
        What is imaged.
    names
        Landmarks wanted, and what they are called; None leaves the name.
    """
    cases: list[Case] = []
    for number, seed in enumerate(seeds, start=1):
        text = f"imaging {region} {number} of {len(seeds)}"
        yield Progress(number - 1, len(seeds), text)
        study, truth = yield from phantom_study(seed, regions=(region,))
        for volume in study.volumes:
            shown = {
                names[placed.name] or placed.name: placed.position_lps_mm
                for placed in truth
                if placed.name in names
                and placed.position_lps_mm is not None
                and volume.grid.contains(placed.position_lps_mm)
            }
            if shown:
                cases.append((volume, shown))
    return tuple(cases)
