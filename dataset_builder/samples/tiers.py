"""The `ids` tier: what may be told of a sample without anyone's words or media, and the checks by
which `blift hydrate` knows that it found the same things again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from dataset_builder.annotate.tags import CAPTION_STAND_IN, caption_from
from dataset_builder.media.record import MediaRecord
from dataset_builder.samples.sample import Annotations
from dataset_builder.samples.turns import make_turns

# fields that hold words of users or creators
WORDS = ("title", "channel", "brand", "asr")


def make_checks(
    post: Mapping[str, Any],
    comments: Sequence[Mapping[str, Any]],
    record: MediaRecord | None,
    language: str | None,
) -> dict[str, Any]:
    """Comment ids and hashes of texts, perceptual hashes of the media, and the language."""
    looks = record.signatures if record else ()
    return {
        "comment_ids": [comment["id"] for comment in comments],
        "comment_sha256": [text_sha256(comment["text"]) for comment in comments],
        "title_sha256": text_sha256(post["title"]),
        "media_phash": [None if look is None else look[0] for look in looks],
        "language": language,
    }


def text_sha256(text: str | None) -> str:
    """SHA-256 of a text; null and empty are alike."""
    return hashlib.sha256((text or "").encode("utf-8", "surrogatepass")).hexdigest()


def ids_only(sample: Mapping[str, Any], annotations: Annotations) -> dict[str, Any]:
    """`sample` without words: ids, addresses, counts and what annotators saw in the media."""
    scenes = [
        {**scene, "caption": _wordless(scene["caption"], at, annotations)}
        for at, scene in enumerate(sample["scenes"])
    ]
    return {
        **sample,
        **dict.fromkeys(WORDS),
        "permalink": _without_slug(sample["permalink"]),
        "scenes": scenes,
        "comments": [{"text": None, "likes": c["likes"]} for c in sample["comments"]],
        "intro": "",
        "turns": make_turns(sample["media_type"], scenes, sample["percent_liked"], []),
    }


def _wordless(caption: str, at: int, annotations: Annotations) -> str:
    """The caption without text read in the frame; a captioner's own caption stays."""
    if any(row["field"] == CAPTION_STAND_IN["field"] for row in annotations.rows):
        return caption
    tags = annotations.values.get("scenes.tags") or []
    return caption_from(tags[at] if at < len(tags) else [], [])


def _without_slug(permalink: str | None) -> str | None:
    """Reddit's permalinks repeat the title."""
    found = re.search(r"/comments/([0-9a-z]+)", permalink or "")
    return f"https://www.reddit.com/comments/{found.group(1)}/" if found else permalink
