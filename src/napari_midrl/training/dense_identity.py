"""Which training a checkpoint of the dense agents belongs to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
    from napari_midrl.training.cases import TrainingCase
    from napari_midrl.training.dense_loop import DenseTrainingSettings, Past

OF_THE_RUN_ALONE = {"checkpoint_every"}
"""Settings that change nothing of what is learned."""


def identity_of(
    config: DenseQConfig,
    cases: Sequence[TrainingCase],
    settings: DenseTrainingSettings,
    initial: DenseQNetwork | None,
    past: Past | None = None,
) -> dict[str, str]:
    """Return what tells a training from others, as metadata of a checkpoint."""
    began_with = {} if initial is None else initial.state_dict()
    identity = {
        "settings": json.dumps(asdict(settings)),
        "network": json.dumps(asdict(config)),
        "cases": _hash_of(tensor for case in cases for tensor in _outline(case)),
        "initial": _hash_of(began_with[name] for name in sorted(began_with)),
    }
    if past is not None:
        outlines = [tensor for case in past.cases for tensor in _outline(case)]
        mixed = {
            "share": past.share,
            "view": asdict(past.view),
            "is_relearned": past.is_relearned,
        }
        identity["past"] = json.dumps(mixed) + _hash_of([*outlines, past.weights])
    return identity


def difference(theirs: Mapping[str, str], mine: Mapping[str, str]) -> str | None:
    """Return how a checkpoint's training differs from another, None if it does not.

    What the checkpoint does not say, since it is older than that, counts as equal.
    """
    for part in ("settings", "network"):
        if part in theirs:
            was, now = _flat(json.loads(theirs[part])), _flat(json.loads(mine[part]))
            # The seed first: it is what people mistake most.
            for name in sorted(now, key=lambda name: name != "seed"):
                if name in OF_THE_RUN_ALONE or name not in was:
                    continue
                if was[name] != now[name]:
                    return f"with {name} {was[name]}, not {now[name]}"
    if theirs.get("cases", mine["cases"]) != mine["cases"]:
        return "on other cases"
    if theirs.get("past") != mine.get("past"):
        return "that mixed in another past"
    if theirs.get("initial", mine["initial"]) != mine["initial"]:
        return "that began with other weights"
    return None


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return values by their dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat


def _outline(case: TrainingCase) -> list[Tensor]:
    """Return where a case lies and what it has; every 97th voxel of its images."""
    near = case.surroundings
    parts = [case.spacing_mm, case.origin_lps_mm, case.targets_lps_mm, *case.images]
    if case.unknown is not None:
        parts.append(case.unknown)
    if near is not None:
        parts += [near.origins_lps_mm, *near.images]
    return [part if part.ndim < 3 else part.flatten()[::97] for part in parts]


def _hash_of(tensors: Iterable[Tensor]) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
