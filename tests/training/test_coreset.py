"""Past experience: what is kept, how it is kept, and what comes back."""

import hashlib
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.errors import PackError
from napari_midrl.io.coreset import CORESET_NAME, coreset_bytes, read_coreset
from napari_midrl.training.cases import Surroundings, TrainingCase
from napari_midrl.training.coreset import (
    mean_return,
    recalled,
    selected,
    stored,
    with_landmarks,
)
from napari_midrl.training.dense_loop import DenseTrainingSettings
from napari_midrl.training.views import ViewSettings

NAMES = ("a", "b", "c")


def case(seed=0, around=False):
    """Knows of a, that it is there, and of c, that it is not."""
    generator = torch.Generator().manual_seed(seed)
    images = tuple(
        torch.randint(256, (12, 16, 20), generator=generator, dtype=torch.uint8)
        for _ in range(2)
    )
    targets = torch.full((3, 3), torch.nan)
    targets[0] = torch.tensor([10.0, 20.0, 30.0])
    near = None
    if around:
        cubes = torch.randint(256, (3, 6, 6, 6), generator=generator, dtype=torch.uint8)
        near = Surroundings((cubes, cubes.flip(1)), 1.0, targets - 3)
    return TrainingCase(
        f"case {seed}",
        images,
        torch.tensor([2.0, 2.0, 2.0]),
        torch.tensor([-5.0, 0.0, 5.0]),
        targets,
        near,
        torch.tensor([False, True, False]),
    )


def written(folder, cases):
    content = coreset_bytes(cases)
    (folder / CORESET_NAME).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def test_what_is_kept_comes_back_exactly(tmp_path):
    old = case()
    sha256 = written(tmp_path, [stored(old, NAMES, 4.0, weight=3.0)])
    (back,) = read_coreset(tmp_path, sha256)
    assert (back.name, back.landmarks, back.weight) == ("case 0", ("a", "c"), 3.0)
    new = recalled(back, NAMES)
    for name in ("spacing_mm", "origin_lps_mm", "unknown"):
        assert torch.equal(getattr(new, name), getattr(old, name))
    assert torch.equal(
        new.targets_lps_mm.nan_to_num(-1), old.targets_lps_mm.nan_to_num(-1)
    )
    assert all(map(torch.equal, new.images, old.images))


def test_what_lies_around_landmarks_is_kept_and_the_rest_made_coarser(tmp_path):
    old = case(around=True)
    sha256 = written(tmp_path, [stored(old, NAMES, 8.0)])
    new = recalled(read_coreset(tmp_path, sha256)[0], NAMES)
    assert torch.equal(new.surroundings.images[1][0], old.surroundings.images[1][0])
    assert (new.surroundings.images[1][1] == 0).all()
    assert new.spacing_mm.tolist() == [4.0] * 3
    # The first voxel's outer corner stays where it was.
    assert torch.equal(
        new.origin_lps_mm - new.spacing_mm / 2, old.origin_lps_mm - old.spacing_mm / 2
    )


def test_landmarks_learned_since_are_unknown_to_a_kept_case():
    back = stored(case(), NAMES, 4.0)
    new = recalled(back, ("c", "new", "a"))
    assert new.unknown.tolist() == [False, True, False]
    assert new.targets_lps_mm.isnan().all(dim=1).tolist() == [True, True, False]


def test_a_case_of_old_landmarks_says_nothing_about_new_ones():
    new = with_landmarks(replace(case(around=True), unknown=None), NAMES, (*NAMES, "d"))
    assert new.unknown.tolist() == [False, False, False, True]
    assert new.surroundings.images[0].shape == (4, 6, 6, 6)
    with pytest.raises(ValueError, match="begin with"):
        with_landmarks(case(), NAMES, ("d", *NAMES))


def test_a_pack_without_a_coreset_has_none(tmp_path):
    assert read_coreset(tmp_path, "") == ()


@pytest.mark.parametrize("damage", ["missing", "changed", "cut", "other"])
def test_a_coreset_that_cannot_be_trusted_is_refused_by_name(tmp_path, damage):
    sha256 = written(tmp_path, [stored(case(), NAMES, 4.0)])
    path = tmp_path / CORESET_NAME
    content = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    elif damage == "changed":
        content[-1] ^= 1
        path.write_bytes(content)
    else:
        bad = content[:200] if damage == "cut" else b"\x00" * 300
        path.write_bytes(bad)
        sha256 = hashlib.sha256(bad).hexdigest()
    with pytest.raises(PackError) as caught:
        read_coreset(tmp_path, sha256)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spacing_mm", np.array([0, 1, 1], np.float32)),
        ("targets_lps_mm", np.zeros((5, 3), np.float32)),
        ("images", np.zeros((1, 2, 2, 2), np.float32)),
        ("weight", float("nan")),
        ("landmarks", ("a", "a")),
    ],
)
def test_numbers_that_cannot_be_are_refused(field, value):
    with pytest.raises(ValueError, match=r"must|needs"):
        replace(stored(case(), NAMES, 4.0), **{field: value})


def squares(values, ends):
    begins = (0, *ends[:-1])
    parts = [values[a:b] for a, b in zip(begins, ends, strict=True)]
    return sum(float(((part - part.mean()) ** 2).sum()) for part in parts)


@pytest.mark.parametrize("seed", range(6))
def test_the_selection_is_that_of_trying_all_clusters(seed):
    returns = np.random.default_rng(seed).normal(size=9).round(2)
    kept, weights = selected(returns, 3)
    ascending = np.sort(returns)
    cuts = [(*pair, 9) for pair in combinations(range(1, 9), 2)]
    best = min(cuts, key=lambda ends: squares(ascending, ends))
    assert weights == (best[0], best[1] - best[0], 9 - best[1])
    for index, part in zip(kept, np.split(ascending, best[:2]), strict=True):
        away = np.abs(part - part.mean())
        assert abs(returns[index] - part.mean()) == pytest.approx(away.min())


def test_weights_belong_to_the_clusters_they_count():
    """In the published code they come in another order."""
    kept, weights = selected(np.array([9.0, 0.1, 9.1, 0.0, 0.2, 0.1, 5.0]), 3)
    assert weights == (4, 1, 2)
    assert kept[1] == 6
    assert kept[2] in (0, 2)


def test_as_many_as_there_are_are_kept_at_most():
    kept, weights = selected(np.array([2.0, 1.0]), 5)
    assert sorted(kept) == [0, 1]
    assert weights == (1, 1)


def test_the_mean_return_is_a_number_that_depends_on_the_case():
    torch.manual_seed(0)
    network = DenseQNetwork(DenseQConfig(3, 2.0, (4, 4, 4), 4, 4))
    settings = DenseTrainingSettings(
        n_updates=1,
        n_starts=8,
        view=ViewSettings(extent_mm=((20.0,) * 3, (24.0,) * 3), whole_share=0.0),
    )
    one, again, other = (
        mean_return(network, case(seed), settings) for seed in (0, 0, 1)
    )
    assert one == again
    assert one != other
