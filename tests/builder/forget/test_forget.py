"""What was forgotten is in no byte of the output, and does not come back."""

import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builder.help.media_samples import FAST, jpeg, ledger, post, write_text, write_video
from dataset_builder.errors import UsageError
from dataset_builder.forget.forget import forget
from dataset_builder.forget.scope import AUTHORS, hash_names
from dataset_builder.ledger.addresses import canonical_url
from dataset_builder.ledger.targets import Target, read_targets
from dataset_builder.ledger.tombstones import NAME, load_tombstones
from dataset_builder.pipeline.media_stage import media_stage
from dataset_builder.read.reddit import hash_author
from dataset_builder.settings import load_settings
from dataset_builder.shards.verify import verify

SETTINGS = load_settings("seed", [*FAST, "shards.max_mb=0.03"])
POSTS = 24
# texts share no digits, or a compressed file might show one by accident
TOKENS = [hashlib.md5(b"%d" % at).hexdigest()[:10] for at in range(POSTS)]
AUTHOR = "ab" * 32


def make(folder: Path, media: Path) -> None:
    """24 pictures and a video; post 9 shows the picture of post 8 and is merged into it."""
    media.mkdir(exist_ok=True)
    posts, comments = [], {}
    for at in range(POSTS):
        seed = 8 if at == 9 else at
        (media / f"pic{at:02}.jpg").write_bytes(jpeg(seed, quality=70 if at == 9 else 92))
        name = f"reddit-pic{at:02}"
        title = f"wholly singular title {TOKENS[at]}"
        posts.append(post(name, "image", title=title, permalink=f"/r/pics/comments/pic{at:02}/x/"))
        comments[name] = [f"remark {word} on {TOKENS[at]}" for word in ("alpha", "bravo", "carrot")]
    comments["reddit-pic09"] = ["entirely other words here", "yet more distinct text"]
    write_video(media / "clip.mp4", [70, 71])
    posts.append(post("youtube-clip", "video", likes=1, views=10, title="clip title zq"))
    comments["youtube-clip"] = ["moving pictures zq"]
    write_text(folder, posts, comments)
    rows = [
        {"kind": "comment", "id": "reddit-pic05-c2", "author_key": AUTHOR},
        {"kind": "post", "id": "reddit-pic06", "author_key": AUTHOR},
    ]
    table = pa.Table.from_pylist(rows, schema=AUTHORS)
    pq.write_table(table, folder / "work" / "text" / "authors.parquet")
    media_stage(folder, media, SETTINGS, [], 1)


def files_with(folder: Path, *needles: str) -> list[str]:
    """Output files with one of the texts in their bytes or in the values of their tables."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".parquet":
            data += json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
        if any(needle.encode() in data for needle in needles):
            found.append(path.relative_to(folder).as_posix())
    return found


def sample(folder: Path, sample_id: str) -> dict:
    for path in sorted((folder / "release" / "metadata").rglob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            if row["id"] == sample_id:
                return row
    raise AssertionError(f"{sample_id} is not in the release")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forget")
    make(folder / "build", folder / "media")
    return folder


@pytest.fixture
def built(original, tmp_path):
    """A copy of one build for each test."""
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return tmp_path / "build", tmp_path / "media"


def test_all_five_kinds_are_gone_from_every_byte(built):
    folder, _ = built
    before = {p.name: p.read_bytes() for p in (folder / "release" / "data").glob("*.tar")}
    items = len(ledger(folder))
    by_media = sample(folder, "reddit-pic03")["media_sha256"]
    records = {p.stem: p for p in (folder / "work" / "media").rglob("*.tar")}
    looks = sample(folder, "reddit-pic04")["media_sha256"]
    meta = json.loads(_meta(records[looks]))
    targets = [
        Target("id", "reddit-pic01"),
        Target("url", canonical_url("https://old.reddit.com/r/pics/comments/pic02/anything")),
        Target("author", AUTHOR),
        Target("media", by_media),
        Target("phash", meta["signatures"][0][0]),
    ]
    result = forget(folder, targets)
    assert (result["posts"], result["samples"]) == (5, 5)
    gone = [TOKENS[at] for at in (1, 2, 3, 4, 6)] + [f"pic{at:02}" for at in (1, 2, 3, 4, 6)]
    leaked = files_with(folder, *gone, by_media, looks, f"bravo on {TOKENS[5]}", AUTHOR)
    assert leaked == []
    assert [c["text"] for c in sample(folder, "reddit-pic05")["comments"]] == [
        f"remark alpha on {TOKENS[5]}",
        f"remark carrot on {TOKENS[5]}",
    ]
    assert "top-2" in sample(folder, "reddit-pic05")["turns"][-1]["question"]
    assert verify(folder / "release").ok
    assert len(ledger(folder)) == items
    changed = {
        name
        for name, data in before.items()
        if not (folder / "release" / "data" / name).is_file()
        or (folder / "release" / "data" / name).read_bytes() != data
    }
    assert {Path(p).name for p in result["shards"]} == changed
    assert len(changed) < len(before)


def _meta(path: Path) -> bytes:
    with tarfile.open(path) as tar:
        return tar.extractfile("meta.json").read()


def test_a_later_ingest_is_refused(built, tmp_path):
    folder, media = built
    shas = sample(folder, "reddit-pic03")["media_sha256"]
    forget(folder, [Target("id", "reddit-pic01"), Target("media", shas)])
    tombstones = (folder / NAME).read_bytes()
    for again in (folder, tmp_path / "new"):
        again.mkdir(exist_ok=True)
        (again / NAME).write_bytes(tombstones)
        make(again, media)
        assert files_with(again, TOKENS[1], TOKENS[3], "pic01", shas) == []
        assert verify(again / "release").ok
        rows = ledger(again)
        assert sum(r["kind"] == "post" for r in rows) == POSTS + 1
        hidden = [r["kind"] for r in rows if r["reason"] == "forgotten"]
        assert sorted(hidden).count("post") == 2
        assert len({(r["kind"], r["id"]) for r in rows}) == len(rows)


def test_a_new_post_with_a_forgotten_picture_is_refused(built, tmp_path):
    folder, media = built
    sha = sample(folder, "reddit-pic03")["media_sha256"]
    forget(folder, [Target("media", sha)])
    (media / "other.jpg").write_bytes((media / "pic03.jpg").read_bytes())
    write_text(folder, [post("reddit-other", "image", title="othertitle")], {})
    for _ in range(2):  # the second time from the caches of the first
        assert media_stage(folder, media, SETTINGS, [], 1).samples == {}
        assert files_with(folder, sha, "reddit-other") == ["work/text/posts.parquet"]


def test_comments_of_a_merged_post_are_found_where_they_went(built):
    folder, _ = built
    texts = [c["text"] for c in sample(folder, "reddit-pic08")["comments"]]
    assert "yet more distinct text" in texts
    forget(folder, [Target("id", "reddit-pic09-c1")])
    left = [c["text"] for c in sample(folder, "reddit-pic08")["comments"]]
    assert left == [t for t in texts if t != "entirely other words here"]
    assert files_with(folder, "entirely other words", "pic09-c1") == []


def test_an_interrupted_forget_is_completed_by_the_next(built, monkeypatch):
    folder, _ = built
    from dataset_builder.forget import forget as module

    calls = []

    def dies(build_dir, path, scope):
        if calls:
            raise KeyboardInterrupt
        calls.append(path)
        return rewrite(build_dir, path, scope)

    rewrite = module.rewrite_shard
    targets = [Target("id", f"reddit-pic{at:02}") for at in (1, 2, 3, 10, 11, 12)]
    monkeypatch.setattr(module, "rewrite_shard", dies)
    with pytest.raises(KeyboardInterrupt):
        forget(folder, targets)
    monkeypatch.undo()
    forget(folder, targets)
    assert verify(folder / "release").ok
    for at in (1, 2, 3, 10, 11, 12):
        assert files_with(folder, TOKENS[at]) == [], at


def test_forgetting_everything_leaves_a_valid_empty_release(built):
    folder, _ = built
    everything = [f"reddit-pic{at:02}" for at in range(POSTS)] + ["youtube-clip"]
    forget(folder, [Target("id", name) for name in everything])
    assert not list((folder / "release" / "data").glob("*.tar"))
    assert verify(folder / "release").ok


@pytest.mark.slow
def test_a_hundred_things_by_all_five_kinds(tmp_path):
    folder, media = tmp_path / "build", tmp_path / "media"
    media.mkdir()
    tokens = [hashlib.md5(b"x%d" % at).hexdigest()[:12] for at in range(130)]
    posts, comments, authors = [], {}, []
    for at, token in enumerate(tokens):
        (media / f"{token}.jpg").write_bytes(jpeg(1000 + at))
        link = f"https://i.redd.it/{token}.jpg"
        posts.append(post(f"reddit-{token}", "image", title=f"on {token}", url=link))
        comments[f"reddit-{token}"] = [f"first of {token}", f"second of {token}"]
        key = hashlib.sha256(token.encode()).hexdigest()
        authors.append({"kind": "post", "id": f"reddit-{token}", "author_key": key})
    write_text(folder, posts, comments)
    table = pa.Table.from_pylist(authors, schema=AUTHORS)
    pq.write_table(table, folder / "work" / "text" / "authors.parquet")
    settings = load_settings("seed", [*FAST, "shards.max_mb=0.05"])
    media_stage(folder, media, settings, [], 1)
    rows = {r["id"]: r for r in pq.read_table(folder / "release" / "metadata").to_pylist()}
    assert len(rows) == 130
    targets = []
    for at, token in enumerate(tokens[:100]):
        row = rows[f"reddit-{token}"]
        targets.append(
            [
                Target("id", row["id"]),
                Target("url", canonical_url(row["url"])),
                Target("author", authors[at]["author_key"]),
                Target("media", row["media_sha256"]),
                Target("phash", row["media_phash"][0]),
            ][at % 5]
        )
    before = {p.name: p.read_bytes() for p in (folder / "release" / "data").glob("*.tar")}
    result = forget(folder, targets)
    assert result["samples"] == 100
    assert files_with(folder, *tokens[:100]) == []
    left = (folder / "release" / "data").glob("*.tar")
    same = {p.name for p in left if p.read_bytes() == before[p.name]}
    assert same | {Path(p).name for p in result["shards"]} == before.keys()
    assert verify(folder / "release").samples == 30
    write_text(folder, posts, comments)
    assert media_stage(folder, media, settings, [], 1).samples == {"train": 30}
    assert files_with(folder, *tokens[:100]) == []


def test_the_list_is_read_with_and_without_kinds(tmp_path):
    file = tmp_path / "list.txt"
    file.write_text(
        "# a comment\n\nreddit-abc\nid t1_x\nhttps://youtu.be/abcdefghijk?t=3\n"
        f"{'0' * 64}\nphash {'f' * 16}\nauthor u/Somebody\n"
    )
    found = [(t.kind, t.value) for t in read_targets(file)]
    assert found == [
        ("id", "reddit-abc"),
        ("id", "t1_x"),
        ("url", "youtube.com/watch?v=abcdefghijk"),
        ("media", "0" * 64),
        ("author", "0" * 64),
        ("phash", "f" * 16),
        ("author", "u/Somebody"),
    ]
    file.write_text("media xyz\n")
    with pytest.raises(UsageError, match=r"list\.txt:1"):
        read_targets(file)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("https://www.youtube.com/watch?v=abc&t=1", "http://youtu.be/abc"),
        ("https://m.youtube.com/shorts/abc/", "youtube.com/watch?v=abc"),
        ("https://old.reddit.com/r/pics/comments/x1/title/", "https://redd.it/x1"),
        ("https://i.redd.it/a.jpg?s=1", "http://i.redd.it/a.jpg"),
        ("https://preview.redd.it/a.jpg?width=9&s=1", "https://i.redd.it/a.jpg"),
    ],
)
def test_addresses_of_one_thing_are_one(a, b):
    assert canonical_url(a) == canonical_url(b)


@pytest.mark.parametrize(
    "name",
    [
        "Anna",
        "u/Anna",
        "/u/anna",
        "@Anna",
        "https://www.reddit.com/user/Anna",
        "reddit.com/u/anna/",
    ],
)
def test_an_author_is_found_however_the_name_is_written(tmp_path, name):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "author.key").write_bytes(bytes(32))
    found = hash_names(tmp_path, [Target("author", name)])
    assert found == [Target("author", hash_author("anna", bytes(32)))]


def test_ids_as_people_write_them(tmp_path):
    given = ["t3_r1", "reddit-R1", "T3_x", "t1_c1", "youtube-AbC", "dQw4w9WgXcQ"]
    found = [t.value for t in hash_names(tmp_path, [Target("id", name) for name in given])]
    assert found == ["reddit-r1", "reddit-R1", "reddit-x", "c1", "youtube-AbC", "dQw4w9WgXcQ"]


@pytest.mark.parametrize(
    ("url", "comment"),
    [
        ("https://www.reddit.com/r/pics/comments/abc12/some_title/k3j2h1/", "k3j2h1"),
        ("https://old.reddit.com/r/pics/comments/abc12/_/k3j2h1?context=3", "k3j2h1"),
        ("https://www.reddit.com/r/pics/comments/abc12/comment/k3j2h1/", "k3j2h1"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ&lc=UgxAbC-1", "UgxAbC-1"),
        ("https://www.reddit.com/r/pics/comments/abc12/some_title/", None),
        ("https://www.reddit.com/r/pics/comments/abc12/", None),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ", None),
        ("https://i.redd.it/comments/a/b/c", None),
    ],
)
def test_the_address_of_a_comment_names_the_comment(tmp_path, url, comment):
    file = tmp_path / "list.txt"
    file.write_text(url)
    (target,) = read_targets(file)
    expected = ("id", comment) if comment else ("url", canonical_url(url))
    assert (target.kind, target.value) == expected


def test_a_list_that_cannot_be_read_is_wrong_usage(tmp_path):
    path = tmp_path / "list.txt"
    with pytest.raises(UsageError, match="No such file"):
        read_targets(path)
    path.write_text("id reddit-abc", encoding="utf-16")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        read_targets(path)
    path.write_text("id reddit-abc", encoding="utf-8-sig")
    assert read_targets(path) == [Target("id", "reddit-abc")]


def test_tombstones_name_nothing(built):
    folder, _ = built
    forget(folder, [Target("id", "reddit-pic01"), Target("author", AUTHOR)])
    text = (folder / NAME).read_text()
    assert "pic01" not in text
    assert AUTHOR not in text
    assert load_tombstones(folder).refuses("id", "reddit-pic01")
