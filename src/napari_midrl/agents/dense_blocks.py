"""Blocks that the dense networks are made of, and how their maps are looked up.

Lengths are in base units. A map of level m has voxels of m base units; its voxel s is
centered at base position s m + (m - 1) / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

N_ACTIONS = 6
_CORNERS = torch.tensor([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])


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


class Conv(nn.Conv3d):
    """Convolution that is fast in searches on the CPU.

    For one image with few channels and slices torch takes a kernel of its own that is
    four times slower than the one of oneDNN, which it takes for batches.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Return the convolved maps."""
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


class ConvBlock(nn.Sequential):
    """3x3x3 convolution, group normalization, leaky ReLU."""

    def __init__(self, n_in: int, n_out: int, dilation: int = 1) -> None:
        super().__init__(
            Conv(n_in, n_out, 3, padding=dilation, dilation=dilation),
            nn.GroupNorm(4, n_out),
            nn.LeakyReLU(0.01),
        )


def channels_last_maps(maps: Tensor) -> Tensor:
    """Return maps in the memory order of look-ups, which would copy them each time."""
    return maps.contiguous(memory_format=torch.channels_last_3d)


def halving(n_in: int, n_out: int) -> nn.Conv3d:
    """Return a layer that makes one voxel of eight."""
    return Conv(n_in, n_out, kernel_size=2, stride=2)


def doubled(maps: Tensor) -> Tensor:
    """Return maps of twice as many voxels along each axis, interpolated."""
    # Autocast would turn the maps to float32 and back for this, which takes longer
    # than the interpolation itself.
    with torch.autocast(maps.device.type, enabled=False):
        return functional.interpolate(maps, scale_factor=2, mode="trilinear")
