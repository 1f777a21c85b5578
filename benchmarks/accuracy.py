"""Errors of the shipped packs on data they have not learned from.

``python -m benchmarks.accuracy digital-patient --seeds 0-19``
``python -m benchmarks.accuracy brain-afids --data FOLDER``

What the README prints, by the workflow of ``midrl evaluate``. The brain templates have
a command of their own because their folder holds the training images, too. Prints a
table and, with ``--json FILE``, writes every number.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_midrl.data.progress import finish
from napari_midrl.data.sequence import SequenceKind
from napari_midrl.data.settings import SearchSettings
from napari_midrl.evaluation.boxes import Dimension
from napari_midrl.evaluation.cells import ALL, Cell, of_dimension
from napari_midrl.evaluation.outcome import NOTICE, Evaluation
from napari_midrl.workflows.cases import file_case
from napari_midrl.workflows.evaluate import evaluate, evaluate_cases
from napari_midrl.workflows.evaluation_files import write_evaluation
from napari_midrl.workflows.localize import load_localizer

KINDS = (SequenceKind.T1W, SequenceKind.T2W, SequenceKind.DIXON_WATER)
HELD_BACK = ("avg152T1", "avg152T2", "avg152PD")
FIDUCIALS = "tpl-MNI152Lin_res-01_desc-groundtruth_afids.fcsv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack")
    parser.add_argument("--seeds", default="0-19", help="first-last digital patient")
    parser.add_argument("--data", type=Path, help="folder of the brain templates")
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--all-sequences", action="store_true")
    parser.add_argument("--region", action="append", help="default: whole body")
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    settings = SearchSettings(n_starts=chosen.starts)
    if chosen.data is not None:
        evaluation = on_templates(chosen.pack, chosen.data, settings)
    else:
        evaluation = finish(
            evaluate(
                chosen.pack,
                f"phantom:{chosen.seeds}",
                settings,
                kinds=() if chosen.all_sequences else KINDS,
                regions=tuple(chosen.region or ()),
            )
        )
    print_table((*evaluation.cells, *evaluation.pooled))
    print(f"\n{evaluation.headline}. {NOTICE}")
    if chosen.json is not None:
        write_evaluation(evaluation, json_file=chosen.json, overwrite=True)


def on_templates(pack: str, data: Path, settings: SearchSettings) -> Evaluation:
    """Return the errors on the templates held back from training, as they lie."""
    images = tuple(data / f"{name}.nii.gz" for name in HELD_BACK)
    case = file_case("MNI152Lin", data / FIDUCIALS, images)
    localizer = finish(load_localizer(pack))
    return finish(evaluate_cases(localizer, [case], "MNI152Lin templates", settings))


def print_table(cells: tuple[Cell, ...]) -> None:
    print(
        "| landmark | sequence | n | missed | mean mm | median mm | 90 % mm | < 10 mm |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for cell in of_dimension(cells, Dimension.VOLUME):
        s = cell.summary
        name = f"**{cell.landmark}**" if cell.sequence == ALL else cell.landmark
        print(
            f"| {name} | {cell.sequence} | {s.n} | {s.n_missed} "
            f"| {s.mean_mm:.1f} ± {s.sd_mm:.1f} | {s.median_mm:.1f} | {s.p90_mm:.1f} "
            f"| {s.success_at_mm[10.0]:.2f} |"
        )


if __name__ == "__main__":
    main()
