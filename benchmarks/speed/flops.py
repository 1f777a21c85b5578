"""Counting floating-point operations from the shapes of layers."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


class FlopCount:
    """Operations counted so far; a multiplication and an addition are two."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, layer: nn.Module, _inputs: tuple[Tensor, ...], out: Tensor) -> None:
        """Count one pass of a layer. Biases, norms and activations do not count."""
        if isinstance(layer, nn.Linear):
            self.total += 2 * out.numel() * layer.in_features
        elif isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            per_group = layer.in_channels // layer.groups
            self.total += 2 * out.numel() * per_group * math.prod(layer.kernel_size)


@contextmanager
def counted_flops(network: nn.Module) -> Iterator[FlopCount]:
    """Count the operations of a network's convolutions and linear layers."""
    count = FlopCount()
    hooks = [layer.register_forward_hook(count.add) for layer in network.modules()]
    try:
        yield count
    finally:
        for hook in hooks:
            hook.remove()
