"""The straightforward pipeline: HF datasets map/filter, pandas groupby, scikit-learn per post.

    python benchmarks/plain_build.py DUMPS OUT

Applies the same Reddit rules as the product's preset `seed` and writes kept.json
([post id, comment id] pairs). YouTube is left out, in its favour.
"""

import collections
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import datasets
import numpy as np
import zstandard
from sklearn.feature_extraction.text import TfidfVectorizer

from dataset_builder.text.normalise import normalise
from dataset_builder.text.pii import scrub
from dataset_builder.vocabulary import BOT_ACCOUNT, BOT_NAMES, BOT_SIGNATURE, NSFW_MARK

Row = dict[str, Any]

START, END = 1_514_764_800, 1_643_673_600
POST_FIELDS = ("id", "subreddit", "author", "title", "url", "selftext", "link_flair_text")
COMMENT_FIELDS = ("id", "link_id", "subreddit", "author", "body")
VIDEO = re.compile(r"(?:[?&]v=|youtu\.be/)([0-9A-Za-z_-]{11})")


def lines(path: Path) -> Iterator[Row]:
    """Rows of a dump; malformed ones are skipped."""
    reader = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(
        path.open("rb"), read_across_frames=True
    )
    for line in io.TextIOWrapper(reader, encoding="utf-8"):
        try:
            yield json.loads(line)
        except ValueError:
            continue


def whole(value: Any) -> int | None:
    """A number of any type."""
    return int(float(value)) if value is not None else None


def posts(path: Path) -> Iterator[Row]:
    """Submissions with the fields the rules need."""
    for row in lines(path):
        media = (row.get("media") or {}).get("reddit_video") or {}
        yield {name: row.get(name) for name in POST_FIELDS} | {
            "created": whole(row["created_utc"]),
            "score": row["score"],
            "over_18": row["over_18"],
            "is_self": row["is_self"],
            "gallery": bool(row.get("is_gallery")) or "/gallery/" in row["url"],
            "removed": row.get("removed_by_category"),
            "seconds": float(media.get("duration") or 0),
        }


def comments(path: Path) -> Iterator[Row]:
    """Comments with the fields the rules need."""
    for row in lines(path):
        yield {name: row.get(name) for name in COMMENT_FIELDS} | {
            "score": row["score"],
            "created": whole(row["created_utc"]),
        }


def is_bot(author: str, text: str | None) -> bool:
    """The product's bot rule."""
    return bool(
        author.lower() in BOT_NAMES
        or re.search(BOT_ACCOUNT, author)
        or re.search(BOT_SIGNATURE, text or "")
    )


def good_post(row: Row) -> bool:
    """Window, NSFW, bot, deleted."""
    return (
        row["subreddit"] in ("pics", "videos")
        and row["created"] is not None
        and START <= row["created"] < END
        and not row["over_18"]
        and not re.search(NSFW_MARK, row["title"])
        and not re.search(NSFW_MARK, row["link_flair_text"] or "")
        and not is_bot(row["author"], row["selftext"])
        and row["author"] != "[deleted]"
        and not row["removed"]
    )


def same_media(row: Row) -> Row:
    """Key under which two posts are one."""
    if row["is_self"] or row["gallery"]:
        return {"key": row["id"]}
    found = VIDEO.search(row["url"])
    parts = urlsplit(row["url"])
    query = parts.query if parts.hostname != "i.redd.it" else ""
    return {"key": found.group(1) if found else f"{parts.hostname}{parts.path}?{query}"}


def good_comment(row: Row) -> bool:
    """NSFW, bot, deleted."""
    return not (
        re.search(NSFW_MARK, row["body"])
        or is_bot(row["author"], row["body"])
        or row["body"] in ("[deleted]", "[removed]")
        or row["author"] == "[deleted]"
    )


def cleaned(row: Row) -> Row:
    """Text and its length in words."""
    text = normalise(row["body"], True)
    return {"text": text, "words": len(text.split())}


def unlike(group: Any) -> list[str]:
    """Comments of one post that are no near-duplicates of better ones."""
    try:
        matrix = TfidfVectorizer().fit_transform(group["text"])
    except ValueError:
        return list(group["id"])
    cosines = np.round((matrix @ matrix.T).toarray(), 9)
    kept: list[int] = []
    for index in range(len(group)):
        if not any(cosines[index, other] >= 0.6 for other in kept):
            kept.append(index)
    return [group["id"].iloc[index] for index in kept]


def hosted(row: Row) -> bool:
    """Late rules: length and host."""
    host = (urlsplit(row["url"]).hostname or "").removeprefix("www.")
    video = row["subreddit"] == "videos"
    hosts = ("youtube.com", "youtu.be") if video else ("i.redd.it",)
    return (
        not row["is_self"]
        and not row["gallery"]
        and host in hosts
        and (not video or row["seconds"] <= 500)
    )


def main(source: Path, out: Path) -> None:
    """Everything, in the order of the paper."""
    out.mkdir(parents=True, exist_ok=True)
    cache = str(out / "cache")
    table = datasets.Dataset.from_generator(
        posts, gen_kwargs={"path": source / "reddit_submissions.zst"}, cache_dir=cache
    )
    frame = table.filter(good_post).map(same_media).to_pandas()
    frame = frame.sort_values(["score", "created", "id"], ascending=[False, True, True])
    frame["target"] = frame.groupby("key")["id"].transform("first")
    target = dict(zip(frame["id"], frame["target"], strict=True))
    rows = datasets.Dataset.from_generator(
        comments, gen_kwargs={"path": source / "reddit_comments.zst"}, cache_dir=cache
    )
    rows = rows.map(lambda row: {"post": target.get(row["link_id"].removeprefix("t3_"))})
    rows = rows.filter(lambda row: row["post"] is not None and good_comment(row))
    rows = rows.map(cleaned).filter(lambda row: row["words"] >= 3)
    said = rows.to_pandas().drop_duplicates("id")
    said = said.sort_values(["score", "created", "id"], ascending=[False, True, True])
    said = said.groupby("post").head(50)
    said["text"] = [scrub(text, collections.Counter()) for text in said["text"]]
    good = {row["id"] for row in frame.to_dict("records") if hosted(row)}
    kept: list[tuple[str, str]] = []
    for post, group in said.groupby("post"):
        ids = unlike(group)
        if len(ids) >= 2 and post in good:
            kept += [(f"reddit-{post}", id) for id in ids[:5]]
    (out / "kept.json").write_text(json.dumps(kept), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
