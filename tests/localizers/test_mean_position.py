"""The guess that does not look at the image."""

import numpy as np

from napari_midrl.data.progress import finish
from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.volume import Volume
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.localizers.base import Localizer
from napari_midrl.localizers.mean_position import MeanPosition


def grid(origin_lps_mm):
    affine = np.diag([-2.0, 3.0, 1.5, 1.0])
    affine[:3, 3] = origin_lps_mm
    return VoxelGrid((11, 7, 5), affine)


def test_the_guess_is_the_mean_way_from_the_middle_of_the_image():
    one, two, here = grid((0, 0, 0)), grid((500, 40, -9)), grid((-70, 8, 90))
    ways = np.array([[1.0, 2, 3], [3, 2, -1]])
    guess = MeanPosition.of(
        [
            (one, {"a": tuple(one.center_lps_mm + ways[0])}),
            (two, {"a": tuple(two.center_lps_mm + ways[1]), "b": (1.0, 2.0, 3.0)}),
        ]
    )
    assert isinstance(guess, Localizer)
    assert guess.landmarks == ("a", "b")
    volume = Volume(np.zeros((11, 7, 5)), here, "image")
    found = finish(guess.localize(volume, SearchSettings(landmarks=("a",))))
    assert [result.name for result in found.results] == ["a"]
    way = np.array([2.0, 2.0, 1.0])
    np.testing.assert_allclose(
        found.results[0].position_lps_mm, here.center_lps_mm + way
    )
