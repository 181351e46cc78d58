"""Columns of every file the text stage writes, and the small records passed between stages.

The Arrow schemas are the contract between the text half and the media half of this package:
`work/text/posts.parquet` (POSTS), `work/text/comments.parquet` (COMMENTS), `ledger/*.parquet`
(LEDGER). Times are seconds since 1970 UTC, durations seconds.
"""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

SOURCES = ("reddit", "youtube")
REPLAY = pa.list_(
    pa.struct([("start", pa.float64()), ("end", pa.float64()), ("value", pa.float64())])
)
# what platforms say of a post, from the first row read to the last one released
_FACTS = [
    ("created", pa.int64()),
    ("duration", pa.float64()),
    ("width", pa.int64()),
    ("height", pa.int64()),
    ("likes", pa.int64()),
    ("views", pa.int64()),
    ("score", pa.int64()),
    ("num_comments", pa.int64()),
    ("upvote_ratio", pa.float64()),
    ("asr", pa.string()),
    ("language", pa.string()),
    ("category", pa.string()),
    ("tags", pa.list_(pa.string())),
    ("replay", REPLAY),
]
POSTS = pa.schema(
    [
        ("id", pa.string()),  # sample id: "reddit-<id>" or "youtube-<id>"
        ("source", pa.string()),  # reddit | youtube
        ("media_type", pa.string()),  # image | video
        ("native_id", pa.string()),
        ("media_key", pa.string()),  # YouTube id for YouTube-hosted media, else native_id
        ("subreddit", pa.string()),
        ("url", pa.string()),
        ("permalink", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("channel", pa.string()),
        ("brand", pa.string()),
        *_FACTS,
        ("group_key", pa.string()),  # posts sharing it never land in two splits
        ("split", pa.string()),  # train | validation | test
        ("early", pa.bool_()),  # likes and score were read too soon to say much; null = unknown
    ]
)
COMMENTS = pa.schema(
    [
        ("post_id", pa.string()),  # POSTS.id
        ("id", pa.string()),  # the source's own comment id
        ("text", pa.string()),  # normalised, personal data replaced by placeholders
        ("likes", pa.int64()),
        ("rank", pa.int32()),  # 1 = top
        ("early", pa.bool_()),  # as in POSTS
    ]
)
LEDGER = pa.schema(
    [
        ("stage", pa.string()),
        ("kind", pa.string()),  # post | comment | media
        ("id", pa.string()),  # POSTS.id, the source's comment id, or "<file>:<line>"
        ("source", pa.string()),
        ("media_type", pa.string()),
        ("kept", pa.bool_()),
        ("reason", pa.string()),
        ("value", pa.string()),
    ]
)


@dataclass(frozen=True)
class InputDigest:
    """One input file as the manifest names it; `name` is the base name, never a local path."""

    role: str  # reddit_submissions | reddit_comments | youtube | channels
    name: str
    bytes: int
    sha256: str

    def as_dict(self) -> dict[str, Any]:
        """The manifest's row for this input."""
        return {
            "role": self.role,
            "name": self.name,
            "bytes": self.bytes,
            "sha256": self.sha256,
        }


@dataclass(frozen=True)
class ReleaseSummary:
    """What the media stage wrote: the Merkle root, samples per split, drops of the media stage."""

    root: str
    samples: dict[str, int]
    comments: int
    files: int
    bytes: int
    dropped: dict[str, int] = field(default_factory=dict)


# what the reading tasks leave: POSTS before judging, with what judging needs
STAGED_POSTS = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("media_type", pa.string()),
        ("native_id", pa.string()),
        ("url", pa.string()),
        ("media_key", pa.string()),
        ("subreddit", pa.string()),
        ("host", pa.string()),
        ("permalink", pa.string()),
        ("title", pa.string()),
        ("description", pa.string()),
        ("channel", pa.string()),
        ("channel_id", pa.string()),
        ("brand", pa.string()),
        *_FACTS,
        ("author_key", pa.string()),  # keyed hash of the author, for grouping only
        ("nsfw", pa.string()),  # which mark says so, else null; likewise bot and deleted
        ("bot", pa.string()),
        ("deleted", pa.string()),
        ("gallery", pa.bool_()),
        ("is_self", pa.bool_()),
        ("comments_disabled", pa.bool_()),
        ("retrieved", pa.int64()),  # of two records of one post the later one counts
    ]
)
STAGED_COMMENTS = pa.schema(
    [
        ("post_id", pa.string()),
        ("id", pa.string()),
        ("body", pa.string()),
        ("likes", pa.int64()),
        ("created", pa.int64()),
        ("position", pa.int64()),  # the platform's own order, where it gives one
        ("author_key", pa.string()),  # keyed hash, so that an author can be forgotten
        ("bot", pa.string()),  # what the author's name says; likewise deleted
        ("deleted", pa.string()),
        ("reply", pa.bool_()),
        ("uploader", pa.bool_()),  # written by whoever posted the media
        ("pinned", pa.bool_()),
        ("retrieved", pa.int64()),
    ]
)
