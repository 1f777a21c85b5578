"""Shows what agents would do: asks them beside the window, and has answers drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_midrl.data.policy import NO_POLICY
from napari_midrl.errors import MidrlError
from napari_midrl.plugin.background import BackgroundTask
from napari_midrl.plugin.colors import Colors, color_of
from napari_midrl.plugin.column import ELLIPSIS
from napari_midrl.plugin.dock import failure_text
from napari_midrl.plugin.policy_drawing import ARROWS, BASINS, PolicyDrawing
from napari_midrl.plugin.policy_form import NO_VOLUME
from napari_midrl.plugin.policy_sight import BEYOND_SIGHT, Sight, sight_of, zoom_to
from napari_midrl.plugin.policy_words import arrows_text, basins_text
from napari_midrl.plugin.world import volume_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import napari.viewer
    import numpy.typing as npt
    from napari.layers import Image

    from napari_midrl.data.policy import BasinMap, PolicyField
    from napari_midrl.data.progress import Progress
    from napari_midrl.data.settings import SearchSettings
    from napari_midrl.data.volume import Volume
    from napari_midrl.localizers.base import PolicyMap
    from napari_midrl.plugin.engine import Engine, PackInfo
    from napari_midrl.plugin.planes import OrthoPlanes
    from napari_midrl.plugin.policy_form import PolicyChoice, PolicyForm

DELAY_MS = 100
"""A slice that moves on within this time is not computed."""

NO_AGENTS = "No agent pack is installed."
NO_MAP_SHORT = "These agents have no map of what they would do."
ON_SLICES = "Basins are drawn on slices; turn to a 2D view to see them."


@dataclass(frozen=True)
class _Subject:
    """Whose policy, in which volume."""

    source: Image
    pack: str
    settings: SearchSettings


@dataclass(frozen=True)
class _Question:
    """What was asked last: of whom, at which scale, and for arrows where."""

    landmark: str
    scale: int
    sight: Sight | None = None


class PolicyView(QObject):
    """The arrows and basins of one dock.

    Parameters
    ----------
    viewer
        The viewer.
    form
        What is to be shown.
    planes
        Where arrows are drawn in 3D.
    engine
        Whom to ask.
    get_settings
        Returns those of the search the agents would play.
    parent
        Qt parent.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        form: PolicyForm,
        planes: OrthoPlanes,
        engine: Engine,
        get_settings: Callable[[], SearchSettings],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._form = form
        self._planes = planes
        self._engine = engine
        self._get_settings = get_settings
        self._drawing = PolicyDrawing(viewer)
        self._source: Image | None = None
        self._pack: PackInfo | None = None
        self._colors: Colors = {}
        self._subject: _Subject | None = None
        self._volume: Volume | None = None
        self._map: PolicyMap | None = None
        self._making: BackgroundTask | None = None
        self._asking: dict[str, BackgroundTask] = {}
        self._asked: dict[str, _Question] = {}
        self._texts: dict[str, str] = {}
        self._rests: tuple[npt.ArrayLike, ...] = ()
        self._regions: npt.NDArray[np.float64] = np.zeros((0, 2, 3))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.refresh)
        self._moves = (
            viewer.dims.events.point,
            viewer.dims.events.order,
            viewer.dims.events.ndisplay,
            viewer.scene.camera.events.zoom,
            viewer.scene.camera.events.center,
        )
        for moved in self._moves:
            moved.connect(self._on_moved)
        viewer.layers.events.removed.connect(self._on_removed)
        form.changed.connect(self._schedule)
        form.link_clicked.connect(self.go_to)

    # ---- whose policy

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed, or is about to be."""
        running = self._making is not None or bool(self._asking)
        return running or self._timer.isActive()

    def set_source(self, source: Image | None) -> None:
        """Take the policy in the volume of this layer from now on."""
        if source is not self._source:
            self._source = source
            self.forget()
        self._update_reason()

    def set_pack(self, pack: PackInfo | None, colors: Colors) -> None:
        """Take the policy of these agents from now on."""
        self._pack, self._colors = pack, colors
        self.forget()
        landmarks = () if pack is None else pack.landmarks
        scales = () if pack is None else pack.policy_scales
        self._form.set_choices(landmarks, colors, scales)
        self._update_reason()

    def forget(self) -> None:
        """Take everything away, and compute it anew if it is still wanted."""
        self._stop()
        self._clear()
        self._subject = self._map = self._volume = None
        self._schedule()

    def let_go(self) -> None:
        """Stop what runs."""
        self._timer.stop()
        self._stop()

    def close(self) -> None:
        """Stop, take the layers away and leave the viewer alone."""
        for moved in self._moves:
            moved.disconnect(self._on_moved)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self.let_go()
        self._clear()
        self._map = self._volume = self._source = self._subject = None

    def _update_reason(self) -> None:
        """Say why there is nothing to show, if so."""
        if self._pack is None:
            self._form.set_reason(NO_AGENTS)
        elif not self._pack.policy_scales:
            self._form.set_reason(NO_POLICY, NO_MAP_SHORT)
        elif self._source is None:
            self._form.set_reason(NO_VOLUME)
        else:
            self._form.set_reason("")
            self._tell()

    # ---- what to compute

    def _on_moved(self, event: object = None) -> None:
        """Follow a view that moves, as in a replay, only while there is a reason."""
        if self._form.value().is_anything:
            self._schedule()

    def _schedule(self, event: object = None) -> None:
        """Look after a moment what is wanted; moves meanwhile cost nothing."""
        if not self._timer.isActive():
            self._timer.start()

    def refresh(self) -> None:
        """Compute and draw what is wanted and not there."""
        choice = self._form.value()
        for kind, wanted in ((ARROWS, choice.arrows), (BASINS, choice.basins)):
            if not wanted:
                self._drop(kind)
        if not choice.is_anything or self._source is None or self._pack is None:
            self._stop_making()
            return
        settings = replace(self._get_settings(), landmarks=None)
        subject = _Subject(self._source, self._pack.name, settings)
        if subject != self._subject:
            self._make(subject)
        if self._map is None:
            return
        if choice.basins:
            self._want_basins(choice, self._map)
        if choice.arrows:
            self._want_arrows(choice, self._map)
        if self._drawing.follow_view():
            self._tell()

    def _make(self, subject: _Subject) -> None:
        """Let the agents look at the volume."""
        self._stop()
        self._clear()
        self._map = None
        try:
            self._volume, _ = volume_of(subject.source)
        except (MidrlError, ValueError) as error:
            self._fail(error)
            return
        self._subject = subject
        self._form.show_status(f"Loading the engine{ELLIPSIS}")
        make = partial(
            self._engine.policy, self._volume, subject.pack, subject.settings
        )
        self._making = self._task(
            make,
            on_report=self._on_looking,
            on_return=self._on_made,
            on_end=self._on_made_or_failed,
        )

    def _on_looking(self, progress: Progress) -> None:
        self._form.show_status(
            f"{progress.text[:1].upper()}{progress.text[1:]}{ELLIPSIS}"
        )

    def _on_made(self, made: PolicyMap) -> None:
        self._map = made
        self._tell()
        self._schedule()

    def _on_made_or_failed(self) -> None:
        self._making = None

    def _want_basins(self, choice: PolicyChoice, policy: PolicyMap) -> None:
        question = _Question(choice.landmark, choice.scale)
        if self._asked.get(BASINS) == question:
            return
        self._drop(BASINS)
        self._texts[BASINS] = f"Following every start{ELLIPSIS}"
        self._tell()
        make = partial(policy.basins, choice.landmark, choice.scale)
        self._ask(BASINS, question, make, self._on_basins)

    def _want_arrows(self, choice: PolicyChoice, policy: PolicyMap) -> None:
        scale, volume = self._form.chosen_scale, self._volume
        if scale is None or volume is None:
            return
        where = self._viewer, self._planes, volume.grid, scale
        sight, asked = sight_of(*where), self._asked.get(ARROWS)
        if sight is None:
            return
        if (
            asked is not None
            and asked.sight is not None
            and replace(asked, sight=None) == _Question(choice.landmark, choice.scale)
            and asked.sight.covers(sight)
        ):
            return
        wider = sight_of(*where, beyond=BEYOND_SIGHT)
        if wider is not None:
            question = _Question(choice.landmark, choice.scale, wider)
            self._ask(
                ARROWS, question, partial(_fields, policy, question), self._on_arrows
            )

    # ---- tasks

    def _task(
        self,
        make: Callable[[], Generator[Progress, None, Any]],
        *,
        on_report: Callable[[Progress], None],
        on_return: Callable[[Any], None],
        on_end: Callable[[], None],
    ) -> BackgroundTask:
        task = BackgroundTask(
            make,
            self,
            on_report=on_report,
            on_return=on_return,
            on_error=self._fail,
            on_end=on_end,
        )
        task.start()
        return task

    def _ask(
        self,
        kind: str,
        question: _Question,
        make: Callable[[], Generator[Progress, None, Any]],
        on_answer: Callable[[_Question, Any], None],
    ) -> None:
        """Ask for arrows or basins; an older question of the kind is dropped."""
        older = self._asking.pop(kind, None)
        if older is not None:
            older.stop()
        self._asked[kind] = question
        self._asking[kind] = self._task(
            make,
            on_report=_say_nothing,
            on_return=partial(on_answer, question),
            on_end=partial(self._on_answered, kind),
        )

    def _on_answered(self, kind: str) -> None:
        self._asking.pop(kind, None)

    def _stop_making(self) -> None:
        if self._making is not None:
            self._making.stop()
            self._making = self._subject = None
            self._tell()

    def _stop(self) -> None:
        self._stop_making()
        for task in self._asking.values():
            task.stop()
        self._asking.clear()
        self._asked.clear()

    def _fail(self, error: Exception) -> None:
        self._stop()
        self._clear()
        self._subject = self._map = None
        self._form.untick()
        self._form.show_status(failure_text(error), error=True)

    # ---- answers

    def _name(self, kind: str, question: _Question) -> str:
        title = "" if self._map is None else self._map.scales[question.scale].title
        return f"{kind}: {question.landmark}, steps of {title}"

    def _on_arrows(self, question: _Question, fields: list[PolicyField]) -> None:
        if question.sight is None:
            return
        name = self._name("policy", question)
        self._drawing.show_arrows(fields, question.sight, name)
        self._regions = fields[0].regions_lps_mm
        n_points = sum(len(field.points_lps_mm) for field in fields)
        scale = self._form.chosen_scale
        self._texts[ARROWS] = arrows_text(scale, n_points, len(self._regions))
        self._tell()

    def _on_basins(self, question: _Question, found: BasinMap) -> None:
        color = color_of(self._colors, question.landmark)
        self._drawing.show_basins(found, color, self._name("basins", question))
        self._rests = tuple(basin.rest_lps_mm for basin in found.basins)
        self._texts[BASINS] = basins_text(found.basins, color)
        self._tell()

    def _drop(self, kind: str) -> None:
        """Take arrows or basins away and forget that they were wanted."""
        task = self._asking.pop(kind, None)
        if task is not None:
            task.stop()
        self._drawing.drop(kind)
        self._asked.pop(kind, None)
        if self._texts.pop(kind, ""):
            self._tell()

    def _clear(self) -> None:
        for kind in (ARROWS, BASINS):
            self._drop(kind)

    def _tell(self) -> None:
        """Say what there is to say of what is drawn."""
        texts = [self._texts.get(kind, "") for kind in (BASINS, ARROWS)]
        if self._drawing.has_hidden_basins:
            texts.append(ON_SLICES)
        self._form.show_status("<br>".join(text for text in texts if text))

    def _on_removed(self, event: object = None) -> None:
        """A layer that the user takes away is no longer wanted."""
        kind = self._drawing.kind_of(getattr(event, "value", None))
        if kind:
            self._form.untick(arrows=kind == ARROWS, basins=kind == BASINS)

    def go_to(self, place: str) -> None:
        """Go where a basin rests (``"basin 0"``) or a close-up is (``"region 0"``)."""
        kind, _, number = place.partition(" ")
        if kind == "region":
            region = self._regions[int(number)]
            self._planes.jump_to(region.mean(axis=0))
            zoom_to(self._viewer, region)
        else:
            self._planes.jump_to(self._rests[int(number)])


def _fields(
    policy: PolicyMap, question: _Question
) -> Generator[Progress, None, list[PolicyField]]:
    """Yield progress and return what agents would do in the planes in sight."""
    fields = []
    planes = [] if question.sight is None else question.sight.points_lps_mm()
    for points in planes:
        field = yield from policy.field(question.landmark, question.scale, points)
        fields.append(field)
    return fields


def _say_nothing(progress: Progress) -> None:
    """Answers come within moments."""
