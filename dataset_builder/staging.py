"""Columns of posts and comments between reading and the rules; never published.

Every reader, whatever the format, ends in these two tables.
"""

import pyarrow as pa

from dataset_builder.schema import REPLAY

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
        ("retrieved", pa.int64()),
    ]
)
