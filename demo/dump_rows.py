"""Rows of the sample dumps in the shape of the real ones.

Key sets and types follow the field lists of the Reddit dumps of January 2018 (posts before 2020)
and December 2021 (later posts), and yt-dlp's info.json. All content is invented.
"""

import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from dump_source import SourceComment, SourcePost

Row = dict[str, Any]
# the two subreddits' real ids; everything else that looks like an id is invented
SUBREDDIT_IDS = {"pics": "t5_2qh0u", "videos": "t5_2qh1e"}
NEW_STYLE_FROM = datetime(2020, 1, 1, tzinfo=UTC)
NAME_PARTS = (
    ("amber", "brisk", "cedar", "dusty", "early", "fuzzy", "green", "happy", "inky", "jolly"),
    ("otter", "finch", "maple", "comet", "spoon", "robin", "pixel", "river", "badger", "kettle"),
)
HEATMAP_POINTS = 100


def number(*parts: object) -> int:
    """A stable pseudo-random 32-bit number of its arguments (the same on every machine)."""
    return zlib.crc32("/".join(map(str, parts)).encode())


def when(text: str) -> datetime:
    """An ISO date or date-time of the sources as UTC."""
    stamp = datetime.fromisoformat(text)
    return stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)


def author_name(*parts: object) -> str:
    """An invented author that says it is synthetic and fits Reddit's 20 characters."""
    n = number(*parts)
    first, second = (words[(n >> 8 * i) % 10] for i, words in enumerate(NAME_PARTS))
    return f"synth_{first}{second}"[:18] + f"{n % 97:02d}"


def comment_id(post_id: str, line: int) -> str:
    """Invented 7-character comment id, distinct within the sample (a test checks it)."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    n = number(post_id, "comment", line)
    return "zc" + "".join(digits[n // 36**i % 36] for i in range(5))


def _author_fields(author: str, new_style: bool) -> Row:
    """Author columns; a deleted author has neither flair details nor a full name."""
    fields: Row = {"author": author, "author_flair_css_class": None, "author_flair_text": None}
    if not new_style:
        return fields
    gone = author == "[deleted]"
    fields |= {
        "author_created_utc": None if gone else 1400000000 + number(author) % 10**8,
        "author_flair_background_color": "" if gone else None,
        "author_flair_template_id": None,
        "author_flair_text_color": "dark" if gone else None,
    }
    if not gone:
        fields |= {
            "author_flair_richtext": [],
            "author_flair_type": "text",
            "author_fullname": f"t2_zs{number(author) % 10**5:05d}",
            "author_patreon_flair": False,
            "author_premium": False,
        }
    return fields


def _link_of(post: SourcePost) -> tuple[str, str]:
    """(url, domain) of what the post links to."""
    fields = post.fields
    if "url" in fields:
        return fields["url"], fields["domain"]
    if "selftext" in fields:
        path = f"/r/{fields['subreddit']}/comments/{post.id}/"
        return f"https://www.reddit.com{path}", f"self.{fields['subreddit']}"
    if fields.get("short"):
        return f"https://youtu.be/{fields['youtube']}", "youtu.be"
    if "youtube" in fields:
        return f"https://www.youtube.com/watch?v={fields['youtube']}", "youtube.com"
    name = fields.get("duplicate_of", post.id)
    return f"https://i.redd.it/{name}synthetic.{fields['ext']}", "i.redd.it"


def submission_row(post: SourcePost, subreddit: str) -> Row:
    """One submission of the dump; `subreddit` is overridden by the post's own field."""
    fields = post.fields
    subreddit = fields.get("subreddit", subreddit)
    stamp = when(fields["created"])
    new_style = stamp >= NEW_STYLE_FROM
    url, domain = _link_of(post)
    is_self, is_video = "selftext" in fields, "youtube" in fields
    row: Row = {
        "archived": False,
        **_author_fields(fields.get("author", author_name(post.id)), new_style),
        "contest_mode": False,
        "created_utc": int(stamp.timestamp()),
        "distinguished": None,
        "domain": domain,
        "edited": float(int(stamp.timestamp()) + 900) if number(post.id) % 5 == 0 else False,
        "gilded": number(post.id) % 3,
        "hidden": False,
        "hide_score": False,
        "id": post.id,
        "is_crosspostable": True,
        "is_reddit_media_domain": domain == "i.redd.it",
        "is_self": is_self,
        "is_video": False,
        "link_flair_css_class": None,
        "link_flair_text": None,
        "locked": False,
        "media": _oembed(post) if is_video else None,
        "media_embed": {},
        "num_comments": len(post.comments),
        "num_crossposts": 0,
        "over_18": False,
        "parent_whitelist_status": "all_ads",
        "permalink": f"/r/{subreddit}/comments/{post.id}/{slug(fields['title'])}/",
        "pinned": False,
        "post_hint": "self" if is_self else "rich:video" if is_video else "image",
        "retrieved_on": int(stamp.timestamp()) + 86400 * 40,
        "score": fields["score"],
        "secure_media": _oembed(post) if is_video else None,
        "secure_media_embed": {},
        "selftext": fields.get("selftext", ""),
        "spoiler": False,
        "stickied": False,
        "subreddit": subreddit,
        "subreddit_id": SUBREDDIT_IDS.get(subreddit, "t5_zsyn0"),
        "subreddit_type": "public",
        "suggested_sort": None,
        "thumbnail": "self" if is_self else f"https://b.thumbs.redditmedia.com/{post.id}.jpg",
        "title": fields["title"],
        "url": url,
        "whitelist_status": "all_ads",
    }
    row |= _new_submission_fields(fields, row) if new_style else {"brand_safe": True}
    return row | fields.get("row", {})


def _new_submission_fields(fields: Row, row: Row) -> Row:
    """What the dumps of 2020 and later add to a submission."""
    return {
        "all_awardings": [],
        "allow_live_comments": False,
        "awarders": [],
        "banned_by": None,
        "can_gild": False,
        "can_mod_post": False,
        "category": None,
        "content_categories": None,
        "discussion_type": None,
        "gildings": {},
        "is_created_from_ads_ui": False,
        "is_meta": False,
        "is_original_content": False,
        "is_robot_indexable": True,
        "link_flair_background_color": "",
        "link_flair_richtext": [],
        "link_flair_text_color": "dark",
        "link_flair_type": "text",
        "media_only": False,
        "name": f"t3_{row['id']}",
        "no_follow": False,
        "pwls": 6,
        "quarantine": False,
        "removed_by": None,
        "removed_by_category": None,
        "retrieved_utc": row["created_utc"] + 60,
        "send_replies": True,
        "subreddit_name_prefixed": f"r/{row['subreddit']}",
        "subreddit_subscribers": 25_000_000 + number(row["id"]) % 10**6,
        "top_awarded_type": None,
        "total_awards_received": 0,
        "treatment_tags": [],
        "upvote_ratio": fields.get("ratio", 0.9),
        "url_overridden_by_dest": row["url"],
        "view_count": None,
        "wls": 6,
    }


def _oembed(post: SourcePost) -> Row:
    """The `media` object of a YouTube link; it never holds a duration."""
    return {
        "type": "youtube.com",
        "oembed": {
            "provider_url": "https://www.youtube.com/",
            "provider_name": "YouTube",
            "title": post.fields["title"],
            "author_name": "Synthetic Channel",
            "type": "video",
            "version": "1.0",
            "width": 600,
            "height": 338,
        },
    }


def slug(title: str) -> str:
    """The title as the last part of a permalink."""
    words = "".join(c if c.isalnum() else " " for c in title.lower()).split()
    return "_".join(words)[:50].rstrip("_")


def comment_row(post: SourcePost, subreddit: str, line: int) -> Row:
    """The dump row of the comment on the 1-based `line` of a post."""
    comment = post.comments[line - 1]
    subreddit = post.fields.get("subreddit", subreddit)
    stamp = when(post.fields["created"]) + timedelta(minutes=7 * line + number(post.id, line) % 7)
    new_style = stamp >= NEW_STYLE_FROM
    parent = f"t3_{post.id}"
    if comment.parent is not None:
        parent = f"t1_{comment_id(post.id, comment.parent)}"
    own_id = comment_id(post.id, line)
    created = int(stamp.timestamp())
    # 2018 dumps give the edit time as an integer, later ones as a float
    edit_time = float(created + 300) if new_style else created + 300
    row: Row = {
        **_author_fields(comment.author or author_name(post.id, line), new_style),
        "body": comment.text,
        "can_gild": True,
        "controversiality": 0,
        "created_utc": created,
        "distinguished": "moderator" if comment.stickied else None,
        "edited": edit_time if number(own_id) % 9 == 0 else False,
        "gilded": 0,
        "id": own_id,
        "is_submitter": False,
        "link_id": f"t3_{post.id}",
        "parent_id": parent,
        "permalink": f"/r/{subreddit}/comments/{post.id}/{slug(post.fields['title'])}/{own_id}/",
        "retrieved_on": created + 86400 * 40,
        "score": comment.score,
        "stickied": comment.stickied,
        "subreddit": subreddit,
        "subreddit_id": SUBREDDIT_IDS.get(subreddit, "t5_zsyn0"),
        "subreddit_type": "public",
    }
    return row | (_new_comment_fields(row) if new_style else {})


def _new_comment_fields(row: Row) -> Row:
    """What the dumps of 2020 and later add to a comment."""
    gone = row["body"] in ("[deleted]", "[removed]")
    return {
        "all_awardings": [],
        "archived": False,
        "associated_award": None,
        "collapsed": gone,
        "collapsed_because_crowd_control": None,
        "collapsed_reason": None,
        "collapsed_reason_code": "DELETED" if gone else None,
        "comment_type": None,
        "gildings": {},
        "locked": False,
        "name": f"t1_{row['id']}",
        "no_follow": True,
        "score_hidden": False,
        "send_replies": True,
        "subreddit_name_prefixed": f"r/{row['subreddit']}",
        "top_awarded_type": None,
        "total_awards_received": 0,
        "treatment_tags": [],
        "unrepliable_reason": None,
    }


def orphan_row(stray: Row) -> Row:
    """A comment of r/pics whose post is in no dump."""
    comment = SourceComment(stray["score"], stray["text"], None, None, None, False)
    fields = {"id": stray["link"], "title": "gone", "created": stray["created"]}
    row = comment_row(SourcePost(fields, (comment,)), "pics", 1)
    return row | {"id": stray["id"]}
