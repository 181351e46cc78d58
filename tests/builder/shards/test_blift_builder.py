"""The installed builder's configs, over a release with posts and with eye tracking."""

import datasets
import numpy as np
import pytest

from builder.help.media_samples import FAST, jpeg, post, write_eye_tracking, write_text, write_video
from dataset_builder.blift import CONFIGS, Blift
from dataset_builder.errors import BuildError
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.pipeline.salicon import SaliconRequest, add_salicon
from dataset_builder.samples import saliency
from dataset_builder.samples.gaze import gaze_density, read_gaze, segment_mask
from dataset_builder.samples.turns import compose
from dataset_builder.settings import load_settings
from dataset_builder.shards.verify import verify
from places import SHARED, needs_shared

SETTINGS = load_settings("seed", [*FAST])
ROWS, COLUMNS = ("upper", "middle", "bottom"), ("left", "center", "right")
TILES_OF_THE_LISTING = [f"{row}-{column}" for row in ROWS for column in COLUMNS]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("builder")
    media = folder / "media"
    media.mkdir()
    for at in range(4):
        (media / f"p{at}.jpg").write_bytes(jpeg(at))
    write_video(media / "v.mp4", [8])
    posts = [post(f"reddit-p{at}", "image", split=["train", "test"][at % 2]) for at in range(4)]
    posts.append(post("youtube-v", "video", likes=3, views=200))
    write_text(folder, posts, {p["id"]: ["nice", "very nice"] for p in posts})
    media_stage(folder, media, SETTINGS, [], 1)
    write_eye_tracking(folder)
    for task in ("region", "object"):
        request = SaliconRequest(
            (folder / "pictures",),
            (folder / "gaze.json",),
            folder / "coco.json",
            task,
            "ranking",
        )
        result = add_salicon(folder, request, SETTINGS, 1)
        assert (result["samples"], result["skipped"]) == (2, {"no_gaze": 1})
    assert verify(folder / "release").ok
    return folder / "release"


def rows_of(release, config, cache):
    builder = Blift(config, release=str(release), cache_dir=str(cache))
    builder.download_and_prepare()
    return [row for split in builder.as_dataset().values() for row in split]


def test_configs_hold_their_source(release, tmp_path):
    keys = {c: {r["__key__"] for r in rows_of(release, c, tmp_path)} for c in CONFIGS}
    assert keys["reddit"] == {f"reddit-p{at}" for at in range(4)}
    assert keys["youtube"] == {"youtube-v"}
    assert keys["default"] == keys["reddit"] | keys["youtube"]
    assert keys["salicon_region"] == {"salicon-picture_0", "salicon-picture_1"}


def test_streaming_and_prepared_rows_are_equal(release, tmp_path):
    builder = Blift("youtube", release=str(release), cache_dir=str(tmp_path))
    (streamed,) = list(builder.as_streaming_dataset(split="train"))
    (prepared,) = rows_of(release, "youtube", tmp_path)
    assert streamed["json"] == prepared["json"]
    assert streamed["mp4"]["bytes"] == prepared["mp4"]["bytes"]


def test_the_card_alone_loads_every_config_too(release, tmp_path):
    for config, count in (("default", 5), ("salicon_object", 2), ("salicon_region", 2)):
        data = datasets.load_dataset(str(release), config, cache_dir=str(tmp_path))
        assert sum(len(split) for split in data.values()) == count
        stream = datasets.load_dataset(str(release), config, streaming=True)
        assert {k: v.features for k, v in stream.items()} == {
            k: v.features for k, v in data.items()
        }


def test_a_config_without_shards_is_a_clear_error(tmp_path):
    write_text(tmp_path, [], {})
    media_stage(tmp_path, None, SETTINGS, [], 1)
    builder = Blift("youtube", release=str(tmp_path / "release"), cache_dir=str(tmp_path))
    with pytest.raises(ValueError, match="has no shards"):
        builder.download_and_prepare()


def test_listing_3_word_for_word(release, tmp_path):
    rows = {r["__key__"]: r["json"] for r in rows_of(release, "salicon_region", tmp_path)}
    sample = rows["salicon-picture_1"]
    assert sample["system"] == (
        "You are an AI visual assistant. Answer all questions as you are seeing the media"
    )
    user, answer = compose(sample["intro"], sample["turns"])
    assert user == (
        "Assume the given image is broken into a 3X3 grid the regions or tiles being named "
        '"upper-left" "upper-center", "upper-right", "middle-left", "middle-center", '
        '"middle-right", "bottom-left", "bottom-center", "bottom-right". Rank these regions or '
        "tiles based on their saliency, give me the line separated ranking of all regions in "
        "decreasing order."
    )
    assert answer.splitlines()[:2] == ["bottom-right", "upper-left"]
    assert sorted(answer.splitlines()) == sorted(TILES_OF_THE_LISTING)


def test_listing_2_word_for_word():
    turn = saliency.object_turn({"dog": 0.5, "frisbee": 0.3, "car": 0.2}, "ranking")
    assert turn["question"] == (
        "The objects in this image in no particular order are car, dog, frisbee . Give me the "
        "order of saliency of these objects , start with the most salient object and end with the "
        "least salient object , each in a separate line . Give me the objects only and nothing "
        "else ."
    )
    assert turn["answer"] == "dog\nfrisbee\ncar"


def test_object_scores_take_the_best_instance(release, tmp_path):
    rows = {r["__key__"]: r["json"] for r in rows_of(release, "salicon_object", tmp_path)}
    assert rows["salicon-picture_0"]["turns"][0]["answer"].splitlines() == ["car", "dog"]
    assert rows["salicon-picture_1"]["turns"][0]["answer"].splitlines() == ["car", "dog"]


def test_predicting_gives_percentages_that_sum_to_100():
    shares = dict.fromkeys(saliency.TILES, 1 / 9)
    turn = saliency.region_turn(shares, "predicting")
    lines = turn["answer"].splitlines()
    assert [line.split(": ")[0] for line in lines] == TILES_OF_THE_LISTING
    assert sum(int(line.split(": ")[1].rstrip("%")) for line in lines) == 100
    with pytest.raises(ValueError, match="expected one of ranking, predicting"):
        saliency.region_turn(shares, "guessing")


def test_tiles_follow_the_eyes():
    for at, name in enumerate(saliency.TILES):
        x, y = 15 + 32 * (at % 3), 10 + 21 * (at // 3)
        found = saliency.tile_shares(saliency.density(np.array([[x, y]]), 96, 64))
        assert max(found, key=found.__getitem__) == name


def test_masks_of_polygons_and_runs_agree():
    polygon = segment_mask([[1, 1, 3, 1, 3, 2, 1, 2]], 5, 4)
    runs = segment_mask({"counts": [5, 2, 2, 2, 2, 2, 5]}, 5, 4)
    assert polygon.shape == runs.shape == (4, 5)
    assert np.array_equal(polygon, runs)


def test_wrong_inputs_are_clear_errors(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(BuildError, match="not a SALICON fixation file"):
        read_gaze(tmp_path / "x.json")
    request = SaliconRequest((tmp_path,), (tmp_path,), None, "object", "ranking")
    with pytest.raises(BuildError, match="needs --instances"):
        add_salicon(tmp_path, request, SETTINGS, 1)


@needs_shared("data/salicon", "data/osie")
def test_real_salicon_and_osie_gaze_lies_on_the_pictures():
    gaze = read_gaze(SHARED / "data/salicon" / "fixations_train2014examples.json")
    assert len(gaze) == 10
    bear = saliency.tile_shares(gaze_density(gaze["COCO_train2014_000000123891.jpg"], 640, 480))
    assert max(bear, key=bear.__getitem__) == "middle-center"
    osie = read_gaze(SHARED / "data/osie" / "fixations.mat")
    assert len(osie) == 700
    assert gaze_density(osie["1001.jpg"], 800, 600).sum() == pytest.approx(1.0)
