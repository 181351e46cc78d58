"""The declared types of shards and metadata, as `datasets.Features` and as an Arrow schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dataset_builder.sample_fields import CHECK_FEATURES, JSON_FEATURES

if TYPE_CHECKING:
    import datasets

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
