"""The numbers agents learn with: bfloat16 where the processor computes with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

NATIVE = ("avx512_bf16", "amx_bf16")
"""Instructions of x86 processors for it; on others nothing has been measured."""


def has_bfloat16() -> bool:
    """Return whether this processor has instructions for convolutions in bfloat16.

    Where it has none, libraries convert to float32 and back, and convolutions take two
    to three times as long as in float32. Versions of torch that cannot tell count as
    processors that have none.
    """
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in NATIVE)


def lowered() -> torch.autocast:
    """Return a context in which convolutions compute in bfloat16 if that is faster.

    It is decided by what the processor is and not by a measurement, so that two runs
    with one seed agree.
    """
    return torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16())
