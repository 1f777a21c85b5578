"""Training of preset `midrl`: one view, many walks, one update; again."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from napari_midrl.agents.dense_learning import Field, Targets, follow, td_loss
from napari_midrl.agents.dense_network import DenseQNetwork
from napari_midrl.agents.dense_scales import (
    COARSE_SCALES,
    DETAIL,
    FINE,
    ORGAN,
    ORGAN_DETAIL,
)
from napari_midrl.agents.layout import channels_last
from napari_midrl.data.progress import Progress
from napari_midrl.errors import PackError, TrainingError
from napari_midrl.training.closer import Closer
from napari_midrl.training.dense_identity import difference, identity_of
from napari_midrl.training.dense_starts import coarse_starts
from napari_midrl.training.precision import lowered
from napari_midrl.training.views import ViewSettings, draw_view

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from napari_midrl.agents.dense_blocks import QField
    from napari_midrl.agents.dense_network import DenseQConfig, GlobalMaps
    from napari_midrl.training.cases import TrainingCase
    from napari_midrl.training.views import View


Watch = Callable[[int, DenseQNetwork], Generator[Progress, None, dict[str, float]]]

Part = Literal["all", "organs", "others"]

CHECKPOINT_NAME = "checkpoint.safetensors"
LEAST_MEASURED = 3
"""Updates, to tell how long one takes."""
MAX_LOST_UPDATES = 20
"""In a row, after which a training is given up."""
REMEMBERED_WEIGHT = 5.0
"""Of an update that remembers, by one that learns. What agents begin to forget is a
small error beside what new ones have to learn, and the optimizer sees their sum."""


@dataclass(frozen=True)
class DenseTrainingSettings:
    """How long and how fast to learn.

    Parameters
    ----------
    n_updates
        Views, and gradient steps.
    n_starts
        States per landmark at each coarse scale.
    n_fine_landmarks
        Landmarks refined per view.
    learning_rate
        Peak of the one-cycle cosine schedule.
    follow_rate
        Share by which the target network follows per update.
    seed
        Of everything.
    checkpoint_every
        Updates between checkpoints.
    outside_weight
        How much an agent counts whose landmark lies outside the field of view. It
        learns to walk towards it and press against the edge, which is how a search
        knows; but from a small view the way is often anybody's guess.
    absent_weight
        How much an agent counts whose landmark the case does not have. One of which
        nobody said whether it has it does not count at all (`TrainingCase.unknown`).
    weight_decay
        By which weights shrink at every update, those without a gradient, too.
    learns
        Which part: that which sees organs as a whole ("organs"), which needs nothing of
        the others, all the others ("others"), or "all". Where organs learn alone every
        view shows one.
    """

    n_updates: int
    n_starts: int = 96
    n_fine_landmarks: int = 10
    learning_rate: float = 1.5e-3
    follow_rate: float = 0.02
    seed: int = 0
    checkpoint_every: int = 200
    outside_weight: float = 1.0
    absent_weight: float = 0.3
    weight_decay: float = 0.01
    learns: Part = "all"
    rule: Targets = field(default_factory=Targets)
    view: ViewSettings = field(default_factory=ViewSettings)


def train_dense(
    config: DenseQConfig,
    cases: Sequence[TrainingCase],
    settings: DenseTrainingSettings,
    folder: Path | None = None,
    initial: DenseQNetwork | None = None,
    *,
    past: Past | None = None,
    watch: Watch | None = None,
) -> Generator[Progress, None, DenseQNetwork]:
    """Yield progress and return the trained network.

    An interrupted training goes on from the last checkpoint in `folder`; view n is a
    function of the seed and n, so it goes on as if it had not been interrupted.

    Parameters
    ----------
    config
        Architecture.
    cases
        Labelled anatomies; one is drawn per update.
    settings
        See there.
    folder
        For checkpoints and `log.jsonl`; None keeps nothing.
    initial
        Network to begin with; None means random weights.
    past
        Experience of earlier trainings to mix in; None forgets it. What it teaches is
        what `initial` expects there.
    watch
        Called after every update, before its checkpoint, with the count of updates
        and the averaged network; yields progress and returns more to log.

    Raises
    ------
    PackError
        If the checkpoint in the folder is damaged or that of another training.
    TrainingError
        If the weights no longer change, since no gradient is a finite number, or a
        checkpoint cannot be written.
    ValueError
        If a past is to be remembered, but there is no initial network.
    """
    if past is not None and initial is None and not past.is_relearned:
        msg = "only an initial network can remember a past"
        raise ValueError(msg)
    state = _TrainingState(config, settings, initial)
    identity = identity_of(config, cases, settings, initial, past)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        state.restore(folder, identity)
    while state.n_done < settings.n_updates:
        begun = time.perf_counter()
        metrics = state.update(cases, past)
        metrics["seconds"] = time.perf_counter() - begun
        if watch is not None:
            metrics |= yield from watch(state.n_done, state.averaged_net)
        if folder is not None:
            with (folder / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps({"update": state.n_done, **metrics}) + "\n")
            if state.n_done % settings.checkpoint_every == 0:
                state.save(folder, identity)
        text = f"update {state.n_done}: loss {metrics['loss']:.4f}"
        try:
            yield Progress(state.n_done, settings.n_updates, text, metrics)
        except GeneratorExit:
            # Who stops here goes on from here.
            if folder is not None:
                state.save(folder, identity)
            raise
    if folder is not None:
        state.save(folder, identity)
    averaged: DenseQNetwork = state.averaged_net
    return averaged


@dataclass(frozen=True)
class Past:
    """Experience of earlier trainings, mixed into a later one so that it stays.

    Parameters
    ----------
    cases
        To draw views of.
    weights
        How often each is drawn, relative to the others; shape (n_cases,).
    share
        Of the updates that learn from them, 0 to 1.
    view
        How far these views may depart from the cases.
    is_relearned
        Whether agents learn there by the rule, as experience replay is published
        (docs/fine-tuning.md); otherwise what the initial network expects.
    """

    cases: tuple[TrainingCase, ...]
    weights: Tensor
    share: float
    view: ViewSettings
    is_relearned: bool = False

    def __post_init__(self) -> None:
        if not self.cases or self.weights.shape != (len(self.cases),):
            msg = f"{len(self.cases)} cases with weights {tuple(self.weights.shape)}"
            raise ValueError(msg)
        if not 0 <= self.share <= 1:
            msg = f"share must be 0 to 1, got {self.share}"
            raise ValueError(msg)

    def is_next(self, generator: torch.Generator) -> bool:
        """Return whether an update is to learn from the past."""
        return float(torch.rand((), generator=generator)) < self.share

    def drawn(self, generator: torch.Generator) -> TrainingCase:
        """Return a case by the weights."""
        return self.cases[int(torch.multinomial(self.weights, 1, generator=generator))]


class _TrainingState:
    """Networks, optimizer and the count of updates."""

    def __init__(
        self,
        config: DenseQConfig,
        settings: DenseTrainingSettings,
        initial: DenseQNetwork | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings = settings
        self.online_net = channels_last(DenseQNetwork(config))
        if initial is not None:
            self.online_net.load_state_dict(initial.state_dict())
        self.initial_net = copy.deepcopy(self.online_net)
        self.target_net = copy.deepcopy(self.online_net)
        # A slower average of the weights is what ships; it wavers less from one
        # update to the next than the weights themselves.
        self.averaged_net = copy.deepcopy(self.online_net)
        self.optimizer = torch.optim.AdamW(
            self.online_net.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
        )
        self.n_done = 0
        self.n_lost = 0

    def update(
        self, cases: Sequence[TrainingCase], past: Past | None = None
    ) -> dict[str, float]:
        """Learn from one new view; return what to log."""
        settings = self.settings
        generator = torch.Generator().manual_seed(
            settings.seed * 1_000_003 + self.n_done
        )
        is_past = past is not None and past.is_next(generator)
        lesson = _Lesson(self.target_net, settings.rule)
        if past is not None and is_past:
            case, look = past.drawn(generator), past.view
            if not past.is_relearned:
                lesson = _Lesson(self.initial_net, None)
        else:
            case = cases[int(torch.randint(len(cases), (), generator=generator))]
            look = settings.view
        view = self._view(case, look, generator)
        rate = learning_rate_at(self.n_done, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses = []
        if settings.learns != "organs":
            with lowered():
                online = self.online_net.encode(view.array)
                with torch.no_grad():
                    target = lesson.judge.encode(view.array)
            losses += _coarse_losses(
                online, target, view, settings, lesson.rule, generator
            )
            losses += self._fine_losses(online, target, view, lesson, generator)
        if settings.learns != "others":
            losses += self._organ_losses(view, lesson, generator)
        loss = lesson.weight * torch.stack(losses).sum()
        self.optimizer.zero_grad()
        loss.backward()
        self._step(torch.nn.utils.clip_grad_norm_(self.online_net.parameters(), 5.0))
        follow(self.target_net, self.online_net, settings.follow_rate)
        self.n_done += 1
        share = max(0.005, 1 / (1 + self.n_done))
        follow(self.averaged_net, self.online_net, share)
        parts = {
            f"loss_{index}": float(part.detach()) for index, part in enumerate(losses)
        }
        logged = {"loss": float(loss.detach()), **parts, "learning_rate": rate}
        return logged if past is None else {**logged, "is_past": float(is_past)}

    def _view(
        self, case: TrainingCase, look: ViewSettings, generator: torch.Generator
    ) -> View:
        """Return a view of a case; one that shows an organ where only those teach.

        Raises
        ------
        TrainingError
            If no view does.
        """
        config = self.online_net.config
        if self.settings.learns != "organs":
            return draw_view(case, config.base_mm, look, generator)
        for _ in range(MAX_LOST_UPDATES):
            view = draw_view(case, config.base_mm, look, generator)
            if len(_organs_in(view, config)):
                return view
        msg = f"{case.name}: {MAX_LOST_UPDATES} views show no organ"
        raise TrainingError(msg)

    def _step(self, gradient_norm: Tensor) -> None:
        """Change the weights, unless the gradient is not a number.

        Raises
        ------
        TrainingError
            If it has not been one for many updates.
        """
        if torch.isfinite(gradient_norm):
            self.optimizer.step()
            self.n_lost = 0
            return
        # One such gradient would make all weights NaN, and hours of training with
        # them; a kernel has been seen to give one.
        self.n_lost += 1
        if self.n_lost > MAX_LOST_UPDATES:
            msg = (
                f"{self.n_lost} updates to {self.n_done} gave no finite gradient; "
                "a smaller learning rate may help"
            )
            raise TrainingError(msg)

    def _fine_losses(
        self,
        online: GlobalMaps,
        target: GlobalMaps,
        view: View,
        lesson: _Lesson,
        generator: torch.Generator,
    ) -> list[Tensor]:
        """Return the losses at the fine scales, in cubes near some landmarks."""
        known = view.shows(view.targets).nonzero()[:, 0]
        if len(known) == 0:
            return []
        order = torch.randperm(len(known), generator=generator)
        landmarks = known[order[: self.settings.n_fine_landmarks]]
        fine = Closer.around(view, landmarks, FINE, 4.0, generator)
        place = fine.corners, landmarks
        with lowered():
            trained = self.online_net.refine(fine.cubes, online.features, *place)
            with torch.no_grad():
                judged = lesson.judge.refine(fine.cubes, target.features, *place)
        fields = trained, judged
        losses = self._close_losses(fields, lesson.rule, fine, (4.5, 2.5), generator)
        if not self.online_net.config.has_detail:
            return losses
        inner = Closer.around(view, landmarks, DETAIL, 1.5, generator)
        place = inner.corners - fine.corners, landmarks
        online_fine, target_fine = trained[-1].features, judged[-1].features
        with lowered():
            trained = self.online_net.look_at_detail(inner.cubes, online_fine, *place)
            with torch.no_grad():
                judged = lesson.judge.look_at_detail(inner.cubes, target_fine, *place)
        fields = trained, judged
        return losses + self._close_losses(
            fields, lesson.rule, inner, (2.5, 1.25), generator
        )

    def _organ_losses(
        self, view: View, lesson: _Lesson, generator: torch.Generator
    ) -> list[Tensor]:
        """Return the losses in cubes that show organs, from far off and from near."""
        landmarks = _organs_in(view, self.online_net.config)
        if len(landmarks) == 0:
            return []
        losses = []
        looks = (ORGAN, 4.0, (4.5, 2.5)), (ORGAN_DETAIL, 1.5, (2.5, 1.25))
        for number, (closeup, off, reaches) in enumerate(looks):
            closer = Closer.around(view, landmarks, closeup, off, generator)
            with lowered():
                trained = self.online_net.look_at_organs(closer.cubes, landmarks)
                with torch.no_grad():
                    judged = lesson.judge.look_at_organs(closer.cubes, landmarks)
            fields = trained[number : number + 2], judged[number : number + 2]
            losses += self._close_losses(
                fields, lesson.rule, closer, reaches, generator
            )
        return losses

    def _close_losses(
        self,
        fields: tuple[Sequence[QField], Sequence[QField]],
        rule: Targets | None,
        closer: Closer,
        reaches: tuple[float, float],
        generator: torch.Generator,
    ) -> list[Tensor]:
        """Return the losses inside cubes, from starts within reach of landmarks."""
        last = closer.closeup.edge - 1.0
        targets = closer.targets
        bounds = Field(torch.zeros(3), torch.full((3,), last), targets)
        losses = []
        for scale, reach, online, target in zip(
            closer.closeup.scales, reaches, *fields, strict=True
        ):
            shape = len(targets), self.settings.n_starts, 3
            spread = torch.rand(shape, generator=generator)
            starts = (targets[:, None] + (spread * 2 - 1) * reach).clamp(0, last)
            losses.append(td_loss(online, target, starts, bounds, scale, rule))
        return losses

    def save(self, folder: Path, identity: dict[str, str]) -> None:
        """Write everything needed to go on; the old state stays until it is whole.

        Raises
        ------
        TrainingError
            If it cannot be written, such as on a full disk.
        """
        tensors = {}
        for part in ("online_net", "target_net", "averaged_net"):
            for name, tensor in getattr(self, part).state_dict().items():
                tensors[f"{part}.{name}"] = tensor.contiguous().clone()
        for index, state in self.optimizer.state_dict()["state"].items():
            for name, tensor in state.items():
                tensors[f"optimizer.{index}.{name}"] = tensor.contiguous().clone()
        tensors["n_done"] = torch.tensor(self.n_done)
        unfinished = folder / "checkpoint.unfinished"
        try:
            save_file(tensors, unfinished, metadata=identity)
            unfinished.replace(folder / CHECKPOINT_NAME)
        except (OSError, SafetensorError) as error:
            msg = f"no checkpoint could be written in {folder}: {error}"
            raise TrainingError(msg) from error

    def restore(self, folder: Path, identity: dict[str, str]) -> None:
        """Go on from the checkpoint in the folder, if there is one.

        Raises
        ------
        PackError
            If the checkpoint is damaged or that of another training.
        """
        path = folder / CHECKPOINT_NAME
        if not path.exists():
            return
        try:
            self._take_over(load_file(path))
            with safe_open(path, "pt") as file:
                other = difference(file.metadata() or {}, identity)
        except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
            msg = f"does not fit this training: {error}"
            raise PackError(msg, path) from error
        if self.n_done > self.settings.n_updates:
            msg = f"has {self.n_done} updates, more than {self.settings.n_updates}"
            raise PackError(msg, path)
        if other is not None:
            msg = f"is of a training {other}"
            raise PackError(msg, path)

    def _take_over(self, tensors: dict[str, Tensor]) -> None:
        """Set networks, optimizer and count to what `save` wrote."""
        for part in ("online_net", "target_net", "averaged_net"):
            own = {
                name.removeprefix(f"{part}."): tensor
                for name, tensor in tensors.items()
                if name.startswith(f"{part}.")
            }
            getattr(self, part).load_state_dict(own)
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.n_done = int(tensors["n_done"])


@dataclass(frozen=True)
class _Lesson:
    """Whose Q-values those learned from build on, and the rule; None remembers them."""

    judge: DenseQNetwork
    rule: Targets | None

    @property
    def weight(self) -> float:
        """How much an update counts."""
        return REMEMBERED_WEIGHT if self.rule is None else 1.0


def _organs_in(view: View, config: DenseQConfig) -> Tensor:
    """Return the landmarks of organs that a view shows."""
    of_organs = torch.tensor(config.of_organs, dtype=torch.long)
    return of_organs[view.shows(view.targets)[of_organs]]


def _coarse_losses(
    online: GlobalMaps,
    target: GlobalMaps,
    view: View,
    settings: DenseTrainingSettings,
    rule: Targets | None,
    generator: torch.Generator,
) -> list[Tensor]:
    """Return the losses on the maps of the whole view."""
    # Who learns nothing here gets no gradient, not even one of weight 0.
    targets = view.targets[view.known]
    bounds = Field(view.low, view.high, targets)
    weights = torch.where(view.shows(targets), 1.0, settings.outside_weight)
    weights[targets.isnan().any(dim=-1)] = settings.absent_weight
    if rule is None:
        # Where agents see nothing is to be remembered, too.
        weights[:] = 1.0
    losses = []
    for index, scale in enumerate(COARSE_SCALES):
        starts = coarse_starts(view, targets, scale.step, settings.n_starts, generator)
        pair = [maps.fields[index].only(view.known) for maps in (online, target)]
        losses.append(td_loss(pair[0], pair[1], starts, bounds, scale, rule, weights))
    return losses


def seconds_per_update(
    config: DenseQConfig,
    cases: Sequence[TrainingCase],
    settings: DenseTrainingSettings,
    initial: DenseQNetwork,
    past: Past | None = None,
    measured_s: float = 0.0,
) -> float:
    """Return how long an update takes on average, from some that are thrown away.

    Parameters
    ----------
    config, cases, settings, initial, past
        As for `train_dense`.
    measured_s
        How long to measure, in seconds. Views differ in size, so three say too little;
        but of the present and of the past three are measured in any case, and one
        more warms up.
    """
    sources = [(cases, settings.view, 1 - (0.0 if past is None else past.share))]
    if past is not None:
        sources.append((past.cases, past.view, past.share))
    seconds = 0.0
    for these, view, share in sources:
        if share == 0:
            continue
        state = _TrainingState(config, replace(settings, view=view), initial)
        state.update(these)
        begun = time.perf_counter()
        n_updates, spent = 0, 0.0
        while n_updates < LEAST_MEASURED or spent < share * measured_s:
            state.update(these)
            n_updates += 1
            spent = time.perf_counter() - begun
        seconds += share * spent / n_updates
    return seconds


def learning_rate_at(n_done: int, settings: DenseTrainingSettings) -> float:
    """Return the learning rate of the update after so many."""
    return settings.learning_rate * _schedule(n_done / settings.n_updates)


def _schedule(done: float) -> float:
    """Return the learning rate's share of its peak: short warm-up, then a cosine."""
    if done < 0.03:
        return 0.1 + 0.9 * done / 0.03
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (done - 0.03) / 0.97))
