"""Recipe of the published 3D agents, on digital patients, by a shorter schedule."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from napari_midrl.agents.presets import MIDRL_3D
from napari_midrl.training.config_file import ConfigFile, Table
from napari_midrl.training.config_tables import Count, PublishedTable
from napari_midrl.training.published_cases import WHOLE_BODY_LANDMARKS, whole_body_cases
from napari_midrl.training.recipes import PublishedRecipe


class PatientsTable(Table):
    """How many digital patients there are to learn from."""

    n_whole_bodies: Count


class Midrl3dTable(Table):
    """Config file of this recipe."""

    training: PublishedTable
    data: PatientsTable


def recipe_of(file: ConfigFile) -> PublishedRecipe:
    """Return the recipe with the numbers of a config file.

    Raises
    ------
    InputError
        If the file is not one of this recipe.
    """
    config = file.checked(Midrl3dTable)
    patients = config.data
    return PublishedRecipe(
        name="midrl-3d",
        title="MIDRL-3D as published (Parekh et al. 2020)",
        description=(
            "Four agents of a volume that share their convolutions, one box at a time: "
            "knee, trochanter, heart, kidney. For comparison."
        ),
        landmarks=WHOLE_BODY_LANDMARKS,
        preset=replace(MIDRL_3D, slice_axis=None),
        n_updates=config.training.n_updates,
        n_episodes=config.training.n_episodes,
        make_cases=partial(whole_body_cases, n_patients=patients.n_whole_bodies),
        data=(
            f"{patients.n_whole_bodies} procedural digital patients, whole body, in "
            "T1w, T2w and four Dixon images; no image of a person."
        ),
        licence="BSD-3-Clause, as the program that draws them",
        intended_use="Comparison with the published agents. Not for use on patients.",
        limits=(
            "Not a medical device. The published schedule has 500,000 updates, weeks "
            "on a CPU; agents of a short one have hardly learned."
        ),
        source=file,
    )


RECIPE = recipe_of(ConfigFile.shipped("midrl-3d"))
