"""Make the pictures of the window in docs/images: python docs/make_screenshots.py.

Needs a display (or Xvfb) and the ``pyqt6`` extra. All of them show computed patients.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import napari
import numpy as np
from window import (
    NEW_LANDMARK,
    picture_of,
    wait,
    wait_until,
    write_digital_cases,
)

from napari_midrl.annotation.commands import AddProposals, Lock, Place
from napari_midrl.data.annotations import Proposal
from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import finish
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.phantom.study import phantom_study
from napari_midrl.plugin.annotate_dock import AnnotateDock
from napari_midrl.plugin.demo import PATIENCE_S, WINDOW_SIZE, show_sample
from napari_midrl.plugin.finetune_dock import FineTuneDock
from napari_midrl.plugin.orientation import AXIAL, CORONAL, SAGITTAL
from napari_midrl.plugin.preferences import Preferences
from napari_midrl.plugin.readers import study_layers
from napari_midrl.plugin.views import PatientLetters, show_standard_view

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
MAN = 0
UNDER, OVER = "prostate T2w", "prostate ADC"
ON_SLICES = "left kidney"
PLACED = ("left knee", "right knee", "left trochanter", "right trochanter", "heart")
PROPOSED = {"left kidney": 0.42, "right kidney": 0.71, "prostate": 0.93}
OFF_MM = (2.0, 0.0, -3.0)
FINETUNE_SEEDS = range(3000, 3008)
FINETUNE_MINUTES = 8
FINETUNE_PATIENCE_S = 60 * (FINETUNE_MINUTES + 10)
PICTURES = ("search", "prostate", "annotate", "finetune", "policy")
ASKED, STEPS = "right knee", "16 mm"
MOST_BYTES = 480_000


def shoot(viewer: napari.Viewer, name: str) -> None:
    """Save the whole window as a PNG, with fewer colors if it is large."""
    wait(0.5)
    picture = picture_of(viewer)
    path = IMAGES / f"{name}.png"
    picture.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        picture.quantize(256, kmeans=2).save(path, optimize=True)
    print(f"docs/images/{name}.png")


def search_pictures(seed: int) -> None:
    """Save the window while agents search and after, in 3D and on slices."""
    viewer = napari.Viewer(title="napari-midrl")
    viewer.window.resize(*WINDOW_SIZE)
    dock = show_sample(viewer, seed=seed)
    dock.run()
    wait_until(lambda: not dock.is_running, PATIENCE_S)
    if dock.found is None:
        raise SystemExit(dock.ui.form.status.text())
    player = dock.replay.player
    player.pause()
    dock.show_as_played(player.n_frames // 3)
    shoot(viewer, "window-3d")
    dock.show_as_played(player.n_frames - 1)
    for view in (AXIAL, CORONAL, SAGITTAL):
        dock.show_view(view)
        dock.jump_to_landmark(ON_SLICES)
        shoot(viewer, f"window-2d-{view.name.lower()}")
    viewer.close()


def prostate_picture() -> None:
    """Save diffusion over anatomy in a prostate study, each on its own grid."""
    study, _ = finish(phantom_study(MAN, regions=("prostate",)))
    viewer = napari.Viewer(title="napari-midrl")
    viewer.window.resize(*WINDOW_SIZE)
    for data, options, _ in study_layers(study):
        layer = viewer.add_image(data, **options)
        layer.visible = layer.name in (UNDER, OVER)
    viewer.layers.move(viewer.layers.index(viewer.layers[UNDER]), 0)
    viewer.layers[OVER].colormap = "inferno"
    viewer.layers[OVER].blending = "additive"
    viewer.layers[OVER].opacity = 0.5
    PatientLetters(viewer)
    viewer.canvas.overlays.scale_bar.visible = True
    show_standard_view(viewer, AXIAL)
    shoot(viewer, "prostate-in-register")
    viewer.close()


def annotation_picture(seed: int) -> None:
    """Save the window while landmarks are placed and proposals judged."""
    study, truth = finish(phantom_study(seed, quick=True))
    viewer = napari.Viewer(title="napari-midrl")
    viewer.window.resize(*WINDOW_SIZE)
    for data, options, _ in study_layers(study):
        viewer.add_image(data, **options)
    with tempfile.TemporaryDirectory() as folder:
        chosen = Preferences(reader="ada", default_pack="digital-patient")
        dock = AnnotateDock(viewer, None, chosen, folder=Path(folder))
        viewer.window.add_dock_widget(dock, name="MIDRL: annotate", area="right")
        wait(1.0)
        dock.ui.form.image.setCurrentText(study.volumes[0].name)
        if not dock.start():
            raise SystemExit(dock.ui.status.text())
        dock.show_view(CORONAL)
        for name in PLACED:
            dock.do(Place(name, truth[name].position_lps_mm))
        dock.do(Lock(PLACED[0]))
        proposals = {}
        for name, confidence in PROPOSED.items():
            position = np.add(truth[name].position_lps_mm, OFF_MM).tolist()
            proposals[name] = Proposal(tuple(position), "digital-patient", confidence)
        dock.do(AddProposals(proposals))
        dock.proposing.go_to_worst()
        shoot(viewer, "annotate")
        viewer.close()


def policy_picture(seed: int) -> None:
    """Save the window with what agents would do, and where it would lead them."""
    viewer = napari.Viewer(title="napari-midrl")
    viewer.window.resize(*WINDOW_SIZE)
    dock = show_sample(viewer, seed=seed)
    dock.show_view(CORONAL)
    form = dock.ui.policy
    form.choose_landmark(ASKED)
    form.scale.setCurrentText(STEPS)
    form.arrows.setChecked(True)
    form.basins.setChecked(True)
    wait_until(lambda: not dock.policy.is_busy, PATIENCE_S)
    dock.policy.go_to("basin 0")
    wait_until(lambda: not dock.policy.is_busy, PATIENCE_S)
    dock.ui.ensureWidgetVisible(form)
    shoot(viewer, "policy")
    viewer.close()


def write_cases(folder: Path) -> None:
    """Write cases in which one landmark is new to the agents and one is known."""
    for case, places in write_digital_cases(folder, FINETUNE_SEEDS).items():
        marks = tuple(Landmark(name, places[name]) for name in (NEW_LANDMARK, "heart"))
        write_landmarks(LandmarkSet(marks), case / "landmarks.csv")


def finetune_picture() -> None:
    """Save the window after a fine-tuning, while both agents search a held-out case."""
    with tempfile.TemporaryDirectory() as folder:
        # The store of whoever runs this is left alone.
        os.environ["XDG_DATA_HOME"] = folder
        write_cases(Path(folder) / "cases")
        viewer = napari.Viewer(title="napari-midrl")
        viewer.window.resize(*WINDOW_SIZE)
        dock = FineTuneDock(viewer, None, Preferences(default_pack="digital-patient"))
        viewer.window.add_dock_widget(dock, name="MIDRL: fine-tune", area="right")
        dock.take_folder(Path(folder) / "cases")
        wait_until(lambda: not dock.is_busy, FINETUNE_PATIENCE_S)
        dock.ui.train.minutes.setValue(FINETUNE_MINUTES)
        dock.training.start()
        wait_until(lambda: not dock.is_busy, FINETUNE_PATIENCE_S)
        if dock.versions.shown is None:
            raise SystemExit(dock.ui.status.text())
        dock.ui.result.play_button.click()
        wait_until(lambda: not dock.is_busy, FINETUNE_PATIENCE_S)
        show_standard_view(viewer, CORONAL)
        player = dock.side_by_side.player
        player.pause()
        player.set_frame(2 * player.n_frames // 3)
        shoot(viewer, "finetune")
        dock.ui.tabs.setCurrentWidget(dock.ui.curves)
        shoot(viewer, "finetune-curves")
        viewer.close()


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=PICTURES)
    chosen = parser.parse_args()
    IMAGES.mkdir(parents=True, exist_ok=True)
    if chosen.only in (None, "search"):
        search_pictures(chosen.seed)
    if chosen.only in (None, "prostate"):
        prostate_picture()
    if chosen.only in (None, "annotate"):
        annotation_picture(chosen.seed)
    if chosen.only in (None, "policy"):
        policy_picture(chosen.seed)
    if chosen.only in (None, "finetune"):
        finetune_picture()


if __name__ == "__main__":
    main()
