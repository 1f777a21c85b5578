"""Agents that nobody taught and cases of noise: a fine-tuning of seconds."""

from dataclasses import asdict

import numpy as np
import torch

from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.agents.reliability import evidence_size
from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.volume import Volume
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.io.images import write_nifti
from napari_midrl.io.landmarks import write_landmarks
from napari_midrl.io.model_store import ReliabilityStatement, write_pack

CONFIG = DenseQConfig(2, 4.0, (4, 4, 4), fine_channels=4, n_hidden=4)


def write_tiny_pack(folder, name="tiny"):
    """Write a pack of two landmarks."""
    torch.manual_seed(0)
    network = DenseQNetwork(CONFIG)
    config = asdict(CONFIG)
    del config["n_landmarks"]
    statement = {"recipe": "tiny", "data": "none", "licence": "none", "seed": 0}
    card = {
        "name": name,
        "title": "Tiny",
        "version": "1",
        "description": "For tests.",
        "architecture": "midrl-dense",
        "config": config,
        "landmarks": ["old", "older"],
        "training": {**statement, "n_updates": 0, "seconds": 0.0},
        "intended_use": "Tests.",
        "limits": "All.",
    }
    write_pack(folder, card, {n: t.numpy() for n, t in network.state_dict().items()})


def flat_reliability(**changes):
    """Return what a card of tiny agents may say: all evidence counts for nothing."""
    n = evidence_size(6)
    numbers = {"means": [0.0] * n, "scales": [1.0] * n, "weights": [0.0] * n}
    return ReliabilityStatement(**{**numbers, "bias": 0.0, **changes})


def noise():
    """Return a volume of nothing, for searches whose answers are not judged."""
    grid = VoxelGrid((16, 16, 16), np.diag([4.0, 4.0, 4.0, 1.0]))
    return Volume(np.random.default_rng(0).random((16, 16, 16)), grid, "noise")


def write_case(folder, seed, names):
    """Write an image of noise and a table of landmarks in it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = (-30, 10, 200)
    volume = Volume(
        rng.integers(0, 900, (16, 16, 16)).astype(np.int16),
        VoxelGrid((16, 16, 16), affine),
        "noise",
    )
    write_nifti(volume, folder / "image.nii.gz")
    places = affine[:3, 3] + rng.uniform(12, 48, (len(names), 3))
    marks = [Landmark(n, tuple(p)) for n, p in zip(names, places.tolist(), strict=True)]
    write_landmarks(LandmarkSet(tuple(marks)), folder / "landmarks.csv")


def write_cases(folder, n=4):
    """Write cases; one of them also places a landmark that the pack knows."""
    for number in range(n):
        names = ["new", "newer", "old"] if number == 1 else ["new", "newer"]
        write_case(folder / f"case-{number}", number, names)
