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
    from collections.abc import Generator
    from pathlib import Path

    from napari_midrl.training.dense_loop import DenseTrainingSettings
    from napari_midrl.training.recipes import Recipe

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
        Folder for checkpoints, the log, and the pack in a folder of its own name.
    seed
        Of the whole training; two runs with one seed on one machine agree.
    resume
        Go on from the checkpoint in `out`; without it a folder with one is refused.
    data
        Folder of the training data, for recipes that need one.
    n_updates
        Another length than the recipe's.

    Raises
    ------
    InputError
        If the recipe is unknown, data are missing, or `out` holds a checkpoint and
        `resume` was not asked for.
    """
    if recipe_name not in RECIPES:
        msg = f"no recipe {recipe_name!r}; there are {sorted(RECIPES)}"
        raise InputError(msg)
    if (out / "checkpoint.safetensors").exists() and not resume:
        msg = "holds a checkpoint; resume from it or choose another folder"
        raise InputError(msg, out)
    yield Progress(0, 0, "loading the engine")
    # Torch takes seconds to import; only those who train pay for it.
    import torch

    from napari_midrl.training.dense_loop import train_dense

    module = importlib.import_module(f"napari_midrl.training.{RECIPES[recipe_name]}")
    recipe: Recipe = module.RECIPE
    settings = replace(recipe.settings, seed=seed)
    if n_updates is not None:
        settings = replace(settings, n_updates=n_updates)
    cases = yield from recipe.make_cases(data)
    network = yield from train_dense(recipe.config, cases, settings, out)
    seconds = _logged_seconds(out / "log.jsonl")
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    card = _card(recipe, settings, seconds, versions)
    folder = out / recipe.name
    weights = {name: t.numpy() for name, t in network.state_dict().items()}
    write_pack(folder, card, weights)
    yield Progress(settings.n_updates, settings.n_updates, f"wrote {folder}")
    return folder


def _card(
    recipe: Recipe,
    settings: DenseTrainingSettings,
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
            "seed": settings.seed,
            "n_updates": settings.n_updates,
            "seconds": round(seconds, 1),
            "settings": asdict(settings),
            "versions": versions,
        },
        "intended_use": recipe.intended_use,
        "limits": recipe.limits,
    }


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
