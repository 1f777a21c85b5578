"""Make a pack from nothing by its recipe."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import platform
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from napari_midrl.data.progress import Progress, relayed
from napari_midrl.errors import InputError
from napari_midrl.io.model_store import DENSE_ARCHITECTURE, write_pack
from napari_midrl.training.config_file import ConfigFile
from napari_midrl.training.recipes import PublishedRecipe
from napari_midrl.training.scalars import require_tensorboard, with_tensorboard

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from torch import Tensor

    from napari_midrl.training.recipes import Recipe

    Made = Generator[Progress, None, tuple[dict[str, Any], dict[str, Tensor]]]

Result = TypeVar("Result")

RECIPES = {
    "brain-afids": "brain_afids",
    "digital-patient": "digital_patient",
    "midrl-2d": "midrl_2d",
    "midrl-3d": "midrl_3d",
}
"""Recipe by name, and the module of `training` it stands in."""

OWN_CASES = "own-cases"
"""Recipe of whatever cases a user has; see `workflows.own_cases`."""

OTHER_NUMBERS = (
    "Trained by the config file in `settings`, not by the one that ships: what "
    "`limits` says of measurements is of the recipe's own agents."
)


@dataclass(frozen=True)
class _Run:
    """How a recipe is trained; see `train_pack`."""

    out: Path
    seed: int
    data: Path | None
    n_updates: int | None
    tensorboard: bool

    def stage_folder(self, number: int) -> Path:
        """Return where checkpoint and log of a stage are, counted from 1."""
        return self.out / f"stage-{number}"

    def shown(
        self, training: Generator[Progress, None, Result], number: int
    ) -> Generator[Progress, None, Result]:
        """Return the training of a stage, shown in TensorBoard if that was wanted."""
        if not self.tensorboard:
            return training
        return with_tensorboard(training, self.stage_folder(number))


def config_text(recipe_name: str) -> str:
    """Return the config file that ships for a recipe.

    Raises
    ------
    InputError
        If the recipe is unknown.
    """
    _refuse_unknown(recipe_name)
    return ConfigFile.shipped(recipe_name).text


def train_pack(
    recipe_name: str,
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    data: Path | None = None,
    config: Path | None = None,
    n_updates: int | None = None,
    tensorboard: bool = False,
) -> Generator[Progress, None, Path]:
    """Yield progress and return the folder of the new pack.

    Parameters
    ----------
    recipe_name
        Of `RECIPES`, or `OWN_CASES`.
    out
        For the pack, in a folder of its own name, and a folder per stage of the
        training with its checkpoint and log.
    seed
        Of the whole training; two runs with one seed on one machine agree.
    resume
        Go on from the checkpoint in `out`; without it a folder with one is refused.
    data
        Folder of the training data, for recipes that need one.
    config
        File with other numbers than those that ship for the recipe (`config_text`).
    n_updates
        Another length of every stage than the recipe's; the schedule of a published
        recipe is scaled to it.
    tensorboard
        Whether to write what is logged for TensorBoard, too.

    Raises
    ------
    InputError
        If the recipe is unknown, the config file cannot be used, data or TensorBoard
        are missing, or `out` holds a checkpoint and `resume` was not asked for.
    PackError
        If the checkpoint is that of another training.
    """
    _refuse_unknown(recipe_name)
    if any(out.glob("stage-*/checkpoint.*")) and not resume:
        msg = "holds a checkpoint; resume from it or choose another folder"
        raise InputError(msg, out)
    yield Progress(0, 0, "loading the engine")
    if tensorboard:
        require_tensorboard()
    recipe = _recipe(recipe_name, config, data, seed)
    run = _Run(out, seed, data, n_updates, tensorboard)
    if isinstance(recipe, PublishedRecipe):
        card, weights = yield from _published_agents(recipe, run)
    else:
        card, weights = yield from _dense_agents(recipe, run)
    if config is not None:
        card["training"]["note"] = (
            f"{OTHER_NUMBERS} {card['training'].get('note', '')}".strip()
        )
    folder = out / recipe.name
    write_pack(folder, card, {name: t.numpy() for name, t in weights.items()})
    yield Progress(1, 1, f"wrote {folder}")
    return folder


def _refuse_unknown(recipe_name: str) -> None:
    known = sorted((*RECIPES, OWN_CASES))
    if recipe_name not in known:
        msg = f"no recipe {recipe_name!r}; there are {known}"
        raise InputError(msg)


def _recipe(
    name: str, config: Path | None, data: Path | None, seed: int
) -> Recipe | PublishedRecipe:
    """Return a recipe with the numbers that ship or those of a file."""
    if name == OWN_CASES:
        from napari_midrl.workflows.own_cases import own_recipe

        shipped = ConfigFile.shipped(name)
        file = shipped if config is None else ConfigFile.read(config)
        return own_recipe(data, file, seed)
    module = importlib.import_module(f"napari_midrl.training.{RECIPES[name]}")
    recipe: Recipe | PublishedRecipe = (
        module.RECIPE if config is None else module.recipe_of(ConfigFile.read(config))
    )
    return recipe


def _dense_agents(recipe: Recipe, run: _Run) -> Made:
    """Train the stages of a recipe; return the model card and the weights."""
    # Torch takes seconds to import; only those who train pay for it.
    from napari_midrl.training.cases import mean_arrangement
    from napari_midrl.training.dense_loop import train_dense

    stages = tuple(
        # Another seed per stage, or a second stage would see the first one's views.
        replace(
            stage,
            seed=run.seed + 1000 * number,
            n_updates=run.n_updates or stage.n_updates,
        )
        for number, stage in enumerate(recipe.stages)
    )
    cases = yield from recipe.make_cases(run.data)
    # Before the hours of training, since not all cases have one.
    positions_mm = None if recipe.turn_gain is None else mean_arrangement(cases)
    network = None
    seconds = 0.0
    for number, stage in enumerate(stages, start=1):
        folder = run.stage_folder(number)
        training = train_dense(recipe.config, cases, stage, folder, network)
        network = yield from run.shown(training, number)
        seconds += _logged_seconds(folder / "log.jsonl")
    assert network is not None
    config = asdict(recipe.config)
    del config["n_landmarks"]
    card = _card(recipe, DENSE_ARCHITECTURE, config, recipe.landmarks)
    card["landmark_notes"] = recipe.landmark_notes
    if positions_mm is not None:
        card["arrangement"] = {
            "positions_mm": positions_mm,
            "gain": recipe.turn_gain,
            "max_looks": recipe.max_looks,
            "prior_share": recipe.prior_share,
        }
    card["training"] |= {
        "seed": run.seed,
        "n_updates": sum(stage.n_updates for stage in stages),
        "seconds": round(seconds, 1),
        "settings": {
            "stages": [asdict(stage) for stage in stages],
            **_config_statement(recipe),
        },
    }
    return card, network.state_dict()


def _published_agents(recipe: PublishedRecipe, run: _Run) -> Made:
    """Train published agents by a scaled schedule; return card and weights."""
    from napari_midrl.training.published import PublishedSettings, train_published

    n = run.n_updates or recipe.n_updates
    folder = run.stage_folder(1)
    published = recipe.preset.n_epochs * recipe.preset.updates_per_epoch
    preset = recipe.preset.scaled(n)
    settings = PublishedSettings(
        n_updates=n,
        seed=run.seed,
        n_episodes=recipe.n_episodes,
        checkpoint_folder=folder,
        updates_per_checkpoint=max(1, n // 20),
        updates_per_report=max(1, n // 1000),
    )
    cases = yield from recipe.make_cases(run.data)
    log = folder / "log.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    training = _logged(train_published(preset, cases, settings), log)
    agents = yield from run.shown(training, 1)
    config = {"slice_axis": preset.slice_axis}
    card = _card(recipe, preset.name, config, agents.landmarks)
    card["training"] |= {
        "seed": run.seed,
        "n_updates": agents.n_updates,
        "seconds": round(_logged_seconds(log), 1),
        "settings": {
            "batch_size": preset.batch_size,
            "learning_rate": preset.learning_rate,
            "discount": preset.discount,
            "warm_up_steps": preset.warm_up_steps,
            "updates_per_target_copy": preset.updates_per_target_copy,
            "updates_per_epoch": preset.updates_per_epoch,
            "n_episodes": recipe.n_episodes,
            **_config_statement(recipe),
        },
        "note": (
            f"{n} of the published {published:,} updates: epochs, target copies and "
            "warm-up are shortened alike."
        ),
    }
    return card, agents.weights


def _logged(
    training: Generator[Progress, None, Result], log: Path
) -> Generator[Progress, None, Result]:
    """Pass a training on and write a line for every report of an update."""
    begun = time.perf_counter()

    def write(progress: Progress) -> Progress:
        nonlocal begun
        if progress.done > 0:
            now = time.perf_counter()
            entry = {"update": progress.done, **(progress.metrics or {})}
            entry["seconds"] = now - begun
            begun = now
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        return progress

    return relayed(training, write)


def _card(
    recipe: Recipe | PublishedRecipe,
    architecture: str,
    config: dict[str, Any],
    landmarks: tuple[str, ...],
) -> dict[str, Any]:
    """Return what a model card says of a recipe, without what the training brought."""
    return {
        "name": recipe.name,
        "title": recipe.title,
        "version": importlib.metadata.version("napari-midrl"),
        "description": recipe.description,
        "architecture": architecture,
        "config": config,
        "landmarks": list(landmarks),
        "training": {
            "recipe": recipe.name,
            "data": recipe.data,
            "licence": recipe.licence,
            "versions": {
                "python": platform.python_version(),
                "torch": importlib.metadata.version("torch"),
            },
        },
        "intended_use": recipe.intended_use,
        "limits": recipe.limits,
    }


def _config_statement(recipe: Recipe | PublishedRecipe) -> dict[str, Any]:
    """Return what the card says of the file that the recipe's numbers come from."""
    return {} if recipe.source is None else {"config": recipe.source.statement()}


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
