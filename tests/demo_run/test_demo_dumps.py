"""The sample dumps: made from their sources, in the true formats, synthetic, a victim per rule."""

import gzip
import json
import re
import sys

import pytest
import zstandard

from places import ROOT

DEMO = ROOT / "demo"
DUMPS = DEMO / "dumps"
# keys that every row of the real dumps of these months has (field lists of January 2018 and
# December 2021): (file, month) -> keys
OLD_POST = (
    "archived author brand_safe created_utc domain edited id is_self is_video media num_comments"
)
OLD_POST += (
    " over_18 permalink retrieved_on score selftext stickied subreddit subreddit_id title url"
)
NEW_POST = "all_awardings author_flair_background_color awarders is_robot_indexable name pwls"
NEW_POST += " removed_by_category subreddit_subscribers upvote_ratio url_overridden_by_dest wls"
OLD_COMMENT = "author body can_gild controversiality created_utc edited id is_submitter link_id"
OLD_COMMENT += " parent_id permalink retrieved_on score stickied subreddit subreddit_id"
NEW_COMMENT = "all_awardings collapsed_reason_code locked name no_follow send_replies"
NEW_STYLE_FROM = 1577836800  # 2020-01-01


@pytest.fixture(scope="module", autouse=True)
def demo_on_path():
    sys.path.insert(0, str(DEMO))
    yield
    sys.path.remove(str(DEMO))


def good_rows(data: bytes) -> tuple[list[dict], int]:
    """(rows, number of malformed lines)."""
    rows, bad = [], 0
    for line in data.decode().splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            bad += 1
    return rows, bad


def zst_rows(name: str) -> tuple[list[dict], int]:
    reader = zstandard.ZstdDecompressor(max_window_size=2**31)
    with (DUMPS / name).open("rb") as file, reader.stream_reader(file) as stream:
        return good_rows(stream.read())


def youtube_rows() -> tuple[list[dict], int]:
    return good_rows(gzip.decompress((DUMPS / "youtube.jsonl.gz").read_bytes()))


def test_shipped_files_are_what_the_sources_give():
    from write_dumps import build_files

    for name, data in build_files().items():
        assert (DUMPS / name).read_bytes() == data, f"run `python demo/write_dumps.py` ({name})"


def test_dumps_are_small_and_large_enough():
    submissions, videos = zst_rows("reddit_submissions.zst")[0], youtube_rows()[0]
    comments = zst_rows("reddit_comments.zst")[0]
    assert len(submissions) + len(videos) >= 60
    assert len(comments) + sum(len(row["comments"] or []) for row in videos) >= 500
    assert sum(path.stat().st_size for path in DUMPS.iterdir() if path.is_file()) < 200_000


@pytest.mark.parametrize("name", ["reddit_submissions.zst", "reddit_comments.zst"])
def test_zstd_frames_need_the_two_gibibyte_window(name: str):
    head = (DUMPS / name).read_bytes()[:32]
    assert zstandard.get_frame_parameters(head).window_size == 2**31
    with pytest.raises(zstandard.ZstdError):
        zstandard.ZstdDecompressor().stream_reader((DUMPS / name).open("rb")).read()


def test_every_dump_holds_one_malformed_line():
    bad = [zst_rows("reddit_submissions.zst")[1], zst_rows("reddit_comments.zst")[1]]
    assert [*bad, youtube_rows()[1]] == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("reddit_submissions.zst", OLD_POST, NEW_POST),
        ("reddit_comments.zst", OLD_COMMENT, NEW_COMMENT),
    ],
)
def test_rows_have_the_key_set_of_their_time(name: str, old: str, new: str):
    for row in zst_rows(name)[0]:
        keys = set(row) | {"brand_safe"}
        assert set(old.split()) <= keys, row["id"]
        late = int(row["created_utc"]) >= NEW_STYLE_FROM
        assert (set(new.split()) <= keys) == late, row["id"]


def test_types_drift_as_in_the_real_dumps():
    submissions, comments = (
        zst_rows(f"reddit_{kind}.zst")[0] for kind in ("submissions", "comments")
    )
    assert {type(row["created_utc"]) for row in submissions} == {int, str}
    assert {type(row["edited"]) for row in submissions} == {bool, float}
    assert {type(row["edited"]) for row in comments} == {bool, int, float}
    videos = youtube_rows()[0]
    assert {type(row["duration"]) for row in videos} == {int, type(None)}
    assert {"like_count" in row for row in videos} == {True, False}


def test_ids_and_authors_say_that_they_are_synthetic():
    submissions, comments = (
        zst_rows(f"reddit_{kind}.zst")[0] for kind in ("submissions", "comments")
    )
    videos = youtube_rows()[0]
    assert all(row["id"].startswith("zsyn") for row in submissions)
    assert all(row["id"].startswith("zc") for row in comments)
    assert all(re.fullmatch(r"syn[\w-]{8}", row["id"]) for row in videos)
    system = {"AutoModerator", "[deleted]"}
    authors = {row["author"] for row in submissions + comments} - system
    assert all(re.fullmatch(r"synth_[\w-]{1,14}", name) for name in authors), authors
    assert all(re.fullmatch(r"UCsynth\w{17}", row["channel_id"]) for row in videos)


def test_ids_are_unique_apart_from_the_planned_second_crawl():
    for kind in ("submissions", "comments"):
        ids = [row["id"] for row in zst_rows(f"reddit_{kind}.zst")[0]]
        assert len(ids) == len(set(ids))
    ids = [row["id"] for row in youtube_rows()[0]]
    assert len(ids) == len(set(ids)) + 1
    channels = {row["channel"]: row["channel_id"] for row in youtube_rows()[0]}
    assert len(set(channels.values())) == len(channels) == len(ids) - 1


def test_replies_point_at_rows_of_the_dump():
    submissions, comments = (
        zst_rows(f"reddit_{kind}.zst")[0] for kind in ("submissions", "comments")
    )
    known = {f"t3_{row['id']}" for row in submissions} | {f"t1_{row['id']}" for row in comments}
    strangers = [row["id"] for row in comments if row["parent_id"] not in known]
    assert strangers == ["zc9zz01"]
    for video in youtube_rows()[0]:
        own = {comment["id"] for comment in video["comments"] or []} | {"root"}
        assert all(comment["parent"] in own for comment in video["comments"] or [])


def test_readme_names_every_victim():
    readme = (DEMO / "README.md").read_text(encoding="utf-8")
    listed = [json.loads(line) for line in (DUMPS / "victims.jsonl").read_text().splitlines()]
    posts = {row["id"].split("-", 1)[1] for row in listed if row["kind"] == "post"}
    assert {name for name in posts if f"`{name}`" not in readme} == set()


def test_a_malformed_source_line_is_named():
    from dump_source import parse_comment

    with pytest.raises(ValueError, match=r"post zsynp01: 'no score here' is not"):
        parse_comment("no score here", "zsynp01")
