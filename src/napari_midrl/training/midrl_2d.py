"""Recipe of the published 2D agent, on digital patients, by a shorter schedule."""

from __future__ import annotations

from dataclasses import replace

from napari_midrl.agents.presets import MIDRL_2D
from napari_midrl.training.published_cases import (
    N_BREASTS,
    N_PROSTATES,
    N_WHOLE_BODIES,
    WHOLE_BODY_LANDMARKS,
    all_cases,
)
from napari_midrl.training.recipes import PublishedRecipe

RECIPE = PublishedRecipe(
    name="midrl-2d",
    title="MIDRL-2D as published (Parekh et al. 2020)",
    description=(
        "One agent for six landmarks; it searches a slice for the one landmark that "
        "the slice shows. For comparison."
    ),
    landmarks=(*WHOLE_BODY_LANDMARKS, "nipple", "prostate"),
    preset=replace(MIDRL_2D, slice_axis=None),
    n_updates=10_000,
    n_episodes=4,
    make_cases=all_cases,
    data=(
        f"{N_WHOLE_BODIES} procedural digital patients of the whole body, "
        f"{N_BREASTS} of the breast, {N_PROSTATES} of the prostate, in the published "
        "sequences; no image of a person."
    ),
    licence="BSD-3-Clause, as the program that draws them",
    intended_use="Comparison with the published agent. Not for use on patients.",
    limits=(
        "Not a medical device. It searches one slice, the middle one unless told, and "
        "goes to whatever landmark that slice shows. The published schedule has "
        "500,000 updates."
    ),
)
