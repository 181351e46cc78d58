"""The contamination gate on planted and on real facts."""

import io
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evaluating.support import BENCHMARKS, FIXTURES, golden
from places import SHARED, needs_shared
from trainer.evaluation.__main__ import main
from trainer.evaluation.contaminate import overlaps
from trainer.evaluation.contamination.benchmarks import Index, build_index
from trainer.evaluation.contamination.keys import long_title, title_key, youtube_id
from trainer.evaluation.contamination.pictures import Hashes, bytes_hashes, picture_hash
from trainer.evaluation.inputs.files import read_columns
from trainer.evaluation.task import File


@pytest.fixture(scope="module")
def index() -> Index:
    return build_index(BENCHMARKS)


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=2k88FGifTFI",
        "https://m.youtube.com/watch?app=desktop&amp;v=2k88FGifTFI&feature=share",
        "http://youtu.be/2k88FGifTFI?t=12",
        "youtube.com/shorts/2k88FGifTFI",
        "https://www.youtube.com/live/2k88FGifTFI?si=x",
        "https://www.youtube-nocookie.com/embed/2k88FGifTFI",
    ],
)
def test_every_form_of_a_youtube_address(url: str) -> None:
    assert youtube_id(url) == "2k88FGifTFI"


def test_what_is_no_youtube_id() -> None:
    for url in ("https://i.redd.it/abcdefghijk.jpg", "https://youtu.be/short", "", "v=2k88FGifTFI"):
        assert youtube_id(url) is None
    assert youtube_id("https://youtu.be/2K88fgIFtfi") != "2k88FGifTFI"


def test_an_empty_title_matches_nothing() -> None:
    empty = Index()
    empty.add_title("", ("b", "i", "s"))
    empty.add_title(" !? ", ("b", "i", "s"))
    empty.add_title("Two words", ("b", "i", "s"))
    assert empty.titles == {}
    assert overlaps({"id": "r", "title": "", "url": ""}, empty) == []
    assert title_key("LOVE  ME — Lipstick!") == "love me lipstick"
    assert not long_title(title_key("Two words"))


@needs_shared("goldens/evaluation", "data/benchmarks")
def test_the_planted_cases(index: Index) -> None:
    case = golden("contamination_planted")
    for row in case["predictions"]:
        found = sorted({hit["benchmark"] for hit in overlaps(row, index)})
        assert found == case["expected"][row["id"]], row


@needs_shared("goldens/evaluation", "data/benchmarks", "data/salicon", "data/ads")
def test_the_real_facts(index: Index) -> None:
    expected = golden("contamination_real")["expected"]
    videos: dict[str, set[str]] = defaultdict(set)
    names = {
        "pitt_video_ads": "pitt_video_ads",
        "lvu_1.0": "lvu_all",
        "hvu": "hvu_val",
        "activitynet_qa": "activitynet_qa_test",
        "msvd_qa": "msvd_qa_test",
    }
    for video, entries in index.ids.items():
        for benchmark, _, _ in entries:
            videos[names[benchmark]].add(video)
    videos["persuasion_ads_mp4"] = {p.stem for p in (SHARED / "data" / "ads").glob("*.mp4")}
    sizes = golden("contamination_real")["annotations"]["sizes"]
    for name, found in videos.items():
        assert len(found) == sizes[name], name
    for pair, fact in expected["pairs_by_youtube_id"].items():
        a, b = pair.split(" x ")
        if a in videos and b in videos:
            assert sorted(videos[a] & videos[b]) == sorted(fact["ids"]), pair
    assert "BKPQkjRF4yY" not in index.ids
    splits: dict[str, set[str]] = defaultdict(set)
    for path in (BENCHMARKS / "lvu_1.0").glob("*_*.csv"):
        rows = list(read_columns(BENCHMARKS, File(f"lvu_1.0/{path.name}")))[1:]
        splits[path.stem.rsplit("_", 1)[1]] |= {fields[-2] for fields in rows}
    facts = expected["lvu_splits"]
    for pair in ("train x test", "train x val", "val x test"):
        a, b = pair.split(" x ")
        assert len(splits[a] & splits[b]) == facts[pair]
    pictures = json.loads((SHARED / "data/salicon/fixations_train2014examples.json").read_text())[
        "images"
    ]
    numbers = {p["file_name"].rsplit("_", 1)[1].split(".")[0] for p in pictures}
    assert sorted(numbers & set(index.coco)) == ["000000123891"]


@needs_shared("data/benchmarks")
def test_the_ad_of_listing_1_is_found_by_title_and_by_text(index: Index) -> None:
    answers = json.loads((BENCHMARKS / "lambda_ad_memorability/cs_test_a.json").read_text())
    text = next(row["answer"] for row in answers if row["question_id"] == 362)
    row = {
        "id": "youtube-BKPQkjRF4yY",
        "url": "https://www.youtube.com/watch?v=BKPQkjRF4yY",
        "title": "Gatorade | Make Your Own Footsteps with Suni Lee",
        "scenes": [{"caption": text[:600]}],
    }
    hits = overlaps(row, index)
    found = {(hit["item"], hit["signal"]) for hit in hits}
    assert {("362", "title"), ("362", "caption")} <= found
    assert not any(hit["signal"] == "id" for hit in hits)
    assert {"training", "benchmark", "item", "signal", "value"} <= set(hits[0])


def test_the_command_on_a_jsonl(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"id": "a", "url": "https://youtu.be/stescexxxxx", "title": "Synthetic ad number 3"},
        {"id": "b", "url": "https://i.redd.it/x.jpg", "title": ""},
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = tmp_path / "overlap.json"
    words = ["contaminate", str(tmp_path / "train.jsonl"), "--annotations", str(FIXTURES)]
    assert main([*words, "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["rows"] == 2
    (hit,) = [h for h in result["hits"] if h["signal"] == "title"]
    assert (hit["training"], hit["benchmark"], hit["item"]) == (
        "a",
        "lambda_ad_memorability",
        "3",
    )
    assert "1 of them shared" in capsys.readouterr().out


def picture(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC)


def test_a_copy_that_was_resized_and_encoded_again_is_found() -> None:
    kept = Hashes()
    for seed in range(40):
        value = picture_hash(picture(seed))
        assert value is not None
        kept.add(value, ("bench", str(seed), "media"))
    stream = io.BytesIO()
    picture(7).resize((120, 90)).save(stream, "JPEG", quality=60)
    found = kept.near(bytes_hashes(stream.getvalue()))
    assert [item[1] for item, _ in found] == ["7"]
    assert kept.near([picture_hash(picture(99)) or 0]) == []
    assert picture_hash(Image.new("RGB", (50, 50), "white")) is None
    assert bytes_hashes(b"no picture") == []
