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

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from napari_midrl.agents.dense_scales import (
    COARSE_SCALES,
    DETAIL,
    FINE,
    closeups_of,
    last_scales,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_midrl.agents.dense_scales import Closeup, Scale

N_ACTIONS = 6
_CORNERS = torch.tensor([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])

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
    """

    n_landmarks: int
    base_mm: float
    channels: tuple[int, int, int] = (32, 64, 96)
    fine_channels: int = 48
    n_hidden: int = 64
    has_detail: bool = False

    @property
    def closeups(self) -> tuple[Closeup, ...]:
        """Cubes its agents look into, in their order."""
        return closeups_of(has_detail=self.has_detail)

    @property
    def scales(self) -> tuple[Scale, ...]:
        """Scales of a search, in the order they are played."""
        scales = [*COARSE_SCALES]
        for closeup in self.closeups:
            scales += closeup.scales
        return (*scales, *last_scales(scales[-1]))

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

    Feature maps are interpolated and a small network is applied at the positions
    asked for: much cheaper than a map of Q-values per landmark and action.

    Parameters
    ----------
    features
        Shape (n or 1, channel, i, j, k); 1 where all agents share the map.
    hidden
        Layer from channels to hidden units, shared by all agents.
    weight, bias
        Last layer of each agent, shapes (n, action, unit) and (n, action).
    level
        Base units per voxel of the map.
    """

    features: Tensor
    hidden: nn.Module
    weight: Tensor
    bias: Tensor
    level: float

    def __call__(self, positions: Tensor) -> Tensor:
        """Return Q-values, shape (n, n_positions, action), at (n, n_positions, 3)."""
        if len(self.features) == len(positions):
            seen = interpolate(self.features, positions, self.level)
        else:
            seen = interpolate(self.features, positions[None], self.level)[0]
        units = self.hidden(seen)
        return torch.baddbmm(self.bias[:, None], units, self.weight.transpose(1, 2))

    def only(self, agents: Tensor) -> QField:
        """Return the field of some agents that share one map."""
        return replace(self, weight=self.weight[agents], bias=self.bias[agents])


def interpolate(maps: Tensor, positions: Tensor, level: float) -> Tensor:
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
    n, n_channels, *shape = maps.shape
    last = torch.tensor(shape, device=positions.device) - 1
    index = ((positions - (level - 1) / 2) / level).reshape(n, -1, 3)
    index = torch.minimum(index.clamp(min=0), last)
    corner = torch.minimum(index.floor().long(), (last - 1).clamp(min=0))
    part = index - corner
    strides = torch.tensor([shape[1] * shape[2], shape[2], 1], device=positions.device)
    # One voxel along an axis has no second corner; its share is zero, too.
    reach = strides * (last > 0)
    first = (corner * strides).sum(dim=-1)
    first = first + math.prod(shape) * torch.arange(n, device=first.device)[:, None]
    rows = first[..., None] + (_CORNERS.to(reach.device) * reach).sum(dim=-1)
    shares = torch.stack([1 - part, part], dim=-1)
    x, y, z = shares.unbind(dim=-2)
    weights = x[..., :, None, None] * y[..., None, :, None] * z[..., None, None, :]
    # A voxel's channels lie side by side in memory, and eight weighted rows are one
    # bag: several times faster than grid_sample, which takes channel by channel.
    values = functional.embedding_bag(
        rows.reshape(-1, 8),
        maps.permute(0, 2, 3, 4, 1).reshape(-1, n_channels),
        per_sample_weights=weights.reshape(-1, 8),
        mode="sum",
    )
    return values.reshape(*positions.shape[:-1], n_channels)


class QHead(nn.Module):
    """Two layers from features to Q-values; the last is each agent's own."""

    def __init__(self, n_landmarks: int, n_channels: int, n_hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(n_channels, n_hidden), nn.LeakyReLU(0.01))
        # Values near 0 at the start: the first targets are then the rewards
        # themselves, and the horizon grows as bootstrapping spreads.
        self.weight = nn.Parameter(0.02 * torch.randn(n_landmarks, N_ACTIONS, n_hidden))
        self.bias = nn.Parameter(torch.zeros(n_landmarks, N_ACTIONS))

    def field(self, features: Tensor, landmarks: Tensor, level: float) -> QField:
        """Return the Q-values of some agents over feature maps."""
        weight, bias = self.weight[landmarks], self.bias[landmarks]
        return QField(features, self.hidden, weight, bias, level)


def space_to_depth(volume: Tensor) -> Tensor:
    """Return (n, 8 c, i/2, j/2, k/2) from (n, c, i, j, k): 2x2x2 blocks as channels."""
    n, c, i, j, k = volume.shape
    blocks = volume.reshape(n, c, i // 2, 2, j // 2, 2, k // 2, 2)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(
        n, 8 * c, i // 2, j // 2, k // 2
    )


class _Conv(nn.Conv3d):
    """Convolution that is fast in searches on the CPU.

    For one image with few channels and slices torch takes a kernel of its own that is
    four times slower than the one of oneDNN, which it takes for batches.
    """

    def forward(self, maps: Tensor) -> Tensor:
        is_chosen = (
            torch.is_inference_mode_enabled()
            and maps.device.type == "cpu"
            and maps.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and torch.backends.mkldnn.is_available()
        )
        if not is_chosen:
            return super().forward(maps)
        padding, stride, dilation = self.padding, self.stride, self.dilation
        assert not isinstance(padding, str)
        return torch.mkldnn_convolution(
            maps, self.weight, self.bias, padding, stride, dilation, self.groups
        )


class _ConvBlock(nn.Sequential):
    """3x3x3 convolution, group normalization, leaky ReLU."""

    def __init__(self, n_in: int, n_out: int, dilation: int = 1) -> None:
        super().__init__(
            _Conv(n_in, n_out, 3, padding=dilation, dilation=dilation),
            nn.GroupNorm(4, n_out),
            nn.LeakyReLU(0.01),
        )


class _GlobalPart(nn.Module):
    """Encoder and feature pyramid over the whole volume."""

    def __init__(self, config: DenseQConfig) -> None:
        super().__init__()
        c2, c4, c8 = config.channels
        self.enter = nn.Sequential(_ConvBlock(8, c2), _ConvBlock(c2, c2))
        self.down_4 = nn.Sequential(
            _halving(c2, c4), _ConvBlock(c4, c4), _ConvBlock(c4, c4)
        )
        # Dilation widens what one voxel sees to about +-70 base units, enough to
        # tell a left from a right knee and one vertebra from the next. A deeper
        # stack with a dilation of 4 learned more slowly.
        self.down_8 = nn.Sequential(
            _halving(c4, c8),
            _ConvBlock(c8, c8),
            _ConvBlock(c8, c8, dilation=2),
            _ConvBlock(c8, c8, dilation=2),
            _ConvBlock(c8, c8),
        )
        self.lateral_4 = _Conv(c4, c4, 1)
        self.lateral_2 = _Conv(c2, c2, 1)
        self.up_4 = _Conv(c8, c4, 1)
        self.up_2 = _Conv(c4, c2, 1)
        self.mix_4 = _ConvBlock(c4, c4)
        self.mix_2 = _ConvBlock(c2, c2)
        self.head_4 = QHead(config.n_landmarks, c4, config.n_hidden)
        self.head_2 = QHead(config.n_landmarks, c2, config.n_hidden)

    def forward(self, volume: Tensor) -> tuple[Tensor, Tensor]:
        """Return features at levels 4 and 2."""
        x2 = self.enter(space_to_depth(volume))
        x4 = self.down_4(x2)
        x8 = self._deepest(x4)
        y4 = self.mix_4(self.lateral_4(x4) + _double(self.up_4(x8)))
        y2 = self.mix_2(self.lateral_2(x2) + _double(self.up_2(y4)))
        return _channels_last(y4.float()), _channels_last(y2.float())

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
        self.enter = _ConvBlock(8, n_enter)
        self.mix = _ConvBlock(n_enter + n_context, c)
        self.residual = nn.Sequential(_ConvBlock(c, c), _ConvBlock(c, c))
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
        return _channels_last(features.float())

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


def _lattice(cubes: Tensor, level: float) -> Tensor:
    """Return where a cube's features lie, from its first base voxel; (i, j, k, 3)."""
    axes = [torch.arange(n // 2, device=cubes.device) for n in cubes.shape[1:]]
    index = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    return index * level + (level - 1) / 2


def _channels_last(maps: Tensor) -> Tensor:
    """Return maps in the memory order of look-ups, which would copy them each time."""
    return maps.contiguous(memory_format=torch.channels_last_3d)


def _halving(n_in: int, n_out: int) -> nn.Conv3d:
    return _Conv(n_in, n_out, kernel_size=2, stride=2)


def _double(maps: Tensor) -> Tensor:
    # Autocast would turn the maps to float32 and back for this, which takes longer
    # than the interpolation itself.
    with torch.autocast(maps.device.type, enabled=False):
        return functional.interpolate(maps, scale_factor=2, mode="trilinear")
