"""The whole state of a training in a folder: one JSON file and one of tensors.

``checkpoint.json`` names the tensor file it belongs to and is replaced last and
atomically, so a folder always holds one complete state, whenever the power fails. No
pickle is read or written.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from napari_midrl.errors import PackError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor, optim

CARD_NAME = "checkpoint.json"
FORMAT = "napari-midrl training 1"


def write_checkpoint(
    folder: Path, tensors: dict[str, Tensor], card: dict[str, object]
) -> None:
    """Write a state; the previous one stays until this one is complete.

    Parameters
    ----------
    folder
        Made if it is missing.
    tensors
        By name.
    card
        Anything JSON holds, with ``n_updates``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensor_file = f"state-{card['n_updates']}.safetensors"
    _replace(
        folder / tensor_file,
        lambda path: save_file(
            {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, path
        ),
    )
    text = json.dumps({"format": FORMAT, "tensors": tensor_file, **card}, indent=2)
    _replace(folder / CARD_NAME, lambda path: path.write_text(text + "\n", "utf-8"))
    for old in folder.glob("state-*.safetensors"):
        if old.name != tensor_file:
            old.unlink()


def read_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, object]] | None:
    """Return tensors and card, or None if the folder holds no state.

    Raises
    ------
    PackError
        If a file is damaged or of another format.
    """
    path = folder / CARD_NAME
    if not path.exists():
        return None
    try:
        card = json.loads(path.read_text("utf-8"))
        tensor_file = folder / card["tensors"]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"is not a training checkpoint: {error}"
        raise PackError(msg, path) from error
    if card.get("format") != FORMAT or tensor_file.parent != folder:
        msg = f"is not of the format {FORMAT!r}"
        raise PackError(msg, path)
    try:
        return load_file(tensor_file), card
    except (OSError, SafetensorError) as error:
        msg = f"cannot be read: {error}"
        raise PackError(msg, tensor_file) from error


def flatten(**groups: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of several groups as ``group/name``."""
    return {
        f"{group}/{name}": tensor
        for group, tensors in groups.items()
        for name, tensor in tensors.items()
    }


def group_of(tensors: dict[str, Tensor], group: str) -> dict[str, Tensor]:
    """Return one group of a flattened state, by name."""
    prefix = f"{group}/"
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def optimizer_tensors(optimizer: optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimizer's running averages as ``parameter.name``."""
    state: dict[int, dict[str, Tensor]] = optimizer.state_dict()["state"]
    return {
        f"{number}.{name}": tensor
        for number, tensors in state.items()
        for name, tensor in tensors.items()
    }


def restore_optimizer(optimizer: optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Give an optimizer the averages that `optimizer_tensors` returned."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".")
        state.setdefault(int(number), {})[name] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, then put it in its place."""
    beside = path.with_name(path.name + ".part")
    write(beside)
    beside.replace(path)
