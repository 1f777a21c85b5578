"""A small patient and agents that need no training, for tests of the window."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from napari_midrl.data.policy import (
    Basin,
    BasinBlock,
    BasinMap,
    PolicyField,
    PolicyScale,
)
from napari_midrl.data.progress import Progress, SearchProgress
from napari_midrl.data.study import Study
from napari_midrl.data.trajectory import (
    LandmarkResult,
    Localization,
    SearchState,
    Trajectory,
)
from napari_midrl.data.volume import Volume
from napari_midrl.errors import SearchError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.plugin.engine import Engine

NAMES = ("heart", "left kidney", "right kidney", "left knee cap", "prostate", "nipple")
TARGETS = {
    "heart": (18.0, -30.0, 60.0),
    "left kidney": (45.0, 30.0, 0.0),
    "right kidney": (-45.0, 32.0, -6.0),
    "left knee cap": (38.0, -42.0, -80.0),
    "prostate": (0.0, 5.0, -50.0),
    "nipple": (48.0, -66.0, 52.0),
}
ACTIONS = ("L+", "L-", "P+", "P-", "S+", "S-")


SCALES = (PolicyScale(16.0), PolicyScale(8.0), PolicyScale(4.0, 1))
CUBE_MM = 30.0


@dataclass(frozen=True)
class FakePack:
    name: str = "fake"
    title: str = "Fake agents"
    landmarks: tuple[str, ...] = NAMES
    description: str = "Agents that know where they go."
    policy_scales: tuple[PolicyScale, ...] = SCALES


def make_volume(name="T2w", *, spacing=(2.0, 2.0, 4.0), affine=None, seed=0):
    """Return a body-like ellipsoid with a bright left kidney; it is not symmetric."""
    shape = (90, 80, 60)
    if affine is None:
        affine = np.diag([*spacing, 1.0])
        affine[:3, 3] = -(np.array(shape) - 1) / 2 * spacing
    grid = VoxelGrid(shape, affine)
    ijk = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    lps = grid.to_lps_mm(ijk)
    body = ((lps / np.array([75.0, 70.0, 112.0])) ** 2).sum(axis=-1)
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 14, shape)
    array = np.where(body < 1, 240 + 60 * np.cos(lps[..., 2] / 9), 8.0)
    array[body < 0.8] = 150
    for organ, radius in (("heart", 22), ("left kidney", 18), ("right kidney", 17)):
        near = np.linalg.norm(lps - TARGETS[organ], axis=-1)
        array[near < radius] = 330
    array = np.clip(array + noise * (body < 1), 0, None).astype(np.float32)
    return Volume(array, grid, name)


def volume_of_frame(name, frame):
    """Return a volume in the frame of reference of an examination."""
    return replace(make_volume(name), frame_of_reference_uid=frame)


def walk_to(target, name, start, n_steps, seed):
    """Return a trajectory that wanders to a target and then goes round it."""
    rng = np.random.default_rng([seed, start])
    begin = np.array(target) + rng.uniform(-70, 70, 3)
    share = np.linspace(0, 1, n_steps + 1)[:, None] ** 0.7
    wobble = rng.normal(0, 2.5, (n_steps + 1, 3)) * (1 - share)
    positions = begin + (np.array(target) - begin) * share + wobble
    scales = np.digitize(share[:, 0], [0.5, 0.8])
    box = np.array([60.0, 40.0, 24.0])[scales][:, None] * np.array([1.0, 1.0, 1.0])
    left = np.linalg.norm(positions[:-1] - target, axis=1, keepdims=True)
    q_values = left / 20 + rng.normal(0, 0.2, (n_steps, 6))
    return Trajectory(
        landmark=name,
        start=start,
        positions_lps_mm=positions,
        box_sizes_mm=box,
        step_sizes_mm=np.array([9.0, 3.0, 1.0])[scales],
        scales=scales.astype(np.int64),
        actions=rng.integers(0, 6, n_steps),
        q_values=q_values.astype(np.float32),
        action_names=ACTIONS,
        endpoint_lps_mm=np.array(target) + rng.normal(0, 0.8, 3),
        terminated=True,
    )


def localization_of(names, n_starts, n_steps, targets=TARGETS):
    """Return a finished search; the last landmark of several is not found."""
    walks, results = [], []
    for n, name in enumerate(names):
        walks += [
            walk_to(targets[name], name, start, n_steps - 2 * n, n)
            for start in range(n_starts)
        ]
        found = len(names) == 1 or n < len(names) - 1
        results.append(
            LandmarkResult(
                name=name,
                state=SearchState.FOUND if found else SearchState.NOT_CONVERGED,
                position_lps_mm=targets[name] if found else None,
                spread_mm=0.8 + n / 4,
                agreement=0.95 if found else 0.2,
                n_steps=n_steps - 2 * n,
                confidence=0.9 if found else None,
            )
        )
    return Localization(tuple(results), tuple(walks), "fake 1.0", "ab" * 32, 1.5, "cpu")


def fake_locate(volume, pack, settings, *, n_steps=30, pause_s=0.0):
    """Yield reports as a search does, and return what it found."""
    names = settings.landmarks or NAMES
    found = localization_of(names, settings.n_starts, n_steps)
    yield Progress(0, 0, "loading the engine")
    walks = found.trajectories
    for step in range(n_steps):
        at = [min(step, walk.n_steps) for walk in walks]
        positions = [w.positions_lps_mm[t] for w, t in zip(walks, at, strict=True)]
        boxes = [w.box_sizes_mm[t] for w, t in zip(walks, at, strict=True)]
        shape = (len(names), settings.n_starts, 3)
        yield SearchProgress(
            step + 1,
            n_steps,
            f"step {step + 1}",
            positions_lps_mm=np.reshape(positions, shape),
            box_sizes_mm=np.reshape(boxes, shape),
        )
        time.sleep(pause_s)
    return found


def endless_locate(volume, pack, settings):
    """Search without an end."""
    while True:
        yield from _one_round(volume, pack, settings)


def _one_round(volume, pack, settings):
    yield from fake_locate(volume, pack, settings, pause_s=0.01)


def failing_locate(volume, pack, settings):
    """Fail as agents do on a volume they cannot search."""
    yield Progress(0, 0, "loading the engine")
    msg = "volume 'T2w' is only 1 voxel thick along S"
    raise SearchError(msg)


def crashing_locate(volume, pack, settings):
    """Fail as torch does without memory."""
    yield Progress(0, 0, "loading the engine")
    msg = "out of memory"
    raise RuntimeError(msg)


def fake_load(paths):
    """Return a study of two volumes."""
    yield Progress(1, 1, "reading")
    return Study("case", (make_volume("T2w"), make_volume("ADC", spacing=(3, 3, 4))))


class FakePolicy:
    """Agents that know the way; close up, in a cube around their landmark."""

    scales = SCALES

    def __init__(self, volume):
        self.volume = volume
        self.asked = []

    def field(self, landmark, scale, points_lps_mm):
        yield Progress(0, 1, "asking")
        self.asked.append((landmark, scale, points_lps_mm))
        target = np.array(TARGETS[landmark])
        points = points_lps_mm[self.volume.grid.contains(points_lps_mm)]
        region = target + np.array([[-CUBE_MM], [CUBE_MM]]) / 2
        if self.scales[scale].closeup:
            points = points[(np.abs(points - target) <= CUBE_MM / 2).all(axis=1)]
        missing = target - points
        largest = np.abs(missing).argmax(axis=1)
        ways = np.zeros_like(missing)
        rows = np.arange(len(points))
        ways[rows, largest] = np.sign(missing[rows, largest])
        returns = np.where(points[:, 0] > 0, 2.0, -2.0)
        return PolicyField(points, ways, returns, region[None])

    def basins(self, landmark, scale):
        """Call everything right of the landmark the second basin."""
        yield Progress(0, 1, "following")
        grid = self.volume.grid.bounding_grid(self.scales[scale].step_mm)
        voxels = np.moveaxis(np.indices(grid.shape_ijk), 0, -1)
        lps_mm = grid.to_lps_mm(voxels)
        labels = np.where(lps_mm[..., 0] < TARGETS[landmark][0], 2, 1)
        labels[~self.volume.grid.contains(lps_mm)] = 0
        found = (Basin(TARGETS[landmark], 0.7), Basin((-60.0, 0.0, 0.0), 0.3))
        return BasinMap(found, (BasinBlock(labels.astype(np.int32), grid),))


def fake_policy(volume, pack, settings):
    """Look at the volume and return the policy."""
    yield Progress(0, 1, "looking")
    return FakePolicy(volume)


def endless_policy(volume, pack, settings):
    """Look at the volume without an end."""
    while True:
        yield Progress(0, 0, "looking")
        time.sleep(0.01)


def failing_policy(volume, pack, settings):
    """Fail as agents do on a volume they cannot search."""
    yield Progress(0, 0, "looking")
    msg = "volume 'T2w' is only 1 voxel thick along S"
    raise SearchError(msg)


def fake_engine(
    locate=fake_locate, packs=(FakePack(),), policy=fake_policy, locate_in_all=None
):
    """Return an engine without torch."""
    return Engine(lambda: packs, locate, fake_load, policy, locate_in_all=locate_in_all)
