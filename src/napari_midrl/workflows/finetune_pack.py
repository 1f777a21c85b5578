"""The new pack of a fine-tuning: its card, its coreset, and how it appears."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import secrets
import shutil
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_midrl.errors import OverwriteError
from napari_midrl.io.coreset import CORESET_NAME, coreset_bytes
from napari_midrl.io.model_store import ModelCard, Pack, joined, write_pack
from napari_midrl.workflows.finetune_work import training_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_midrl.agents.dense_network import DenseQNetwork
    from napari_midrl.io.coreset import StoredCase
    from napari_midrl.workflows.finetune_cases import OpenedCase
    from napari_midrl.workflows.finetune_settings import Plan
    from napari_midrl.workflows.finetune_work import Work


def coreset_of(work: Work, network: DenseQNetwork) -> tuple[StoredCase, ...]:
    """Return the coreset of the new pack, of the old one's cases and the new ones."""
    from napari_midrl.training.coreset import (
        N_KEPT,
        mean_return,
        recalled,
        selected,
        stored,
    )

    if not work.settings.carries_cases:
        return work.coreset
    settings = training_of(work, 1)
    base_mm = network.config.base_mm
    taught = work.taught
    # What other networks learned from is theirs to choose among.
    others = tuple(c for c in work.coreset if not {*c.landmarks} & {*taught})
    candidates = [case for case in work.coreset if case not in others]
    candidates += [stored(case, taught, base_mm) for case in work.cases]
    cases = [recalled(case, taught) for case in candidates]
    returns = np.array([mean_return(network, case, settings) for case in cases])
    kept, _ = selected(returns, N_KEPT)
    # A case that stands for many passes all of them on.
    nearest = np.abs(returns[:, None] - returns[list(kept)]).argmin(axis=1)
    weights = np.array([case.weight for case in candidates])
    return others + tuple(
        replace(candidates[row], weight=float(weights[nearest == number].sum()))
        for number, row in enumerate(kept)
    )


def card_of(
    work: Work,
    name: str,
    plan: Plan,
    n_done: int,
    history: list[dict[str, float]],
) -> dict[str, Any]:
    """Return the model card of the new pack, without its metrics."""
    from napari_midrl.localizers.constellations import statement_of

    parent = work.pack.card
    names = ", ".join(work.landmarks)
    card = parent.model_dump(exclude={"weights_sha256", "coreset_sha256", "metrics"})
    return card | {
        "name": name,
        "title": f"{parent.title}; fine-tuned on {names}"[:200],
        "version": importlib.metadata.version("napari-midrl"),
        "description": (
            f"Agents of {parent.name}, fine-tuned on {names} in "
            f"{len(work.train)} cases. {parent.description}"
        ),
        "landmarks": list(work.all),
        "networks": [*map(list, work.networks)] if len(work.networks) > 1 else [],
        "arrangement": card["arrangement"] if keeps_arrangement(work) else None,
        "constellations": [statement_of(c) for c in work.constellations],
        "reliability": _kept_reliability(work),
        "parent": {"name": parent.name, "weights_sha256": parent.weights_sha256},
        "replay_recipe": work.recipe,
        "training": {
            "recipe": "fine-tune",
            "data": _data_in_words(work),
            "licence": "that of the cases it was fine-tuned on; ask their owner",
            "seed": work.settings.seed,
            "n_updates": n_done,
            "seconds": 0.0,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": _settings_in_card(work, plan),
            "versions": {
                "python": platform.python_version(),
                "torch": importlib.metadata.version("torch"),
            },
            "note": "" if n_done == plan.n_updates else _stopped(history),
        },
        "metrics": {},
        "limits": (
            f"Not a medical device. What it learned of {names} is of "
            f"{len(work.train)} cases. {parent.limits}"
        ),
    }


def keeps_arrangement(work: Work) -> bool:
    """Return whether what is known of an upright patient still holds.

    It is of all landmarks of the first network together, and where new ones lie among
    them nobody said.
    """
    return bool(work.number) or not work.new


def _kept_reliability(work: Work) -> dict[str, Any] | None:
    """Return how sure answers are of the networks that stay as they are.

    It is fitted to weights: of those that were taught nothing is known any more.
    """
    said = work.pack.card.reliability
    if said is None:
        return None
    stay = [n for n in said.landmarks or work.old if n not in work.taught]
    if not stay:
        return None
    numbers = said.model_dump()
    for name in ("landmark_bias", "reject_below"):
        numbers[name] = {k: v for k, v in numbers[name].items() if k in stay}
    return numbers | {"landmarks": stay}


def _stopped(history: list[dict[str, float]]) -> str:
    """Return which weights are taken of a training that was stopped."""
    if not history:
        return "Stopped early: the weights after the last update; none were measured."
    return (
        "Stopped early: of the weights measured on the way those with the smallest "
        "held-out error, which the held-out cases therefore chose."
    )


def _data_in_words(work: Work) -> str:
    text = f"{len(work.train)} cases of the user's own"
    if work.past is not None:
        text += f"; mixed in, {len(work.past.cases)} cases of what was learned before"
    if work.settings.carries_cases:
        text += ". The pack carries image data of some of them: share it only as they"
        text += " may be shared"
    return f"{text}."


def _settings_in_card(work: Work, plan: Plan) -> dict[str, Any]:
    return {
        "train": {case.name: _hashes(case) for case in work.train},
        "held_out": {case.name: _hashes(case) for case in work.held_out},
        "landmarks": list(work.landmarks),
        "replay_share": 0.0 if work.past is None else work.past.share,
        "relearns_past": work.past is not None and work.past.is_relearned,
        "n_updates_planned": plan.n_updates,
        "training": asdict(training_of(work, plan.n_updates)),
    }


def _hashes(case: OpenedCase) -> list[str]:
    """Return the hashes of a case's images and of its landmark file."""
    assert case.study is not None
    landmarks = hashlib.sha256(case.landmark_file.read_bytes()).hexdigest()
    return [*(volume.content_hash for volume in case.study.volumes), landmarks]


def weights_of(work: Work, network: DenseQNetwork) -> dict[str, Any]:
    """Return the weights of the new pack: of the network taught and of all others."""
    networks = [
        work.pack.of_network(number) for number in range(len(work.pack.card.by_network))
    ]
    taught = {n: t.contiguous().numpy() for n, t in network.state_dict().items()}
    networks[work.number : work.number + 1] = [taught]
    return joined(networks)


def pack_of(work: Work, card: dict[str, Any], weights: dict[str, Any]) -> Pack:
    """Return the new pack as it will be read, to measure it before it is written."""
    unwritten = {**card, "weights_sha256": "0" * 64}
    return Pack(work.folder, ModelCard.model_validate(unwritten), weights)


def write_whole(
    target: Path,
    card: dict[str, Any],
    weights: dict[str, Any],
    kept: Sequence[StoredCase],
) -> None:
    """Put the whole pack in its place in one step.

    Raises
    ------
    OverwriteError
        If something has come there meanwhile.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    unfinished.mkdir()
    try:
        if kept:
            content = coreset_bytes(kept)
            (unfinished / CORESET_NAME).write_bytes(content)
            card["coreset_sha256"] = hashlib.sha256(content).hexdigest()
        write_pack(unfinished, card, weights)
        if target.exists():
            msg = "has come into being meanwhile and was kept; choose another name"
            raise OverwriteError(msg, target)
        unfinished.rename(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def notes_on(work: Work) -> list[str]:
    """Return what a careful reader should know, one sentence each."""
    notes = []
    if not work.held_out:
        notes.append("No case was held out: how near the agents come is not known.")
    taught = [n for n in work.taught if n in work.old and n not in work.landmarks]
    if taught and work.past is None:
        notes.append(f"Nothing was rehearsed: expect {', '.join(taught)} to get worse.")
    kept = [name for name in work.old if name not in work.landmarks]
    if kept and not work.recipe:
        notes.append(f"{work.pack.card.name} brings no cases to measure {kept} on.")
    if work.pack.card.arrangement is not None and work.new:
        who = work.new if keeps_arrangement(work) else work.all
        notes.append(f"A turned patient is not searched upright for {', '.join(who)}.")
    return notes
