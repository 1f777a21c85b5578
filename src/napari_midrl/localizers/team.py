"""Several networks of one pack, each for landmarks of its own, as one localizer.

Agents that are taught new landmarks in a network of their own forget nothing: the old
network stays as it is. A search asks every network that knows one of the landmarks.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_midrl.data.progress import SearchProgress
from napari_midrl.data.trajectory import Localization
from napari_midrl.errors import PackError, SearchError
from napari_midrl.localizers.base import landmarks_sought
from napari_midrl.localizers.midrl import MidrlLocalizer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    import numpy.typing as npt

    from napari_midrl.agents.dense_policy import DensePolicy
    from napari_midrl.data.policy import BasinMap, PolicyField, PolicyScale
    from napari_midrl.data.progress import Progress
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.volume import Volume
    from napari_midrl.io.model_store import Pack

    Task = Generator[Progress, None, Localization]


class TeamLocalizer:
    """Localizers that share the landmarks of a pack among them.

    Parameters
    ----------
    landmarks
        In their usual order.
    members
        Each landmark is known to one of them; all are of one pack.
    """

    def __init__(
        self, landmarks: tuple[str, ...], members: tuple[MidrlLocalizer, ...]
    ) -> None:
        known = sorted(name for member in members for name in member.landmarks)
        if known != sorted(landmarks):
            msg = f"members know {known}, together they are to know {landmarks}"
            raise ValueError(msg)
        self._landmarks = landmarks
        self._members = members

    @classmethod
    def from_pack(cls, pack: Pack) -> TeamLocalizer:
        """Return the localizer of a pack of several networks.

        Raises
        ------
        PackError
            If the weights do not fit the architecture its card names, or are of
            networks that it does not name.
        """
        numbers = range(len(pack.card.by_network))
        strangers = {*pack.tensors}
        for number in numbers:
            strangers -= {f"{number}.{name}" for name in pack.of_network(number)}
        if strangers:
            msg = f"weights of no network of the card: {sorted(strangers)[:3]}"
            raise PackError(msg, pack.folder)
        members = tuple(MidrlLocalizer.from_pack(pack, n) for n in numbers)
        return cls(tuple(pack.card.landmarks), members)

    @property
    def name(self) -> str:
        """Name of the pack."""
        return self._members[0].name

    @property
    def landmarks(self) -> tuple[str, ...]:
        """Landmarks that one of its networks knows."""
        return self._landmarks

    def localize(
        self, volume: Volume, settings: SearchSettings
    ) -> Generator[Progress, None, Localization]:
        """Yield where the agents are, all networks side by side, and what they found.

        Raises
        ------
        SearchError
            If the volume cannot be searched, a landmark is unknown, or memory is
            too small.
        """
        begun = time.perf_counter()
        names = landmarks_sought(settings, self._landmarks, self.name)
        shares = [
            (member, tuple(name for name in names if name in member.landmarks))
            for member in self._members
        ]
        asked = [(member, share) for member, share in shares if share]
        tasks = [
            member.localize(volume, replace(settings, landmarks=share))
            for member, share in asked
        ]
        rows = [[names.index(name) for name in share] for _, share in asked]
        found = yield from _side_by_side(tasks, rows)
        results = {r.name: r for part in found for r in part.results}
        walks = [walk for part in found for walk in part.trajectories]
        return Localization(
            results=tuple(results[name] for name in names),
            trajectories=tuple(
                walk for name in names for walk in walks if walk.landmark == name
            ),
            localizer=self.name,
            model_sha256=found[0].model_sha256,
            seconds=time.perf_counter() - begun,
            device=found[0].device,
            turned_degrees=max(part.turned_degrees for part in found),
        )

    def policy(
        self, volume: Volume, settings: SearchSettings
    ) -> Generator[Progress, None, TeamPolicy]:
        """Yield progress and return what the agents would do in a volume.

        Raises
        ------
        SearchError
            If the volume cannot be searched, or memory is too small.
        """
        policies: dict[str, DensePolicy] = {}
        for member in self._members:
            policy = yield from member.policy(volume, settings)
            policies |= dict.fromkeys(member.landmarks, policy)
        return TeamPolicy(policies)


class TeamPolicy:
    """The policies of several networks in one volume.

    Parameters
    ----------
    policies
        Of the agents of each landmark.
    """

    def __init__(self, policies: Mapping[str, DensePolicy]) -> None:
        self._policies = policies

    @property
    def scales(self) -> tuple[PolicyScale, ...]:
        """Scales at which agents decide, the same in all networks."""
        return next(iter(self._policies.values())).scales

    def field(
        self, landmark: str, scale: int, points_lps_mm: npt.NDArray[np.float64]
    ) -> Generator[Progress, None, PolicyField]:
        """Yield progress and return what agents would do at points, shape (n, 3).

        Raises
        ------
        SearchError
            If these agents do not know the landmark, or there is no such scale.
        """
        return (yield from self._of(landmark).field(landmark, scale, points_lps_mm))

    def basins(self, landmark: str, scale: int) -> Generator[Progress, None, BasinMap]:
        """Yield progress and return where agents come to rest, from every start.

        Raises
        ------
        SearchError
            If these agents do not know the landmark, or there is no such scale.
        """
        return (yield from self._of(landmark).basins(landmark, scale))

    def _of(self, landmark: str) -> DensePolicy:
        if landmark not in self._policies:
            msg = f"these agents do not know {landmark!r}"
            raise SearchError(msg)
        return self._policies[landmark]


def _side_by_side(
    tasks: Sequence[Task], rows: Sequence[Sequence[int]]
) -> Generator[Progress, None, list[Localization]]:
    """Take searches one report each in turn, and return what all of them found.

    Parameters
    ----------
    tasks
        Searches.
    rows
        Which landmarks of the joint reports each search is of.
    """
    dones: dict[int, int] = {}
    walks: dict[int, SearchProgress] = {}
    found: dict[int, Localization] = {}
    with ExitStack() as stack:
        for task in tasks:
            stack.enter_context(closing(task))
        while len(found) < len(tasks):
            for number, task in enumerate(tasks):
                if number in found:
                    continue
                try:
                    report = next(task)
                except StopIteration as stop:
                    found[number] = stop.value
                    continue
                dones[number] = report.done
                if isinstance(report, SearchProgress):
                    walks[number] = report
                together = replace(report, done=min(dones.values()))
                yield _with_all(together, walks, rows)
    return [found[number] for number in range(len(tasks))]


def _with_all(
    report: Progress,
    walks: Mapping[int, SearchProgress],
    rows: Sequence[Sequence[int]],
) -> Progress:
    """Return a report that says where the agents of all searches are.

    Without places as long as one of them has none.
    """
    if not isinstance(report, SearchProgress):
        return report
    parts = [walks[number] for number in range(len(rows)) if number in walks]
    places = [w.positions_lps_mm for w in parts if w.positions_lps_mm is not None]
    boxes = [walk.box_sizes_mm for walk in parts if walk.box_sizes_mm is not None]
    if len(places) < len(rows) or len(boxes) < len(rows):
        return replace(report, positions_lps_mm=None, box_sizes_mm=None)
    order = np.argsort([row for share in rows for row in share])
    return replace(
        report,
        positions_lps_mm=np.concatenate(places)[order],
        box_sizes_mm=np.concatenate(boxes)[order],
    )
