"""What `python -m benchmarks` counts and compares."""

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.__main__ import Parts, main
from benchmarks.speed import body, dense, one_box
from benchmarks.speed.effort import QUICK
from benchmarks.speed.flops import counted_flops
from benchmarks.speed.one_at_a_time import walk_one_at_a_time
from benchmarks.speed.table import ROWS, markdown
from benchmarks.speed.timing import Stopwatch, best_of, ratio
from napari_midrl.agents.dense_blocks import QField
from napari_midrl.agents.dense_network import DenseQConfig, DenseQNetwork
from napari_midrl.agents.dense_walk import walk
from napari_midrl.data.volume import Volume
from napari_midrl.geometry.grid import VoxelGrid

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "make_speed.py"


def test_operations_are_counted_as_by_hand():
    """A layer: 2 x outputs x inputs of each output."""
    network = nn.Sequential(
        nn.Conv3d(4, 6, 3, padding=1), nn.PReLU(), nn.Conv3d(6, 8, 2, stride=2)
    )
    with counted_flops(network) as count:
        network(torch.zeros(1, 4, 4, 6, 8))
    first = 2 * (6 * 4 * 6 * 8) * (4 * 27)
    second = 2 * (8 * 2 * 3 * 4) * (6 * 8)
    assert count.total == first + second
    linear = nn.Linear(5, 7)
    with counted_flops(linear) as count:
        linear(torch.zeros(3, 5))
    assert count.total == 2 * 3 * 7 * 5


def test_operations_of_the_encoder_are_those_of_its_levels():
    """Per voxel of level 2, 4 and 8, for channels 8, 16 and 24."""
    network = DenseQNetwork(DenseQConfig(2, 4.0, (8, 16, 24))).eval()
    with counted_flops(network) as count, torch.inference_mode():
        network.encode(torch.zeros(16, 24, 32))
    at_2 = 27 * (8 * 8 + 8 * 8 + 8 * 8) + 8 * 8
    at_4 = 8 * 8 * 16 + 27 * 3 * 16 * 16 + 16 * 16 + 16 * 8
    at_8 = 8 * 16 * 24 + 27 * 4 * 24 * 24 + 24 * 16
    n = 16 * 24 * 32
    assert count.total == 2 * (n // 8 * at_2 + n // 64 * at_4 + n // 512 * at_8)


def test_the_one_box_network_has_the_published_size():
    network = one_box.OneBoxNetwork(1)
    assert sum(p.numel() for p in network.parameters()) == 550_860
    assert dense.one_box_gflop() == pytest.approx(4.44, rel=0.02)


def test_a_one_box_agent_sees_the_box_around_it_and_nothing_beyond_the_volume():
    array = np.arange(60 * 50 * 40, dtype=np.float32).reshape(60, 50, 40)
    volume = Volume(array, VoxelGrid(array.shape, np.eye(4)), "ramp")
    padded = one_box.gray_values(volume)
    agent = one_box.OneBoxAgent(one_box.OneBoxNetwork(1).eval(), 0, padded)
    agent.scale, agent.position = 2, np.array([3, 25, 20])
    seen = agent._box()
    margin = one_box.margin()
    assert seen.shape == (45, 45, 45)
    assert seen[22, 22, 22] == padded[3 + margin, 25 + margin, 20 + margin]
    assert (seen[:19] == 0).all()
    for _ in range(12):
        agent.step()
    assert ((agent.position >= 0) & (agent.position < array.shape)).all()


def test_ratios_have_three_digits_and_need_something_to_compare():
    assert ratio(1000, 3) == 333
    assert ratio(1, 3) == 0.333
    with pytest.raises(ValueError, match="two positive numbers"):
        ratio(1, 0)


def test_the_fastest_of_some_tries_counts(monkeypatch):
    ticks = iter([0.0, 5.0, 10.0, 12.0, 20.0, 23.0])
    monkeypatch.setattr(
        "benchmarks.speed.timing.time.perf_counter", lambda: next(ticks)
    )
    results = iter("abc")
    assert best_of(3, lambda: next(results)) == (2.0, "b")


def test_a_stopwatch_gives_functions_back_as_they_were():
    owner = SimpleNamespace(work=lambda n: n + 1)
    original, watch = owner.work, Stopwatch()
    with watch.watching((owner, "work", "working")):
        assert owner.work(1) == 2
        assert owner.work is not original
    assert owner.work is original
    assert watch.seconds["working"] > 0


def test_agents_that_walk_one_by_one_walk_as_all_do_together():
    """To the end of every cycle, at the border, and where budgets run out."""
    generator = torch.Generator().manual_seed(2)
    n, m, c = 3, 7, 5
    hidden = nn.Sequential(nn.Linear(c, 4), nn.LeakyReLU(0.01))
    for n_maps in (1, n):
        features = torch.randn(n_maps, c, 5, 6, 4, generator=generator)
        weight = torch.randn(n, 6, 4, generator=generator)
        field = QField(features, hidden, weight, torch.zeros(n, 6), 2.0)
        low = torch.zeros(3) if n_maps == 1 else torch.zeros(n, 1, 3)
        high = torch.tensor([9.0, 11.0, 7.0]).expand_as(low)
        starts = torch.rand(n, m, 3, generator=generator) * 7
        budgets = torch.randint(0, 30, (n, m), generator=generator)
        together, alone = (
            finished(play(field, starts, low, high, 1.0, budgets))
            for play in (walk, walk_one_at_a_time)
        )
        for key in ("end_rows", "closed", "n_moves", "endpoints"):
            assert torch.equal(getattr(together, key), getattr(alone, key)), key
        for a in range(n):
            for b in range(m):
                rows = int(together.n_moves[a, b])
                assert torch.equal(
                    together.actions[:rows, a, b], alone.actions[:rows, a, b]
                )


def finished(walking):
    with torch.inference_mode():
        while True:
            try:
                next(walking)
            except StopIteration as stop:
                return stop.value


def test_volumes_of_other_sizes_show_the_same_block():
    array = np.arange(4 * 8 * 6, dtype=np.int16).reshape(4, 8, 6)
    affine = np.diag([2.0, 3.0, -4.0, 1.0])
    volume = Volume(array, VoxelGrid(array.shape, affine), "ramp")
    larger = body.enlarged(volume, (8, 16, 12))
    np.testing.assert_allclose(larger.grid.size_mm, volume.grid.size_mm)
    np.testing.assert_allclose(larger.grid.center_lps_mm, volume.grid.center_lps_mm)
    assert np.array_equal(larger.array[::2, ::2, ::2], array)
    half = body.cut(Volume(larger.array, larger.grid, "larger"), 0.5)
    assert np.array_equal(half.array, larger.array[:, 4:12])
    np.testing.assert_allclose(half.grid.center_lps_mm, volume.grid.center_lps_mm)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The parts that need no window and no further process."""
    out = tmp_path_factory.mktemp("speed") / "speed.json"
    parts = ("search", "step-by-step", "growth", "training")
    arguments = [word for part in parts for word in ("--only", part)]
    assert main(["--quick", "--json", str(out), *arguments]) == 0
    return json.loads(out.read_text())


def test_a_quick_run_has_every_number_of_its_parts(measured):
    others = ("peak_gib", "seconds_512", "frame_", "start_up")
    wanted = {row.key for row in ROWS if not row.key.startswith(others)}
    wanted = {key for key in wanted if not key.endswith("_stall_ms")}
    assert wanted <= set(measured)
    assert measured["quick"]
    assert not measured["failed"]
    assert measured["same_trajectories"]
    assert set(measured["seconds_6x16_parts"]) == set(dense.PARTS)
    assert {"cpu", "cores", "threads", "torch"} <= set(measured["machine"])
    assert list(measured["growth"]) == [
        "voxels",
        "field of view",
        "starts",
        "landmarks",
    ]


def test_the_parts_of_a_search_add_up_to_it(measured):
    parts = measured["seconds_6x16_parts"]
    assert min(parts.values()) >= 0
    assert sum(parts.values()) > 0.2 * measured["seconds_6x16"]


@pytest.mark.slow
def test_a_quick_run_measures_what_needs_further_processes(tmp_path):
    out = tmp_path / "speed.json"
    names = ("memory", "start-up", "stalls")
    parts = [word for name in names for word in ("--only", name)]
    assert main(["--quick", "--json", str(out), *parts]) == 0
    found = json.loads(out.read_text())
    assert 0 < found["peak_gib_512"] < 4
    assert found["start_up_python_s"] > 0
    # A timer of 5 ms cannot come sooner.
    assert (
        min(found[f"{name}_stall_ms"] for name in ("longest", "first", "showing")) >= 5
    )


def test_a_part_that_fails_does_not_take_the_others_along(
    monkeypatch, tmp_path, capsys
):
    def broken():
        raise RuntimeError("no such thing here")

    parts = {"training": broken, "start-up": lambda: {"start_up_python_s": 0.1}}
    monkeypatch.setattr(Parts, "by_name", parts)
    assert main(["--quick", "--json", str(tmp_path / "speed.json")]) == 1
    found = json.loads((tmp_path / "speed.json").read_text())
    assert found["failed"] == {"training": "no such thing here"}
    assert found["start_up_python_s"] == 0.1
    assert "no such thing here" in capsys.readouterr().err


def test_the_table_leaves_out_what_was_not_measured():
    machine = {"cpu": "C", "cores": 2, "threads": 2, "torch": "2", "python": "3"}
    table = markdown(
        {
            "machine": {**machine, "load_average": 0.1},
            "load_average_after": 1.0,
            "speedup_vs_one_box": 412.0,
            "same_trajectories": True,
        }
    )
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    assert rows == [
        "| `speedup_vs_one_box` | dense agents / one box at a time | 412 x | >= 300 |",
        "| `same_trajectories` | walks equal those played one position at a time | "
        "yes |  |",
    ]


def test_the_picture_has_a_point_for_every_search(measured, monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("make_speed", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setitem(sys.modules, spec.name, script)
    spec.loader.exec_module(script)
    sys.modules.pop("make_curves", None)
    drawn = ElementTree.fromstring(script.picture(measured))
    n_points = sum(len(points) for points in measured["growth"].values())
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}circle"))) == n_points
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- speed:begin -->\nold\n<!-- speed:end -->\nb\n")
    script.fill(page, "| new |")
    assert page.read_text() == (
        "a\n<!-- speed:begin -->\n| new |\n<!-- speed:end -->\nb\n"
    )


def test_a_quick_run_searches_a_small_patient():
    assert np.prod(QUICK.shape) < 200_000
