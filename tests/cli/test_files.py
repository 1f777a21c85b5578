"""``midrl convert``, ``phantom`` and ``train``: arguments arrive, files are named."""

from pathlib import Path

import pytest

import napari_midrl
from napari_midrl.data.landmarks import Landmark, LandmarkSet
from napari_midrl.data.progress import Progress


def test_convert_hands_its_choices_on(midrl, stand_in, tmp_path):
    asked = []

    def convert_landmarks(source, target, **choices):
        asked.append((source.name, target.name, choices))
        points = (Landmark("AC", (1, 2, 3)),)
        return LandmarkSet(points, warnings=("took RAS",))

    stand_in("napari_midrl.workflows.convert", convert_landmarks=convert_landmarks)
    (tmp_path / "a.fcsv").touch()

    result = midrl("convert", tmp_path / "a.fcsv", tmp_path / "b.csv", "--frame", "RAS")

    assert result.exit_code == 0, result.output
    choices = {"frame": "RAS", "image": None, "overwrite": False}
    assert asked == [("a.fcsv", "b.csv", choices)]
    assert result.stdout.endswith("b.csv: 1 landmarks\n")
    assert result.stderr == "warning: took RAS\n"


def test_convert_knows_two_frames(midrl, tmp_path):
    result = midrl("convert", tmp_path / "a.csv", tmp_path / "b.csv", "--frame", "LAS")

    assert result.exit_code == 2
    assert "LAS" in result.stderr


def test_phantom_prints_the_files(midrl, stand_in):
    def write_phantom(seed, out, *, quick):
        yield Progress(1, 1, "imaging")
        return (out / f"seed{seed}_{'quick' if quick else 'full'}.nii.gz",)

    stand_in("napari_midrl.workflows.phantom", write_phantom=write_phantom)

    assert midrl("phantom", 7, "--out", "p", "--quick").stdout == (
        f"{Path('p') / 'seed7_quick.nii.gz'}\n"
    )


@pytest.mark.parametrize("resume", [False, True])
def test_train_prints_the_pack(midrl, stand_in, resume):
    def train_pack(recipe, out, *, seed, resume, data, config, n_updates, tensorboard):
        yield Progress(1, 1, "training", {"loss": 0.5})
        assert (config, tensorboard) == (Path("mine.toml"), True)
        return out / f"{recipe}-{seed}-{resume}-{data}-{n_updates}"

    stand_in(
        "napari_midrl.workflows.train", train_pack=train_pack, config_text=lambda _: ""
    )
    flag = ["--resume"] if resume else []

    arguments = ["--out", "runs", "--seed", 3, "--data", "images", *flag]
    arguments += ["--updates", 12, "--config", "mine.toml", "--tensorboard"]

    result = midrl("train", "brain-afids", *arguments)

    assert result.stdout == f"{Path('runs') / f'brain-afids-3-{resume}-images-12'}\n"


def test_train_prints_the_config_and_trains_nothing(midrl):
    shipped = Path(napari_midrl.__file__).parent / "training/configs/brain-afids.toml"

    result = midrl("train", "brain-afids", "--print-config")

    assert result.stdout == shipped.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["brain-afids"], "--out is needed"), (["spine", "--print-config"], "no recipe")],
)
def test_train_says_what_it_lacks(midrl, arguments, message):
    result = midrl("train", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr
