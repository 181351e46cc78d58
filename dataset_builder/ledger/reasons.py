"""The one exception that turns a media item away: a ledger reason and the value that did it."""

from __future__ import annotations

CORRUPT = "corrupt"
NOT_MEDIA = "not_media"
UNSUPPORTED = "unsupported_format"
WRONG_KIND = "wrong_media_type"
TOO_LARGE = "too_large"
TOO_LONG = "too_long"
LIMIT = "decode_limit"
UNAVAILABLE = "unavailable"
DURATION_UNKNOWN = "duration_unknown"
DUPLICATE = "duplicate_media"
FEW_COMMENTS = "few_comments"
MANY_TITLES = "many_titles"
NSFW = "nsfw_media"
CHANGED = "changed_media"
FORGOTTEN = "forgotten"
EQUAL = "exact_duplicate"  # of a comment
# what the media stage may say of a post
MEDIA_REASONS = (
    CORRUPT, NOT_MEDIA, UNSUPPORTED, WRONG_KIND, TOO_LARGE, LIMIT, UNAVAILABLE, MANY_TITLES,
    DUPLICATE, NSFW, CHANGED,
)  # fmt: skip


# said wherever a file was looked for and not found
NAMING = (
    "Files of a media folder are named ID.EXT, where ID is the sample's id (reddit-7abc12), "
    "Reddit's (7abc12) or YouTube's (dQw4w9WgXcQ), or as yt-dlp (Title [ID].mp4), gallery-dl "
    "(ID Title.jpg) and RipMe (ID-Title.jpg) name them"
)


class RejectedMedia(Exception):
    """A media item that cannot be used; becomes a ledger row, never a log line only."""

    def __init__(self, reason: str, value: str) -> None:
        super().__init__(f"{reason}: {value}")
        self.reason = reason
        self.value = value
