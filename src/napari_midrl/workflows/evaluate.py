"""Measure a pack on cases whose landmarks are known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from napari_midrl.data.progress import Progress, relayed
from napari_midrl.errors import InputError, LandmarkFileError, SearchError
from napari_midrl.evaluation.findings import findings_of, known_positions
from napari_midrl.evaluation.outcome import Evaluation, PackUsed
from napari_midrl.evaluation.pictures import picture_of
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED
from napari_midrl.workflows.cases import FileCase, find_cases
from napari_midrl.workflows.localize import load_localizer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_midrl.data.landmarks import LandmarkSet
    from napari_midrl.data.sequence import SequenceKind
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.trajectory import Localization
    from napari_midrl.data.volume import Volume
    from napari_midrl.evaluation.findings import Finding
    from napari_midrl.evaluation.pictures import WorstCase
    from napari_midrl.localizers.base import Localizer
    from napari_midrl.workflows.cases import Case

    Result = TypeVar("Result")

N_PICTURES = 12


@dataclass
class _Run:
    """Whom to measure and how, and what has been gathered so far."""

    localizer: Localizer
    rival: Localizer | None
    settings: SearchSettings
    findings: list[Finding] = field(default_factory=list)
    others: list[Finding] = field(default_factory=list)
    packs: dict[str, PackUsed] = field(default_factory=dict)
    worst: dict[str, WorstCase] = field(default_factory=dict)
    # Dicts without values are sets that keep the order.
    cases: dict[str, None] = field(default_factory=dict)
    sequences: dict[str, None] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    not_sought: dict[str, None] = field(default_factory=dict)
    beyond: Counter[str] = field(default_factory=Counter)
    n_images: int = 0


def evaluate(
    pack_name: str,
    data: str,
    settings: SearchSettings,
    *,
    against: str | None = None,
    kinds: Sequence[SequenceKind] = (),
    regions: Sequence[str] = (),
) -> Generator[Progress, None, Evaluation]:
    """Yield progress and return how near a pack comes on cases with known landmarks.

    Parameters
    ----------
    pack_name
        Of the agents.
    data
        A folder of cases, or digital patients; see `find_cases`.
    settings
        Of every search.
    against
        Another pack to search the same images with.
    kinds
        Sequences to search; none means all there are.
    regions
        Acquisitions of digital patients; none means the whole body.

    Raises
    ------
    InputError
        If the data are not cases with known landmarks, or hold nothing to search.
    PackError
        If a pack is missing or damaged.
    SearchError
        If an image cannot be searched; it names the image.
    """
    cases = find_cases(data, regions)
    localizer = yield from load_localizer(pack_name)
    rival = None if against is None else (yield from load_localizer(against))
    return (
        yield from evaluate_cases(localizer, cases, data, settings, rival, kinds=kinds)
    )


def evaluate_cases(
    localizer: Localizer,
    cases: Sequence[Case],
    data: str,
    settings: SearchSettings,
    rival: Localizer | None = None,
    *,
    kinds: Sequence[SequenceKind] = (),
) -> Generator[Progress, None, Evaluation]:
    """Yield progress and return how near a localizer comes; see `evaluate`.

    Parameters
    ----------
    localizer, rival
        To measure, and to compare with.
    cases
        With known landmarks.
    data
        The data in words, for the report.
    settings
        Of every search.
    kinds
        Sequences to search; none means all there are.
    """
    for case in cases:
        if isinstance(case, FileCase):
            _refuse_strangers(case, localizer)
    run = _Run(localizer, rival, settings)
    for number, case in enumerate(cases):
        study, truth = yield from _shown_as(case.open(), number, len(cases), case.name)
        run.warnings |= dict.fromkeys(f"{case.name}: {w}" for w in study.warnings)
        for volume in study.volumes:
            run.sequences[volume.sequence.kind.value] = None
            if not kinds or volume.sequence.kind in kinds:
                task = _measure(run, case, volume, truth)
                text = f"{case.name}, {volume.name}"
                yield from _shown_as(task, number, len(cases), text)
    _refuse_nothing(run, data, kinds)
    yield Progress(len(cases), len(cases), "summarizing")
    worst = sorted(run.worst.values(), key=lambda w: -w.finding.error_mm())
    return Evaluation(
        pack=run.packs["pack"],
        against=run.packs.get("rival"),
        data=data,
        cases=tuple(run.cases),
        n_images=run.n_images,
        settings=settings,
        findings=tuple(run.findings),
        others=tuple(run.others),
        worst=tuple(worst[:N_PICTURES]),
        notes=tuple(_notes(run, cases)),
    )


def _refuse_strangers(case: FileCase, localizer: Localizer) -> None:
    """Refuse a case without any landmark that the localizer finds."""
    names = list(known_positions(case.truth))
    if not set(names) & set(localizer.landmarks):
        msg = f"has {names}, of which {localizer.name} finds none; it finds "
        msg += f"{list(localizer.landmarks)}"
        raise LandmarkFileError(msg, case.landmark_file)


def _measure(
    run: _Run, case: Case, volume: Volume, truth: LandmarkSet
) -> Generator[Progress, None, None]:
    """Yield progress and add the findings of one volume to the run."""
    names = {
        "case": case.name,
        "image": volume.name,
        # The time of a phase differs from patient to patient.
        "sequence": replace(volume.sequence, time_s=None).label,
    }
    found = yield from _search(run.localizer, volume, run.settings, case)
    run.packs["pack"] = PackUsed(found.localizer, found.model_sha256)
    findings = findings_of(found, truth, volume.grid, **names)
    if run.rival is not None:
        other = yield from _search(run.rival, volume, run.settings, case)
        run.packs["rival"] = PackUsed(other.localizer, other.model_sha256)
        run.others += findings_of(other, truth, volume.grid, **names)
    run.findings += findings
    run.cases[case.name] = None
    run.n_images += 1
    known = set(known_positions(truth))
    sought = known & set(run.localizer.landmarks)
    run.not_sought |= dict.fromkeys(sorted(known - sought))
    run.beyond.update(sought - {finding.landmark for finding in findings})
    for finding in findings:
        _remember_the_worst(run, finding, volume)


def _remember_the_worst(run: _Run, finding: Finding, volume: Volume) -> None:
    """Keep pictures of a finding that is farther off than its landmark's worst."""
    known = run.worst.get(finding.landmark)
    if finding.found_lps_mm is None:
        return
    if known is None or finding.error_mm() > known.finding.error_mm():
        run.worst[finding.landmark] = picture_of(finding, volume)


def _refuse_nothing(run: _Run, data: str, kinds: Sequence[SequenceKind]) -> None:
    """Refuse a run that had nothing to measure."""
    if run.n_images == 0:
        wanted = [kind.value for kind in kinds]
        msg = f"no image of sequence {wanted}; there are {list(run.sequences)}"
        raise InputError(msg, data)
    if not run.findings:
        msg = f"no image shows a landmark that {run.localizer.name} finds"
        raise InputError(msg, data)


def _search(
    localizer: Localizer, volume: Volume, settings: SearchSettings, case: Case
) -> Generator[Progress, None, Localization]:
    """Yield progress and return what a localizer finds; an error names the image."""
    try:
        found = yield from localizer.localize(volume, settings)
    except SearchError as error:
        msg = f"{case.name}, {volume.name}: {error}"
        raise SearchError(msg) from error
    return found


def _notes(run: _Run, cases: Sequence[Case]) -> Iterator[str]:
    """Yield what a careful reader should know about the data."""
    yield from run.warnings
    if run.not_sought:
        yield f"Not sought by {run.localizer.name}: {', '.join(run.not_sought)}."
    for landmark, n_images in run.beyond.items():
        images = "1 image" if n_images == 1 else f"{n_images} images"
        yield f"{landmark}: beyond the edge of {images}, which do not count for it."
    seeds = [case.seed for case in cases if not isinstance(case, FileCase)]
    if seeds:
        yield "Digital patients are computed; numbers say little about real images."
    if max(seeds, default=0) >= FIRST_TRAINING_SEED:
        yield (
            f"Digital patients from {FIRST_TRAINING_SEED} on are those that packs are "
            "trained on: errors on them are too good."
        )
    if len(run.cases) == 1:
        yield "With one case there are no intervals and no baseline."


def _shown_as(
    task: Generator[Progress, None, Result], done: int, total: int, text: str
) -> Generator[Progress, None, Result]:
    """Pass a task's reports on as reports of the whole evaluation."""
    return relayed(task, lambda r: Progress(done, total, f"{text}: {r.text}"))
