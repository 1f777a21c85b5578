"""What the steps of a fine-tuning hand on, and the tables before and after."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.data.progress import Progress, relayed
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import InputError
from napari_midrl.evaluation.before_after import Row, rows_of
from napari_midrl.evaluation.findings import known_positions
from napari_midrl.io.coreset import read_coreset
from napari_midrl.workflows.evaluate import evaluate_cases
from napari_midrl.workflows.finetune_cases import QuickPatient, opened

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_midrl.agents.constellation import Constellation
    from napari_midrl.agents.dense_network import DenseQNetwork
    from napari_midrl.evaluation.findings import Finding
    from napari_midrl.io.coreset import StoredCase
    from napari_midrl.io.model_store import Pack
    from napari_midrl.localizers.base import Localizer
    from napari_midrl.training.cases import TrainingCase
    from napari_midrl.training.dense_loop import DenseTrainingSettings, Past
    from napari_midrl.workflows.cases import Case
    from napari_midrl.workflows.finetune_cases import OpenedCase, Split
    from napari_midrl.workflows.finetune_settings import FineTuneSettings


QUICK_STARTS = 6
"""Starts per landmark while training; enough for a curve."""


@dataclass
class Work:
    """Everything that the steps of a fine-tuning hand on."""

    pack: Pack
    settings: FineTuneSettings
    folder: Path
    train: tuple[OpenedCase, ...] = ()
    held_out: tuple[OpenedCase, ...] = ()
    landmarks: tuple[str, ...] = ()
    cases: tuple[TrainingCase, ...] = ()
    constellations: tuple[Constellation, ...] = ()
    past: Past | None = None
    coreset: tuple[StoredCase, ...] = ()
    is_claimed: bool = False

    @property
    def old(self) -> tuple[str, ...]:
        """Landmarks that the pack knows."""
        return tuple(self.pack.card.landmarks)

    @property
    def new(self) -> tuple[str, ...]:
        """Landmarks that it does not know."""
        return tuple(name for name in self.landmarks if name not in self.old)

    @property
    def all(self) -> tuple[str, ...]:
        """Landmarks of the new pack."""
        return self.old + self.new

    @property
    def number(self) -> int:
        """Number of the network that is taught, in the new pack.

        Landmarks that are known are taught where they are, and new ones beside them.
        New ones alone get a network of their own, unless they are to share the first.
        """
        networks = self.pack.card.by_network
        for number, names in enumerate(networks):
            if {*names} & {*self.landmarks}:
                return number
        return 0 if self.settings.shares_network else len(networks)

    @property
    def has_own_network(self) -> bool:
        """Whether a network is taught that the old pack does not have."""
        return self.number == len(self.pack.card.by_network)

    @property
    def taught(self) -> tuple[str, ...]:
        """Landmarks of the network that is taught, in the order of its agents."""
        if self.has_own_network:
            return self.new
        return self.pack.card.by_network[self.number] + self.new

    @property
    def networks(self) -> tuple[tuple[str, ...], ...]:
        """Landmarks of the new pack by network."""
        before = self.pack.card.by_network
        return (*before[: self.number], self.taught, *before[self.number + 1 :])

    @property
    def recipe(self) -> str:
        """Whose cases can be made anew to rehearse; empty if they cannot."""
        from napari_midrl.training.past import REGENERATED

        card = self.pack.card
        own = card.replay_recipe or card.training.recipe
        return own if own in REGENERATED else ""


def check_networks(work: Work) -> None:
    """Refuse landmarks that several networks know.

    Raises
    ------
    InputError
        If they are not all of one.
    """
    networks = work.pack.card.by_network
    parts = [", ".join(n for n in names if n in work.landmarks) for names in networks]
    known = [part for part in parts if part]
    if len(known) > 1:
        msg = (
            f"{' and '.join(known)} are found by different networks of "
            f"{work.pack.card.name}: teach one after the other"
        )
        raise InputError(msg)


def read_cases(
    work: Work, found: Sequence[Any], split: Split
) -> Generator[Progress, None, None]:
    """Read all cases; make training cases and constellations of those to learn from."""
    from napari_midrl.agents.constellation import Constellation
    from napari_midrl.localizers.constellations import constellation_of
    from napari_midrl.localizers.midrl import config_of
    from napari_midrl.training.case_views import case_of

    cases = []
    for number, case in enumerate(found):
        yield Progress(number, len(found), f"reading {case.name}")
        cases.append((yield from opened(case)))
    work.train = tuple(case for case in cases if case.name in split.train)
    work.held_out = tuple(case for case in cases if case.name in split.held_out)
    # All networks of a pack see equally fine.
    config = config_of(work.pack.card)
    made, grids, positions = [], [], []
    for case in work.train:
        known = known_in(case, work.landmarks)
        if not known:
            continue
        assert case.study is not None
        for volume in case.study.volumes:
            name = f"{case.name}, {volume.name}"
            made.append(case_of(volume, known, work.taught, config, name))
        grids.append(case.study.volumes[0].grid)
        missing = (np.nan,) * 3
        positions.append([known.get(name, missing) for name in work.landmarks])
    if not made:
        msg = f"no case to learn from places any of {list(work.landmarks)}"
        raise InputError(msg)
    work.cases = tuple(made)
    learned = Constellation.learned(work.landmarks, np.array(positions), grids)
    ours = () if learned is None else (learned,)
    work.constellations = ours + tuple(
        constellation_of(statement)
        for statement in work.pack.card.constellations
        if not set(statement.landmarks) & set(work.landmarks)
    )


def known_in(case: OpenedCase, landmarks: Sequence[str]) -> dict[str, Any]:
    """Return where a case places landmarks that count, LPS mm."""
    known = known_positions(case.truth)
    return {name: known[name] for name in landmarks if name in known}


def recall(work: Work) -> Generator[Progress, None, None]:
    """Gather past experience of the network that is taught, to be mixed in.

    Another that is not taught forgets nothing.
    """
    from napari_midrl.training.past import past_cases, past_of

    card = work.pack.card
    work.coreset = read_coreset(work.pack.folder, card.coreset_sha256)
    if not work.settings.replay_share or work.has_own_network:
        return
    # What a recipe makes is what the first network was made of.
    recipe = "" if work.number else work.recipe
    own = [case for case in work.coreset if {*case.landmarks} & {*work.taught}]
    cases, weights = yield from past_cases(recipe, own, work.taught)
    chosen = work.settings
    work.past = past_of(
        cases, weights, chosen.replay_share, is_relearned=chosen.relearns_past
    )


def grown_network(work: Work) -> DenseQNetwork:
    """Return the network to begin with.

    One of its own begins with all that the first network sees, and without its agents.
    """
    from napari_midrl.localizers.midrl import network_of
    from napari_midrl.training.growing import grown

    is_own, seed = work.has_own_network, work.settings.seed
    parent = network_of(work.pack, 0 if is_own else work.number)
    return grown(parent, len(work.new), seed, keeps_agents=not is_own)


def training_of(work: Work, n_updates: int) -> DenseTrainingSettings:
    """Return the settings of the loop."""
    from napari_midrl.training.finetune import settings_for

    seed = work.settings.seed
    if work.settings.training is None:
        return settings_for(n_updates, seed)
    return replace(work.settings.training, n_updates=n_updates, seed=seed)


def localizer_of_network(work: Work, network: DenseQNetwork) -> Localizer:
    """Return the localizer of a network in the making, of what it is taught."""
    from napari_midrl.localizers.midrl import MidrlLocalizer

    taught = {*work.taught}
    constellations = tuple(c for c in work.constellations if taught & {*c.landmarks})
    return MidrlLocalizer(
        "fine-tuned", work.taught, network, constellations=constellations
    )


def rows_before(
    work: Work,
) -> Generator[Progress, None, tuple[tuple[Row, ...], float]]:
    """Return the rows of the guess and of the old agents, and how long it took."""
    from napari_midrl.localizers.mean_position import MeanPosition
    from napari_midrl.localizers.packs import localizer_of

    begun = time.perf_counter()
    guess = MeanPosition.of(
        (volume.grid, known_in(case, work.landmarks))
        for case in work.train
        if case.study is not None
        for volume in case.study.volumes
    )
    rows: list[Row] = []
    rows += rows_of(
        (yield from found_in_held_out(work, guess)), "held out", "mean position"
    )
    rows += yield from rows_of_agents(work, localizer_of(work.pack), "before")
    return tuple(rows), time.perf_counter() - begun


def rows_of_agents(
    work: Work, localizer: Localizer, agents: str
) -> Generator[Progress, None, tuple[Row, ...]]:
    """Return the rows of some agents, on held-out cases and on what was known."""
    rows = rows_of((yield from found_in_held_out(work, localizer)), "held out", agents)
    if not work.recipe:
        return rows
    patients = tuple(QuickPatient(seed) for seed in range(work.settings.n_patients))
    kept = tuple(name for name in work.old if name not in work.landmarks)
    found = yield from _found(localizer, patients, kept, work.settings.n_starts)
    return rows + rows_of(found, "kept", agents)


def found_in_held_out(
    work: Work, localizer: Localizer, n_starts: int = 0
) -> Generator[Progress, None, tuple[Finding, ...]]:
    """Return what is found in the held-out cases of the landmarks to learn."""
    sought = tuple(n for n in work.landmarks if n in localizer.landmarks)
    cases = tuple(case for case in work.held_out if known_in(case, sought))
    n_starts = n_starts or work.settings.n_starts
    return (yield from _found(localizer, cases, sought, n_starts))


def _found(
    localizer: Localizer,
    cases: Sequence[Case],
    landmarks: tuple[str, ...],
    n_starts: int,
) -> Generator[Progress, None, tuple[Finding, ...]]:
    if not cases or not landmarks:
        return ()
    search = SearchSettings(landmarks=landmarks, n_starts=n_starts)
    measured = yield from relayed(
        evaluate_cases(localizer, cases, "", search),
        lambda report: replace(report, text=f"measuring: {report.text}"),
    )
    return measured.findings
