"""Ledger, funnel, `why` and `stats` of a small build written by hand in dump format."""

import itertools
import json

import pyarrow.parquet as pq
import pytest

from builder.help.dumps import COMMENTS_IN, POSTS_IN, comment, lines, run, submission
from dataset_builder.cli import main
from dataset_builder.errors import BuildError
from dataset_builder.funnel.counts import format_stats, format_table, funnel, stats
from dataset_builder.funnel.titles import TITLES, title_of
from dataset_builder.ledger.why import format_why, why
from dataset_builder.read.reddit import hash_author
from dataset_builder.rules.order import STEPS, describe
from dataset_builder.schema import COMMENTS, LEDGER, POSTS
from dataset_builder.settings import load_settings
from dataset_builder.shards.verify import verify
from places import ROOT


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    assert run(folder) == 0
    return folder / "out"


def test_keyed_authors_of_what_was_kept(out):
    key = (out / "work/author.key").read_bytes()
    rows = pq.read_table(out / "work/text/authors.parquet").to_pylist()
    assert {(row["kind"], row["id"]): row["author_key"] for row in rows} == {
        ("post", "reddit-aa"): hash_author("byaa", key),
        ("comment", "c1"): hash_author("byc1", key),
        ("comment", "c5"): hash_author("byc5", key),
    }
    assert (out / "work/author.key").stat().st_mode & 0o777 == 0o600
    assert not list((out / "release").rglob("*author*"))


SECRETS = ("tom.lee", "hunter2", "S3CRET", "4155552671", "a@b.example", "JohnDoe", "johndoe")


def test_nothing_personal_in_any_byte_of_the_output(tmp_path):
    """Through every field that a person's name or number can come in by."""
    texts = ("the river runs below the bridge", "an old lamp stands on a wall")
    talk = [
        comment(f"t{n}{post}", post, text)
        for post in ("pa", "pb", "pc")
        for n, text in enumerate(texts)
    ]
    posts = [
        submission("pa", title="Call 415-555-2671 or a@b.example", author="JohnDoe",
                   permalink="/r/pics/comments/pa/call_4155552671_or_abexample/"),
        submission("pb", url="https://tom.lee:hunter2@i.redd.it/pb.jpg",
                   permalink="/user/JohnDoe/comments/pb/x/"),
        submission("pc", url="https://i.redd.it/pc.jpg?a=1&token=S3CRET"),
        submission("pd", subreddit="u_JohnDoe"),
        submission("pe", removed_by_category="u/JohnDoe"),
    ]  # fmt: skip
    assert run(tmp_path, posts, talk) == 0
    kept = pq.read_table(tmp_path / "out/release/metadata").to_pylist()
    assert {row["id"]: row["permalink"] for row in kept} == {
        f"reddit-{id}": f"https://www.reddit.com/r/pics/comments/{id}/" for id in ("pa", "pb", "pc")
    }
    for file in (tmp_path / "out").rglob("*"):
        if not file.is_file() or file.name == "author.key":
            continue
        rows = pq.read_table(file).to_pylist() if file.suffix == ".parquet" else file.read_bytes()
        told = [secret for secret in SECRETS if secret in str(rows)]
        assert not told, (file.name, told)


def test_one_row_per_item_with_the_declared_columns(out):
    rows = []
    for file in (out / "ledger").glob("*.parquet"):
        assert pq.read_schema(file).names == LEDGER.names
        rows += pq.read_table(file).to_pylist()
    ends = {(r["kind"], r["id"]): (r["kept"], r["reason"], r["value"]) for r in rows}
    assert len(rows) == len(ends) == 11
    assert ends == {
        ("post", "reddit-aa"): (True, None, None),
        ("post", "reddit-bb"): (False, "nsfw", "over_18"),
        ("post", "reddit-cc"): (False, "duplicate", "reddit-aa"),
        ("post", "reddit-dd"): (False, "other_subreddit", "gardening"),
        ("comment", "c1"): (True, None, None),
        ("comment", "c2"): (False, "near_duplicate", ends["comment", "c2"][2]),
        ("comment", "c3"): (False, "few_words", "1"),
        ("comment", "c4"): (False, "post_dropped:nsfw", "reddit-bb"),
        ("comment", "c5"): (True, None, None),
        ("comment", "c6"): (False, "no_post", "reddit-zz"),
        ("comment", "c7"): (False, "other_subreddit", "gardening"),
    }
    assert ends["comment", "c2"][2].endswith(" to c1")


def test_text_files_have_the_declared_columns(out):
    posts = pq.read_table(out / "work/text/posts.parquet")
    comments = pq.read_table(out / "work/text/comments.parquet")
    assert posts.schema.equals(POSTS)
    assert comments.schema.equals(COMMENTS)
    # the repost's comment moved to the post that stayed
    assert [(c["post_id"], c["id"], c["rank"]) for c in comments.to_pylist()] == [
        ("reddit-aa", "c1", 1),
        ("reddit-aa", "c5", 2),
    ]
    assert comments["text"][1].as_py() == "write to [EMAIL] or [USER] please"
    assert json.loads((out / "work/text/privacy.json").read_text()) == {"email": 1, "handle": 1}


@pytest.mark.parametrize(
    ("settings", "kept", "ends"),
    [
        (["reddit.duplicates=drop", "reddit.min_comments=1"], ["reddit-aa"],
         "post_dropped:duplicate"),
        (["reddit.duplicates=keep", "reddit.min_comments=1"], ["reddit-aa", "reddit-cc"], None),
        (["reddit.duplicates=merge"], ["reddit-aa"], None),
    ],
)  # fmt: skip
def test_what_becomes_of_reposts(tmp_path, settings, kept, ends):
    assert run(tmp_path, POSTS_IN, COMMENTS_IN, *settings) == 0
    posts = pq.read_table(tmp_path / "out/work/text/posts.parquet")
    assert posts["id"].to_pylist() == kept
    assert why(tmp_path / "out", "c5")[0]["reason"] == ends


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("reddit-bb", "post reddit-bb (reddit): dropped at marks: nsfw (over_18)"),
        ("bb", "post reddit-bb (reddit): dropped at marks: nsfw (over_18)"),
        ("t3_bb", "post reddit-bb (reddit): dropped at marks: nsfw (over_18)"),
        ("t1_c3", "comment c3 (reddit): dropped at comments: few_words (1)"),
        ("aa", "post reddit-aa (reddit): kept"),
    ],
)
def test_why(out, asked, answer, capsys):
    assert format_why(why(out, asked)) == answer
    assert main(["why", "--build", str(out), asked]) == 0
    assert capsys.readouterr().out.strip() == answer


def test_why_of_an_unknown_id(out, capsys):
    assert main(["why", "--build", str(out), "nothing"]) == 1
    assert "'nothing' is in no input" in capsys.readouterr().err
    with pytest.raises(BuildError, match="no ledger"):
        why(out / "release", "aa")


def test_funnel_and_stats(out):
    found = funnel(out)
    assert found == json.loads((out / "funnel.json").read_text())
    steps = [row for row in found["steps"] if row["source"] == "reddit"]
    assert [row["paper_step"] for row in steps] == [step.title for step in STEPS["reddit"]]
    assert [row["step"] for row in steps] == [
        "read", "since 2015-02-01", "2018-01-01 to 2022-01-31", "not NSFW, bot, deleted, duplicate",
        "2 comments or more left", "at most 500 s", "hosted and available",
    ]  # fmt: skip
    assert [row["out"] for row in steps] == [3, 3, 3, 1, 1, 1, 1]
    assert all(a["out"] == b["in"] for a, b in itertools.pairwise(steps))
    assert steps[3]["dropped"] == {"duplicate": 1, "nsfw": 1}
    assert steps[1]["paper"] == 3_100_000
    assert found["totals"]["comment"] == {"in": 7, "kept": 2, "dropped": 5}
    text = format_stats(stats(out))
    assert "comments: 7 in = 2 kept + 5 dropped" in text
    assert "near_duplicate" in text
    assert "400,000" in format_table(found)


def test_the_papers_numbers_are_those_of_the_spec():
    spec = json.loads((ROOT / "tests/data/paper_values.json").read_text())["funnel"]
    ours = [step.paper for step in STEPS["reddit"][1:]]
    assert ours == [(row[1], row[2]) for row in spec["reddit"][1:]]
    assert [STEPS["youtube"][0].paper[1], STEPS["youtube"][-1].paper[1]] == [
        row[1] for row in spec["youtube"]
    ]


def test_every_reason_of_a_post_rule_has_its_step():
    for row in describe(load_settings("seed", [])):
        if row["kind"] == "post":
            named = {reason for step in STEPS[row["source"]] for reason in step.reasons}
            assert row["reason"] in named, row


def test_every_step_is_told_in_the_words_of_the_settings():
    """A step without words of its own would go on telling the paper's."""
    told = {(source, step.title) for source, steps in STEPS.items() for step in steps}
    assert told - TITLES.keys() == {("reddit", "read"), ("youtube", "read")}
    settings = load_settings("seed", []).as_dict()
    changed = load_settings("seed", [
        "reddit.overlay_start=null", "reddit.start=2016-03-04", "reddit.end=2020-03-01",
        "reddit.nsfw=false", "reddit.duplicates=keep", "reddit.min_comments=7",
        "reddit.max_seconds=12.5", "reddit.image_hosts=null", "reddit.video_hosts=null",
        "youtube.start=null", "youtube.channels_only=false", "youtube.languages=[de, fr]",
        "youtube.max_seconds=null", "youtube.min_views=1234", "youtube.min_comments=0",
        "youtube.excluded_topics=null", "youtube.excluded_categories=null",
        "youtube.comments_disabled=keep", "youtube.nsfw_vocabulary_posts=false",
    ]).as_dict()  # fmt: skip
    said = {s: [title_of(s, step, changed) for step in STEPS[s][1:]] for s in STEPS}
    assert said["reddit"] == [
        "has a date", "2016-03-04 to 2020-02-29", "not bot, deleted", "7 comments or more left",
        "at most 12.5 s", "available",
    ]  # fmt: skip
    assert said["youtube"] == [
        "until 2023-12-31", "language de, fr", "any length", "over 1,234 views", "not NSFW",
        "any comments, available",
    ]  # fmt: skip
    assert all(title_of(s, step, settings) for s in STEPS for step in STEPS[s])


def test_stats_release_and_card_tell_the_settings_that_were_used(tmp_path):
    inputs = ["--reddit-submissions", lines(tmp_path / "s.jsonl", POSTS_IN),
              "--reddit-comments", lines(tmp_path / "c.jsonl", COMMENTS_IN)]  # fmt: skip
    out = tmp_path / "out"
    code = main(["build", "--media", "none", "--out", str(out), *inputs, "--set",
                 "reddit.end=2021-07-01", "reddit.min_comments=1",
                 "media.required=false"])  # fmt: skip
    assert code == 0
    assert "2018-01-01 to 2021-06-30" in format_stats(stats(out))
    assert "1 comment or more left" in format_stats(stats(out))
    card = (out / "release/README.md").read_text()
    assert '| `reddit.end` | `"2021-07-01"` | `"2022-02-01"` |' in card
    assert "`reddit.start`" not in card
    total = funnel(out)["totals"]
    kept = f"{total['post']['kept']} of {total['post']['in']} posts, "
    assert f"{kept}{total['comment']['kept']} of {total['comment']['in']} comments kept" in card
    assert "](funnel.png)" in card
    assert (out / "release/funnel.png").read_bytes() == (out / "funnel.png").read_bytes()
    manifest = json.loads((out / "release/manifest.json").read_text())
    assert "funnel.png" in {file["path"] for file in manifest["files"]}
    assert verify(out / "release").ok


def test_the_paper_and_we_are_drawn_on_one_base(tmp_path):
    """Its first count lies at the end of our bar of the same step; no reason is cut."""
    from matplotlib.axes import Axes

    from dataset_builder.funnel import picture

    settings = load_settings("seed", []).as_dict()
    names = [title_of("reddit", step, settings) for step in STEPS["reddit"]]
    left = [80, 60, 30, 20, 16, 16, 8]
    rows = [
        {"source": "reddit", "media_type": "image", "step": name, "in": a, "out": b,
         "dropped": {f"reason_{at}_{n}": 1 for n in range(9)}, "paper": step.paper[0]}
        for at, (name, a, b, step) in enumerate(
            zip(names, [80, *left], left, STEPS["reddit"], strict=False))
    ]  # fmt: skip
    figure = picture.Figure()
    picture.FigureCanvasAgg(figure)
    axis: Axes = figure.subplots()
    picture._posts_panel(axis, "reddit image", rows)
    marks = [line.get_xdata()[0] for line in axis.lines]
    assert marks[0] == 60 / 80
    assert marks[1] == pytest.approx(1_400_000 / 3_100_000 * 60 / 80)
    shown = " ".join(text.get_text() for text in axis.texts).replace("\n", " ")
    for row in rows:
        assert all(reason in shown for reason in row["dropped"])
    assert "…" not in shown


def test_the_picture_is_a_picture_and_always_the_same(out, tmp_path):
    from dataset_builder.funnel.picture import draw

    data = (out / "funnel.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    draw(funnel(out), tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == data
    draw({"steps": []}, tmp_path / "empty.png")


def test_malformed_lines_have_rows_and_quarantine(tmp_path):
    path = tmp_path / "c.jsonl"
    lines(path, COMMENTS_IN)
    path.write_text(path.read_text() + "{secret text\n")
    code = main(
        ["build", "--media", "none", "--out", str(tmp_path / "out"), "--workers", "1",
         "--reddit-submissions", lines(tmp_path / "s.jsonl", POSTS_IN),
         "--reddit-comments", str(path)]
    )  # fmt: skip
    assert code == 0
    (row,) = why(tmp_path / "out", "c.jsonl:8")
    assert (row["kind"], row["reason"]) == ("comment", "malformed")
    (file,) = (tmp_path / "out/quarantine").iterdir()
    (line,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert (line["line"], line["file"]) == (8, "c.jsonl")
    assert "secret" not in file.read_text()


def test_repeated_items_count_once_kept_once_dropped(tmp_path):
    again = [*POSTS_IN, submission("aa", title="older", retrieved_on=1)]
    assert run(tmp_path, again, [*COMMENTS_IN, COMMENTS_IN[0]]) == 0
    out = tmp_path / "out"
    assert [(row["kept"], row["reason"]) for row in why(out, "t3_aa")] == [
        (True, None), (False, "repeated"),
    ]  # fmt: skip
    assert [(row["kept"], row["reason"]) for row in why(out, "t1_c1")] == [
        (True, None), (False, "repeated"),
    ]  # fmt: skip
    for total in funnel(out)["totals"].values():
        assert total["in"] == total["kept"] + total["dropped"]


def test_a_file_given_under_two_names_repeats_every_comment_whatever_became_of_its_post(tmp_path):
    ours = [row for row in COMMENTS_IN if row["subreddit"] == "pics"]
    inputs = ["--reddit-submissions", lines(tmp_path / "s.jsonl", POSTS_IN), "--reddit-comments"]
    inputs += [lines(tmp_path / f"c{n}.jsonl", ours) for n in range(2)]
    assert main(["build", "--media", "none", "--out", str(tmp_path / "out"), *inputs]) == 0
    for row in ours:
        reasons = [found["reason"] for found in why(tmp_path / "out", f"t1_{row['id']}")]
        assert len(reasons) == 2, (row, reasons)
        assert reasons.count("repeated") == 1, (row, reasons)


def test_a_video_of_unknown_length_is_left_for_fetch_and_hydrate(tmp_path):
    """A build without media drops it in the end; its text stays, because a file would tell."""
    link = "https://www.youtube.com/watch?v=AAAAAAAAAAA"
    talk = [comment("v1", "va", "the river runs below the bridge", subreddit="videos"),
            comment("v2", "va", "an old lamp stands on a wall", subreddit="videos")]  # fmt: skip
    inputs = ["--reddit-submissions",
              lines(tmp_path / "s.jsonl", [submission("va", subreddit="videos", url=link)]),
              "--reddit-comments", lines(tmp_path / "c.jsonl", talk)]  # fmt: skip
    inputs += ["--out", str(tmp_path / "out"), "--allow-empty"]
    assert main(["build", "--media", "none", *inputs]) == 0
    assert why(tmp_path / "out", "va")[0]["reason"] == "duration_unknown"
    posts = pq.read_table(tmp_path / "out/work/text/posts.parquet").to_pylist()
    assert [post["id"] for post in posts] == ["reddit-va"]
