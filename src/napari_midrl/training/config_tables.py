"""What may stand in the config file of a recipe.

Every table is that of a dataclass, whose docstring says what its keys mean. A key that
is left out has the dataclass's default.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from napari_midrl.agents.dense_learning import Targets
from napari_midrl.agents.dense_network import DenseQConfig
from napari_midrl.agents.presets import Preset
from napari_midrl.errors import InputError
from napari_midrl.training.config_file import ConfigFile, Table
from napari_midrl.training.dense_loop import DenseTrainingSettings, Part
from napari_midrl.training.views import ViewSettings

# Strict, since `n_starts = true` or `base_mm = "8"` is a mistake.
Count = Annotated[int, Field(strict=True, ge=1)]
CountOrNone = Annotated[int, Field(strict=True, ge=0)]
Switch = Annotated[bool, Field(strict=True)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Amount = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Limit = Annotated[float, Field(strict=True, gt=0)]
"""May be `inf`."""
Edges = tuple[Limit, Limit, Limit]
Range = tuple[Positive, Positive]


def _in_order(extents: tuple[Edges, Edges]) -> tuple[Edges, Edges]:
    if any(small > large for small, large in zip(*extents, strict=True)):
        msg = "the smallest edges must not be longer than the largest"
        raise ValueError(msg)
    return extents


def _rising(thickness: Range) -> Range:
    if thickness[0] > thickness[1]:
        msg = "the thinnest must not be thicker than the thickest"
        raise ValueError(msg)
    return thickness


def _divides_the_steps(n_episodes: int) -> int:
    if Preset.steps_per_update % n_episodes:
        msg = f"must divide {Preset.steps_per_update}, the steps per update"
        raise ValueError(msg)
    return n_episodes


class NetworkTable(Table):
    """Table of `DenseQConfig`; landmarks are the recipe's."""

    base_mm: Positive
    channels: tuple[Count, Count, Count] | None = None
    fine_channels: Count | None = None
    n_hidden: Count | None = None
    has_detail: Switch | None = None
    organs: tuple[tuple[CountOrNone, ...], ...] | None = None
    organ_channels: tuple[Count, Count, Count] | None = None


class RuleTable(Table):
    """Table of `Targets`."""

    discount: Annotated[float, Field(strict=True, ge=0, lt=1)] | None = None
    n_rewards: Count | None = None
    double: Switch | None = None


class ViewTable(Table):
    """Table of `ViewSettings`."""

    rotation_degrees: Amount | None = None
    scale: Amount | None = None
    elastic_mm: Amount | None = None
    elastic_grid_mm: Positive | None = None
    extent_mm: Annotated[tuple[Edges, Edges], AfterValidator(_in_order)] | None = None
    whole_share: Share | None = None
    whole_extent_mm: Edges | None = None
    whole_margin: Amount | None = None
    shift_mm: Amount | None = None
    landmark_share: Share | None = None
    centered: tuple[CountOrNone, ...] | None = None
    body_share: Share | None = None
    likeness: Share | None = None
    planned_share: Share | None = None
    planned: tuple[tuple[CountOrNone, Positive, Positive, Positive], ...] | None = None
    planned_shift_mm: Amount | None = None
    slab_share: Share | None = None
    slab_mm: Annotated[Range, AfterValidator(_rising)] | None = None
    remap_share: Share | None = None
    blur_mm: Amount | None = None
    noise: Amount | None = None
    bias: Amount | None = None


class StageTable(Table):
    """Table of `DenseTrainingSettings`; the seed is that of the training."""

    n_updates: Count
    n_starts: Count | None = None
    n_fine_landmarks: Count | None = None
    learning_rate: Positive | None = None
    weight_decay: Amount | None = None
    follow_rate: Share | None = None
    checkpoint_every: Count | None = None
    outside_weight: Amount | None = None
    absent_weight: Amount | None = None
    learns: Part | None = None
    rule: RuleTable = RuleTable()
    view: ViewTable = ViewTable()


class ArrangementTable(Table):
    """How a turned patient is searched upright: see `Recipe` and `agents.upright`."""

    turn_gain: Annotated[Positive, Field(ge=1)]
    max_looks: Annotated[Count, Field(le=20)] = 8
    prior_share: Share = 0.0


class DenseTable(Table):
    """Config file of a `Recipe`.

    `rule` and `view` hold for every stage; a stage's own go before them, key by key.
    """

    network: NetworkTable
    rule: RuleTable = RuleTable()
    view: ViewTable = ViewTable()
    arrangement: ArrangementTable | None = None
    stage: Annotated[tuple[StageTable, ...], Field(min_length=1)]

    def network_of(self, n_landmarks: int, file: ConfigFile) -> DenseQConfig:
        """Return the architecture for so many agents.

        Raises
        ------
        InputError
            If the file names organs that so many agents do not have.
        """
        try:
            return DenseQConfig(n_landmarks=n_landmarks, **_given(self.network))
        except ValueError as error:
            msg = f"network: {error}"
            raise InputError(msg, file.path) from error

    def stages(self) -> tuple[DenseTrainingSettings, ...]:
        """Return the settings of every stage, in the order of the file."""
        return tuple(self._settings_of(stage) for stage in self.stage)

    def upright(self) -> dict[str, Any]:
        """Return the fields of a `Recipe` that turn a patient upright, if any."""
        return {} if self.arrangement is None else self.arrangement.model_dump()

    def _settings_of(self, stage: StageTable) -> DenseTrainingSettings:
        fields = _given(stage) | {
            "rule": Targets(**_given(self.rule) | _given(stage.rule)),
            "view": ViewSettings(**_given(self.view) | _given(stage.view)),
        }
        return DenseTrainingSettings(**fields)


class PublishedTable(Table):
    """Table `training` of a `PublishedRecipe`."""

    n_updates: Count
    n_episodes: Annotated[Count, AfterValidator(_divides_the_steps)]


def _given(table: Table) -> dict[str, Any]:
    """Return the keys that a file has."""
    return table.model_dump(exclude_unset=True)
