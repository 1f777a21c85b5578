"""Find landmarks in all images of an examination, and settle on one answer each."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_midrl.agents.sequence_consensus import Answer, combined
from napari_midrl.data.progress import Progress, relayed
from napari_midrl.data.trajectory import LandmarkResult, Localization, SearchState
from napari_midrl.errors import SearchError
from napari_midrl.localizers.base import landmarks_sought
from napari_midrl.workflows.inspect import choose_volume
from napari_midrl.workflows.localize import as_landmarks, load_localizer

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from napari_midrl.agents.sequence_consensus import StudyResult
    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.study import Study
    from napari_midrl.data.volume import Volume


@dataclass(frozen=True)
class StudyLocalization:
    """What searches of all images of an examination brought.

    Parameters
    ----------
    results
        One per landmark sought, in the order asked for.
    searches
        Every volume searched, and what was found in it; the first stands for the
        examination.
    left_out
        Why a volume was not searched, one sentence each.
    seconds
        Wall time of all searches.
    """

    results: tuple[StudyResult, ...]
    searches: tuple[tuple[Volume, Localization], ...]
    left_out: tuple[str, ...]
    seconds: float

    @property
    def reference(self) -> Volume:
        """The volume that stands for the examination in a landmark file."""
        return self.searches[0][0]

    def as_landmarks(self, case_id: str = "") -> LandmarkSet:
        """Return the results as a landmark set that names its image."""
        landmarks = as_landmarks(self.as_localization(), self.reference)
        return replace(landmarks, case_id=case_id)

    def as_localization(self) -> Localization:
        """Return the results as those of one search.

        Agreement is the share of the images; agents are those of the image that is
        surest of what is agreed on, landmark by landmark.
        """
        by_image = {volume.name: found for volume, found in self.searches}
        _, first = self.searches[0]
        surest = {
            result.name: by_image[result.agreeing[0]] if result.agreeing else first
            for result in self.results
        }
        rows = [
            _one_result(result, surest[result.name].results[row])
            for row, result in enumerate(self.results)
        ]
        walks = [
            walk
            for name, found in surest.items()
            for walk in found.trajectories
            if walk.landmark == name
        ]
        return replace(
            first,
            results=tuple(rows),
            trajectories=tuple(walks),
            seconds=self.seconds,
            n_images=len(self.searches),
            left_out=self.left_out,
        )


def _one_result(result: StudyResult, surest: LandmarkResult) -> LandmarkResult:
    """Return what all images say of a landmark as one search would."""
    if result.position_lps_mm is None:
        return replace(surest, agreement=0.0)
    return LandmarkResult(
        name=result.name,
        state=SearchState.FOUND,
        position_lps_mm=result.position_lps_mm,
        spread_mm=result.spread_mm,
        agreement=len(result.agreeing) / result.n_showing,
        n_steps=surest.n_steps,
        confidence=result.confidence,
        agreeing=result.agreeing,
    )


def of_one_examination(
    volumes: Sequence[Volume], reference: Volume
) -> tuple[Volume, ...]:
    """Return a volume, and the others that surely are of the same examination.

    Those of its frame of reference; of files that name none, those of the same folder.
    """
    return (
        reference,
        *(v for v in volumes if v is not reference and _is_beside(v, reference)),
    )


def _is_beside(volume: Volume, reference: Volume) -> bool:
    if volume.frame_of_reference_uid or reference.frame_of_reference_uid:
        return volume.frame_of_reference_uid == reference.frame_of_reference_uid
    one, other = volume.provenance.source, reference.provenance.source
    if one == other:
        return bool(one)
    folders = Path(one).parent, Path(other).parent
    return folders[0] == folders[1] != Path()


def locate_in_study(
    study: Study,
    pack_name: str,
    settings: SearchSettings,
    reference: Volume | None = None,
) -> Generator[Progress, None, StudyLocalization]:
    """Yield progress and return what a pack finds in all images of an examination.

    Parameters
    ----------
    study
        Volumes in another frame of reference than the one that stands for it are left
        out, and so are those that cannot be searched.
    pack_name
        Of the agents.
    settings
        Of every search.
    reference
        Volume of the study that stands for it, and is searched first; None takes the
        one that `choose_volume` does.

    Raises
    ------
    InputError
        If the study holds no volume.
    PackError
        If the pack is missing or damaged.
    SearchError
        If no volume can be searched, or a landmark is unknown.
    """
    reference = reference or choose_volume(study)
    localizer = yield from load_localizer(pack_name)
    # Once, and not as a cause to leave out every volume.
    landmarks_sought(settings, localizer.landmarks, localizer.name)
    begun = time.perf_counter()
    searches: list[tuple[Volume, Localization]] = []
    left_out: list[str] = []
    volumes = (reference, *(v for v in study.volumes if v is not reference))
    for number, volume in enumerate(volumes, start=1):
        if volume.frame_of_reference_uid != reference.frame_of_reference_uid:
            left_out.append(f"{volume.name}: lies in another frame of reference")
            continue
        label = f"{volume.name}, {number} of {len(volumes)}"
        # A window draws the agents of the volume it shows; drawing all takes longer
        # than to search.
        change = _of_reference if volume is reference else _of_another
        search = localizer.localize(volume, settings)
        try:
            found = yield from relayed(search, partial(change, label))
        except SearchError as error:
            left_out.append(f"{volume.name}: {error}")
            continue
        searches.append((volume, found))
    if not searches:
        msg = f"no volume of {study.name!r} can be searched; {'; '.join(left_out)}"
        raise SearchError(msg)
    results = tuple(
        combined([Answer(v.name, v.grid, found.results[row]) for v, found in searches])
        for row in range(len(searches[0][1].results))
    )
    seconds = time.perf_counter() - begun
    return StudyLocalization(results, tuple(searches), tuple(left_out), seconds)


def _of_reference(label: str, progress: Progress) -> Progress:
    """Return the report of one search, saying which it is."""
    return replace(progress, text=f"{label}: {progress.text}")


def _of_another(label: str, progress: Progress) -> Progress:
    """Return the report of one search, saying which it is but not where agents are."""
    return Progress(progress.done, progress.total, f"{label}: {progress.text}")
