"""What a sequence costs that agents never saw in training.

``python -m benchmarks.unseen_sequences --updates 2000 --seeds 1 --json FILE``

Two packs learn from the same digital patients with the same seed: one from every
sequence, one without T2w and Dixon opposed phase. Both search unseen patients, and the
medians of the two sequences are compared image by image; T1w and Dixon water, which
both saw, stand beside them. Seeds already in FILE are not made again.

Fewer updates than the shipped pack has: the question is what the sequences bring, not
how well the pack does.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_midrl.data.progress import finish
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.evaluation.boxes import Dimension
from napari_midrl.evaluation.cells import of_dimension, summarize
from napari_midrl.localizers.midrl import MidrlLocalizer
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED
from napari_midrl.training.dense_loop import train_dense
from napari_midrl.training.digital_patient import LANDMARKS, RECIPE, digital_case
from napari_midrl.workflows.cases import find_cases
from napari_midrl.workflows.evaluate import evaluate_cases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_midrl.evaluation.findings import Finding

UNSEEN = (SequenceKind.T2W, SequenceKind.DIXON_OPPOSED)
SEEN = (SequenceKind.T1W, SequenceKind.DIXON_WATER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--unseen-patients", type=int, default=8)
    chosen = parser.parse_args()
    runs = json.loads(chosen.json.read_text()) if chosen.json.exists() else []
    for seed in range(chosen.seeds):
        if all(run["seed"] != seed for run in runs):
            runs += one_seed(
                seed, chosen.updates, chosen.patients, chosen.unseen_patients
            )
            chosen.json.write_text(json.dumps(runs, indent=1) + "\n")
    print_table(runs)


def one_seed(
    seed: int, n_updates: int, n_patients: int, n_unseen: int
) -> list[dict[str, Any]]:
    """Return a row per sequence of one seed."""
    seeing, blind = (
        trained(seed, n_updates, n_patients, without) for without in ((), UNSEEN)
    )
    cases = find_cases(f"phantom:0-{n_unseen - 1}", ())
    found = finish(
        evaluate_cases(
            seeing, cases, "", SearchSettings(), blind, kinds=(*UNSEEN, *SEEN)
        )
    )
    return [
        {"seed": seed, "n_updates": n_updates, **row}
        for row in compared(found.findings, found.others)
    ]


def trained(
    seed: int, n_updates: int, n_patients: int, without: Sequence[SequenceKind]
) -> MidrlLocalizer:
    cases = [
        digital_case(FIRST_TRAINING_SEED + number, without=frozenset(without))
        for number in range(n_patients)
    ]
    # The first stage teaches no agent to see an organ as a whole.
    config = replace(RECIPE.config, organs=())
    settings = replace(RECIPE.stages[0], n_updates=n_updates, seed=seed)
    network = finish(train_dense(config, cases, settings))
    return MidrlLocalizer("without" if without else "with", LANDMARKS, network)


def compared(
    findings: Sequence[Finding], others: Sequence[Finding]
) -> list[dict[str, Any]]:
    """Return a row per sequence: medians in mm with and without it in training.

    Parameters
    ----------
    findings, others
        Of agents that saw every sequence, and of those that did not.
    """
    # All landmarks of a sequence in one cell.
    pooled, rivals = (
        [replace(finding, landmark="all") for finding in side]
        for side in (findings, others)
    )
    rows = []
    names = dict.fromkeys(finding.sequence for finding in findings)
    for name in names:
        medians = [
            of_dimension(
                summarize([f for f in side if f.sequence == name]), Dimension.VOLUME
            )[0].summary.median_mm
            for side in (pooled, rivals)
        ]
        rows.append(
            {
                "sequence": name,
                "was_left_out": name in {kind.value for kind in UNSEEN},
                "n": sum(finding.sequence == name for finding in findings),
                "median_with_mm": round(medians[0], 2),
                "median_without_mm": round(medians[1], 2),
            }
        )
    return rows


def print_table(runs: Sequence[dict[str, Any]]) -> None:
    print(f"{'sequence':16}{'seed':>5}{'n':>5}{'with':>8}{'without':>9}{'cost mm':>9}")
    for run in runs:
        cost = run["median_without_mm"] - run["median_with_mm"]
        left = "*" if run["was_left_out"] else " "
        print(
            f"{run['sequence']:15}{left}{run['seed']:5}{run['n']:5}"
            f"{run['median_with_mm']:8.1f}{run['median_without_mm']:9.1f}{cost:9.1f}"
        )
    print("* left out of the training of the second pack")


if __name__ == "__main__":
    main()
