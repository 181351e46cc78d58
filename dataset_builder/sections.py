"""The sections of the settings: every field with its type, the values it may have, and its nature.

Values stand in `blift.yaml` alone. A field marked MACHINE says how a build runs, not what it makes:
it may not change a byte of the release, and is no part of a build's identity.
"""

from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, get_type_hints

from dataset_builder import allowed
from dataset_builder.allowed import ABOVE_0, FROM_0, SOME, TEXT, Allowed, choice, share, words
from dataset_builder.vocabulary import TOPICS

MACHINE = "machine"
MOST_PARTITIONS = 99_999  # their files are numbered with five digits
Flag = Annotated[bool, allowed.FLAG]
Day = Annotated[str | None, allowed.DAY]
Words = Annotated[list[str] | None, words().or_null()]
Share = Annotated[float, share()]
Rest = Annotated[float, share(below=True)]
Whole = Annotated[int, allowed.COUNT]
Count = Annotated[int, SOME]
Text = Annotated[str, TEXT]
TextOrNull = Annotated[str | None, TEXT.or_null()]
Positive = Annotated[float, ABOVE_0]
PositiveOrNull = Annotated[float | None, ABOVE_0.or_null()]
KeepOrDrop = Annotated[str, choice("keep", "drop")]
Number = Annotated[float, FROM_0]
WholeOrNull = Annotated[int | None, allowed.COUNT.or_null()]
CountOrNull = Annotated[int | None, SOME.or_null()]
ShareOrNull = Annotated[float | None, share().or_null()]


@dataclass(frozen=True)
class Source:
    """What both platforms have: window, labels, comments, duplicates."""

    start: Day
    end: Day
    nsfw_vocabulary_posts: Flag
    nsfw_vocabulary_comments: Flag
    duplicates: Annotated[str, choice("merge", "drop", "keep")]
    top_level_only: Flag
    min_words: WholeOrNull
    max_words: CountOrNull
    tfidf_threshold: ShareOrNull
    min_comments: WholeOrNull
    max_seconds: PositiveOrNull
    early_hours: Positive
    early_posts: KeepOrDrop
    early_comments: Annotated[str, choice("keep", "last", "drop")]
    uploader_comments: KeepOrDrop
    pinned_comments: KeepOrDrop
    link_only_comments: KeepOrDrop


@dataclass(frozen=True)
class Reddit(Source):
    """Sec. 2.1.1."""

    image_subreddits: Words
    video_subreddits: Words
    overlay_start: Day
    nsfw: Flag
    bots: Flag
    deleted: Flag
    image_hosts: Words
    video_hosts: Words
    galleries: Annotated[str, choice("drop", "first")]


@dataclass(frozen=True)
class Youtube(Source):
    """Sec. 2.1.2."""

    channels_only: Flag
    excluded_categories: Words
    excluded_topics: Annotated[list[str] | None, words(*TOPICS).or_null()]
    languages: Words
    language_detect: Annotated[str, choice("off", "missing", "all")]
    language_confidence: Share
    comments_disabled: Annotated[str, choice("drop", "keep")]
    min_views: WholeOrNull


@dataclass(frozen=True)
class CommentRanking:
    """Which comments of a post are asked for."""

    candidates: CountOrNull
    keep: CountOrNull
    idf: Annotated[str, choice("per_post", "corpus")]


@dataclass(frozen=True)
class Privacy:
    """Personal data in the texts."""

    placeholders: Flag


@dataclass(frozen=True)
class Splits:
    """How posts are divided."""

    method: Annotated[str, choice("hash", "quota", "time")]
    validation: Rest
    test: Rest
    seed: Annotated[int, Allowed("a whole number", lambda v: type(v) is int)]


@dataclass(frozen=True)
class Build:
    """Limits of the inputs, and the machine."""

    max_bad_lines: Share
    bad_lines_floor: Whole
    max_line_mb: PositiveOrNull
    max_ratio: Annotated[float | None, allowed.FROM_1.or_null()]
    max_input_gb: PositiveOrNull
    decoder_memory_gb: Annotated[float, ABOVE_0, MACHINE]
    memory_mb: Annotated[int, SOME, MACHINE]
    partitions: Annotated[int, allowed.whole(0, MOST_PARTITIONS), MACHINE]
    keep_work: Annotated[bool, allowed.FLAG, MACHINE]
    executor: Annotated[str, choice("local", "ray", "slurm"), MACHINE]
    annotator_gpus: Annotated[float, FROM_0, MACHINE]
    tombstones: Annotated[str | None, TEXT.or_null(), MACHINE]
    slurm_partition: Annotated[str, TEXT, MACHINE]
    slurm_time: Annotated[str, TEXT, MACHINE]


@dataclass(frozen=True)
class Media:
    """What media must be, and what opening one file may cost."""

    required: Flag
    duration_unknown: Annotated[str, choice("drop", "keep")]
    max_megabytes: Positive
    max_picture_pixels: Count
    max_video_pixels: Count
    max_frame_rate: Positive
    max_decode_seconds: Positive
    cpu_seconds: Positive
    cpu_per_second: Number
    memory_mb: Count
    max_nsfw: ShareOrNull
    max_titles: CountOrNull
    placeholders: Annotated[list[str], allowed.HASHES]
    duplicate_bits: Annotated[int | None, allowed.whole(0, 64).or_null()]


@dataclass(frozen=True)
class Fetch:
    """Manners of the downloader."""

    agent: Text
    robots: Flag
    seconds: Positive
    read_seconds: Positive
    redirects: Whole
    retries: Whole
    back_off_seconds: Number
    pause_seconds: Number
    youtube_seconds: Positive
    allowed_networks: Annotated[list[str], allowed.NETWORKS]


@dataclass(frozen=True)
class Scenes:
    """Where a video is cut; thresholds as in PySceneDetect."""

    adaptive_threshold: Positive
    fallback_threshold: Positive
    min_frames: Count
    max_scenes: Count
    frame_width: Annotated[int, allowed.whole(16)]


@dataclass(frozen=True)
class Annotate:
    """Which annotator fills which field; null leaves it empty."""

    tags: Annotated[str | None, choice("imagenet-lite0").or_null()]
    colors: TextOrNull
    ocr: Annotated[str | None, choice("auto").or_null()]
    asr: TextOrNull
    language: Annotated[str | None, choice("auto").or_null()]
    nsfw: Annotated[str | None, choice("open-nsfw").or_null()]
    captioner: TextOrNull


@dataclass(frozen=True)
class Turns:
    """What the conversation says."""

    metadata_sentence: Flag
    reddit_like: Annotated[str, choice("none", "upvote_ratio")]


@dataclass(frozen=True)
class Shards:
    """What is released, and in files of which size."""

    tier: Annotated[str, choice("full", "ids")]
    max_mb: Positive
    notice: TextOrNull


@cache
def field_notes(section: type) -> dict[str, tuple[Any, ...]]:
    """Per field of a section: the values it may have, and MACHINE where it is the machine's."""
    hints = get_type_hints(section, include_extras=True)
    return {field.name: hints[field.name].__metadata__ for field in fields(section)}
