"""Which device a search runs on."""

from __future__ import annotations

import torch

from napari_midrl.errors import SearchError


def pick_device(wanted: str) -> str:
    """Return the torch device to use: a GPU for "auto" where there is one.

    Raises
    ------
    SearchError
        If the device asked for is not there.
    """
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=wanted)
    except (RuntimeError, AssertionError) as error:
        msg = f"device {wanted!r} cannot be used: {error}"
        raise SearchError(msg) from error
    return wanted
