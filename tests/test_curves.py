"""The pictures of trainings in the documentation, from logs made up here."""

import importlib.util
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from safetensors.numpy import save_file

SCRIPT = Path(__file__).resolve().parent.parent / "docs" / "make_curves.py"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def curves():
    spec = importlib.util.spec_from_file_location("make_curves", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def write_log(folder, entries, checkpoint=None):
    folder.mkdir(parents=True)
    lines = [json.dumps(entry) for entry in entries]
    (folder / "log.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    if checkpoint is not None:
        metadata = {"settings": json.dumps(checkpoint)}
        tensors = {"n_done": np.array(len(entries))}
        save_file(tensors, folder / "checkpoint.safetensors", metadata=metadata)
    return folder / "log.jsonl"


def dense_entries(n, scales=4):
    return [
        {"update": u, "loss": 1.0, "seconds": 1.0}
        # A view without a landmark in sight has no loss at the fine scales.
        | {f"loss_{k}": 0.1 * 2**k / u for k in range(2 if u % 3 == 0 else scales)}
        for u in range(1, n + 1)
    ]


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_updates_made_again_and_lines_cut_short_are_read_as_they_ended(
    curves, tmp_path
):
    log = write_log(tmp_path / "stage-3", dense_entries(3))
    again = {"update": 2, "loss": 1.0, "loss_0": 7.0}
    with log.open("a") as file:
        file.write('{"update": 4, "lo\n' + json.dumps(again) + "\n")
    stage = curves.read_stage(log, 1)
    assert stage.name == "stage 3"
    assert stage.updates.tolist() == [1, 2, 3]
    assert stage.losses["loss_0"].tolist() == pytest.approx([0.1, 7.0, 0.1 / 3])
    assert np.isnan(stage.losses["loss_2"][1:]).all()


def test_the_median_is_that_of_the_updates_around(curves):
    values = np.arange(1.0, 302.0)
    values[150] = 1e9
    low, middle, high = curves.quartiles(values, np.array([0, 100, 300]))
    assert middle.tolist() == [26, 101, 276]
    assert (low < middle).all()
    assert (high > middle).all()


def test_rates_are_those_logged_or_those_of_a_whole_stage(curves, tmp_path):
    settings = {"n_updates": 50, "learning_rate": 2e-3}
    logged = [entry | {"learning_rate": 1e-5} for entry in dense_entries(50)]
    whole = curves.read_stage(write_log(tmp_path / "a", dense_entries(50), settings), 1)
    part = curves.read_stage(write_log(tmp_path / "b", dense_entries(49), settings), 1)
    bare = curves.read_stage(write_log(tmp_path / "c", dense_entries(50)), 1)
    known = curves.read_stage(write_log(tmp_path / "d", logged, settings), 1)
    assert whole.rates[0] == pytest.approx(2e-4)
    assert whole.rates.max() == pytest.approx(2e-3, rel=1e-2)
    assert part.rates is None
    assert bare.rates is None
    assert (known.rates == 1e-5).all()


def test_the_picture_names_scales_stages_and_units(curves, tmp_path):
    first = write_log(tmp_path / "stage-1", dense_entries(300))
    second = write_log(tmp_path / "stage-2", dense_entries(200, scales=6))
    stages = [curves.read_stage(log, n) for n, log in enumerate((first, second))]
    svg = curves.picture(stages, "Training of <agents>", 8.0)
    written = texts(svg)
    assert "Training of <agents>" in written
    scales = {"32 mm", "16 mm", "8 mm", "4 mm", "4 mm, detail", "2 mm, detail"}
    assert scales <= set(written)
    assert {"stage 1", "stage 2", "0", "500"} <= set(written)
    assert any("loss" in words for words in written)
    assert any("updates" in words for words in written)
    lines = [
        e
        for e in ElementTree.fromstring(svg).iter(f"{SVG}path")
        if e.get("class", "").startswith("s")
    ]
    assert len(lines) == 4 + 6
    assert "nan" not in svg
    assert "prefers-color-scheme:dark" in svg


def test_agents_as_published_have_one_curve(curves, tmp_path):
    entries = [
        {"update": 50 * n, "loss": 3.0 / n, "epsilon": 0.5, "end_distance_mm": 9.0}
        for n in range(1, 11)
    ]
    stage = curves.read_stage(write_log(tmp_path / "stage-1", entries), 1)
    assert "all agents" in texts(curves.picture([stage], "MIDRL", None))


@pytest.mark.gui
def test_a_picture_can_be_a_png(curves, tmp_path, qapp, monkeypatch):
    log = write_log(tmp_path / "stage-1", dense_entries(120))
    out = tmp_path / "curves.png"
    arguments = [str(log), "--recipe", "brain-afids", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["make_curves.py", *arguments])
    curves.main()
    assert out.read_bytes().startswith(b"\x89PNG")
