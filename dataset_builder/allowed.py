"""What each setting of blift.yaml may be; `--set` and presets are held to it as they are read.

A value that would be taken for another one, or fail only after hours, is refused here.
"""

import datetime
import ipaddress
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataset_builder.vocabulary import TOPICS

MOST_PARTITIONS = 99_999  # their files are numbered with five digits


@dataclass(frozen=True)
class Allowed:
    """Values of one setting: `words` end the sentence "expected ..."."""

    words: str
    holds: Callable[[Any], bool]

    def or_null(self) -> "Allowed":
        """The same, and null, which switches off what the setting sets."""
        return Allowed(f"{self.words}, or null", lambda v: v is None or self.holds(v))


def whole(least: int, most: int | None = None) -> Allowed:
    """A whole number from `least` on."""
    words = f"a whole number, {least} or more" if most is None else f"{least} to {most}"
    return Allowed(words, lambda v: type(v) is int and least <= v <= (v if most is None else most))


def share(below: bool = False) -> Allowed:
    """A number from 0 to 1; `below`: not 1 itself."""
    words = "a share of 0 or more and below 1" if below else "a number from 0 to 1"
    return Allowed(words, lambda v: _number(v) and 0 <= v <= 1 and not (below and v == 1))


def choice(*names: str) -> Allowed:
    """One of these words."""
    return Allowed(f"one of {', '.join(names)}", lambda v: isinstance(v, str) and v in names)


def words(*names: str) -> Allowed:
    """A list of words, or of these words."""
    return Allowed(
        f"a list of {', '.join(names) if names else 'words, as in [a, b]'}",
        lambda v: isinstance(v, list) and all(_text(w) and (not names or w in names) for w in v),
    )


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _day(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _networks(value: Any) -> bool:
    try:
        return isinstance(value, list) and all(ipaddress.ip_network(str(one)) for one in value)
    except ValueError:
        return False


FLAG = Allowed("true or false", lambda v: isinstance(v, bool))
TEXT = Allowed("a text", _text)
DAY = Allowed("a day that exists, written YYYY-MM-DD", _day).or_null()
ABOVE_0 = Allowed("a number above 0", lambda v: _number(v) and v > 0)
FROM_0 = Allowed("a number, 0 or more", lambda v: _number(v) and v >= 0)
FROM_1 = Allowed("a number, 1 or more", lambda v: _number(v) and v >= 1)
COUNT, SOME = whole(0), whole(1)
NETWORKS = Allowed("a list of networks, as in [10.0.0.0/8]", _networks)
SOURCE = {
    "start": DAY, "end": DAY,
    "nsfw_vocabulary_posts": FLAG, "nsfw_vocabulary_comments": FLAG,
    "duplicates": choice("merge", "drop", "keep"),
    "top_level_only": FLAG,
    "min_words": COUNT.or_null(), "max_words": SOME.or_null(),
    "tfidf_threshold": share().or_null(),
    "min_comments": COUNT.or_null(),
    "max_seconds": ABOVE_0.or_null(),
}  # fmt: skip
ALLOWED: dict[str, dict[str, Allowed]] = {
    "reddit": {
        **SOURCE,
        "image_subreddits": words().or_null(), "video_subreddits": words().or_null(),
        "overlay_start": DAY,
        "nsfw": FLAG, "bots": FLAG, "deleted": FLAG,
        "image_hosts": words().or_null(), "video_hosts": words().or_null(),
        "galleries": choice("drop", "first"),
    },
    "youtube": {
        **SOURCE,
        "channels_only": FLAG,
        "excluded_categories": words().or_null(),
        "excluded_topics": words(*TOPICS).or_null(),
        "languages": words().or_null(),
        "language_detect": choice("off", "missing", "all"),
        "language_confidence": share(),
        "comments_disabled": choice("drop", "keep"),
        "min_views": COUNT.or_null(),
    },
    "comments": {
        "candidates": SOME.or_null(), "keep": SOME.or_null(),
        "idf": choice("per_post", "corpus"),
    },
    "privacy": {"placeholders": FLAG},
    "splits": {
        "method": choice("hash", "quota", "time"),
        "validation": share(below=True), "test": share(below=True),
        "seed": Allowed("a whole number", lambda v: type(v) is int),
    },
    "build": {
        "max_bad_lines": share(), "bad_lines_floor": COUNT,
        "max_line_mb": ABOVE_0.or_null(),
        "max_ratio": FROM_1.or_null(), "max_input_gb": ABOVE_0.or_null(),
        "decoder_memory_gb": ABOVE_0, "memory_mb": SOME,
        "partitions": whole(0, MOST_PARTITIONS),
        "keep_work": FLAG,
        "executor": choice("local", "ray", "slurm"),
        "annotator_gpus": FROM_0, "tombstones": TEXT.or_null(),
        "slurm_partition": TEXT, "slurm_time": TEXT,
    },
    "media": {
        "required": FLAG,
        "duration_unknown": choice("drop", "keep"),
        "max_megabytes": ABOVE_0,
        "max_picture_pixels": SOME, "max_video_pixels": SOME,
        "max_frame_rate": ABOVE_0, "max_decode_seconds": ABOVE_0,
        "cpu_seconds": ABOVE_0, "cpu_per_second": FROM_0,
        "memory_mb": SOME,
        "max_nsfw": share().or_null(),
        "duplicate_bits": whole(0, 64).or_null(),
    },
    "fetch": {
        "agent": TEXT, "robots": FLAG,
        "seconds": ABOVE_0, "read_seconds": ABOVE_0,
        "redirects": COUNT, "retries": COUNT,
        "back_off_seconds": FROM_0, "pause_seconds": FROM_0, "youtube_seconds": ABOVE_0,
        "allowed_networks": NETWORKS,
    },
    "scenes": {
        "adaptive_threshold": ABOVE_0, "fallback_threshold": ABOVE_0,
        "min_frames": SOME, "max_scenes": SOME, "frame_width": whole(16),
    },
    "annotate": {
        "tags": choice("imagenet-lite0").or_null(),
        "colors": TEXT.or_null(),
        "ocr": choice("auto").or_null(),
        "asr": TEXT.or_null(),
        "language": choice("auto").or_null(),
        "nsfw": choice("open-nsfw").or_null(),
        "captioner": TEXT.or_null(),
    },
    "turns": {"metadata_sentence": FLAG, "reddit_like": choice("none", "upvote_ratio")},
    "shards": {
        "tier": choice("full", "ids"),
        "max_mb": ABOVE_0,
        "notice": TEXT.or_null(),
    },
}  # fmt: skip


def conflicts(tree: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What settings that are each allowed cannot be together."""
    splits = tree["splits"]
    if splits["validation"] + splits["test"] >= 1:
        yield (
            f"splits.validation={splits['validation']} and splits.test={splits['test']}: "
            "expected a sum below 1, so that something is left to train on"
        )
    for name in ("reddit", "youtube"):
        start, end = tree[name]["start"], tree[name]["end"]
        if start and end and start >= end:
            yield (
                f"{name}.start={start} and {name}.end={end}: expected a start before the end, "
                "which is the first day no longer kept"
            )
    images, videos = (_lower(tree["reddit"][f"{kind}_subreddits"]) for kind in ("image", "video"))
    if images & videos:
        yield (
            f"reddit.image_subreddits and reddit.video_subreddits both name "
            f"{', '.join(sorted(images & videos))}: expected each subreddit in one of them"
        )


def _lower(names: Sequence[str] | None) -> set[str]:
    return {name.lower() for name in names or []}
