"""What the dock needs from the rest of the package, imported when first used.

Opening the dock must not import torch; searching does, in its own thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from napari_midrl.data.policy import PolicyScale
    from napari_midrl.data.progress import Progress
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.study import Study
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.localizers.base import PolicyMap


NEEDED_BY_NAPARI = "pandas"
"""napari imports it for the first layer of points. In the thread of the window, that
would take a second."""


class PackInfo(Protocol):
    """What is known of an agent pack before its weights are loaded."""

    @property
    def name(self) -> str:
        """Name that `locate` takes."""

    @property
    def title(self) -> str:
        """Name for the user."""

    @property
    def landmarks(self) -> tuple[str, ...]:
        """Landmarks its agents seek."""

    @property
    def description(self) -> str:
        """One or two sentences for the user."""

    @property
    def policy_scales(self) -> tuple[PolicyScale, ...]:
        """Scales at which one can ask its agents what they would do; may be none."""


@dataclass(frozen=True)
class Engine:
    """The workflows behind the dock; tests pass their own.

    Parameters
    ----------
    available_packs
        Returns the installed packs; cheap.
    locate
        Searches a volume with a pack.
    load_study
        Reads a study.
    policy
        Asks the agents of a pack what they would do in a volume.
    prepare
        Loads a pack, and all that a search with it needs; None if nothing is needed.
    locate_in_all
        Searches the volumes of one examination; the first stands for it.
    """

    available_packs: Callable[[], Sequence[PackInfo]]
    locate: Callable[
        [Volume, str, SearchSettings], Generator[Progress, None, Localization]
    ]
    load_study: Callable[[Sequence[Path]], Generator[Progress, None, Study]]
    policy: Callable[
        [Volume, str, SearchSettings], Generator[Progress, None, PolicyMap]
    ]
    prepare: Callable[[str], Generator[Progress, None, object]] | None = None
    locate_in_all: (
        Callable[
            [Sequence[Volume], str, SearchSettings],
            Generator[Progress, None, Localization],
        ]
        | None
    ) = None

    def search_of(
        self, volumes: Sequence[Volume], pack_name: str, settings: SearchSettings
    ) -> Callable[[], Generator[Progress, None, Localization]]:
        """Return what searches one volume, or several of one examination."""
        if len(volumes) > 1 and self.locate_in_all is not None:
            return partial(self.locate_in_all, volumes, pack_name, settings)
        return partial(self.locate, volumes[0], pack_name, settings)


def default_engine() -> Engine:
    """Return the workflows of this package."""
    return Engine(
        _available_packs, _locate, _load_study, _policy, _prepare, _locate_in_all
    )


def _available_packs() -> Sequence[PackInfo]:
    from napari_midrl.workflows.localize import available_packs

    return available_packs()


def _locate(
    volume: Volume, pack: str, settings: SearchSettings
) -> Generator[Any, None, Localization]:
    from napari_midrl.workflows.localize import locate

    import_module(NEEDED_BY_NAPARI)
    found = yield from locate(volume, pack, settings)
    # Landmarks name their image; the volume remembers what is computed here.
    _ = volume.content_hash
    return found


def _locate_in_all(
    volumes: Sequence[Volume], pack: str, settings: SearchSettings
) -> Generator[Any, None, Localization]:
    from napari_midrl.data.study import Study
    from napari_midrl.workflows.localize_study import locate_in_study

    import_module(NEEDED_BY_NAPARI)
    first = volumes[0]
    study = Study(first.name, tuple(volumes))
    found = yield from locate_in_study(study, pack, settings, first)
    _ = first.content_hash
    return found.as_localization()


def _prepare(pack: str) -> Generator[Progress, None, object]:
    from napari_midrl.workflows.localize import load_localizer

    import_module(NEEDED_BY_NAPARI)
    return (yield from load_localizer(pack))


def _load_study(paths: Sequence[Path]) -> Generator[Progress, None, Study]:
    from napari_midrl.workflows.load import load_study

    return (yield from load_study(paths))


def _policy(
    volume: Volume, pack: str, settings: SearchSettings
) -> Generator[Progress, None, PolicyMap]:
    from napari_midrl.workflows.policy import policy_of

    return (yield from policy_of(volume, pack, settings))
