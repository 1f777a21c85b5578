"""Q-values of every agent, action and voxel at once: the network of preset `midrl`.

The published network looks at one box and answers for one agent. A policy that
depends on the image around a position alone can be computed for all positions
together by convolutions, and an agent's step becomes a look-up. That is the design
here: an encoder with a feature pyramid (a coarse *global* part over the whole
volume) and a *fine* part over small cubes.

Departures from the published agent [1]_, and why:

- No frame history. The game is Markov in the position, so the exact policy needs
  none; cycles are settled by the end rule (see `agents.dense_search`).
- Scales are in millimeters, not voxels, so that anisotropic volumes are searched
  evenly.
- All agents share the encoder, as in the published 3D agent; their heads are one
  linear layer each instead of four.

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
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

N_ACTIONS = 6
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
        Millimeters per base unit; the finest step is half of it.
    channels
        Feature channels at levels 2, 4 and 8.
    fine_channels
        Feature channels of the fine part.
    head_channels
        Hidden channels before the Q-values.
    """

    n_landmarks: int
    base_mm: float
    channels: tuple[int, int, int] = (24, 48, 64)
    fine_channels: int = 32
    head_channels: int = 64

    def __post_init__(self) -> None:
        if self.n_landmarks < 1 or not 0 < self.base_mm < float("inf"):
            msg = f"need a landmark and a positive, finite base_mm, got {self}"
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


@dataclass(frozen=True)
class QField:
    """Q-values of n agents as functions of a continuous position.

    The last layer is linear, so it commutes with interpolation: the hidden maps are
    interpolated and the layer is applied at the positions asked for. That is equal
    to, and much cheaper than, interpolating a map per landmark and action.

    Parameters
    ----------
    hidden
        Shape (n or 1, channel, i, j, k); 1 where all agents share the map.
    weight, bias
        Last layer of each agent, shapes (n, action, channel) and (n, action).
    level
        Base units per voxel of the map.
    """

    hidden: Tensor
    weight: Tensor
    bias: Tensor
    level: int

    def __call__(self, positions: Tensor) -> Tensor:
        """Return Q-values, shape (n, n_positions, action), at (n, n_positions, 3)."""
        if len(self.hidden) == len(positions):
            seen = interpolate(self.hidden, positions, self.level)
        else:
            seen = interpolate(self.hidden, positions[None], self.level)[0]
        return torch.baddbmm(self.bias[:, None], seen, self.weight.transpose(1, 2))

    def only(self, agents: Tensor) -> QField:
        """Return the field of some agents that share one map."""
        return QField(self.hidden, self.weight[agents], self.bias[agents], self.level)


def interpolate(maps: Tensor, positions: Tensor, level: int) -> Tensor:
    """Return maps interpolated trilinearly at positions.

    Parameters
    ----------
    maps
        Shape (n, channel, i, j, k), voxels of `level` base units.
    positions
        Base units, shape (n, *any, 3), order (i, j, k); outside the map its border
        value counts.
    level
        Base units per voxel.

    Returns
    -------
    values
        Shape (n, *any, channel), float32.
    """
    n_voxels = torch.tensor(maps.shape[2:], device=positions.device)
    index = (positions - (level - 1) / 2) / level
    # grid_sample counts from -1 to 1 over the outer faces, last axis first.
    unit = ((2 * index + 1) / n_voxels - 1).flip(-1)
    points = unit.reshape(len(maps), 1, 1, -1, 3)
    sampled = functional.grid_sample(
        maps, points, padding_mode="border", align_corners=False
    )
    values = sampled[:, :, 0, 0].transpose(1, 2)
    return values.reshape(*positions.shape[:-1], maps.shape[1])


class QHead(nn.Module):
    """One linear layer per agent, from hidden channels to Q-values."""

    def __init__(self, n_landmarks: int, n_hidden: int) -> None:
        super().__init__()
        # Values near 0 at the start: the first targets are then the rewards
        # themselves, and the horizon grows as bootstrapping spreads.
        self.weight = nn.Parameter(0.02 * torch.randn(n_landmarks, N_ACTIONS, n_hidden))
        self.bias = nn.Parameter(torch.zeros(n_landmarks, N_ACTIONS))

    def field(self, hidden: Tensor, landmarks: Tensor, level: int) -> QField:
        """Return the Q-values of some agents over hidden maps."""
        weight, bias = self.weight[landmarks], self.bias[landmarks]
        return QField(hidden.float(), weight, bias, level)


def space_to_depth(volume: Tensor) -> Tensor:
    """Return (n, 8 c, i/2, j/2, k/2) from (n, c, i, j, k): 2x2x2 blocks as channels."""
    n, c, i, j, k = volume.shape
    blocks = volume.reshape(n, c, i // 2, 2, j // 2, 2, k // 2, 2)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(
        n, 8 * c, i // 2, j // 2, k // 2
    )


class _ConvBlock(nn.Sequential):
    """3x3x3 convolution, group normalization, leaky ReLU."""

    def __init__(self, n_in: int, n_out: int, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv3d(n_in, n_out, 3, padding=dilation, dilation=dilation),
            nn.GroupNorm(4, n_out),
            nn.LeakyReLU(0.01),
        )


class _GlobalPart(nn.Module):
    """Encoder and feature pyramid over the whole volume."""

    def __init__(self, config: DenseQConfig) -> None:
        super().__init__()
        c2, c4, c8 = config.channels
        self.enter = nn.Sequential(_ConvBlock(8, c2), _ConvBlock(c2, c2))
        self.down_4 = nn.Sequential(_ConvBlock(c2, c4), _ConvBlock(c4, c4))
        # Dilation widens what one voxel sees to about +-70 base units, enough to
        # tell a left from a right knee and one vertebra from the next.
        self.down_8 = nn.Sequential(
            _ConvBlock(c4, c8),
            _ConvBlock(c8, c8, dilation=2),
            _ConvBlock(c8, c8, dilation=2),
            _ConvBlock(c8, c8),
        )
        self.lateral_4 = nn.Conv3d(c4, c4, 1)
        self.lateral_2 = nn.Conv3d(c2, c2, 1)
        self.up_4 = nn.Conv3d(c8, c4, 1)
        self.up_2 = nn.Conv3d(c4, c2, 1)
        self.mix_4 = _ConvBlock(c4, c4)
        self.mix_2 = _ConvBlock(c2, c2)
        self.hidden_4 = _hidden(c4, config.head_channels)
        self.hidden_2 = _hidden(c2, config.head_channels)
        self.head_4 = QHead(config.n_landmarks, config.head_channels)
        self.head_2 = QHead(config.n_landmarks, config.head_channels)

    def forward(self, volume: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return hidden maps at levels 4 and 2, and level-2 features."""
        x2 = self.enter(space_to_depth(volume))
        x4 = self.down_4(functional.avg_pool3d(x2, 2))
        x8 = self.down_8(functional.avg_pool3d(x4, 2))
        y4 = self.mix_4(self.lateral_4(x4) + _double(self.up_4(x8)))
        y2 = self.mix_2(self.lateral_2(x2) + _double(self.up_2(y4)))
        return self.hidden_4(y4), self.hidden_2(y2), y2


class _FinePart(nn.Module):
    """Q-values at steps of one and one half base unit, inside small cubes.

    Group statistics depend on where a cube is cut; that is harmless as long as cubes
    of one size are cut around landmarks in training and in search alike.
    """

    def __init__(self, config: DenseQConfig) -> None:
        super().__init__()
        c = config.fine_channels
        self.enter = _ConvBlock(8, config.channels[0])
        self.mix = _ConvBlock(2 * config.channels[0], c)
        self.residual = _ConvBlock(c, c, dilation=2)
        self.hidden = _hidden(c, config.head_channels)
        self.head_one = QHead(config.n_landmarks, config.head_channels)
        self.head_half = QHead(config.n_landmarks, config.head_channels)

    def forward(self, cubes: Tensor, context: Tensor) -> Tensor:
        """Return hidden maps of cubes (n, 1, ...) given on the half-unit grid."""
        x = self.enter(space_to_depth(cubes))
        x = self.mix(torch.cat([x, context], dim=1))
        hidden: Tensor = self.hidden(x + self.residual(x))
        return hidden


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
        self.fine_part = _FinePart(config)

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
        hidden_4, hidden_2, features = part(batch)
        everyone = torch.arange(self.config.n_landmarks, device=volume.device)
        fields = (
            part.head_4.field(hidden_4, everyone, level=4),
            part.head_2.field(hidden_2, everyone, level=2),
        )
        return GlobalMaps(fields, features.float())

    def refine(
        self, cubes: Tensor, features: Tensor, corners: Tensor, landmarks: Tensor
    ) -> tuple[QField, QField]:
        """Return Q-values inside small cubes, one landmark each.

        Parameters
        ----------
        cubes
            Normalized intensities on a grid of half base units, shape
            (n, i, j, k), even numbers.
        features
            `GlobalMaps.features`.
        corners
            Base position of the center of each cube's first 2x2x2 block, shape
            (n, 3); the fields' positions count from there.
        landmarks
            Which agent looks at which cube, shape (n,), int.

        Returns
        -------
        fields
            At steps of one and of one half base unit.
        """
        axes = [torch.arange(n // 2, device=cubes.device) for n in cubes.shape[1:]]
        blocks = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        positions = corners[:, None, None, None] + blocks
        context = interpolate(features, positions[None], level=2)[0]
        batch = cubes[:, None].contiguous(memory_format=torch.channels_last_3d)
        hidden = self.fine_part(batch, context.permute(0, 4, 1, 2, 3))
        part = self.fine_part
        return (
            part.head_one.field(hidden, landmarks, level=1),
            part.head_half.field(hidden, landmarks, level=1),
        )


def _hidden(n_in: int, n_hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv3d(n_in, n_hidden, 1), nn.LeakyReLU(0.01))


def _double(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2, mode="trilinear")
