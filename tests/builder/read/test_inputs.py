"""Whole builds from the other kinds of input: the authors' release, API pages, channel lists."""

import pyarrow as pa
import pyarrow.parquet as pq

from builder.help.dumps import COMMENTS_IN, POSTS_IN, api_pages, lines
from dataset_builder.cli import main
from dataset_builder.ledger.why import why


def run(out, *arguments):
    common = ["--media", "none", "--out", str(out), "--workers", "1"]
    assert (
        main(["build", *map(str, arguments), *common, "--set", "media.duration_unknown=keep"]) == 0
    )
    return pq.read_table(out / "work/text/posts.parquet").to_pylist()


def test_the_authors_release(tmp_path):
    texts = ["the river runs below the bridge", "a garden with an old wall", "nice"]
    rows = [
        {
            "url": "https://i.redd.it/x.jpg", "permalink": "/r/pics/comments/abc1/a/",
            "comments": texts, "num_comments": 30, "subreddit": "pics", "title": "A river",
        },
        {
            "url": "https://youtu.be/AAAAAAAAAAA", "permalink": "/r/videos/comments/abc2/b/",
            "comments": texts[:1], "num_comments": 9, "subreddit": "videos", "title": "B",
        },
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "blift.parquet")
    posts = run(tmp_path / "out", "--reddit-submissions", tmp_path / "blift.parquet",
                "--preset", "authors")  # fmt: skip
    assert [(post["id"], post["title"]) for post in posts] == [("reddit-abc1", "A river")]
    assert why(tmp_path / "out", "abc2")[0]["reason"] == "few_comments"
    assert why(tmp_path / "out", "abc1.2")[0]["reason"] == "few_words"
    comments = pq.read_table(tmp_path / "out/work/text/comments.parquet").to_pylist()
    assert [row["text"] for row in comments] == texts[:2]


def test_two_released_posts_of_one_picture_share_their_comments(tmp_path):
    """The release's comments come with their posts, before duplicates are known."""
    talk = ["the river runs below the bridge", "a garden with an old wall", "who painted that door"]
    rows = [
        {
            "url": "https://i.redd.it/same.jpg", "permalink": f"/r/pics/comments/abc{at}/a/",
            "comments": [text, f"{text} over there and far away indeed {at}"],
            "num_comments": 30, "subreddit": "pics", "title": "A river",
        }
        for at, text in enumerate(talk)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "blift.parquet")
    for partitions in (1, 7):
        out = tmp_path / f"out{partitions}"
        posts = run(out, "--reddit-submissions", tmp_path / "blift.parquet",
                    "--preset", "authors", "--set", f"build.partitions={partitions}")  # fmt: skip
        assert len(posts) == 1
        kept = pq.read_table(out / "work/text/comments.parquet").to_pylist()
        assert set(talk) <= {row["text"] for row in kept}
        rows_of = pq.read_table(out / "ledger").to_pylist()
        assert sorted(row["id"] for row in rows_of if row["kind"] == "comment") == [
            f"abc{at}.{place}" for at in range(3) for place in range(2)
        ]


def test_api_pages_meet_by_video(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    api_pages(folder)
    posts = run(tmp_path / "out", "--youtube", folder)
    assert [post["id"] for post in posts] == ["youtube-AAAAAAAAAAA"]
    assert (posts[0]["duration"], posts[0]["likes"]) == (40.0, 400)
    assert why(tmp_path / "out", "BBBBBBBBBBB")[0]["reason"] == "few_comments"
    comments = pq.read_table(tmp_path / "out/work/text/comments.parquet").to_pylist()
    assert [(row["id"], row["rank"]) for row in comments] == [("t1", 1), ("t0", 2)]


def test_a_channel_list_keeps_its_channels_and_names_brands(tmp_path):
    folder = tmp_path / "pages"
    folder.mkdir()
    api_pages(folder)
    (tmp_path / "channels.csv").write_text(f"itemLabel,channel\nA Brand,UC{'A' * 22}\n")
    posts = run(tmp_path / "out", "--youtube", folder, "--channels", tmp_path / "channels.csv")
    assert [(post["id"], post["brand"]) for post in posts] == [("youtube-AAAAAAAAAAA", "A Brand")]
    row = why(tmp_path / "out", "BBBBBBBBBBB")[0]
    assert (row["reason"], row["value"]) == ("channel_not_listed", "UC" + "B" * 22)


def test_parquet_dumps(tmp_path):
    """Dumps converted to Parquet, with real types instead of text."""
    pq.write_table(pa.Table.from_pylist(POSTS_IN), tmp_path / "s.parquet")
    pq.write_table(pa.Table.from_pylist(COMMENTS_IN), tmp_path / "c.parquet")
    posts = run(tmp_path / "out", "--reddit-submissions", tmp_path / "s.parquet",
                "--reddit-comments", tmp_path / "c.parquet")  # fmt: skip
    plain = run(
        tmp_path / "plain", "--reddit-submissions", lines(tmp_path / "s.jsonl", POSTS_IN),
        "--reddit-comments", lines(tmp_path / "c.jsonl", COMMENTS_IN),
    )  # fmt: skip
    assert posts == plain != []


def test_comments_alone_and_submissions_alone(tmp_path):
    comments = lines(tmp_path / "c.jsonl", COMMENTS_IN)
    assert run(tmp_path / "a", "--reddit-comments", comments, "--allow-empty") == []
    assert why(tmp_path / "a", "c1")[0]["reason"] == "no_post"
    posts = lines(tmp_path / "s.jsonl", POSTS_IN)
    assert run(tmp_path / "b", "--reddit-submissions", posts, "--allow-empty") == []
    assert why(tmp_path / "b", "aa")[0]["reason"] == "few_comments"
