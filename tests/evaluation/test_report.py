"""What programs and people read: JSON keys, table, page and pictures."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from napari_midrl.data.settings import SearchSettings
from napari_midrl.data.volume import Volume
from napari_midrl.evaluation.outcome import (
    CELL_COLUMNS,
    NOTICE,
    Evaluation,
    PackUsed,
    as_plain,
    rows,
)
from napari_midrl.evaluation.page import page
from napari_midrl.evaluation.pictures import MIN_SIDE_MM, PIXELS, picture_of, png

ASKED_FOR = {
    "landmark", "sequence", "dimension", "n", "mean_mm", "median_mm", "p90_mm",
    "iou_mean", "dice_mean", "success_at_mm", "confused", "not_converged",
}  # fmt: skip


@pytest.fixture
def volume(finding):
    """A dark image with a bright block 20 mm to the left of the landmark."""
    grid = finding(0).grid
    array = np.full(grid.shape_ijk, 10, np.int16)
    array[66:75, 46:55, 18:23] = 200
    return Volume(array, grid, "T1w")


@pytest.fixture
def evaluation(finding, volume):
    findings = [
        finding(0, "a"),
        finding(20, "b", nearer_to="<liver>"),
        finding(None, "a", landmark="left <nipple>"),
        finding(None, "b", landmark="left <nipple>"),
    ]
    others = [finding(5, "a"), finding(6, "b")]
    return Evaluation(
        pack=PackUsed("mine", "ab" * 32),
        against=PackUsed("other", ""),
        data="folder of cases",
        cases=("a", "b"),
        n_images=2,
        settings=SearchSettings(),
        findings=tuple(findings),
        others=tuple(others),
        worst=(picture_of(findings[1], volume),),
        notes=("something & more",),
    )


def test_json_has_the_keys_asked_for(evaluation):
    plain = json.loads(json.dumps(as_plain(evaluation), allow_nan=False))

    assert len(plain["cells"]) == 4
    assert all(cell.keys() >= ASKED_FOR for cell in plain["cells"])
    assert {cell["dimension"] for cell in plain["cells"]} == {"2d", "3d"}
    heart = plain["cells"][0]
    assert (heart["n"], heart["mean_mm"], heart["median_mm"]) == (2, 10, 10)
    assert heart["success_at_mm"] == {"2": 0.5, "4": 0.5, "6": 0.5, "8": 0.5, "10": 0.5}
    assert heart["confused"] == 0.5
    assert heart["baseline"]["mean_mm"] == 0
    assert heart["median_interval_mm"] == [0, 20]
    # Nearer by 5 mm in one case, farther by 14 mm in the other.
    assert heart["against"]["median_difference_mm"] == pytest.approx(4.5)
    assert plain["notice"] == NOTICE
    assert (plain["data"], plain["n_cases"]) == ("folder of cases", 2)


def test_a_landmark_never_found_has_no_millimeters(evaluation):
    missed = as_plain(evaluation)["cells"][2]

    assert missed["landmark"] == "left <nipple>"
    assert missed["mean_mm"] is None
    assert missed["not_converged"] == 1
    assert missed["iou_mean"] == 0


def test_the_table_has_a_row_per_cell(evaluation):
    heart, *_, missed = rows(evaluation.cells)

    assert tuple(heart) == CELL_COLUMNS
    assert heart["success_at_4_mm"] == "0.5"
    assert heart["median_high_mm"] == "20.0"
    assert heart["against_median_difference_mm"] == "4.5"
    assert heart["baseline_median_mm"] == "0.0"
    assert missed["mean_mm"] == ""


class Page(HTMLParser):
    """Collects what a page would fetch, its words, and whether its tags close."""

    def __init__(self):
        super().__init__()
        self.fetched, self.words, self.open = [], [], []

    def handle_starttag(self, tag, attributes):
        if tag != "meta":
            self.open.append(tag)
        self.fetched += [v for k, v in attributes if k in ("src", "href", "xlink:href")]
        assert tag not in ("script", "link", "iframe")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_stands_alone(evaluation):
    text = page(evaluation)
    read = Page()
    read.feed(text)

    assert read.open == []
    assert len(read.fetched) == 3
    assert all(link.startswith("data:image/png;base64,") for link in read.fetched)
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_says_what_was_measured(evaluation):
    read = Page()
    read.feed(page(evaluation))
    words = " ".join(read.words)

    assert NOTICE in words
    assert "mine against other on folder of cases: 2 cases, 2 images" in words
    assert "something & more" in words
    # In the plot and in each of the four tables.
    assert len(re.findall("left <nipple>", words)) >= 5
    assert "heart in b, T1w: 20.0 mm off; nearest is <liver>" in words


def test_one_circle_per_image_that_got_a_position(evaluation):
    plot = page(evaluation).split('aria-label="Errors in mm"')[1].split("</svg>")[0]

    assert plot.count("<circle") == 2


def decoded(content, tmp_path):
    file = tmp_path / "picture.png"
    file.write_bytes(content)
    return sitk.GetArrayFromImage(sitk.ReadImage(str(file)))


def test_a_png_reads_back(tmp_path):
    gray = np.random.default_rng(0).integers(0, 256, (7, 5), np.uint8)

    assert decoded(png(gray), tmp_path).tolist() == gray.tolist()


def test_pictures_show_the_image_where_the_points_are(evaluation, tmp_path):
    """The found position lies in the bright block, the true one does not."""
    (worst,) = evaluation.worst
    axial, coronal, sagittal = worst.pictures

    assert axial.side_mm == MIN_SIDE_MM
    for picture in (axial, coronal):
        pixels = decoded(picture.png, tmp_path)
        assert pixels.shape == (PIXELS, PIXELS)
        x, y = picture.found_px
        # 20 mm to the patient's left is to the right on the screen.
        assert (x, y) == pytest.approx(
            (PIXELS / 2 + 20 * PIXELS / MIN_SIDE_MM, PIXELS / 2)
        )
        assert pixels[round(y), round(x)] > 200
        assert pixels[PIXELS // 2, PIXELS // 2] < 50
    # Along L the two are one point of the sagittal slice.
    assert sagittal.found_px == pytest.approx((PIXELS / 2, PIXELS / 2))
    assert decoded(sagittal.png, tmp_path).max() < 255


def test_head_is_up_and_back_is_right_in_a_sagittal_slice(finding, volume):
    there = finding(0, found_lps_mm=(50.0, 80.0, 60.0))

    x, y = picture_of(there, volume).pictures[2].found_px

    assert x > PIXELS / 2
    assert y < PIXELS / 2


def test_a_far_position_still_is_in_the_picture(finding, volume):
    (axial, _, _) = picture_of(finding(-400), volume).pictures

    assert 0 < axial.found_px[0] < PIXELS


def test_no_position_has_no_picture(finding, volume):
    with pytest.raises(ValueError, match="no position"):
        picture_of(finding(None), volume)
