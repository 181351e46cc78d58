"""YouTube records, the authors' release and the channel list, in every form they come in."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builder.help.dumps import INFO, RELEASED
from dataset_builder.cli import main
from dataset_builder.errors import DamagedInput
from dataset_builder.read import authors_release, youtube
from dataset_builder.read.channels import QUERY, read_channels
from dataset_builder.read.compressed import Budget
from dataset_builder.read.documents import is_release_file, records
from dataset_builder.read.ndjson import Tally
from dataset_builder.schema import STAGED_COMMENTS, STAGED_POSTS
from dataset_builder.settings import load_settings
from places import SHARED, needs_shared

SETTINGS = load_settings("seed", [])
BUDGET = Budget.of(SETTINGS)


def parse(record):
    rows = youtube.Rows()
    youtube.parse(record, rows)
    # the rows fit the staging tables as they are
    pa.Table.from_pylist(rows.posts, schema=STAGED_POSTS)
    pa.Table.from_pylist(rows.comments, schema=STAGED_COMMENTS)
    return rows


def test_info_json():
    rows = parse(INFO)
    post = rows.posts[0]
    assert post["id"] == "youtube-AAAAAAAAAAA"
    assert (post["created"], post["duration"], post["views"]) == (1_600_000_000, 31.0, 100)
    assert post["likes"] is None  # -1 is "hidden"
    assert post["tags"] == ["x"]
    assert post["category"] == "education"
    assert post["replay"] == [{"start": 0.0, "end": 1.5, "value": 0.25}]
    assert [(c["id"], c["reply"], c["position"]) for c in rows.comments] == [
        ("c1", False, 0),
        ("c2", True, 1),
    ]
    assert "someone" not in str(rows)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"timestamp": None, "upload_date": "20180101"}, "created", 1_514_764_800),
        ({"timestamp": None, "upload_date": "2018"}, "created", None),
        ({"view_count": "1200"}, "views", 1200),
        ({"view_count": float("nan")}, "views", None),
        ({"view_count": 10**30}, "views", None),
        ({"duration": "oops"}, "duration", None),
        ({"duration": 0, "live_status": "is_live"}, "duration", None),
        ({"duration": -1}, "duration", None),
        ({"epoch": 0}, "retrieved", None),
        ({"age_limit": 18}, "nsfw", "age_limit"),
        ({"comments": [], "comment_count": None}, "comments_disabled", True),
        ({"comments": [], "comment_count": 5}, "comments_disabled", False),
        ({"title": "lone \ud83d"}, "title", "lone \ufffd"),
    ],
)
def test_info_json_oddities(change, field, value):
    assert parse(INFO | change).posts[0][field] == value


@pytest.mark.parametrize("record", [{"title": "x"}, {"id": "a", "extractor": "vimeo"},
                                    {"kind": "youtube#channel"}, {"id": "a", "name": "x"},
                                    {"id": "a", "title": "x", "subreddit": "pics"},
                                    {"id": "a", "body": "x", "link_id": "t3_a"}])  # fmt: skip
def test_what_is_no_video_is_refused(record):
    with pytest.raises(ValueError, match=r"not a YouTube video|a page of kind|not a video's info"):
        parse(record)


def test_playlist():
    assert len(parse({"_type": "playlist", "entries": [INFO, INFO, None]}).posts) == 2


VIDEO = {
    "kind": "youtube#video",
    "id": "BBBBBBBBBBB",
    "snippet": {
        "publishedAt": "2019-03-21T20:37:49.000Z",
        "channelId": "UC" + "x" * 22,
        "title": "T",
        "channelTitle": "C",
        "categoryId": "10",
        "defaultAudioLanguage": "en",
    },
    "statistics": {"viewCount": "20000", "likeCount": "10", "commentCount": "3"},
    "contentDetails": {"duration": "PT1M2.5S", "contentRating": {"ytRating": "ytAgeRestricted"}},
}


def test_api_video_page():
    post = parse({"kind": "youtube#videoListResponse", "items": [VIDEO]}).posts[0]
    assert (post["views"], post["duration"], post["category"]) == (20_000, 62.5, "music")
    assert (post["created"], post["nsfw"]) == (1_553_200_669, "ytAgeRestricted")
    assert post["comments_disabled"] is False
    without = VIDEO | {"statistics": {"viewCount": "1"}}
    assert parse(without).posts[0]["comments_disabled"] is True


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("P0D", None), ("PT0S", None), ("P", None), ("PT", None), ("P1D", 86_400.0),
     ("P1W", 604_800.0), ("PT1H0M1S", 3601.0), ("PT59S", 59.0), ("1:02", None)],
)  # fmt: skip
def test_live_and_upcoming_videos_have_no_length(text, seconds):
    item = VIDEO | {"contentDetails": {"duration": text}}
    assert parse(item).posts[0]["duration"] == seconds


@needs_shared("cases/data")
def test_a_live_camera_has_no_length(tmp_path):
    page = SHARED / "cases/data/live_P0D.jsonl"
    out = tmp_path / "out"
    arguments = ["build", "--youtube", str(page), "--media", "none", "--out", str(out)]
    assert main([*arguments, "--set", "media.duration_unknown=keep"]) == 0
    (row,) = pq.read_table(out / "work/text/posts.parquet").to_pylist()
    assert (row["native_id"], row["duration"]) == ("livevideo01", None)
    assert main([*arguments, "--allow-empty"]) == 0  # dropped as unknown, not kept as 0 s


def test_who_wrote_it_and_what_was_pinned():
    comments = [
        {"id": "a", "text": "x", "author_is_uploader": True},
        {"id": "b", "text": "x", "author_id": "UCown", "author_is_uploader": False},
        {"id": "c", "text": "x", "author_id": "UCother", "is_pinned": True},
        {"id": "d", "text": "x", "author_id": None},
    ]
    rows = parse(INFO | {"channel_id": "UCown", "comments": comments}).comments
    assert [(c["uploader"], c["pinned"]) for c in rows] == [
        (True, False), (True, False), (False, True), (False, False),
    ]  # fmt: skip
    rows = parse(INFO | {"channel_id": None, "comments": comments}).comments
    assert [c["uploader"] for c in rows] == [True, False, False, False]
    said, other = (
        {"textOriginal": "x", "authorChannelId": {"value": value}} for value in ("UCown", "UCx")
    )
    thread = {
        "kind": "youtube#commentThread",
        "snippet": {"videoId": "BBBBBBBBBBB", "channelId": "UCown",
                    "topLevelComment": {"id": "t", "snippet": said}},
        "replies": {"comments": [{"id": "r", "snippet": other}]},
    }  # fmt: skip
    assert [c["uploader"] for c in parse(thread).comments] == [True, False]


def test_api_comment_threads():
    def comment(id, text):
        return {
            "id": id,
            "snippet": {"textOriginal": text, "likeCount": 2, "authorDisplayName": "N"},
        }

    thread = {
        "kind": "youtube#commentThread",
        "snippet": {"videoId": "BBBBBBBBBBB", "topLevelComment": comment("t", "top")},
        "replies": {"comments": [comment("r", "reply")]},
    }
    rows = parse({"kind": "youtube#commentThreadListResponse", "items": [thread]})
    assert [(c["post_id"], c["id"], c["body"], c["reply"]) for c in rows.comments] == [
        ("youtube-BBBBBBBBBBB", "t", "top", False),
        ("youtube-BBBBBBBBBBB", "r", "reply", True),
    ]


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("a.jsonl", json.dumps(INFO) + "\n" + json.dumps(INFO), 2),
        ("a.json", json.dumps(INFO), 1),
        ("a.json", json.dumps(INFO, indent=2), 1),
        ("a.json", json.dumps([INFO, INFO], indent=2), 2),
        ("a.json", json.dumps([INFO, INFO]), 2),
        (
            "a.json",
            json.dumps({"kind": "youtube#videoListResponse", "items": [VIDEO]}, indent=1),
            1,
        ),
        ("a.jsonl.gz", json.dumps(INFO) + "\n", 1),
    ],
)
def test_files(tmp_path, name, text, count):
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    tally = Tally()
    assert len(list(records(path, BUDGET, tally))) == count
    assert not tally.bad


def test_a_bad_line_among_records(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(INFO)}\n{{bad\n{json.dumps(INFO)}\n")
    tally = Tally()
    assert [line for _, line in records(path, BUDGET, tally)] == [1, 3]
    assert [bad.line for bad in tally.bad] == [2]


def test_the_authors_release(tmp_path):
    path = tmp_path / "blift.parquet"
    pq.write_table(pa.Table.from_pylist([RELEASED]), path)
    assert is_release_file(path, BUDGET)
    rows = youtube.Rows()
    for record, _ in records(path, BUDGET, Tally()):
        authors_release.parse(record, SETTINGS, rows)
    assert rows.posts[0]["id"] == "reddit-abc12"
    assert rows.posts[0]["media_type"] == "image"
    assert [c["id"] for c in rows.comments] == ["abc12.0", "abc12.1"]
    pa.Table.from_pylist(rows.posts, schema=STAGED_POSTS)


def test_a_dump_is_no_release(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(RELEASED | {"created_utc": 1}))
    assert not is_release_file(path, BUDGET)


def test_a_released_video():
    rows = youtube.Rows()
    video = RELEASED | {"subreddit": "videos", "url": "https://youtu.be/AAAAAAAAAAA?t=3"}
    authors_release.parse(video, SETTINGS, rows)
    assert (rows.posts[0]["media_type"], rows.posts[0]["media_key"]) == ("video", "AAAAAAAAAAA")
    with pytest.raises(ValueError, match="no Reddit post id"):
        authors_release.parse({"permalink": "?", "title": "x", "comments": []}, SETTINGS, rows)


CHANNEL = "UC_x5XG1OV2P6uZZ5FSM9Ttw"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(
            {
                "results": {
                    "bindings": [{"channel": {"value": CHANNEL}, "itemLabel": {"value": "L"}}]
                }
            }
        ),
        json.dumps([{"item": "Q1", "itemLabel": "L", "channel": CHANNEL}]),
        f"item,itemLabel,channel\nQ1,L,{CHANNEL}\n",
    ],
)
def test_channel_lists(tmp_path, text):
    path = tmp_path / "channels"
    path.write_text(text)
    assert read_channels(path) == {CHANNEL: "L"}


def test_plain_channel_list_and_labels(tmp_path):
    path = tmp_path / "channels"
    path.write_text(f"{CHANNEL}\n\n{CHANNEL[:-1]}A\n")
    assert list(read_channels(path)) == sorted([CHANNEL, CHANNEL[:-1] + "A"])
    path.write_text(f"itemLabel,channel\nQ42,{CHANNEL}\n")
    assert read_channels(path) == {CHANNEL: ""}
    path.write_text("nothing here\n")
    with pytest.raises(DamagedInput, match="no YouTube channel id"):
        read_channels(path)


@pytest.mark.parametrize(
    "data",
    [
        b'{"results": 5}', b'{"results": {"bindings": 5}}', b'{"results": {"bindings": [5]}}',
        b'{"results": {"bindings": [{"channel": 5}]}}', b"[1, null]", b"[", b"{}", b"",
        b"\x28\xb5\x2f\xfd\x00\x01", CHANNEL.encode("utf-16"), b"a,b\n\x00\n", b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_channel_list_is_one_clear_error(tmp_path, data, capsys):
    path = tmp_path / "channels"
    path.write_bytes(data)
    with pytest.raises(DamagedInput, match="expected a Wikidata query result"):
        read_channels(path)
    assert main(["channels", str(path)]) == 1
    assert "defect" not in capsys.readouterr().err
    (tmp_path / "v.json").write_text(json.dumps(INFO))
    out = tmp_path / "out"
    arguments = ["--youtube", str(tmp_path / "v.json"), "--channels", str(path)]
    assert main(["build", *arguments, "--media", "none", "--out", str(out)]) == 1
    assert not out.exists()


def test_the_query_asks_for_the_property():
    assert "P2397" in QUERY


@needs_shared("data/youtube_api_v3_samples")
def test_real_api_pages():
    rows = youtube.Rows()
    for name in ("videos_info_multi", "comment_threads_by_video_paged_1"):
        path = SHARED / f"data/youtube_api_v3_samples/{name}.json"
        for record, _ in records(path, BUDGET, Tally()):
            youtube.parse(record, rows)
    assert len(rows.posts) == 2
    assert len(rows.comments) >= 5
    assert all(post["created"] and post["title"] for post in rows.posts)
