"""Recipe of agents that learn from a user's own cases, from nothing."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from napari_midrl.data.progress import Progress
from napari_midrl.errors import InputError
from napari_midrl.evaluation.findings import known_positions
from napari_midrl.training.case_views import case_of
from napari_midrl.training.config_tables import DenseTable
from napari_midrl.training.recipes import Recipe
from napari_midrl.workflows.finetune_cases import cases_in, landmarks_in, split_of

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from napari_midrl.agents.dense_network import DenseQConfig
    from napari_midrl.training.cases import TrainingCase
    from napari_midrl.training.config_file import ConfigFile
    from napari_midrl.workflows.cases import FileCase


def own_recipe(data: Path | None, file: ConfigFile, seed: int) -> Recipe:
    """Return the recipe for the cases of a folder or data set.

    Parameters
    ----------
    data
        A data set says itself what is for what; of a folder a fifth is held out by
        chance, as for a fine-tuning. What is held out is named in the card.
    file
        Network, views and stages.
    seed
        Of that chance.

    Raises
    ------
    InputError
        If no folder is given, or its cases or the config file cannot be used.
    LandmarkFileError
        If a landmark file is malformed or places nothing.
    """
    if data is None:
        msg = "this recipe needs a data set, or a folder of cases with landmarks"
        raise InputError(msg)
    found = cases_in(str(data))
    split = split_of(str(data), found, None, seed)
    used = tuple(case for case in found if case.name in split.train)
    landmarks = landmarks_in(used, None)
    config = file.checked(DenseTable)
    network = config.network_of(len(landmarks), file)
    held_out = ", ".join(split.held_out) or "none"
    return Recipe(
        name="own-cases",
        title=f"Agents of {len(used)} cases of {data.absolute().name}",
        description=f"Agents for {len(landmarks)} landmarks, learned from own cases.",
        landmarks=landmarks,
        landmark_notes={},
        config=network,
        stages=config.stages(),
        make_cases=partial(_training_cases, cases=used, config=network),
        data=f"Cases {', '.join(split.train)}. Held out: {held_out}.",
        licence="What the cases allow; ask whoever they are of before handing it on.",
        intended_use="Research: a first guess of landmarks for a person to check.",
        limits=(
            f"Not a medical device. Learned from {len(used)} cases only; how near the "
            "agents come was not measured (midrl evaluate)."
        ),
        **config.upright(),
        source=file,
    )


def _training_cases(
    data: Path | None, *, cases: tuple[FileCase, ...], config: DenseQConfig
) -> Generator[Progress, None, tuple[TrainingCase, ...]]:
    """Yield progress and return every image of the cases."""
    del data
    landmarks = landmarks_in(cases, None)
    made = []
    for number, case in enumerate(cases):
        yield Progress(number, len(cases), f"reading {case.name}")
        study, truth = yield from case.open()
        known = known_positions(truth)
        made += [
            case_of(volume, known, landmarks, config, f"{case.name}, {volume.name}")
            for volume in study.volumes
        ]
    return tuple(made)
