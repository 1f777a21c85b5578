"""Fine-tuning: old agents stay what they are until they learn, and can be rehearsed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.data.progress import Progress, finish
from napari_midrl.data.volume import Volume
from napari_midrl.errors import InputError, PackError
from napari_midrl.geometry.grid import VoxelGrid
from napari_midrl.training import dense_loop
from napari_midrl.training.case_views import case_of
from napari_midrl.training.cases import TrainingCase
from napari_midrl.training.dense_loop import DenseTrainingSettings, Past, train_dense
from napari_midrl.training.finetune import BEST_NAME, best_in, fine_tune
from napari_midrl.training.growing import grown
from napari_midrl.training.views import ViewSettings

TINY = DenseQConfig(2, 2.0, (4, 4, 4), fine_channels=4, n_hidden=4)
VIEWS = ViewSettings(extent_mm=((36.0,) * 3, (44.0,) * 3), whole_share=0.0)
QUICK = DenseTrainingSettings(
    n_updates=4,
    n_starts=8,
    n_fine_landmarks=1,
    seed=3,
    weight_decay=0.0,
    checkpoint_every=1,
    view=VIEWS,
)
HEADS = ("head_4", "head_2", "head_one", "head_half")
HALF_KNOWN = torch.tensor([True, True, False])


def network(config=TINY):
    torch.manual_seed(1)
    return DenseQNetwork(config)


def noise_case(seed=0, n_landmarks=3, unknown=None):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(24, 24, 24, generator=generator)
    targets = 10 + 28 * torch.rand(n_landmarks, 3, generator=generator)
    if unknown is not None:
        targets[unknown] = torch.nan
    spacing, origin = torch.full((3,), 2.0), torch.zeros(3)
    return TrainingCase(
        f"noise {seed}", (image,), spacing, origin, targets, unknown=unknown
    )


def weights(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


@pytest.mark.parametrize("config", [TINY, replace(TINY, has_detail=True)])
def test_old_agents_have_bit_identical_q_values_in_the_grown_network(config):
    old = network(config)
    new = grown(old, 3, seed=0)
    assert new.config == replace(config, n_landmarks=5)
    volume = torch.rand(16, 16, 24, generator=torch.Generator().manual_seed(0))
    positions = 15 * torch.rand(2, 7, 3, generator=torch.Generator().manual_seed(1))
    both = torch.arange(2)
    with torch.inference_mode():
        one, two = old.encode(volume), new.encode(volume)
        for mine, theirs in zip(one.fields, two.fields, strict=True):
            assert torch.equal(mine(positions), theirs.only(both)(positions))
        cubes = torch.rand(2, 32, 32, 32, generator=torch.Generator().manual_seed(2))
        place = torch.zeros(2, 3), both
        pair = old.refine(cubes, one.features, *place)
        grown_pair = new.refine(cubes, two.features, *place)
        for mine, theirs in zip(pair, grown_pair, strict=True):
            assert torch.equal(mine(positions), theirs(positions))


def test_organs_stay_what_they_are_as_long_as_their_agents_do():
    config = replace(TINY, has_detail=True, organs=((0, 1),), organ_channels=(4, 4, 4))
    old = network(config)
    new = grown(old, 3, seed=0)
    assert new.config.organs == config.organs
    assert all(
        torch.equal(tensor, new.organ_part.state_dict()[name])
        for name, tensor in old.organ_part.state_dict().items()
    )
    others = grown(old, 3, seed=0, keeps_agents=False)
    assert others.config.organs == ()
    assert not hasattr(others, "organ_part")


def test_new_agents_expect_next_to_nothing():
    new = grown(network(), 3, seed=0)
    for head in (new.global_part.head_4, new.fine_part.head_half):
        assert head.weight[2:].abs().max() < 0.1
        assert (head.bias[2:] == 0).all()


def test_a_network_of_its_own_sees_what_the_old_one_saw():
    old = network()
    new = grown(old, 3, seed=0, keeps_agents=False)
    assert new.config == replace(TINY, n_landmarks=3)
    volume = torch.rand(16, 16, 24, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(new.encode(volume).features, old.encode(volume).features)
    head = new.global_part.head_4
    assert head.weight.abs().max() < 0.1
    assert torch.equal(head.hidden[0].weight, old.global_part.head_4.hidden[0].weight)


def test_growing_depends_on_the_seed_alone():
    one, two = (grown(network(), 1, seed=5).state_dict() for _ in range(2))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())
    other = grown(network(), 1, seed=6)
    assert not torch.equal(
        other.global_part.head_4.weight, one["global_part.head_4.weight"]
    )


def test_agents_of_unknown_landmarks_do_not_change():
    """Not even by a decay of weights; the agent of the known one does."""
    start = grown(network(), 1, seed=0)
    case = noise_case(unknown=HALF_KNOWN)
    after = weights(finish(train_dense(start.config, [case], QUICK, initial=start)))
    before = weights(start)
    for name, tensor in after.items():
        if name.endswith(("weight", "bias")) and name.split(".")[-2] in HEADS:
            assert torch.equal(tensor[:2], before[name][:2]), name
            assert not torch.equal(tensor[2], before[name][2]), name


def test_an_absent_landmark_is_not_an_unknown_one():
    """Its agent learns that there is nothing to expect."""
    start = network(replace(TINY, n_landmarks=3))
    absent = replace(noise_case(unknown=HALF_KNOWN), unknown=None)
    after = weights(finish(train_dense(start.config, [absent], QUICK, initial=start)))
    name = "global_part.head_4.weight"
    assert not torch.equal(after[name][0], start.state_dict()[name][0])


def past(share=0.5, weight=(1.0,)):
    cases = tuple(noise_case(50 + n) for n in range(len(weight)))
    return Past(cases, torch.tensor(weight), share, VIEWS)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_past_has_its_share_of_the_updates(share):
    mix = past(share)
    generators = (torch.Generator().manual_seed(seed) for seed in range(2000))
    assert np.mean([mix.is_next(g) for g in generators]) == pytest.approx(
        share, abs=0.03
    )


def test_past_cases_are_drawn_by_their_weights():
    mix = past(weight=(1.0, 3.0))
    generator = torch.Generator().manual_seed(0)
    drawn = [mix.drawn(generator).name for _ in range(2000)]
    assert drawn.count("noise 51") / 2000 == pytest.approx(0.75, abs=0.03)


def test_every_update_says_whether_it_learned_from_the_past():
    start = network(replace(TINY, n_landmarks=3))
    settings = replace(QUICK, n_updates=12)
    reports = []
    training = train_dense(
        start.config, [noise_case()], settings, initial=start, past=past()
    )
    finish(training, reports.append)
    flags = [report.metrics["is_past"] for report in reports]
    assert set(flags) == {0.0, 1.0}


def rehearsed(mix):
    """Return the losses of a training that sees the past alone, and how far it went."""
    start = network(replace(TINY, n_landmarks=3))
    reports = []
    training = train_dense(start.config, [noise_case()], QUICK, initial=start, past=mix)
    after, before = weights(finish(training, reports.append)), weights(start)
    losses = [report.metrics["loss"] for report in reports]
    # Decay shrinks what has no gradient, by a share alike for all.
    decay = after["global_part.head_4.weight"] / before["global_part.head_4.weight"]
    return losses, decay


def test_what_is_remembered_is_what_the_network_expected_at_first():
    """It has nothing to learn, then; by the rule it has."""
    losses, changed = rehearsed(past(1.0))
    assert max(losses) < 1e-6
    assert changed.std() < 1e-4
    relearned, rechanged = rehearsed(replace(past(1.0), is_relearned=True))
    assert min(relearned) > 1e-3
    assert rechanged.std() > 1e-3


def test_without_an_initial_network_nothing_can_be_remembered():
    config = replace(TINY, n_landmarks=3)
    with pytest.raises(ValueError, match="initial"):
        finish(train_dense(config, [noise_case()], QUICK, past=past()))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"share": 1.5}, "share"), ({"weights": torch.ones(3)}, "weights")],
)
def test_a_past_that_cannot_be_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(past(), **change)


def errors(*values):
    """Return what measures these errors, one after the other."""
    left = list(values)

    def measure(_network):
        yield Progress(0, 1, "measuring")
        return {"error": left.pop(0)}

    return measure


def tuned(folder, measure, settings=QUICK, mix=None):
    start = grown(network(), 1, seed=0)
    return fine_tune(
        start, [noise_case()], settings, folder, past=mix, measure=measure,
        measure_every=1,
    )  # fmt: skip


def test_the_weights_with_the_smallest_error_are_kept(tmp_path):
    """They are those of that update, and the last ones are returned all the same."""
    last = weights(finish(tuned(tmp_path / "one", errors(5.0, 2.0, 4.0, 3.0))))
    best = best_in(tmp_path / "one", grown(network(), 1, seed=0))
    assert (best.n_updates, best.error) == (2, 2.0)
    training = tuned(tmp_path / "two", errors(5.0, 2.0))
    reports = []
    while len(reports) < 2:
        report = next(training)
        reports += [report] if report.metrics else []
    training.close()
    saved = dense_loop.load_file(tmp_path / "two" / "checkpoint.safetensors")
    for name, tensor in best.network.state_dict().items():
        assert torch.equal(tensor, saved[f"averaged_net.{name}"])
    assert any(
        not torch.equal(t, last[n]) for n, t in best.network.state_dict().items()
    )


def test_nothing_measured_keeps_nothing(tmp_path):
    finish(tuned(tmp_path, None))
    assert best_in(tmp_path, network()) is None


def test_damaged_best_weights_are_refused_by_name(tmp_path):
    finish(tuned(tmp_path, errors(1.0, 2.0, 3.0, 4.0)))
    path = tmp_path / BEST_NAME
    path.write_bytes(path.read_bytes()[:99])
    with pytest.raises(PackError) as caught:
        best_in(tmp_path, grown(network(), 1, seed=0))
    assert caught.value.path == path


@pytest.mark.parametrize("stop_after", [1, 3])
def test_interrupted_and_resumed_is_as_if_it_had_not_been(tmp_path, stop_after):
    mix = past()
    whole = weights(finish(tuned(tmp_path / "whole", None, mix=mix)))
    settings = replace(QUICK, checkpoint_every=2)
    training = tuned(tmp_path / "cut", None, settings, mix)
    for _ in range(stop_after):
        next(training)
    training.close()
    resumed = weights(finish(tuned(tmp_path / "cut", None, settings, mix)))
    assert all(torch.equal(tensor, whole[name]) for name, tensor in resumed.items())


def test_a_checkpoint_that_mixed_in_another_past_is_refused(tmp_path):
    finish(tuned(tmp_path, None, mix=past()))
    with pytest.raises(InputError, match="another past"):
        finish(tuned(tmp_path, None, mix=past(share=0.4)))


OBLIQUE = np.array(
    [
        [0.0, -1.5, 0.0, 20.0],
        [2.0, 0.0, 0.0, -30.0],
        [0.0, 0.0, -3.0, 60.0],
        [0.0, 0.0, 0.0, 1.0],
    ]
)


def blob_volume():
    """A bright voxel in a left-handed, anisotropic, permuted grid."""
    array = np.full((20, 24, 12), 10, dtype=np.int16)
    array[8:11, 10:13, 5:7] = 500
    return Volume(array, VoxelGrid((20, 24, 12), OBLIQUE), "blob")


@pytest.mark.parametrize("base_mm", [3.0, 8.0])
def test_an_image_becomes_a_case_with_its_landmark_in_place(base_mm):
    volume = blob_volume()
    place = tuple(volume.grid.to_lps_mm((9, 11, 5.5)).tolist())
    config = replace(TINY, base_mm=base_mm)
    case = case_of(volume, {"b": place, "other": place}, ("a", "b"), config, "blob")
    assert case.unknown.tolist() == [True, False]
    assert case.targets_lps_mm.isnan()[0].all()
    image = case.images[0].double()
    bright = (image > image.max() / 2).nonzero().double()
    center = case.origin_lps_mm + bright.mean(dim=0) * case.spacing_mm
    assert (center - torch.tensor(place)).norm() < case.spacing_mm.norm() / 2


def test_a_large_image_is_kept_coarsely_with_fine_surroundings(monkeypatch):
    monkeypatch.setattr("napari_midrl.training.case_views.MAX_VOXELS", 500)
    volume = blob_volume()
    place = tuple(volume.grid.to_lps_mm((9, 11, 5.5)).tolist())
    config = replace(TINY, base_mm=8.0)
    case = case_of(volume, {"b": place}, ("a", "b"), config, "blob")
    near = case.surroundings
    assert near.spacing_mm == 4.0
    assert near.origins_lps_mm.isnan().all(dim=1).tolist() == [True, False]
    n = near.images[0].shape[1]
    middle = near.origins_lps_mm[1] + near.spacing_mm * (n - 1) / 2
    torch.testing.assert_close(middle, torch.tensor(place), atol=1e-3, rtol=0)
    assert near.images[0][1].max() > 50


def test_a_case_that_places_nothing_the_agents_know_is_refused():
    with pytest.raises(InputError, match="places none"):
        case_of(blob_volume(), {"x": (0, 0, 0)}, ("a",), TINY, "blob")


def test_an_image_without_contrast_is_refused():
    volume = replace(blob_volume(), array=np.full((20, 24, 12), 7, dtype=np.int16))
    with pytest.raises(InputError, match="no contrast"):
        case_of(volume, {"a": (0, 0, 0)}, ("a",), TINY, "blob")
