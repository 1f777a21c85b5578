"""Make a pack from nothing by its recipe."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import platform
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from napari_midrl.data.progress import Progress
from napari_midrl.errors import InputError
from napari_midrl.io.model_store import write_pack

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from pathlib import Path

    from napari_midrl.training.dense_loop import DenseTrainingSettings
    from napari_midrl.training.recipes import Recipe
    from napari_midrl.training.views import TrainingCase

RECIPES = {"brain-afids": "brain_afids", "digital-patient": "digital_patient"}
"""Recipe by name, and the module of `training` it stands in."""


def train_pack(
    recipe_name: str,
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    data: Path | None = None,
    n_updates: int | None = None,
) -> Generator[Progress, None, Path]:
    """Yield progress and return the folder of the new pack.

    Parameters
    ----------
    recipe_name
        Of `RECIPES`.
    out
        For the pack, in a folder of its own name, and a folder per stage of the
        training with its checkpoint and log.
    seed
        Of the whole training; two runs with one seed on one machine agree.
    resume
        Go on from the checkpoint in `out`; without it a folder with one is refused.
    data
        Folder of the training data, for recipes that need one.
    n_updates
        Another length of every stage than the recipe's.

    Raises
    ------
    InputError
        If the recipe is unknown, data are missing, or `out` holds a checkpoint and
        `resume` was not asked for.
    """
    if recipe_name not in RECIPES:
        msg = f"no recipe {recipe_name!r}; there are {sorted(RECIPES)}"
        raise InputError(msg)
    if any(out.glob("stage-*/checkpoint.safetensors")) and not resume:
        msg = "holds a checkpoint; resume from it or choose another folder"
        raise InputError(msg, out)
    yield Progress(0, 0, "loading the engine")
    # Torch takes seconds to import; only those who train pay for it.
    import torch

    from napari_midrl.training.dense_loop import train_dense

    module = importlib.import_module(f"napari_midrl.training.{RECIPES[recipe_name]}")
    recipe: Recipe = module.RECIPE
    stages = tuple(
        # Another seed per stage, or a second stage would see the first one's views.
        replace(
            stage, seed=seed + 1000 * number, n_updates=n_updates or stage.n_updates
        )
        for number, stage in enumerate(recipe.stages)
    )
    cases = yield from recipe.make_cases(data)
    network = None
    seconds = 0.0
    for number, stage in enumerate(stages, start=1):
        folder = out / f"stage-{number}"
        network = yield from train_dense(recipe.config, cases, stage, folder, network)
        seconds += _logged_seconds(folder / "log.jsonl")
    assert network is not None
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    card = _card(recipe, seed, stages, seconds, versions)
    if recipe.turn_gain is not None:
        card["arrangement"] = {
            "positions_mm": mean_arrangement(cases),
            "gain": recipe.turn_gain,
            "max_looks": recipe.max_looks,
        }
    folder = out / recipe.name
    weights = {name: t.numpy() for name, t in network.state_dict().items()}
    write_pack(folder, card, weights)
    n_done = sum(stage.n_updates for stage in stages)
    yield Progress(n_done, n_done, f"wrote {folder}")
    return folder


def _card(
    recipe: Recipe,
    seed: int,
    stages: tuple[DenseTrainingSettings, ...],
    seconds: float,
    versions: dict[str, str],
) -> dict[str, Any]:
    """Return the model card of a training, without the hash of its weights."""
    config = asdict(recipe.config)
    del config["n_landmarks"]
    return {
        "name": recipe.name,
        "title": recipe.title,
        "version": importlib.metadata.version("napari-midrl"),
        "description": recipe.description,
        "architecture": "midrl-dense",
        "config": config,
        "landmarks": list(recipe.landmarks),
        "landmark_notes": recipe.landmark_notes,
        "training": {
            "recipe": recipe.name,
            "data": recipe.data,
            "licence": recipe.licence,
            "seed": seed,
            "n_updates": sum(stage.n_updates for stage in stages),
            "seconds": round(seconds, 1),
            "settings": {"stages": [asdict(stage) for stage in stages]},
            "versions": versions,
        },
        "intended_use": recipe.intended_use,
        "limits": recipe.limits,
    }


def mean_arrangement(
    cases: Sequence[TrainingCase],
) -> list[tuple[float, float, float]]:
    """Return how landmarks lie to each other in the mean case, LPS mm.

    Raises
    ------
    InputError
        If a case lacks a landmark: its middle would not be that of the others.
    """
    # Torch takes seconds to import; only those who train pay for it.
    import torch

    each = torch.stack([case.targets_lps_mm for case in cases]).double()
    if each.isnan().any():
        msg = "an arrangement needs every landmark in every case"
        raise InputError(msg)
    mean = (each - each.mean(dim=1, keepdim=True)).mean(dim=0)
    rows = [tuple(round(x, 3) for x in row) for row in mean.tolist()]
    return [(x, y, z) for x, y, z in rows]


def _logged_seconds(log: Path) -> float:
    """Return the wall time of all updates, those before an interruption included."""
    seconds: dict[int, float] = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            # The interruption came in the middle of a line.
            continue
        # An update made again after an interruption counts once.
        seconds[entry["update"]] = entry["seconds"]
    return sum(seconds.values())
