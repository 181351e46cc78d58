"""From a kept post to the sample of a shard: identical keys everywhere, types declared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dataset_builder.annotate.tags import CAPTION_STAND_IN, caption_from
from dataset_builder.media.record import MediaRecord
from dataset_builder.samples.fields import JSON_FEATURES
from dataset_builder.samples.turns import SYSTEM, intro_text, make_turns, posted_text
from dataset_builder.settings import Settings

COPIED = ("subreddit", "url", "permalink", "title", "channel", "brand", "likes", "views", "score")


@dataclass(frozen=True)
class Annotations:
    """Results for one media item by annotator field, and which annotators those are."""

    values: Mapping[str, Any]
    rows: tuple[Mapping[str, str], ...]


def make_sample(
    post: Mapping[str, Any],
    comments: Sequence[Mapping[str, Any]],
    record: MediaRecord | None,
    annotations: Annotations,
    settings: Settings,
) -> dict[str, Any]:
    """The json member of one sample. `comments` are in rank order, best first."""
    medium = post["media_type"]
    scenes = _scenes(record, annotations)
    asr = post["asr"] or annotations.values.get("asr")
    liked = percent_liked(post, settings.turns.reddit_like)
    posted = None
    if settings.turns.metadata_sentence:
        posted = posted_text(medium, post["created"], post["channel"], post["subreddit"])
    sample: dict[str, Any] = {
        "id": post["id"],
        "source": post["source"],
        "media_type": medium,
        **{key: post[key] for key in COPIED},
        "created": _iso(post["created"]),
        "duration": record.duration if record and record.duration else post["duration"],
        "width": record.width if record else post["width"],
        "height": record.height if record else post["height"],
        "upvote_ratio": post["upvote_ratio"],
        "percent_liked": liked,
        "asr": asr,
        "scenes": scenes,
        "comments": [{"text": c["text"], "likes": c["likes"]} for c in comments],
        "replay": post["replay"],
        "annotators": _annotators(annotations, scenes),
        "media_sha256": record.sha256 if record else None,
        "system": SYSTEM,
        "intro": intro_text(medium, post["title"], post["brand"], asr, posted),
        "turns": make_turns(medium, scenes, liked, [c["text"] for c in comments]),
    }
    return {key: sample[key] for key in JSON_FEATURES}


def percent_liked(post: Mapping[str, Any], reddit_like: str) -> float | None:
    """100 * likes / views; without views None, unless Reddit's share of upvotes may stand in.

    The paper's "percentage of viewers" is likes/views (Table 9); Reddit publishes no views.
    """
    likes, views = post["likes"], post["views"]
    if likes is not None and views and likes > views:
        return None  # one of the two was counted at another time: `ledger.labels` counts them
    if likes is not None and views:
        return round(100.0 * likes / views, 4)
    if reddit_like == "upvote_ratio" and post["upvote_ratio"] is not None:
        return round(100.0 * post["upvote_ratio"], 4)
    return None


def _scenes(record: MediaRecord | None, annotations: Annotations) -> list[dict[str, Any]]:
    """One entry per scene; a picture is one scene without times."""
    if record is None:
        return []
    spans: Sequence[tuple[float, float] | tuple[None, None]] = record.scenes or [(None, None)]
    values = annotations.values
    found = []
    for at, (start, end) in enumerate(spans):
        tags = _at(values.get("scenes.tags"), at) or []
        colors = _at(values.get("scenes.colors"), at) or {}
        text = _at(values.get("scenes.text"), at) or []
        caption = _at(values.get("scenes.caption"), at)
        found.append(
            {
                "start": start,
                "end": end,
                "caption": caption if caption is not None else caption_from(tags, text),
                "foreground_colors": colors.get("foreground", []),
                "background_colors": colors.get("background", []),
                "tone": colors.get("tone"),
                "tags": sorted((name for name, _ in tags), key=str.lower),
            }
        )
    return found


def _annotators(annotations: Annotations, scenes: Sequence[Mapping[str, Any]]) -> list[Any]:
    rows = [dict(row) for row in annotations.rows]
    named = {row["field"] for row in rows}
    if "scenes.caption" not in named and any(scene["caption"] for scene in scenes):
        rows.append(dict(CAPTION_STAND_IN))
    return sorted(rows, key=lambda row: row["field"])


def _at(values: Sequence[Any] | None, index: int) -> Any:
    return values[index] if values is not None and index < len(values) else None


def _iso(created: int | None) -> str | None:
    if created is None:
        return None
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
