"""Recipe of the published 3D agents, on digital patients, by a shorter schedule."""

from __future__ import annotations

from dataclasses import replace

from napari_midrl.agents.presets import MIDRL_3D
from napari_midrl.training.published_cases import (
    N_WHOLE_BODIES,
    WHOLE_BODY_LANDMARKS,
    whole_body_cases,
)
from napari_midrl.training.recipes import PublishedRecipe

RECIPE = PublishedRecipe(
    name="midrl-3d",
    title="MIDRL-3D as published (Parekh et al. 2020)",
    description=(
        "Four agents of a volume that share their convolutions, one box at a time: "
        "knee, trochanter, heart, kidney. For comparison."
    ),
    landmarks=WHOLE_BODY_LANDMARKS,
    preset=replace(MIDRL_3D, slice_axis=None),
    n_updates=500,
    n_episodes=4,
    make_cases=whole_body_cases,
    data=(
        f"{N_WHOLE_BODIES} procedural digital patients, whole body, in T1w, T2w and "
        "four Dixon images; no image of a person."
    ),
    licence="BSD-3-Clause, as the program that draws them",
    intended_use="Comparison with the published agents. Not for use on patients.",
    limits=(
        "Not a medical device. The published schedule has 500,000 updates, weeks on a "
        "CPU; agents of a short one have hardly learned."
    ),
)
