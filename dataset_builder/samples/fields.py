"""The fields of a sample and their types: identical keys in every sample, declared once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import datasets

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
ARROW = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64()}


def shard_features(has_media: bool) -> datasets.Features:
    """What `load_dataset` must be told of a shard's members; without it it guesses, wrongly."""
    import datasets  # half a second, which the text stages would pay in every process

    columns: dict[str, Any] = {
        "__key__": datasets.Value("string"),
        "__url__": datasets.Value("string"),
    }
    if has_media:
        columns["jpg"] = datasets.Image()
        columns["mp4"] = datasets.Video(decode=False)
    columns["json"] = _feature(JSON_FEATURES)
    return datasets.Features(columns)


def metadata_schema() -> pa.Schema:
    """Columns of metadata/*.parquet: the sample's fields, its checks, the shard that holds it."""
    every = {**JSON_FEATURES, **CHECK_FEATURES}
    fields = [(name, _arrow(kind)) for name, kind in every.items()]
    return pa.schema([*fields, ("shard", pa.string())])


def _feature(kind: Any) -> Any:
    import datasets

    if isinstance(kind, list):
        return datasets.List(_feature(kind[0]))
    if isinstance(kind, dict):
        return {name: _feature(inner) for name, inner in kind.items()}
    return datasets.Value(kind)


def _arrow(kind: Any) -> pa.DataType:
    if isinstance(kind, list):
        return pa.list_(_arrow(kind[0]))
    if isinstance(kind, dict):
        return pa.struct([(name, _arrow(inner)) for name, inner in kind.items()])
    return ARROW[kind]
