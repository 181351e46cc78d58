"""Posts with the same media: comments pool, the rules still hold, every row is accounted for."""

import hashlib
import itertools
from collections import Counter

import pyarrow.parquet as pq
import pytest

from builder.help.media_samples import jpeg, ledger, post, write_text
from dataset_builder.annotate.registry import ANNOTATORS
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.settings import load_settings
from dataset_builder.text.splits import assign

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
    media_stage(folder, media, load_settings("seed", [*OFF, *changes]), [], 1)
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


def test_posts_with_the_same_picture_share_a_split(tmp_path):
    """Two groups that a picture joins go where the smaller key goes; the others are left alone."""
    media = tmp_path / "media"
    media.mkdir()
    settings = load_settings(
        "seed", [*OFF, "reddit.duplicates=keep", "splits.test=0.4", "splits.validation=0.4"]
    )
    # two keys that the hash alone would part
    names = [f"reddit-{n:02d}" for n in range(40)]
    alone = dict(zip(names, assign(names, [0] * len(names), settings), strict=True))
    a, b = next((x, y) for x, y in itertools.combinations(names, 2) if alone[x] != alone[y])
    pictures = {a: 1, b: 1, f"{b}x": 4, "reddit-zz": 2}  # the third post is of b's author
    keys = {f"{b}x": b}
    posts = []
    for name, seed in pictures.items():
        (media / f"{name.removeprefix('reddit-')}.jpg").write_bytes(jpeg(seed))
        posts.append(post(name, "image", split=None, group_key=keys.get(name, name)))
    write_text(tmp_path, posts, {})
    media_stage(tmp_path, media, settings, [], 1)
    found = {
        row["id"]: path.stem.split("-")[0]
        for path in (tmp_path / "release" / "metadata").glob("*.parquet")
        for row in read(path)
    }
    assert {found[a], found[b], found[f"{b}x"]} == {alone[a]}
    assert found["reddit-zz"] == assign(["reddit-zz"], [0], settings)[0]


class ColourJudge:
    """A stand-in for the NSFW model, which no test may wait for: finds one picture unsafe."""

    field, version = "nsfw", "stand-in"

    @classmethod
    def title(cls, argument):
        return "a judge of one picture"

    @classmethod
    def why_not(cls, argument):
        return None

    @classmethod
    def load(cls, argument):
        return cls()

    def annotate(self, views):
        unsafe = hashlib.sha256(jpeg(1)).hexdigest()
        return [0.95 if view.sha256 == unsafe else 0.1 for view in views]


def test_comments_that_moved_go_with_the_post_they_moved_to(tmp_path, monkeypatch):
    """The picture both posts show is judged NSFW after merging: nothing of either is kept."""
    monkeypatch.setitem(ANNOTATORS, "nsfw", ColourJudge)
    second = ["wholly other words", "some more of them", "last of all"]
    build(tmp_path, FIRST, second, "annotate.nsfw=open-nsfw")
    found = ends(tmp_path)
    assert found["post", "reddit-one"] == (False, "nsfw_media")
    assert found["post", "reddit-two"] == (False, "duplicate_media")
    assert found["post", "reddit-three"] == (True, None)
    kept = [id for (kind, id), (is_kept, _) in found.items() if kind == "comment" and is_kept]
    assert kept == ["reddit-three-c1", "reddit-three-c2"]
    reasons = Counter(reason for (kind, _), (_, reason) in found.items() if kind == "comment")
    assert reasons == {None: 2, "beyond_top": 1, "post_dropped:nsfw_media": 5}
