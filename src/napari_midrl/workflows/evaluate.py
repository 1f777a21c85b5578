"""Measure a pack on cases whose landmarks are known."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from napari_midrl.data.progress import Progress, finish, relayed
from napari_midrl.errors import InputError, LandmarkFileError, SearchError
from napari_midrl.evaluation.findings import findings_of, known_positions
from napari_midrl.evaluation.outcome import Evaluation, PackUsed
from napari_midrl.evaluation.pictures import picture_of
from napari_midrl.phantom.patient import FIRST_TRAINING_SEED
from napari_midrl.workflows.cases import FileCase, find_cases
from napari_midrl.workflows.localize import load_localizer
from napari_midrl.workflows.processes import results_in_order

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


@dataclass(frozen=True)
class _Searchers:
    """Whom to measure, how, and on which sequences; none means all there are."""

    localizer: Localizer
    rival: Localizer | None
    settings: SearchSettings
    kinds: tuple[SequenceKind, ...]


@dataclass
class _Gathered:
    """What has been seen so far."""

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

    def add(self, later: _Gathered) -> None:
        """Take over what was seen of further cases."""
        self.findings += later.findings
        self.others += later.others
        for name in ("packs", "cases", "sequences", "warnings", "not_sought"):
            getattr(self, name).update(getattr(later, name))
        self.beyond.update(later.beyond)
        self.n_images += later.n_images
        for worst in later.worst.values():
            if self.has_no_worse(worst.finding):
                self.worst[worst.finding.landmark] = worst

    def has_no_worse(self, finding: Finding) -> bool:
        """Return whether no finding of the landmark was farther off so far."""
        known = self.worst.get(finding.landmark)
        return known is None or finding.error_mm() > known.finding.error_mm()


def evaluate(
    pack_name: str,
    data: str,
    settings: SearchSettings,
    *,
    against: str | None = None,
    kinds: Sequence[SequenceKind] = (),
    regions: Sequence[str] = (),
    n_jobs: int = 1,
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
    n_jobs
        Cases searched at once, each in a process of its own.

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
        yield from evaluate_cases(
            localizer, cases, data, settings, rival, kinds=kinds, n_jobs=n_jobs
        )
    )


def evaluate_cases(
    localizer: Localizer,
    cases: Sequence[Case],
    data: str,
    settings: SearchSettings,
    rival: Localizer | None = None,
    *,
    kinds: Sequence[SequenceKind] = (),
    n_jobs: int = 1,
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
    n_jobs
        As for `evaluate`; localizers and cases must then be picklable.
    """
    for case in cases:
        if isinstance(case, FileCase):
            _refuse_strangers(case, localizer)
    searchers = _Searchers(localizer, rival, settings, tuple(kinds))
    gather = _gathered if n_jobs == 1 else partial(_gathered_at_once, n_jobs=n_jobs)
    run = yield from gather(searchers, cases)
    _refuse_nothing(run, localizer, data, kinds)
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
        notes=tuple(_notes(run, localizer, cases)),
    )


def _gathered(
    searchers: _Searchers, cases: Sequence[Case]
) -> Generator[Progress, None, _Gathered]:
    """Yield progress and return what is seen of cases, one after the other."""
    run = _Gathered()
    for number, case in enumerate(cases):
        yield from _shown_as(
            _measured(searchers, case, run), number, len(cases), case.name
        )
    return run


def _gathered_at_once(
    searchers: _Searchers, cases: Sequence[Case], n_jobs: int
) -> Generator[Progress, None, _Gathered]:
    """Do the same with several cases at once; what is seen has the cases' order."""
    run = _Gathered()
    yield Progress(0, len(cases), f"searching {n_jobs} cases at once")
    seen = results_in_order(
        _measured_by_worker, cases, n_jobs, _begin_worker, searchers
    )
    with closing(seen):
        for number, (case, part) in enumerate(zip(cases, seen, strict=True), 1):
            run.add(part)
            yield Progress(number, len(cases), f"{case.name}: done")
    return run


_of_worker: list[_Searchers] = []
"""In a worker's process, what it was started with."""


def _begin_worker(searchers: _Searchers) -> None:
    _of_worker.append(searchers)


def _measured_by_worker(case: Case) -> _Gathered:
    run = _Gathered()
    finish(_measured(_of_worker[0], case, run))
    return run


def _refuse_strangers(case: FileCase, localizer: Localizer) -> None:
    """Refuse a case without any landmark that the localizer finds."""
    names = list(known_positions(case.truth))
    if not set(names) & set(localizer.landmarks):
        msg = f"has {names}, of which {localizer.name} finds none; it finds "
        msg += f"{list(localizer.landmarks)}"
        raise LandmarkFileError(msg, case.landmark_file)


def _measured(
    searchers: _Searchers, case: Case, run: _Gathered
) -> Generator[Progress, None, None]:
    """Yield progress and add what is seen of one case."""
    study, truth = yield from case.open()
    run.warnings |= dict.fromkeys(f"{case.name}: {w}" for w in study.warnings)
    for volume in study.volumes:
        run.sequences[volume.sequence.kind.value] = None
        if not searchers.kinds or volume.sequence.kind in searchers.kinds:
            yield from relayed(
                _measured_volume(searchers, case, volume, truth, run),
                partial(_naming, name=volume.name),
            )


def _naming(report: Progress, name: str) -> Progress:
    return replace(report, text=f"{name}: {report.text}")


def _measured_volume(
    searchers: _Searchers,
    case: Case,
    volume: Volume,
    truth: LandmarkSet,
    run: _Gathered,
) -> Generator[Progress, None, None]:
    """Yield progress and add the findings of one volume."""
    names = {
        "case": case.name,
        "image": volume.name,
        # The time of a phase differs from patient to patient.
        "sequence": replace(volume.sequence, time_s=None).label,
    }
    localizer, settings = searchers.localizer, searchers.settings
    found = yield from _search(localizer, volume, settings, case)
    run.packs["pack"] = PackUsed(found.localizer, found.model_sha256)
    findings = findings_of(found, truth, volume.grid, **names)
    if searchers.rival is not None:
        other = yield from _search(searchers.rival, volume, settings, case)
        run.packs["rival"] = PackUsed(other.localizer, other.model_sha256)
        run.others += findings_of(other, truth, volume.grid, **names)
    run.findings += findings
    run.cases[case.name] = None
    run.n_images += 1
    known = set(known_positions(truth))
    sought = known & set(localizer.landmarks)
    run.not_sought |= dict.fromkeys(sorted(known - sought))
    run.beyond.update(sought - {finding.landmark for finding in findings})
    for finding in findings:
        if finding.found_lps_mm is not None and run.has_no_worse(finding):
            run.worst[finding.landmark] = picture_of(finding, volume)


def _refuse_nothing(
    run: _Gathered, localizer: Localizer, data: str, kinds: Sequence[SequenceKind]
) -> None:
    """Refuse a run that had nothing to measure."""
    if run.n_images == 0:
        wanted = [kind.value for kind in kinds]
        msg = f"no image of sequence {wanted}; there are {list(run.sequences)}"
        raise InputError(msg, data)
    if not run.findings:
        msg = f"no image shows a landmark that {localizer.name} finds"
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


def _notes(
    run: _Gathered, localizer: Localizer, cases: Sequence[Case]
) -> Iterator[str]:
    """Yield what a careful reader should know about the data."""
    yield from run.warnings
    if run.not_sought:
        yield f"Not sought by {localizer.name}: {', '.join(run.not_sought)}."
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
