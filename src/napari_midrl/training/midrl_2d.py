"""Recipe of the published 2D agent, on digital patients, by a shorter schedule."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from napari_midrl.agents.presets import MIDRL_2D
from napari_midrl.training.config_file import ConfigFile, Table
from napari_midrl.training.config_tables import CountOrNone, PublishedTable
from napari_midrl.training.published_cases import WHOLE_BODY_LANDMARKS, all_cases
from napari_midrl.training.recipes import PublishedRecipe


class PatientsTable(Table):
    """How many digital patients there are to learn from."""

    n_whole_bodies: CountOrNone
    n_breasts: CountOrNone
    n_prostates: CountOrNone


class Midrl2dTable(Table):
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
    config = file.checked(Midrl2dTable)
    patients = config.data
    return PublishedRecipe(
        name="midrl-2d",
        title="MIDRL-2D as published (Parekh et al. 2020)",
        description=(
            "One agent for six landmarks; it searches a slice for the one landmark "
            "that the slice shows. For comparison."
        ),
        landmarks=(*WHOLE_BODY_LANDMARKS, "nipple", "prostate"),
        preset=replace(MIDRL_2D, slice_axis=None),
        n_updates=config.training.n_updates,
        n_episodes=config.training.n_episodes,
        make_cases=partial(all_cases, **patients.model_dump()),
        data=(
            f"{patients.n_whole_bodies} procedural digital patients of the whole body, "
            f"{patients.n_breasts} of the breast, {patients.n_prostates} of the "
            "prostate, in the published sequences; no image of a person."
        ),
        licence="BSD-3-Clause, as the program that draws them",
        intended_use="Comparison with the published agent. Not for use on patients.",
        limits=(
            "Not a medical device. It searches one slice, the middle one unless told, "
            "and goes to whatever landmark that slice shows. The published schedule "
            "has 500,000 updates."
        ),
        source=file,
    )


RECIPE = recipe_of(ConfigFile.shipped("midrl-2d"))
