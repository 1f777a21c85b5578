"""Agents learn in bfloat16 only where the processor has it."""

import pytest
import torch

from napari_midrl.training.precision import has_bfloat16, lowered


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({"avx512_f": True, "avx512_bf16": True}, torch.bfloat16),
        ({"avx512_bf16": False, "amx_bf16": True}, torch.bfloat16),
        # Processors it has not been measured on.
        ({"architecture": "arm64", "bf16": True}, torch.float32),
    ],
)
def test_the_processor_decides(monkeypatch, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    convolution = torch.nn.Conv3d(8, 8, 3, padding=1)

    with lowered():
        maps = convolution(torch.zeros(1, 8, 4, 4, 4))

    assert maps.dtype == expected
    assert has_bfloat16() == (expected == torch.bfloat16)


def test_a_torch_that_cannot_tell_counts_as_without(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")

    assert not has_bfloat16()
