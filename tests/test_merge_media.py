"""Posts with the same media: comments pool, the rules still hold, every row is accounted for."""

from collections import Counter

import pyarrow.parquet as pq
import pytest
from media_samples import jpeg, ledger, post, write_text

from dataset_builder.finish import finish
from dataset_builder.settings import load_settings

OFF = ["annotate.tags=null", "annotate.colors=null", "annotate.ocr=null"]
# apart they are three different comments each; together two near-duplicates of "all" go
FIRST = ["alpha bravo", "carrot delta", "echo foxtrot golf hotel"]
SECOND = ["alpha bravo carrot delta", "echo foxtrot", "golf hotel"]


def build(folder, first, second, *changes, source="reddit"):
    media = folder / "media"
    media.mkdir(parents=True)
    for name, seed in (("one", 1), ("two", 1), ("three", 3)):
        (media / f"{name}.jpg").write_bytes(jpeg(seed))
    posts = [post(f"{source}-{n}", "image", created=at) for at, n in enumerate(("one", "two"))]
    posts.append(post(f"{source}-three", "image"))
    comments = {f"{source}-one": first, f"{source}-two": second}
    write_text(
        folder, posts, {**comments, f"{source}-three": ["a lone post has its own", "and so"]}
    )
    finish(folder, media, load_settings("seed", [*OFF, *changes]), [], 1)
    rows = [r for path in folder.glob("release/metadata/*.parquet") for r in read(path)]
    return {row["id"]: row for row in rows}


def read(path):
    return pq.read_table(path).to_pylist()


def ends(folder):
    """Kind and id -> (kept, reason), each row once."""
    rows = ledger(folder)
    assert len({(r["kind"], r["id"]) for r in rows}) == len(rows)
    return {(r["kind"], r["id"]): (r["kept"], r["reason"]) for r in rows}


def check_balance(folder, released):
    """Kept in the ledger = in the release, posts and comments alike."""
    kept = Counter(kind for (kind, _), (is_kept, _) in ends(folder).items() if is_kept)
    assert kept["post"] == len(released)
    assert kept["comment"] == sum(len(row["comments"]) for row in released.values())
    assert Counter(kind for kind, _ in ends(folder))["comment"] == 8


def test_comments_of_both_posts_are_ranked_again(tmp_path):
    released = build(tmp_path, FIRST, ["wholly other words", "some more of them", "last of all"])
    assert released.keys() == {"reddit-one", "reddit-three"}
    assert len(released["reddit-one"]["comments"]) == 5  # the best five of six
    assert Counter(r for _, r in ends(tmp_path).values() if r) == {
        "duplicate_media": 1,
        "beyond_top": 1,
    }
    check_balance(tmp_path, released)


@pytest.mark.parametrize(("least", "survives"), [(2, True), (3, False)])
def test_too_few_comments_after_merging_drop_the_post(tmp_path, least, survives):
    # best liked first: "echo foxtrot golf hotel" and "alpha bravo carrot delta" are kept
    first = [FIRST[2], *FIRST[:2]]
    released = build(tmp_path, first, SECOND, f"reddit.min_comments={least}")
    if survives:
        texts = [c["text"] for c in released["reddit-one"]["comments"]]
        assert texts == ["echo foxtrot golf hotel", "alpha bravo carrot delta"]
    else:
        assert "reddit-one" not in released
        found = ends(tmp_path)
        assert found["post", "reddit-one"] == (False, "few_comments")
        assert found["post", "reddit-two"] == (False, "duplicate_media")
        reasons = Counter(r for (kind, _), (_, r) in found.items() if kind == "comment" and r)
        assert reasons == {"near_duplicate": 4, "post_dropped:few_comments": 2}
    check_balance(tmp_path, released)


@pytest.mark.parametrize(
    ("mode", "expected", "comments"), [("merge", 2, 5), ("drop", 2, 3), ("keep", 3, 3)]
)
def test_youtube_obeys_its_own_setting(tmp_path, mode, expected, comments):
    second = ["wholly other words", "some more of them", "last of all"]
    change = f"youtube.duplicates={mode}"
    released = build(tmp_path, FIRST, second, change, source="youtube")
    assert len(released) == expected
    assert len(released["youtube-one"]["comments"]) == comments
    check_balance(tmp_path, released)


def test_posts_with_the_same_picture_move_into_one_split(tmp_path):
    media = tmp_path / "media"
    media.mkdir()
    posts = []
    for name, seed, split in (("a", 1, "test"), ("b", 1, "train"), ("c", 2, "validation")):
        (media / f"{name}.jpg").write_bytes(jpeg(seed))
        posts.append(post(f"reddit-{name}", "image", split=split, group_key=f"reddit-{name}"))
    posts.append(post("reddit-d", "image", split="train", group_key="reddit-b"))
    (media / "d.jpg").write_bytes(jpeg(4))
    write_text(tmp_path, posts, {})
    settings = load_settings("seed", [*OFF, "reddit.duplicates=keep"])
    finish(tmp_path, media, settings, [], 1)
    found = {
        row["id"]: path.stem.split("-")[0]
        for path in (tmp_path / "release" / "metadata").glob("*.parquet")
        for row in read(path)
    }
    assert found == {
        "reddit-a": "test",
        "reddit-b": "test",
        "reddit-c": "validation",
        "reddit-d": "test",
    }
