"""How agents that saw digital patients only do on real MRI.

``python -m benchmarks.zero_shot --data FOLDER --json FILE --pictures FOLDER``

FOLDER of the data holds ``abdomen-labels`` (image and organ label map of
TotalSegmentator, Apache-2.0) and ``prostate-mpmri/dicom`` (one study of PROSTATEx).
What is not there is left out, with the reason. ``--docs`` also writes the tables of
docs/real-mri.md and the pictures of the abdomen into docs/images.

The prostate study may be measured, not passed on: its pictures go only to
``--pictures``, into a folder ``local`` that git leaves alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from benchmarks.zero_shot_pictures import Shown, draw
from benchmarks.zero_shot_tables import DOCS, IMAGES, PICTURE, write_docs
from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.errors import InputError
from napari_midrl.evaluation.boxes import Dimension, distance_mm
from napari_midrl.io.images import read_image
from napari_midrl.workflows.load import load_study
from napari_midrl.workflows.localize import load_localizer, pack_info

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from napari_midrl.data.trajectory import LandmarkResult
    from napari_midrl.data.volume import Volume

    Search = Callable[[Volume], tuple[LandmarkResult, ...]]

ABDOMEN_IMAGE = Path("abdomen-labels", "example_mr_sm.nii.gz")
ABDOMEN_LABELS = Path("abdomen-labels", "example_seg_mr.nii.gz")
PROSTATE_STUDY = Path("prostate-mpmri", "dicom")

ORGANS = {"left kidney": "kidney_left", "right kidney": "kidney_right"}
"""Landmarks whose truth the label map holds, and what it calls them."""

SOUGHT_IN_PROSTATE = "prostate"
ABSENT_FROM_ABDOMEN = (
    "left knee",
    "right knee",
    "left trochanter",
    "right trochanter",
    "heart",
    "left nipple",
    "right nipple",
    "prostate",
)
"""Not in 6 cm about the kidneys; the label map knows a heart, and shows none."""

ABSENT_FROM_PROSTATE = (
    "left knee",
    "right knee",
    "heart",
    "left kidney",
    "right kidney",
    "left nipple",
    "right nipple",
)
"""Not in 7 cm about the prostate. Trochanters may be at the rim: not judged."""

_LABEL = re.compile(r'<Label Key="(\d+)"[^>]*><!\[CDATA\[([^]]*)\]\]></Label>')


@dataclass(frozen=True)
class Organ:
    """One organ of a label map.

    Parameters
    ----------
    label
        Its number in the map.
    centroid_lps_mm
        Mean of the centers of its voxels, LPS mm.
    cut_off
        Whether it reaches the first or last voxel of an axis: then the image shows a
        part of it, and the centroid is that of this part.
    centroid_inside
        Whether the centroid lies in the organ; that of a curved one may not.
    """

    label: int
    centroid_lps_mm: tuple[float, float, float]
    cut_off: bool
    centroid_inside: bool


def label_table(text: str) -> dict[str, int]:
    """Return the number of every name in the label table that a NIfTI file carries."""
    return {name: int(number) for number, name in _LABEL.findall(text)}


def label_numbers(path: Path) -> dict[str, int]:
    """Return the number of every organ, as the label map itself documents them."""
    extensions = nib.load(path).header.extensions
    table = label_table("".join(str(e.get_content()) for e in extensions))
    missing = sorted(set(ORGANS.values()) - set(table))
    if missing:
        msg = f"its label table does not name {missing}"
        raise InputError(msg, path)
    return table


def organ_of(labels: Volume, label: int) -> Organ:
    """Return where an organ lies.

    Raises
    ------
    ValueError
        If the map has no voxel of that label.
    """
    voxels_ijk = np.argwhere(labels.array == label)
    if not len(voxels_ijk):
        present = np.unique(labels.array).tolist()
        msg = f"label {label} has no voxel; there are {present}"
        raise ValueError(msg)
    last = np.array(labels.grid.shape_ijk) - 1
    centroid = labels.grid.to_lps_mm(voxels_ijk.mean(axis=0))
    return Organ(
        label,
        _point(centroid),
        bool(((voxels_ijk == 0) | (voxels_ijk == last)).any()),
        label_at(labels, centroid) == label,
    )


def label_at(labels: Volume, position_lps_mm: npt.ArrayLike) -> int:
    """Return the label of the voxel that holds a position; 0 beyond the image."""
    if not labels.grid.contains(position_lps_mm):
        return 0
    ijk = np.rint(labels.grid.to_ijk(position_lps_mm)).astype(int)
    i, j, k = np.clip(ijk, 0, np.array(labels.grid.shape_ijk) - 1)
    return int(labels.array[i, j, k])


def pairwise_mm(positions: Mapping[str, npt.ArrayLike]) -> dict[str, dict[str, float]]:
    """Return the distance between any two positions, by their names."""
    apart: dict[str, dict[str, float]] = {name: {} for name in positions}
    for one, other in itertools.permutations(positions, 2):
        apart[one][other] = _mm(positions[one], positions[other])
    return apart


def measure_abdomen(data: Path, search: Search) -> tuple[dict[str, Any], list[Shown]]:
    """Return how far from the kidneys' centroids agents end, and what to show."""
    image = _read(data, ABDOMEN_IMAGE)
    labels = _read(data, ABDOMEN_LABELS)
    numbers = label_numbers(data / ABDOMEN_LABELS)
    said = search(image)
    middle = image.grid.center_lps_mm
    kidneys, shown = [], []
    for result in said:
        if result.name not in ORGANS:
            continue
        organ = organ_of(labels, numbers[ORGANS[result.name]])
        row = {
            **_said(result),
            **asdict(organ),
            "error_mm": None,
            "in_plane_mm": None,
            "inside": False,
            "middle_error_mm": _mm(middle, organ.centroid_lps_mm),
            "middle_in_plane_mm": distance_mm(
                image.grid, organ.centroid_lps_mm, middle, Dimension.PLANE
            ),
        }
        end = result.position_lps_mm
        if end is not None:
            row["error_mm"] = _mm(end, organ.centroid_lps_mm)
            row["in_plane_mm"] = distance_mm(
                image.grid, organ.centroid_lps_mm, end, Dimension.PLANE
            )
            row["inside"] = label_at(labels, end) == organ.label
        kidneys.append(row)
        shown.append(
            Shown(
                PICTURE.format(result.name.replace(" ", "-")),
                image,
                end,
                f"Abdomen, {_words(image)}: {_words_of(result)}",
                _caption(row),
                labels,
                organ.label,
                organ.centroid_lps_mm,
            )
        )
    report = {
        **_about(image),
        "source": "TotalSegmentator reference files (Apache-2.0)",
        "organs": kidneys,
        "absent": _absent(said, ABSENT_FROM_ABDOMEN),
    }
    return report, shown


def measure_prostate(data: Path, search: Search) -> tuple[dict[str, Any], list[Shown]]:
    """Return whether agents end at one place in all sequences, and what to show."""
    if not (data / PROSTATE_STUDY).is_dir():
        msg = "is not there"
        raise InputError(msg, data / PROSTATE_STUDY)
    study = finish(load_study(data / PROSTATE_STUDY))
    frames = {volume.frame_of_reference_uid for volume in study.volumes}
    if len(frames) != 1 or None in frames:
        msg = "its series lie in several frames: their positions cannot be compared"
        raise InputError(msg, data / PROSTATE_STUDY)
    rows, shown, ends = [], [], {}
    for number, volume in enumerate(study.volumes):
        said = search(volume)
        result = next(r for r in said if r.name == SOUGHT_IN_PROSTATE)
        middle = volume.grid.center_lps_mm
        end = result.position_lps_mm
        row = {
            **_about(volume),
            **_said(result),
            "from_middle_mm": None if end is None else _mm(end, middle),
            "absent": _absent(said, ABSENT_FROM_PROSTATE),
            "not_judged": [
                _said(r)
                for r in said
                if r.name not in (*ABSENT_FROM_PROSTATE, SOUGHT_IN_PROSTATE)
            ],
        }
        rows.append(row)
        if end is not None:
            ends[volume.name] = end
        words = _words(volume)
        shown.append(
            Shown(
                f"prostate-{number}-{re.sub('[^a-z0-9]+', '-', words.lower())}",
                volume,
                end,
                f"Prostate, {words}: {_words_of(result)}",
                "slices through the middle of the image; no truth is known"
                if end is None
                else f"{row['from_middle_mm']:.1f} mm from the middle of the image; "
                "no truth is known",
            )
        )
    middles = {v.name: v.grid.center_lps_mm for v in study.volumes}
    report = {
        "source": "PROSTATEx (The Cancer Imaging Archive), one study",
        "sequences": rows,
        "apart_mm": pairwise_mm(ends),
        "middles_apart_mm": pairwise_mm(middles),
    }
    return report, shown


def measured_or_skipped(
    measure: Callable[[Path, Search], tuple[dict[str, Any], list[Shown]]],
    data: Path,
    search: Search,
) -> tuple[dict[str, Any], list[Shown]]:
    """Return what a measurement brings, or why its data could not be used."""
    try:
        return measure(data, search)
    except InputError as reason:
        return {"skipped": str(reason).replace(str(data), data.name)}, []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--docs", action="store_true", help=f"write {DOCS.name}")
    parser.add_argument("--pack", default="digital-patient")
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    settings = SearchSettings(n_starts=chosen.starts, device=chosen.device)
    localizer = finish(load_localizer(chosen.pack))

    def search(volume: Volume) -> tuple[LandmarkResult, ...]:
        print(f"searching {volume.name}")
        return finish(localizer.localize(volume, settings)).results

    abdomen, clean = measured_or_skipped(measure_abdomen, chosen.data, search)
    prostate, local = measured_or_skipped(measure_prostate, chosen.data, search)
    report = {
        "notice": "Research use only; not a medical device. One patient each.",
        "pack": chosen.pack,
        "weights_sha256": pack_info(chosen.pack).card["weights_sha256"],
        "n_starts": settings.n_starts,
        "abdomen": abdomen,
        "prostate": prostate,
    }
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=1) + "\n")
    if chosen.pictures:
        draw(clean, chosen.pictures)
        draw(local, chosen.pictures / "local")
        if local:
            (chosen.pictures / "local" / ".gitignore").write_text("*\n")
    if chosen.docs:
        print("\n".join(write_docs(report)))
        draw(clean, IMAGES)
    for name in ("abdomen", "prostate"):
        if "skipped" in report[name]:
            print(f"skipped the {name}: {report[name]['skipped']}")


def _read(data: Path, name: Path) -> Volume:
    if not (data / name).is_file():
        msg = "is not there"
        raise InputError(msg, data / name)
    return read_image(data / name)


def _about(volume: Volume) -> dict[str, Any]:
    return {
        "image": volume.name,
        "sequence": _words(volume),
        "shape_ijk": list(volume.grid.shape_ijk),
        "spacing_mm": volume.grid.spacing_mm.round(3).tolist(),
        "size_mm": volume.grid.size_mm.round(1).tolist(),
        "middle_lps_mm": _point(volume.grid.center_lps_mm),
    }


def _said(result: LandmarkResult) -> dict[str, Any]:
    return {
        "landmark": result.name,
        "state": result.state.value,
        "position_lps_mm": result.position_lps_mm,
        "agreement": result.agreement,
        "spread_mm": None if np.isnan(result.spread_mm) else result.spread_mm,
    }


def _absent(
    said: Sequence[LandmarkResult], names: tuple[str, ...]
) -> list[dict[str, Any]]:
    return [_said(result) for result in said if result.name in names]


def _words(volume: Volume) -> str:
    kind = volume.sequence.label
    return "sequence not named" if kind == "MR" else kind


def _words_of(result: LandmarkResult) -> str:
    if result.position_lps_mm is None:
        return f"{result.name}, {result.state.value}"
    return f"{result.name}, {result.agreement:.0%} of the starts agree"


def _caption(row: dict[str, Any]) -> str:
    if row["error_mm"] is None:
        return "no position; slices through the middle of the image"
    return (
        f"{row['error_mm']:.1f} mm from the centroid of label {row['label']} "
        f"({row['in_plane_mm']:.1f} mm in the slice plane), "
        f"{'inside' if row['inside'] else 'not inside'} the organ"
    )


def _point(position: npt.ArrayLike) -> tuple[float, float, float]:
    x, y, z = (round(float(v), 3) for v in np.asarray(position))
    return x, y, z


def _mm(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    return float(np.linalg.norm(np.subtract(one, other)))


if __name__ == "__main__":
    main()
