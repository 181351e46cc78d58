"""Rows of the sample YouTube dump: yt-dlp's info.json with comments, fully invented."""

from datetime import timedelta

from dump_rows import HEATMAP_POINTS, Row, author_name, number, slug, when
from dump_source import SourcePost

CHANNEL_ID_LENGTH = 24


def channel_id(channel: str) -> str:
    """Invented channel id in the real length: `UCsynth` and letters of the channel's name."""
    return f"UCsynth{slug(channel).title().replace('_', '')}"[:CHANNEL_ID_LENGTH].ljust(
        CHANNEL_ID_LENGTH, "0"
    )


def heatmap(points: list[float], seconds: float) -> list[Row]:
    """The most-replayed curve: ten written values as the hundred equal parts that yt-dlp gives."""
    step = seconds / HEATMAP_POINTS
    return [
        {
            "start_time": round(i * step, 3),
            "end_time": round((i + 1) * step, 3),
            "value": points[i * len(points) // HEATMAP_POINTS],
        }
        for i in range(HEATMAP_POINTS)
    ]


def video_row(post: SourcePost) -> Row:
    """One info.json of the dump."""
    fields = post.fields
    stamp = when(fields["date"]) + timedelta(hours=9 + number(post.id) % 10)
    channel, url = fields["channel"], f"https://www.youtube.com/watch?v={post.id}"
    handle = "@synth-" + slug(channel).replace("_", "")
    seconds = fields["duration"]
    comments = None if fields.get("victim") == "comments_disabled" else _comments(post)
    row: Row = {
        "id": post.id,
        "title": fields["title"],
        "thumbnail": f"https://i.ytimg.com/vi/{post.id}/maxresdefault.jpg",
        "description": fields.get("description", ""),
        "channel_id": channel_id(channel),
        "channel_url": f"https://www.youtube.com/channel/{channel_id(channel)}",
        "duration": seconds,
        "view_count": fields["views"],
        "average_rating": None,
        "age_limit": 0,
        "webpage_url": url,
        "categories": fields["categories"],
        "tags": fields.get("tags", []),
        "playable_in_embed": True,
        "live_status": "not_live",
        "media_type": "video",
        "automatic_captions": {},
        "subtitles": {},
        "comment_count": None if comments is None else len(comments),
        "chapters": None,
        "heatmap": heatmap(fields["heatmap"], seconds) if "heatmap" in fields else None,
        "like_count": fields["likes"],
        "channel": channel,
        "channel_follower_count": 1000 + number(channel) % 900_000,
        "comments": comments,
        "uploader": channel,
        "uploader_id": handle,
        "uploader_url": f"https://www.youtube.com/{handle}",
        "upload_date": stamp.strftime("%Y%m%d"),
        "timestamp": int(stamp.timestamp()),
        "availability": "public",
        "webpage_url_basename": "watch",
        "webpage_url_domain": "youtube.com",
        "extractor": "youtube",
        "extractor_key": "Youtube",
        "playlist": None,
        "display_id": post.id,
        "fulltitle": fields["title"],
        "duration_string": None if seconds is None else _clock(seconds),
        "is_live": False,
        "was_live": False,
        "language": fields.get("language", "en"),
        "epoch": int(stamp.timestamp()) + 86400 * 90,
        "_type": "video",
    }
    # yt-dlp leaves out what the page does not show, such as a hidden like count
    hidden = {"like_count"} if fields["likes"] is None else set()
    return {key: value for key, value in row.items() if key not in hidden}


def _clock(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02d}" if seconds >= 60 else str(seconds)


def _comments(post: SourcePost) -> list[Row]:
    """The comments in the site's order; replies are named `<parent>.<reply>` as there."""
    rows: list[Row] = []
    for line, comment in enumerate(post.comments, start=1):
        own = f"UgxSynth{number(post.id, line):010d}{'Ab' * 4}"[:26]
        author = comment.author or author_name(post.id, line)
        parent = "root" if comment.parent is None else rows[comment.parent - 1]["id"]
        rows.append(
            {
                "id": own if parent == "root" else f"{parent}.{own[-12:]}",
                "text": comment.text,
                "like_count": comment.score,
                "author": f"@{author}",
                "author_id": f"UCsynthV{number(author):016d}",
                "author_thumbnail": "https://yt3.ggpht.com/synthetic",
                "author_is_uploader": False,
                "author_is_verified": False,
                "author_url": f"https://www.youtube.com/@{author}",
                "is_favorited": False,
                "_time_text": "2 years ago",
                "timestamp": int(when(post.fields["date"]).timestamp()) + 86400 * line,
                "is_pinned": False,
                "parent": parent,
            }
        )
    return rows
