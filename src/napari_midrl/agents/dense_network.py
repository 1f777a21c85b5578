"""Q-values of every agent, action and voxel at once: the network of preset `midrl`.

The published network looks at one box and answers for one agent. A policy that
depends on the image around a position alone can be computed for all positions
together by convolutions, and an agent's step becomes a look-up. That is the design
here: an encoder with a feature pyramid (a coarse *global* part over the whole
volume) and a *fine* part over small cubes; agents of large organs have an *organ* part
over larger ones instead.

Departures from the published agent [1]_, and why:

- No frame history. The game is Markov in the position, so the exact policy needs
  none; cycles are settled by the end rule (see `agents.dense_search`).
- Scales are in millimeters, not voxels, so that anisotropic volumes are searched
  evenly.
- All agents share the encoder, as in the published 3D agent, and a hidden layer;
  their own is one linear layer each instead of four.

Lengths inside are in *base units*: one base unit is `base_mm` millimeters. A level
m has voxels of m base units; its voxel s is centered at base position
s m + (m - 1) / 2.

References
----------
.. [1] Parekh et al. (2020), Proc. MIDL, PMLR 121, 588-600,
   https://proceedings.mlr.press/v121/parekh20a.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from napari_midrl.agents.dense_blocks import (
    Conv,
    ConvBlock,
    QField,
    QHead,
    channels_last_maps,
    doubled,
    halving,
    interpolate,
    space_to_depth,
)
from napari_midrl.agents.dense_scales import (
    COARSE_SCALES,
    DETAIL,
    FINE,
    ORGAN,
    closeups_of,
    last_scales,
)
from napari_midrl.agents.organ_part import OrganPart

if TYPE_CHECKING:
    from torch import Tensor

    from napari_midrl.agents.dense_scales import Closeup, Scale


COARSEST_LEVEL = 8
"""Base units per voxel of the deepest level; volumes are padded to multiples."""


@dataclass(frozen=True)
class DenseQConfig:
    """Architecture of a `DenseQNetwork`.

    Parameters
    ----------
    n_landmarks
        Agents, one per landmark.
    base_mm
        Millimeters per base unit.
    channels
        Feature channels at levels 2, 4 and 8.
    fine_channels
        Feature channels of the fine part, and of the detail part.
    n_hidden
        Hidden units before the Q-values.
    has_detail
        Whether agents look once more, at a quarter of a base unit.
    organs
        Organs that are seen as a whole, each by the numbers of its landmark and, if
        there is one, of its partner on the right, which is seen mirrored: one agent
        learns both. Only where agents look at details.
    organ_channels
        Feature channels of the organ part at levels 1, 2 and 4.
    """

    n_landmarks: int
    base_mm: float
    channels: tuple[int, int, int] = (32, 64, 96)
    fine_channels: int = 48
    n_hidden: int = 64
    has_detail: bool = False
    organs: tuple[tuple[int, ...], ...] = ()
    organ_channels: tuple[int, int, int] = (32, 48, 64)

    @property
    def closeups(self) -> tuple[Closeup, ...]:
        """Cubes its agents look into, in their order; those of organs see others."""
        return closeups_of(has_detail=self.has_detail)

    @property
    def scales(self) -> tuple[Scale, ...]:
        """Scales of a search, in the order they are played."""
        return self.scales_of(None)

    @property
    def of_organs(self) -> tuple[int, ...]:
        """Landmarks that are sought by seeing an organ as a whole."""
        return tuple(number for organ in self.organs for number in organ)

    def scales_of(self, landmark: int | None) -> tuple[Scale, ...]:
        """Return the scales of the search for a landmark; None is any but organs.

        Steps are those of all others; what agents of organs look at is larger.
        """
        of_organ = landmark in self.of_organs
        scales = [*COARSE_SCALES]
        for closeup in closeups_of(has_detail=self.has_detail, of_organ=of_organ):
            scales += closeup.scales
        return (*scales, *last_scales(scales[-1]))

    def __post_init__(self) -> None:
        if self.n_landmarks < 1 or not 0 < self.base_mm < float("inf"):
            msg = f"need a landmark and a positive, finite base_mm, got {self}"
            raise ValueError(msg)
        # A card is JSON, which knows lists alone.
        object.__setattr__(self, "organs", tuple(tuple(pair) for pair in self.organs))
        numbers = self.of_organs
        if (
            any(not 1 <= len(pair) <= 2 for pair in self.organs)
            or len(set(numbers)) < len(numbers)
            or not set(numbers) <= set(range(self.n_landmarks))
            or (numbers and not self.has_detail)
        ):
            msg = (
                f"organs must be landmarks, 0 to {self.n_landmarks - 1}, alone or with "
                f"a partner, each once, of agents with detail, got {self.organs}"
            )
            raise ValueError(msg)


@dataclass(frozen=True)
class GlobalMaps:
    """What the global part says about one volume.

    Parameters
    ----------
    fields
        Q-values at the coarse scales, coarsest first.
    features
        Level-2 features for the fine part, shape (1, channel, i, j, k).
    """

    fields: tuple[QField, QField]
    features: Tensor


class _GlobalPart(nn.Module):
    """Encoder and feature pyramid over the whole volume."""

    def __init__(self, config: DenseQConfig) -> None:
        super().__init__()
        c2, c4, c8 = config.channels
        self.enter = nn.Sequential(ConvBlock(8, c2), ConvBlock(c2, c2))
        self.down_4 = nn.Sequential(
            halving(c2, c4), ConvBlock(c4, c4), ConvBlock(c4, c4)
        )
        # Dilation widens what one voxel sees to about +-70 base units, enough to
        # tell a left from a right knee and one vertebra from the next. A deeper
        # stack with a dilation of 4 learned more slowly.
        self.down_8 = nn.Sequential(
            halving(c4, c8),
            ConvBlock(c8, c8),
            ConvBlock(c8, c8, dilation=2),
            ConvBlock(c8, c8, dilation=2),
            ConvBlock(c8, c8),
        )
        self.lateral_4 = Conv(c4, c4, 1)
        self.lateral_2 = Conv(c2, c2, 1)
        self.up_4 = Conv(c8, c4, 1)
        self.up_2 = Conv(c4, c2, 1)
        self.mix_4 = ConvBlock(c4, c4)
        self.mix_2 = ConvBlock(c2, c2)
        self.head_4 = QHead(config.n_landmarks, c4, config.n_hidden)
        self.head_2 = QHead(config.n_landmarks, c2, config.n_hidden)

    def forward(self, volume: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at levels 4 and 2."""
        x2 = self.enter(space_to_depth(volume))
        x4 = self.down_4(x2)
        x8 = self._deepest(x4)
        y4 = self.mix_4(self.lateral_4(x4) + doubled(self.up_4(x8)))
        y2 = self.mix_2(self.lateral_2(x2) + doubled(self.up_2(y4)))
        return channels_last_maps(y4.float()), channels_last_maps(y2.float())

    def _deepest(self, x4: Tensor) -> Tensor:
        """Return features at level 8.

        Thin volumes are seen in float32: where maps have two voxels along the first
        axis, the weight gradient of a bfloat16 convolution comes from memory nobody
        wrote (oneDNN 3.12 as in torch 2.13, CPU): mostly wrong numbers, at times NaN.
        """
        is_thin = x4.shape[2] <= 4
        lowered = torch.is_autocast_enabled(x4.device.type) and not is_thin
        with torch.autocast(x4.device.type, torch.bfloat16, enabled=lowered):
            x8: Tensor = self.down_8(x4.float() if is_thin else x4)
        return x8


class _ClosePart(nn.Module):
    """Q-values at steps of one and of one half feature voxel, inside small cubes.

    Group statistics depend on where a cube is cut; that is harmless as long as cubes
    of one size are cut around landmarks in training and in search alike.
    """

    def __init__(self, config: DenseQConfig, n_context: int) -> None:
        super().__init__()
        n_enter, c = config.channels[0], config.fine_channels
        self.enter = ConvBlock(8, n_enter)
        self.mix = ConvBlock(n_enter + n_context, c)
        self.residual = nn.Sequential(ConvBlock(c, c), ConvBlock(c, c))
        self.head_one = QHead(config.n_landmarks, c, config.n_hidden)
        self.head_half = QHead(config.n_landmarks, c, config.n_hidden)

    def forward(self, cubes: Tensor, context: Tensor) -> Tensor:
        """Return features of cubes, shape (n, channel, i/2, j/2, k/2).

        Parameters
        ----------
        cubes
            Normalized intensities, shape (n, i, j, k), even numbers.
        context
            What an earlier part saw at the features' positions, shape
            (n, i/2, j/2, k/2, channel).
        """
        batch = cubes[:, None].contiguous(memory_format=torch.channels_last_3d)
        x = self.enter(space_to_depth(batch))
        x = self.mix(torch.cat([x, context.permute(0, 4, 1, 2, 3)], dim=1))
        features: Tensor = x + self.residual(x)
        return channels_last_maps(features.float())

    def fields(
        self, features: Tensor, landmarks: Tensor, level: float
    ) -> tuple[QField, QField]:
        """Return Q-values of one landmark per cube."""
        return (
            self.head_one.field(features, landmarks, level),
            self.head_half.field(features, landmarks, level),
        )


class DenseQNetwork(nn.Module):
    """Q-networks of all agents of a pack.

    Parameters
    ----------
    config
        Architecture.
    """

    def __init__(self, config: DenseQConfig) -> None:
        super().__init__()
        self.config = config
        self.global_part = _GlobalPart(config)
        self.fine_part = _ClosePart(config, config.channels[0])
        if config.has_detail:
            self.detail_part = _ClosePart(config, config.fine_channels)
        if config.organs:
            self.organ_part = OrganPart(config)

    def encode(self, volume: Tensor) -> GlobalMaps:
        """Return Q-maps of one whole volume.

        Parameters
        ----------
        volume
            Normalized intensities on the base grid, shape (i, j, k), each a multiple
            of `COARSEST_LEVEL`.
        """
        if any(n % COARSEST_LEVEL for n in volume.shape):
            msg = f"shape must be multiples of {COARSEST_LEVEL}, got {volume.shape}"
            raise ValueError(msg)
        batch = volume[None, None].contiguous(memory_format=torch.channels_last_3d)
        part = self.global_part
        features_4, features_2 = part(batch)
        everyone = torch.arange(self.config.n_landmarks, device=volume.device)
        fields = (
            part.head_4.field(features_4, everyone, level=4),
            part.head_2.field(features_2, everyone, level=2),
        )
        return GlobalMaps(fields, features_2)

    def refine(
        self, cubes: Tensor, features: Tensor, corners: Tensor, landmarks: Tensor
    ) -> tuple[QField, QField]:
        """Return Q-values inside `FINE` cubes, one landmark each.

        Parameters
        ----------
        cubes
            Normalized intensities, shape (n, i, j, k), even numbers.
        features
            `GlobalMaps.features`.
        corners
            Base position of each cube's first base voxel, shape (n, 3); the fields'
            positions count from there.
        landmarks
            Which agent looks at which cube, shape (n,), int.

        Returns
        -------
        fields
            At the scales of `FINE`.
        """
        positions = corners[:, None, None, None] + _lattice(cubes, FINE.level)
        context = interpolate(features, positions[None], level=2)[0]
        seen = self.fine_part(cubes, context)
        return self.fine_part.fields(seen, landmarks, FINE.level)

    def look_at_detail(
        self, cubes: Tensor, fine: Tensor, corners: Tensor, landmarks: Tensor
    ) -> tuple[QField, QField]:
        """Return Q-values inside `DETAIL` cubes, each inside a fine one.

        Parameters
        ----------
        cubes, landmarks
            As for `refine`.
        fine
            Features of the fine cubes around, as `refine` returns them.
        corners
            As for `refine`, but counted from the corner of the fine cube.

        Returns
        -------
        fields
            At the scales of `DETAIL`.
        """
        positions = corners[:, None, None, None] + _lattice(cubes, DETAIL.level)
        context = interpolate(fine, positions, level=FINE.level)
        seen = self.detail_part(cubes, context)
        return self.detail_part.fields(seen, landmarks, DETAIL.level)

    def look_at_organs(
        self, cubes: Tensor, landmarks: Tensor
    ) -> tuple[QField, QField, QField]:
        """Return Q-values inside cubes that show organs as a whole.

        Parameters
        ----------
        cubes
            Normalized intensities, shape (n, i, j, k), multiples of 8; positions
            count from their first base voxels.
        landmarks
            Which agent looks at which cube, shape (n,), int; of `config.of_organs`.

        Returns
        -------
        fields
            At the scales of `ORGAN`, and at the last of `ORGAN_DETAIL`.
        """
        seen_by = {
            landmark: (organ, place == 1)
            for organ, pair in enumerate(self.config.organs)
            for place, landmark in enumerate(pair)
        }
        found = [seen_by[landmark] for landmark in landmarks.tolist()]
        organs = torch.tensor([organ for organ, _ in found], device=cubes.device)
        mirrored = torch.tensor([flip for _, flip in found], device=cubes.device)
        features = self.organ_part(cubes, mirrored)
        return self.organ_part.fields(features, organs, mirrored, ORGAN.level)


def _lattice(cubes: Tensor, level: float) -> Tensor:
    """Return where a cube's features lie, from its first base voxel; (i, j, k, 3)."""
    axes = [torch.arange(n // 2, device=cubes.device) for n in cubes.shape[1:]]
    index = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    return index * level + (level - 1) / 2
