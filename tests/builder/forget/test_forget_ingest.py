"""A later reading of the same dumps refuses what was forgotten, and names it nowhere."""

import gzip
import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard

from builder.help.media_samples import jpeg, ledger, write_video
from dataset_builder.errors import BuildError
from dataset_builder.forget.forget import forget
from dataset_builder.ledger.addresses import canonical_url
from dataset_builder.ledger.targets import Target, read_targets
from dataset_builder.ledger.tombstones import NAME
from dataset_builder.ledger.why import why
from dataset_builder.pipeline.build import build
from dataset_builder.pipeline.text_stage import Request
from dataset_builder.settings import load_settings
from dataset_builder.shards.verify import verify

OFF = ["annotate.tags=null", "annotate.colors=null", "annotate.ocr=null", "annotate.asr=null"]
RULES = ["splits.validation=0", "splits.test=0"]
SETTINGS = load_settings("seed", [*OFF, *RULES, "shards.max_mb=0.03", "build.keep_work=true"])
LATER = 1_600_000_000


def word(kind: str, at: int) -> str:
    """A name that occurs nowhere by accident."""
    return hashlib.md5(f"{kind}{at}".encode()).hexdigest()[:11]


def zst(path: Path, rows: list[dict]) -> Path:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(zstandard.compress(lines.encode()))
    return path


def dumps(folder: Path, pictures: int, videos: int) -> Request:
    """Synthetic dumps and media: `pictures` Reddit posts and `videos` YouTube videos."""
    media = folder / "media"
    media.mkdir(parents=True)
    posts, comments = [], []
    for at in range(pictures):
        name = word("post", at)
        (media / f"{name}.jpg").write_bytes(jpeg(at))
        posts.append(
            {"id": name, "subreddit": "pics", "author": f"Poster_{at}", "created_utc": LATER + at}
            | {"title": f"Wholly {word('title', at)} picture", "score": 10, "over_18": False}
            | {"url": f"https://i.redd.it/{word('url', at)}.jpg", "num_comments": 4}
            | {"permalink": f"/r/pics/comments/{name}/x/", "is_self": False}
        )
        for place in range(4):
            text = "no" if place == 3 else f"{word('said', 10 * at + place)} is what I think here"
            comments.append(
                {"id": word("comment", 10 * at + place), "link_id": f"t3_{name}", "score": 9}
                | {"parent_id": f"t3_{name}", "subreddit": "pics", "body": text}
                | {"author": f"Talker_{10 * at + place}", "created_utc": LATER + at}
            )
    lines = []
    for at in range(videos):
        name = word("video", at)
        write_video(media / f"{name}.mp4", [500 + 2 * at, 501 + 2 * at])
        said = [f"{word('spoken', 10 * at + n)} is my own view of this" for n in range(3)]
        lines.append(
            {"id": name, "title": f"Garden number {at} of mine", "channel": f"channel {at}"}
            | {"channel_id": f"UC{at:022}", "upload_date": "20200101", "duration": 2}
            | {"view_count": 50_000 + at, "like_count": 100, "language": "en"}
            | {"comment_count": 3, "webpage_url": f"https://www.youtube.com/watch?v={name}"}
            | {"comments": [{"id": f"Uc{name}{n}", "text": t} for n, t in enumerate(said)]}
        )
    (folder / f"clips [{word('video', 0)}].jsonl.gz").write_bytes(
        gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode())
    )
    return Request(
        out=folder / "out",
        submissions=(zst(folder / "RS.zst", posts),),
        comments=(zst(folder / "RC.zst", comments),),
        youtube=(folder / f"clips [{word('video', 0)}].jsonl.gz",),
        channels=(),
        media=media,
        workers=1,
    )


def every_byte(folder: Path) -> list[tuple[str, bytes]]:
    """All files of a build: their bytes, and what compressed ones hold; the key file is secret."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "author.key"):
        data = path.name.encode() + b"\n" + path.read_bytes()
        if path.suffix == ".parquet":
            data += json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
        elif path.suffix == ".zst":
            data += zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
        found.append((path.relative_to(folder).as_posix(), data))
    return found


def leaks(folder: Path, needles: list[str]) -> list[tuple[str, str]]:
    return [
        (name, needle)
        for name, data in every_byte(folder)
        for needle in needles
        if needle.encode() in data
    ]


def totals(folder: Path) -> dict[str, int]:
    return dict(Counter(row["kind"] for row in ledger(folder)))


def targets_of(folder: Path, each: int) -> tuple[list[Target], list[str]]:
    """`each` targets of every kind, and the words that must be nowhere afterwards."""
    rows = {r["id"]: r for r in pq.read_table(folder / "release" / "metadata").to_pylist()}
    chosen: list[Target] = []
    gone: list[str] = []
    for at in range(5 * each):
        row = rows[f"reddit-{word('post', at)}"]
        kind = at % 5
        half = at // 5 % 2  # posts and comments, videos too
        if kind == 0 and half:
            comment = word("comment", 10 * at)
            chosen.append(Target("id", f"t1_{comment}"))
            gone += [comment, word("said", 10 * at)]
            continue
        if kind == 1 and half:
            video = word("video", at // 10)
            chosen.append(Target("url", canonical_url(f"https://youtu.be/{video}") or ""))
            gone += [video, word("spoken", 10 * (at // 10))]
            continue
        if kind == 2 and half:
            chosen.append(Target("author", f"Talker_{10 * at + 1}"))
            gone += [word("comment", 10 * at + 1), word("said", 10 * at + 1)]
            continue
        chosen.append(
            [
                Target("id", f"t3_{word('post', at)}"),
                Target("url", canonical_url(row["url"]) or ""),
                Target("author", f"u/Poster_{at}"),
                Target("media", row["media_sha256"]),
                Target("phash", row["media_phash"][0]),
            ][kind]
        )
        gone += [word("post", at), word("title", at), word("url", at), row["media_sha256"]]
        gone += [word("said", 10 * at + n) for n in range(3)]
    return chosen, gone


@pytest.mark.parametrize(
    ("each", "pictures", "videos"),
    [(2, 14, 2), pytest.param(20, 130, 12, marks=pytest.mark.slow)],
)
def test_what_was_forgotten_is_refused_by_every_later_reading(tmp_path, each, pictures, videos):
    request = dumps(tmp_path, pictures, videos)
    build(request, SETTINGS)
    read, before = totals(request.out), release_bytes(request.out)
    targets, gone = targets_of(request.out, each)
    assert {needle for _, needle in leaks(request.out, gone)} == set(gone)
    result = forget(request.out, targets)
    assert leaks(request.out, gone) == []
    assert totals(request.out) == read
    after = release_bytes(request.out)
    assert {name for name in before if before[name] != after.get(name)} == set(result["shards"])
    went_on = build(request, SETTINGS)  # goes on with the cleaned tables
    assert "read" not in went_on["seconds"]
    fresh = replace(request, out=tmp_path / "other")
    shared = [*OFF, *RULES, "shards.max_mb=0.03", "build.keep_work=true"]
    passed_on = load_settings("seed", [*shared, f"build.tombstones={request.out}"])
    (request.out / "work" / "state.json").unlink()  # reads everything anew
    for folder, settings in ((request, SETTINGS), (fresh, passed_on)):
        again = build(folder, settings)
        assert {"read", "read_comments"} <= set(again["seconds"])
        assert leaks(folder.out, gone) == []
        left = totals(folder.out)  # of refused posts no media are looked up
        assert {**left, "media": read["media"]} == read
        assert verify(folder.out / "release").ok
        hidden = [r for r in ledger(folder.out) if (r["reason"] or "").endswith("forgotten")]
        kinds = Counter(r["kind"] for r in hidden if r["reason"] == "forgotten")
        assert kinds == {"post": 5 * each - 2 * (each // 2), "comment": 2 * (each // 2)}
        assert all(r["id"].startswith("forgotten-") and r["value"] is None for r in hidden)
        assert all(r["stage"] == "read" for r in hidden if r["kind"] == "post")
        assert why(folder.out, f"t3_{word('post', 0)}")[0]["reason"] == "forgotten"
    assert release_bytes(request.out) == release_bytes(fresh.out)


def release_bytes(folder: Path) -> dict[str, bytes]:
    """The shards by path."""
    release = folder / "release"
    return {
        path.relative_to(release).as_posix(): path.read_bytes()
        for path in sorted((release / "data").rglob("*.tar"))
    }


def test_comments_of_a_post_refused_by_its_picture_address_go_with_it(tmp_path):
    request = dumps(tmp_path, 3, 0)
    build(request, SETTINGS)
    forget(request.out, [Target("url", f"i.redd.it/{word('url', 1)}.jpg")])
    reposted = replace(request, out=tmp_path / "again", submissions=(tmp_path / "RS2.zst",))
    lines = zstandard.decompress((tmp_path / "RS.zst").read_bytes(), 1 << 20).decode().splitlines()
    posts = [json.loads(line) for line in lines]
    posts[1]["id"] = "another"  # the same picture under another post id
    zst(reposted.submissions[0], posts)
    rows = [
        {"id": f"more{at}", "link_id": "t3_another", "subreddit": "pics", "body": "so it is again"}
        for at in range(3)
    ]
    request = replace(reposted, comments=(*request.comments, zst(tmp_path / "RC2.zst", rows)))
    build(request, load_settings("seed", [*OFF, *RULES, f"build.tombstones={tmp_path / 'out'}"]))
    why = Counter(r["reason"] for r in ledger(request.out) if r["id"].startswith("forgotten-"))
    assert why == {"forgotten": 1, "post_dropped:forgotten": 3 + 4}
    assert leaks(request.out, ["reddit-another", word("url", 1)]) == []


@pytest.mark.parametrize(
    "target",
    [
        Target("id", "t3_repost"),
        Target("url", "https://www.reddit.com/r/pics/comments/repost/again/"),
        Target("author", "u/Reposter"),
    ],
    ids=lambda target: target.kind,
)
def test_a_repost_is_forgotten_with_the_comments_it_gave_another_post(tmp_path, target):
    request = dumps(tmp_path, 3, 0)
    (post, *_), comments = rows_of(tmp_path / "RS.zst"), rows_of(tmp_path / "RC.zst")
    repost = {**post, "id": "repost", "author": "Reposter", "score": 1, "permalink": None}
    zst(tmp_path / "RS2.zst", [repost])
    lent = [
        {
            **comments[at],
            "id": f"lent{at}",
            "link_id": "t3_repost",
            "body": f"{word('lent', at)} is it",
        }
        for at in range(2)
    ]
    request = replace(
        request,
        submissions=(*request.submissions, tmp_path / "RS2.zst"),
        comments=(*request.comments, zst(tmp_path / "RC2.zst", lent)),
    )
    build(request, SETTINGS)
    gone = [word("lent", 0), word("lent", 1), "lent0", "lent1", "reddit-repost"]
    assert {needle for _, needle in leaks(request.out, gone)} == set(gone)
    read = totals(request.out)
    plain = Target(target.kind, canonical_url(target.value) or target.value)
    result = forget(request.out, [plain if target.kind == "url" else target])
    assert (result["posts"], result["comments"], result["unmatched"]) == (1, 2, 0)
    assert leaks(request.out, gone) == []
    assert totals(request.out) == read
    assert verify(request.out / "release").ok
    assert set(release_ids(request.out)) == {f"reddit-{word('post', at)}" for at in range(3)}
    again = replace(request, out=tmp_path / "again")
    build(again, load_settings("seed", [*OFF, *RULES, f"build.tombstones={request.out}"]))
    assert leaks(again.out, gone) == []


def release_ids(folder: Path) -> list[str]:
    return [row["id"] for row in pq.read_table(folder / "release" / "metadata").to_pylist()]


def rows_of(path: Path) -> list[dict]:
    text = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    return [json.loads(line) for line in text.decode().splitlines()]


def test_targets_that_name_nothing_are_counted(tmp_path):
    request = dumps(tmp_path, 2, 0)
    build(request, SETTINGS)
    (row, *_) = pq.read_table(request.out / "release" / "metadata").to_pylist()
    targets = [
        Target("id", f"t3_{word('post', 0)}", 1),
        Target("id", "t3_nosuch", 2),
        Target("media", row["media_sha256"], 3),
        Target("author", row["media_sha256"], 3),  # a bare hash stands for both
        Target("author", "u/nobody", 4),
        Target("phash", row["media_phash"][0], 5),
        Target("phash", "0123456789abcdef", 6),
        Target("url", "i.redd.it/nosuch.jpg", 7),
        Target("id", f"t1_{word('comment', 10)}", 8),
    ]
    result = forget(request.out, targets)
    assert result["unmatched_lines"] == [2, 4, 6, 7]
    assert result["unmatched"] == 4


DROPPED = (
    ("t3_GoneP1", ["GoneP1", "gonec1"]),
    ("id reddit-GoneP1", ["GoneP1", "gonec1"]),
    ("GoneP1", ["GoneP1", "gonec1"]),
    ("https://www.reddit.com/r/pics/comments/GoneP1/a_title/", ["GoneP1", "gonec1"]),
    ("url redd.it/GoneP1", ["GoneP1", "gonec1"]),
    ("t1_gonec1", ["gonec1"]),
    ("https://www.reddit.com/r/pics/comments/GoneP1/a_title/gonec1/", ["gonec1"]),
    ("t1_orphan1", ["orphan1"]),
    ("t3_nowhere1", ["nowhere1", "orphan1"]),
    ("youtube-goneVideo01", ["goneVideo01", "Ucgone1"]),
    ("https://youtu.be/goneVideo01?t=3", ["goneVideo01", "Ucgone1"]),
    ("https://www.youtube.com/watch?v=goneVideo01&lc=Ucgone1", ["Ucgone1"]),
)


@pytest.mark.parametrize(("line", "gone"), DROPPED)
def test_what_a_rule_had_dropped_is_forgotten_in_every_form(dropped, tmp_path, line, gone):
    shutil.copytree(dropped.out, tmp_path / "out")
    out = tmp_path / "out"
    assert {needle for _, needle in leaks(out, gone)} == set(gone)
    read = totals(out)
    result = forget(out, listed(tmp_path, line))
    assert (result["unmatched"], result["samples"]) == (0, 0)
    assert leaks(out, gone) == []
    assert leaks(out, ["gonep1"]) != []  # another post: ids are compared with case
    assert totals(out) == read
    assert verify(out / "release").ok


def test_what_was_dropped_and_forgotten_is_refused_by_a_later_reading(dropped, tmp_path):
    shutil.copytree(dropped.out, tmp_path / "out")
    read = totals(tmp_path / "out")
    lines = ["t3_GoneP1", "t1_orphan1", "https://youtu.be/goneVideo01"]
    forget(tmp_path / "out", listed(tmp_path, "\n".join(lines)))
    again = replace(dropped, out=tmp_path / "again")
    build(again, load_settings("seed", [*OFF, *RULES, f"build.tombstones={tmp_path / 'out'}"]))
    assert leaks(again.out, ["GoneP1", "gonec1", "orphan1", "goneVideo01", "Ucgone1"]) == []
    assert totals(again.out) == read


def listed(folder: Path, lines: str) -> list[Target]:
    (folder / "list.txt").write_text(lines + "\n")
    return read_targets(folder / "list.txt")


@pytest.fixture(scope="module")
def dropped(tmp_path_factory):
    """A build in which rules dropped a post, a video and comments; read twice in part."""
    folder = tmp_path_factory.mktemp("dropped")
    request = dumps(folder, 1, 1)
    post, comments = rows_of(folder / "RS.zst")[0], rows_of(folder / "RC.zst")
    bad = {**post, "id": "GoneP1", "over_18": True, "url": "https://i.redd.it/other.jpg"}
    zst(folder / "RS2.zst", [bad, bad, {**bad, "id": "gonep1"}])
    lost = [
        {**comments[0], "id": "gonec1", "link_id": "t3_GoneP1"},
        {**comments[0], "id": "orphan1", "link_id": "t3_nowhere1"},
    ]
    zst(folder / "RC2.zst", [*lost, *lost])
    video = {"id": "goneVideo01", "title": "A garden", "upload_date": "20100101", "duration": 2}
    video |= {"comments": [{"id": "Ucgone1", "text": "so it was back then"}], "channel_id": "UCx"}
    (folder / "old.jsonl").write_text(json.dumps(video) + "\n")
    request = replace(
        request,
        submissions=(*request.submissions, folder / "RS2.zst"),
        comments=(*request.comments, folder / "RC2.zst"),
        youtube=(*request.youtube, folder / "old.jsonl"),
    )
    build(request, load_settings("seed", [*OFF, *RULES]))
    return request


def test_no_post_left_keeps_the_name_of_a_forgotten_one(tmp_path):
    request = dumps(tmp_path, 4, 0)
    rows = zstandard.decompress((tmp_path / "RS.zst").read_bytes(), 1 << 20).decode().splitlines()
    posts = [{**json.loads(row), "author": "one hand"} for row in rows]
    zst(tmp_path / "RS.zst", posts)
    build(request, SETTINGS)
    names = sorted(f"reddit-{word('post', at)}" for at in range(4))
    table = request.out / "work" / "text" / "posts.parquet"
    assert set(pq.read_table(table).column("group_key").to_pylist()) == {names[0]}
    forget(request.out, [Target("id", names[0])])
    assert set(pq.read_table(table).column("group_key").to_pylist()) == {names[1]}
    assert leaks(request.out, [names[0].removeprefix("reddit-")]) == []


def test_author_hashes_of_another_key_stop_the_build(tmp_path):
    request = dumps(tmp_path, 3, 0)
    build(request, SETTINGS)
    forget(request.out, [Target("author", "Poster_1")])
    other = replace(request, out=tmp_path / "other")
    other.out.mkdir()
    (other.out / NAME).write_bytes((request.out / NAME).read_bytes())
    with pytest.raises(BuildError, match=r"author\.key is not the key"):
        build(other, SETTINGS)
    key = other.out / "work" / "author.key"
    key.parent.mkdir(exist_ok=True)
    key.write_bytes((request.out / "work" / "author.key").read_bytes())
    build(other, SETTINGS)
    assert leaks(other.out, [word("post", 1)]) == []


def test_tombstones_of_two_salts_are_not_mixed(tmp_path):
    request = dumps(tmp_path, 3, 0)
    build(request, SETTINGS)
    forget(request.out, [Target("id", "something")])
    other = replace(request, out=tmp_path / "other")
    build(other, SETTINGS)
    forget(other.out, [Target("id", "something")])
    given = load_settings("seed", [*OFF, *RULES, f"build.tombstones={request.out}"])
    with pytest.raises(BuildError, match="another salt"):
        build(other, given)
    missing = load_settings("seed", [*OFF, *RULES, f"build.tombstones={tmp_path / 'nothing'}"])
    with pytest.raises(BuildError, match="no such file"):
        build(replace(request, out=tmp_path / "third"), missing)
