"""The fields of a sample and their types: identical keys in every sample, declared once."""

from __future__ import annotations

from typing import Any

# the json member: name -> Hugging Face dtype, a nested list, or a list of structs
STRING, INTEGER, REAL = "string", "int64", "float64"
JSON_FEATURES: dict[str, Any] = {
    "id": STRING,
    "source": STRING,
    "media_type": STRING,
    "subreddit": STRING,
    "url": STRING,
    "permalink": STRING,
    "title": STRING,
    "channel": STRING,
    "brand": STRING,
    "created": STRING,
    "duration": REAL,
    "width": INTEGER,
    "height": INTEGER,
    "likes": INTEGER,
    "views": INTEGER,
    "score": INTEGER,
    "upvote_ratio": REAL,
    "percent_liked": REAL,
    "asr": STRING,
    "scenes": [
        {
            "start": REAL,
            "end": REAL,
            "caption": STRING,
            "foreground_colors": [STRING],
            "background_colors": [STRING],
            "tone": STRING,
            "tags": [STRING],
        }
    ],
    "comments": [{"text": STRING, "likes": INTEGER}],
    "replay": [{"start": REAL, "end": REAL, "value": REAL}],
    "annotators": [{"field": STRING, "name": STRING, "version": STRING}],
    "media_sha256": STRING,
    "system": STRING,
    "intro": STRING,
    "turns": [{"task": STRING, "question": STRING, "answer": STRING}],
}

# further columns of metadata/*.parquet: how to find and check again what the `ids` tier leaves out
CHECK_FEATURES: dict[str, Any] = {
    "comment_ids": [STRING],
    "comment_sha256": [STRING],
    "title_sha256": STRING,
    "media_phash": [STRING],
    "language": STRING,  # the platform's tag, else what the words say (annotator `language`)
}
