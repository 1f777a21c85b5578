"""Find landmarks in all images of an examination, and settle on one answer each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from napari_midrl.agents.sequence_consensus import Answer, combined
from napari_midrl.data.landmarks import LandmarkSet
from napari_midrl.data.progress import Progress, relayed
from napari_midrl.errors import SearchError
from napari_midrl.localizers.base import landmarks_sought
from napari_midrl.workflows.inspect import choose_volume
from napari_midrl.workflows.localize import load_localizer

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_midrl.agents.sequence_consensus import StudyResult
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.study import Study
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume


@dataclass(frozen=True)
class StudyLocalization:
    """What searches of all images of an examination brought.

    Parameters
    ----------
    results
        One per landmark sought, in the order asked for.
    searches
        Every volume searched, and what was found in it.
    left_out
        Why a volume was not searched, one sentence each.
    reference
        The volume that stands for the examination in a landmark file.
    """

    results: tuple[StudyResult, ...]
    searches: tuple[tuple[Volume, Localization], ...]
    left_out: tuple[str, ...]
    reference: Volume

    def as_landmarks(self, case_id: str = "") -> LandmarkSet:
        """Return the results as a landmark set that names its image."""
        image, (_, search) = self.reference, self.searches[0]
        return LandmarkSet(
            landmarks=tuple(r.as_landmark(search.localizer) for r in self.results),
            image_name=image.name,
            image_sha256=image.content_hash,
            sequence=image.sequence.label,
            case_id=case_id,
            frame_of_reference_uid=image.frame_of_reference_uid or "",
            model_sha256=search.model_sha256,
        )


def locate_in_study(
    study: Study, pack_name: str, settings: SearchSettings
) -> Generator[Progress, None, StudyLocalization]:
    """Yield progress and return what a pack finds in all images of an examination.

    Parameters
    ----------
    study
        Volumes in another frame of reference than that of the volume which
        `choose_volume` takes are left out, and so are those that cannot be searched.
    pack_name
        Of the agents.
    settings
        Of every search.

    Raises
    ------
    InputError
        If the study holds no volume.
    PackError
        If the pack is missing or damaged.
    SearchError
        If no volume can be searched, or a landmark is unknown.
    """
    reference = choose_volume(study)
    localizer = yield from load_localizer(pack_name)
    # Once, and not as a cause to leave out every volume.
    landmarks_sought(settings, localizer.landmarks, localizer.name)
    frame = reference.frame_of_reference_uid
    searches: list[tuple[Volume, Localization]] = []
    left_out: list[str] = []
    for number, volume in enumerate(study.volumes):
        if volume.frame_of_reference_uid != frame:
            left_out.append(f"{volume.name}: lies in another frame of reference")
            continue
        begun = partial(_of_volume, number, len(study.volumes), volume.name)
        try:
            found = yield from relayed(localizer.localize(volume, settings), begun)
        except SearchError as error:
            left_out.append(f"{volume.name}: {error}")
            continue
        searches.append((volume, found))
    if not searches:
        msg = f"no volume of {study.name!r} can be searched; {'; '.join(left_out)}"
        raise SearchError(msg)
    if reference not in [volume for volume, _ in searches]:
        reference = searches[0][0]
    results = tuple(
        combined([Answer(v.name, v.grid, found.results[row]) for v, found in searches])
        for row in range(len(searches[0][1].results))
    )
    return StudyLocalization(results, tuple(searches), tuple(left_out), reference)


def _of_volume(number: int, n_volumes: int, name: str, progress: Progress) -> Progress:
    """Return the report of one search as one of all; agents are not shown."""
    return Progress(number, n_volumes, f"{name}: {progress.text}")
