"""The ids tier holds no one's words, and with the dumps and media becomes the full tier again."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from builder.help.media_samples import FAST, jpeg, ledger, post, write_text, write_video
from dataset_builder.errors import BuildError, UsageError
from dataset_builder.pipeline.hydrate import hydrate
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings
from dataset_builder.shards.verify import verify

OVERRIDES = [*FAST]
SECRETS = ("SECRETTITLE", "SECRETSLUG", "SECRETCHANNEL", "SECRETBRAND", "SECRETASR", "SECRETTALK")


def texts(folder):
    posts = [
        post(
            f"reddit-pic{at}",
            "image",
            title=f"SECRETTITLE {at}",
            permalink=f"https://www.reddit.com/r/pics/comments/pic{at}/SECRETSLUG_{at}/",
            split=["train", "test"][at % 2],
        )
        for at in range(4)
    ]
    words = {"channel": "SECRETCHANNEL", "brand": "SECRETBRAND", "asr": "SECRETASR words"}
    posts.append(post("youtube-vid", "video", title="SECRETTITLE v", likes=5, views=100, **words))
    talk = ["SECRETTALK about this", "and SECRETTALK about that"]
    write_text(folder, posts, {p["id"]: talk for p in posts})


def build(folder, media, *overrides):
    texts(folder)
    return media_stage(folder, media, load_settings("seed", [*OVERRIDES, *overrides]), [], 1)


@pytest.fixture
def parts(tmp_path):
    """An ids release, a build of the dumps alone, and a media folder."""
    media = tmp_path / "media"
    media.mkdir()
    for at in range(4):
        (media / f"pic{at}.jpg").write_bytes(jpeg(at))
    write_video(media / "vid.mp4", [20, 21])
    build(tmp_path / "ids", media, "shards.tier=ids")
    build(tmp_path / "dumps", None, "media.duration_unknown=keep")
    return tmp_path / "ids" / "release", tmp_path / "dumps", media


def test_the_ids_tier_has_no_words_and_no_media(parts):
    release = parts[0]
    for path in sorted(p for p in release.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += json.dumps(pq.read_table(path).to_pylist()).encode()
        assert not [word for word in SECRETS if word.encode() in data], path.name
        assert b"\xff\xd8\xff" not in data
        assert b"ftyp" not in data
    rows = pq.read_table(release / "metadata").to_pylist()
    video = next(row for row in rows if row["id"] == "youtube-vid")
    assert [t["task"] for t in video["turns"]] == ["scenes", "likes"]
    assert (video["likes"], video["views"], video["percent_liked"]) == (5, 100, 5.0)
    assert len(video["scenes"]) == 2
    assert "tier `ids`" in (release / "README.md").read_text()


def test_hydrating_gives_the_full_release_again(parts, tmp_path):
    release, dumps, media = parts
    result = hydrate(release, dumps, media, tmp_path / "out", 1)
    assert (result["listed"], result["samples"], result["lost"]) == (5, 5, {})
    assert verify(tmp_path / "out" / "release").ok
    full = build(tmp_path / "direct", media)
    assert result["root"] == full.root


def test_what_changed_or_is_gone_is_counted_and_left_out(parts, tmp_path):
    release, dumps, media = parts
    (media / "pic0.jpg").unlink()
    (media / "pic1.jpg").write_bytes(jpeg(99))
    (media / "pic2.jpg").write_bytes(jpeg(2, quality=40))  # a site's re-encoding of the same
    tables = dumps / "work" / "text"
    posts = pq.read_table(tables / "posts.parquet").to_pylist()
    for row in posts:
        row["title"] = "edited" if row["id"] == "reddit-pic3" else row["title"]
    schema = pq.read_schema(tables / "posts.parquet")
    pq.write_table(
        pq.read_table(tables / "posts.parquet").from_pylist(posts, schema), tables / "posts.parquet"
    )
    comments = pq.read_table(tables / "comments.parquet").to_pylist()
    kept = [c for c in comments if c["id"] != "youtube-vid-c1"]
    for row in kept:
        row["text"] = "edited comment" if row["id"] == "reddit-pic2-c2" else row["text"]
    schema = pq.read_schema(tables / "comments.parquet")
    pq.write_table(
        pq.read_table(tables / "comments.parquet").from_pylist(kept, schema),
        tables / "comments.parquet",
    )
    result = hydrate(release, dumps, media, tmp_path / "out", 1)
    assert result["samples"] == 2
    rows = {(r["kind"], r["id"]): r["reason"] for r in ledger(tmp_path / "out") if not r["kept"]}
    assert rows["post", "reddit-pic0"] == "unavailable"
    assert rows["post", "reddit-pic1"] == "changed_media"
    assert rows["post", "reddit-pic3"] == "changed"
    assert rows["comment", "youtube-vid-c1"] == "not_found"
    assert rows["comment", "reddit-pic2-c2"] == "changed"
    found = {
        r["id"]: r for r in pq.read_table(tmp_path / "out" / "release" / "metadata").to_pylist()
    }
    assert found.keys() == {"reddit-pic2", "youtube-vid"}
    assert [c["text"] for c in found["youtube-vid"]["comments"]] == ["and SECRETTALK about that"]


def test_other_rules_or_tiers_are_refused(parts, tmp_path):
    release, dumps, media = parts
    build(tmp_path / "full", media)
    with pytest.raises(BuildError, match="only an ids release"):
        hydrate(tmp_path / "full" / "release", dumps, media, tmp_path / "out", 1)
    shutil.rmtree(dumps)
    build(dumps, None, "reddit.min_words=7")
    with pytest.raises(BuildError, match=r"--set reddit.min_words=3"):
        hydrate(release, dumps, media, tmp_path / "out", 1)


def test_no_other_build_is_overwritten(parts):
    release, dumps, media = parts
    before = (dumps / "release" / "manifest.json").read_bytes()
    with pytest.raises(UsageError, match="did not make"):
        hydrate(release, dumps, media, dumps, 1)
    assert (dumps / "release" / "manifest.json").read_bytes() == before
