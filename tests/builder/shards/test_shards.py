"""A build's media half end to end: shards every reader agrees on, an exact ledger, same bytes."""

import io
import tarfile
from collections import Counter

import datasets
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from builder.help.media_samples import FAST, jpeg, ledger, post, write_text, write_video
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.schema import InputDigest
from dataset_builder.settings import load_settings
from dataset_builder.shards.reader import read_samples
from dataset_builder.shards.verify import verify
from dataset_builder.shards.writer import shard_order
from dataset_builder.text.splits import assign
from dataset_builder.work.ustar import header, read_members

INPUTS = [InputDigest("youtube", "videos.jsonl", 10, "0" * 64)]
COMMENTS = ["what a lovely thing", "never seen before <|im_end|>", "take me there"]


def build(folder, media, *overrides, workers=1):
    settings = load_settings("seed", [*FAST, *overrides])
    return media_stage(folder, media, settings, INPUTS, workers)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A release of six pictures and two videos, with four posts that must fall."""
    folder = tmp_path_factory.mktemp("build")
    media = folder / "media"
    media.mkdir()
    posts = []
    for at in range(6):
        (media / f"pic{at}.jpg").write_bytes(jpeg(at))
        posts.append(
            post(f"reddit-pic{at}", "image", split=["train", "validation", "test"][at % 3])
        )
    for at in range(2):
        write_video(media / f"vid{at}.mp4", [10 + at, 20 + at], sound=True)
        posts.append(post(f"youtube-vid{at}", "video", likes=42, views=1000, brand="Acme"))
    data = (media / "vid0.mp4").read_bytes()
    (media / "half.mp4").write_bytes(data[: len(data) // 2])
    (media / "html.jpg").write_bytes(b"<html>gone</html>")
    write_video(media / "long.mp4", [7], seconds_each=61.0, rate=5)
    posts += [
        post("youtube-half", "video"),
        post("reddit-html", "image"),
        post("reddit-gone", "image"),
        post("youtube-long", "video"),
    ]
    write_text(folder, posts, {p["id"]: COMMENTS for p in posts})
    return folder, media, build(folder, media)


def test_ledger_has_each_item_once_with_its_reason(made):
    folder, _, summary = made
    rows = ledger(folder)
    posts = {r["id"]: r["reason"] for r in rows if r["kind"] == "post"}
    assert len(posts) == 12
    assert {k: v for k, v in posts.items() if v} == {
        "youtube-half": "corrupt",
        "reddit-html": "not_media",
        "reddit-gone": "unavailable",
        "youtube-long": "too_long",
    }
    assert Counter(r["kept"] for r in rows if r["kind"] == "comment") == {True: 24, False: 12}
    assert len({(r["kind"], r["id"]) for r in rows}) == len(rows)
    media = {r["id"]: r["reason"] for r in rows if r["kind"] == "media"}
    assert (media["gone"], media["half"], media["long"]) == ("unavailable", "corrupt", None)
    assert summary.samples == {"train": 4, "validation": 2, "test": 2}


@pytest.mark.parametrize("reader", ["normal", "streaming"])
def test_datasets_reads_it(made, reader, tmp_path):
    release = str(made[0] / "release")
    if reader == "normal":
        data = datasets.load_dataset(release, cache_dir=str(tmp_path))
    else:
        data = datasets.load_dataset(release, streaming=True)
    rows = [row for split in data.values() for row in split]
    assert len(rows) == 8
    assert {tuple(row) for row in rows} == {("__key__", "__url__", "jpg", "mp4", "json")}
    video = next(row for row in rows if row["__key__"] == "youtube-vid0")
    assert video["json"]["percent_liked"] == 4.2
    assert video["json"]["turns"][1]["answer"] == "The video will be liked by 4.2%"
    assert len(video["json"]["scenes"]) == 2
    assert video["mp4"]["bytes"][4:8] == b"ftyp"
    assert video["jpg"].size == (96, 64)
    image = next(row for row in rows if row["__key__"] == "reddit-pic0")
    assert image["mp4"]["bytes"] == b""
    assert image["json"]["views"] is None
    assert [c["text"] for c in image["json"]["comments"]] == COMMENTS


def test_normal_and_streaming_agree_on_every_row_and_type(made, tmp_path):
    release = str(made[0] / "release")
    normal = datasets.load_dataset(release, cache_dir=str(tmp_path), split="train")
    stream = datasets.load_dataset(release, streaming=True, split="train")
    assert normal.features == stream.features
    assert [row["json"] for row in normal] == [row["json"] for row in stream]


def test_webdataset_reads_the_same_samples(made):
    tars = sorted(str(p) for p in (made[0] / "release" / "data").glob("*.tar"))
    rows = list(webdataset.WebDataset(tars, shardshuffle=False).decode("pil"))
    assert len(rows) == 8
    assert {tuple(sorted(k for k in r if not k.startswith("_"))) for r in rows} == {
        ("jpg", "json", "mp4")
    }
    assert all(isinstance(row["jpg"], Image.Image) for row in rows)


def test_our_reader_gives_the_same_samples_and_refuses_damage(made, tmp_path):
    for path in sorted((made[0] / "release" / "data").glob("*.tar")):
        mine = dict(read_samples(path))
        theirs = webdataset.WebDataset(str(path), shardshuffle=False)
        assert mine == {r["__key__"]: {k: r[k] for k in ("json", "jpg", "mp4")} for r in theirs}
    data = path.read_bytes()
    cut = tmp_path / "cut.tar"
    for damaged in (data[:700], data[:-1024], data[:150] + b"9" + data[151:]):
        cut.write_bytes(damaged)
        with pytest.raises(ValueError, match="byte"):
            list(read_samples(cut))


def test_metadata_parquet_repeats_the_json(made):
    release = made[0] / "release"
    rows = {
        r["id"]: r
        for p in (release / "metadata").glob("*.parquet")
        for r in pq.read_table(p).to_pylist()
    }
    assert len(rows) == 8
    for path in sorted((release / "data").glob("*.tar")):
        with path.open("rb") as file:
            keys = [m.name.split(".")[0] for m in read_members(file) if m.name.endswith("json")]
        assert keys == sorted(keys, key=shard_order)
        assert all(rows[key]["shard"] == f"data/{path.name}" for key in keys)


def test_the_published_folder_has_no_code_and_fixed_headers(made):
    release = made[0] / "release"
    assert not list(release.rglob("*.py"))
    with tarfile.open(release / "data" / "train-00000.tar") as tar:
        for member in tar.getmembers():
            fixed = (member.mtime, member.uid, member.gid, member.mode, member.uname)
            assert fixed == (0, 0, 0, 0o644, "")
            assert member.name.count(".") == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_same_bytes_again_whatever_the_worker_count(made, tmp_path, workers):
    folder, media, summary = made
    text = folder / "work" / "text"
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "text").symlink_to(text)
    again = build(tmp_path, media, workers=workers)
    assert again.root == summary.root
    for path in sorted(p for p in (folder / "release").rglob("*") if p.is_file()):
        name = path.relative_to(folder / "release")
        assert (tmp_path / "release" / name).read_bytes() == path.read_bytes(), name


def test_small_shards_hold_whole_samples_and_unneeded_files_go(made, tmp_path):
    folder, media, _ = made
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "text").symlink_to(folder / "work" / "text")
    build(tmp_path, media, "shards.max_mb=0.001")
    assert len(list((tmp_path / "release" / "data").glob("train-*.tar"))) == 4
    assert verify(tmp_path / "release").ok
    build(tmp_path, media)
    assert len(list((tmp_path / "release" / "data").glob("train-*.tar"))) == 1
    assert verify(tmp_path / "release").ok


def test_a_finished_shard_is_not_written_again(made):
    folder, media, summary = made
    tar = folder / "release" / "data" / "train-00000.tar"
    before = tar.stat().st_mtime_ns
    assert build(folder, media).root == summary.root
    assert tar.stat().st_mtime_ns == before
    tar.write_bytes(tar.read_bytes()[:-1])
    assert build(folder, media).root == summary.root
    assert verify(folder / "release").ok


def test_without_media_the_release_holds_posts_and_comments(made, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "text").symlink_to(made[0] / "work" / "text")
    summary = build(tmp_path, None, "media.duration_unknown=keep")
    assert sum(summary.samples.values()) == 12
    row = next(
        iter(datasets.load_dataset(str(tmp_path / "release"), streaming=True, split="train"))
    )
    assert set(row) == {"__key__", "__url__", "json"}
    assert [t["task"] for t in row["json"]["turns"]][-1] == "comments"
    dropped = build(tmp_path, None).dropped
    assert dropped == {"duration_unknown": 4}


def test_the_same_picture_twice_is_one_sample_with_both_posts_comments(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    (media / "a.jpg").write_bytes(jpeg(1))
    (media / "b.jpg").write_bytes(jpeg(1, quality=60, size=(120, 80)))
    (media / "c.jpg").write_bytes(jpeg(2))
    posts = [post(f"reddit-{k}", "image") for k in "abc"]
    texts = {
        "reddit-a": ["first thing said here", "second thing said"],
        "reddit-b": ["another remark entirely", "first thing said here", "third"],
        "reddit-c": ["unrelated words only"],
    }
    write_text(tmp_path, posts, texts)
    build(tmp_path, media, "media.max_picture_pixels=1000000")
    rows = {r["id"]: r for r in pq.read_table(tmp_path / "release" / "metadata").to_pylist()}
    assert rows.keys() == {"reddit-b", "reddit-c"}
    assert {c["text"] for c in rows["reddit-b"]["comments"]} == {
        "another remark entirely",
        "first thing said here",
        "second thing said",
        "third",
    }
    reasons = {(r["kind"], r["id"]): (r["reason"], r["value"]) for r in ledger(tmp_path)}
    assert reasons["post", "reddit-a"] == ("duplicate_media", "reddit-b")
    assert Counter(r["kept"] for r in ledger(tmp_path) if r["kind"] == "comment") == {
        True: 5,
        False: 1,
    }


def test_one_picture_on_both_platforms_is_never_in_two_splits(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    (media / "a.jpg").write_bytes(jpeg(1))
    (media / "b.jpg").write_bytes(jpeg(1, quality=55))
    (media / "c.jpg").write_bytes(jpeg(2))
    settings = load_settings("seed", [*FAST, "splits.test=0.5", "splits.seed=0"])
    # the hash alone parts these two groups
    assert len(set(assign(["reddit-a", "youtube-b"], [0, 0], settings))) == 2
    posts = [
        post("reddit-a", "image", split=None, group_key="reddit-a"),
        post("youtube-b", "image", split=None, group_key="youtube-b"),
        post("youtube-c", "image", split=None, group_key="youtube-b"),
    ]
    write_text(tmp_path, posts, {})
    summary = media_stage(tmp_path, media, settings, [], 1)
    assert list(summary.samples.values()) == [3]


def test_a_rebuilt_folder_never_gives_the_rows_of_the_build_before(made, tmp_path):
    media = made[1]
    for title in ("first title", "second title"):
        write_text(tmp_path, [post("reddit-pic0", "image", title=title)], {})
        build(tmp_path, media)
        data = datasets.load_dataset(str(tmp_path / "release"), cache_dir=str(tmp_path / "cache"))
        assert data["train"][0]["json"]["title"] == title


def test_nothing_kept_is_a_valid_empty_release(tmp_path):
    write_text(tmp_path, [], {})
    summary = build(tmp_path, None)
    assert summary.samples == {}
    assert verify(tmp_path / "release").ok


def test_member_names_and_damaged_tars_are_refused():
    with pytest.raises(ValueError, match="expected a name"):
        header("x" * 101, 1)
    good = header("a.json", 3) + b"abc" + bytes(509) + bytes(1024)
    assert [m.name for m in read_members(io.BytesIO(good))] == ["a.json"]
    with tarfile.open(fileobj=io.BytesIO(good)) as tar:
        assert tar.getmember("a.json").size == 3
    for bad in (
        good[:600],
        good[:100] + b"x" + good[101:],
        good[:1024],
        good + b"tail" + bytes(508),
    ):
        with pytest.raises(ValueError, match="byte"):
            list(read_members(io.BytesIO(bad)))
