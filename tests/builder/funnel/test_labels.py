"""Labels that were taken too early: counted under every setting, dropped or ranked last by one."""

import json

import pyarrow.parquet as pq
import pytest

from builder.help.builds import ledger
from builder.help.dumps import comment, run, submission
from dataset_builder.cli import main

BORN = 1_600_000_000
WORDS = "river garden bridge kitchen window mountain harbour".split()  # noqa: SIM905


def early_dump(seconds=2):
    """Every row retrieved some seconds after it was made: all scores are 1."""
    rows = [
        comment(f"c{n}", "aa", f"the {word} of number {n} here", 1, created_utc=BORN + n,
                retrieved_on=BORN + n + seconds)
        for n, word in enumerate(WORDS)
    ]  # fmt: skip
    post = submission("aa", created_utc=BORN, retrieved_on=BORN + 3, score=1)
    return [post], rows


def kept(folder):
    rows = pq.read_table(folder / "out/work/text/comments.parquet").to_pylist()
    return [row["id"] for row in sorted(rows, key=lambda row: row["rank"])]


def labels(folder):
    found = json.loads((folder / "out/funnel.json").read_text())["labels"]
    return {row["kind"]: (row["kept"], row["known"], row["early"]) for row in found}


def test_the_share_is_told_by_stats_funnel_and_card(tmp_path, capsys):
    assert run(tmp_path, *early_dump()) == 0
    assert labels(tmp_path) == {"post": (1, 1, 1), "comment": (5, 5, 5)}
    capsys.readouterr()
    assert main(["stats", "--build", str(tmp_path / "out")]) == 0
    line = "reddit comments: 5 of 5 labels (100.0%) were read within 24 h of posting"
    assert line in capsys.readouterr().out
    assert line in (tmp_path / "out/release/README.md").read_text()


def test_what_nobody_knows_is_not_called_early(tmp_path):
    posts, rows = early_dump()
    for row in (*posts, *rows):
        del row["retrieved_on"]
    rows[0]["retrieved_on"] = 0  # what some exports write for it
    assert run(tmp_path, posts, rows) == 0
    assert labels(tmp_path) == {"post": (1, 0, 0), "comment": (5, 0, 0)}
    assert "nobody knows" in (tmp_path / "out/release/README.md").read_text()


def test_a_second_look_makes_the_score_worth_something(tmp_path):
    posts, rows = early_dump()
    for row in rows:
        row["_meta"] = {"retrieved_2nd_on": row["created_utc"] + 36 * 3600}
    assert run(tmp_path, posts, rows) == 0
    assert labels(tmp_path)["comment"] == (5, 5, 0)


def test_scores_rank_only_where_they_say_something(tmp_path):
    posts, rows = early_dump()
    rows[0]["score"] = 40  # within two seconds
    for late in rows[5:]:
        late.update(retrieved_on=BORN + 90 * 86_400, score=int(late["id"][1]))
    assert run(tmp_path, posts, rows) == 0
    assert kept(tmp_path)[:2] == ["c0", "c6"]
    other = tmp_path / "last"
    other.mkdir()
    assert run(other, posts, rows, "reddit.early_comments=last") == 0
    assert kept(other) == ["c6", "c5", "c0", "c1", "c2"]


def test_they_can_be_dropped(tmp_path):
    posts, rows = early_dump()
    for late in rows[4:]:
        late["retrieved_on"] = late["created_utc"] + 86_400  # a day is enough
    assert run(tmp_path, posts, rows, "reddit.early_comments=drop") == 0
    assert kept(tmp_path) == ["c4", "c5", "c6"]
    assert ledger(tmp_path / "out")["comment", "c0"] == ["early_label"]
    other = tmp_path / "posts"
    other.mkdir()
    # nothing is kept: a failure, unless it is said that it may be
    assert run(other, posts, rows, "reddit.early_posts=drop") == 1
    assert ledger(other / "out")["post", "reddit-aa"] == ["early_label"]


@pytest.mark.parametrize(("likes", "percent"), [(1250, None), (1000, 100.0), (125, 12.5)])
def test_more_likes_than_views_are_no_percentage(tmp_path, likes, percent):
    text = "a comment of some words"
    video = {
        "id": "AAAAAAAAAAA", "extractor": "youtube", "title": "A title", "language": "en",
        "upload_date": "20200601", "duration": 30, "view_count": 1000, "like_count": likes,
        "comment_count": 1, "comments": [{"id": "c", "text": text, "parent": "root"}],
    }  # fmt: skip
    (tmp_path / "v.jsonl").write_text(json.dumps(video) + "\n")
    arguments = ["build", "--youtube", str(tmp_path / "v.jsonl"), "--media", "none", "--set"]
    assert main([*arguments, "youtube.min_views=10", "--out", str(tmp_path / "out")]) == 0
    (table,) = (tmp_path / "out/release/metadata").glob("*.parquet")
    (row,) = pq.read_table(table).to_pylist()
    assert (row["percent_liked"], row["likes"], row["views"]) == (percent, likes, 1000)
    above = json.loads((tmp_path / "out/funnel.json").read_text())["labels"][0]
    assert above["likes_above_views"] == (percent is None)
    told = "1 with more likes than views" in (tmp_path / "out/release/README.md").read_text()
    assert told == (percent is None)
