"""Synthetic Reddit rows with the true key sets of two dump months (2018-01 and 2021-12)."""

import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FIELDS = Path(__file__).with_name("synthetic_fields.json")
START, END = 1_514_764_800, 1_643_673_600  # 2018-01-01, 2022-02-01
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


@cache
def _fields() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(FIELDS.read_text(encoding="utf-8"))
    return found


@cache
def _constant(kind: str, month: str, rare: bool) -> str:
    """The keys that hold no information here, as JSON members with a leading comma."""
    group = _fields()[f"{kind}_{month}"]
    values = {**group["common"], **(group["rare"] if rare else {})}
    return "".join(f", {json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())


@cache
def _own(kind: str, month: str) -> frozenset[str]:
    return frozenset(_fields()[f"{kind}_{month}"]["own"])


def base36(number: int) -> str:
    """Reddit's own way of writing ids."""
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = ALPHABET[digit] + text
    return text or "0"


@dataclass
class Submission:
    """What a synthetic submission says; everything else is constant."""

    id: str
    subreddit: str
    title: str
    url: str
    author: str
    created: int | None
    score: int
    num_comments: int = 0
    over_18: bool = False
    is_self: bool = False
    removed_by: str | None = None
    gallery: bool = False
    seconds: int | None = None
    selftext: str = ""
    flair: str | None = None
    meta: dict[str, Any] | None = None

    def line(self, draw: random.Random) -> str:
        """The dump line; types drift with the year as they did."""
        old = (self.created or START) < 1_577_836_800
        month = "2018-01" if old else "2021-12"
        link = f"/r/{self.subreddit}/comments/{self.id}/synthetic/"
        values: dict[str, Any] = {
            "author": self.author,
            "created_utc": self._created(draw),
            "id": self.id,
            "is_self": self.is_self,
            "is_video": self.seconds is not None,
            "link_flair_text": self.flair,
            "media": self._media(),
            "media_metadata": self._metadata(),
            "gallery_data": {"items": [{"media_id": f"g{self.id}", "id": 1}]}
            if self.gallery
            else None,
            "is_gallery": self.gallery,
            "name": f"t3_{self.id}",
            "num_comments": self.num_comments,
            "over_18": self.over_18,
            "permalink": link,
            "preview": {"images": [{"source": {"width": 640, "height": 480, "url": ""}}]},
            "removed_by_category": self.removed_by,
            "retrieved_on": (self.created or START) + 86_400,
            "score": self.score,
            "selftext": self.selftext,
            "subreddit": self.subreddit,
            "title": self.title,
            "upvote_ratio": 0.9,
            "url": self.url,
        }
        own = _own("RS", month)
        kept = {key: value for key, value in values.items() if key in own}
        if self.meta:
            kept["_meta"] = self.meta
        return json.dumps(kept)[:-1] + _constant("RS", month, draw.random() < 0.01) + "}"

    def _created(self, draw: random.Random) -> Any:
        if self.created is None:
            return None
        shape = draw.random()
        return (
            str(self.created)
            if shape < 0.1
            else float(self.created)
            if shape < 0.2
            else self.created
        )

    def _media(self) -> dict[str, Any] | None:
        return None if self.seconds is None else {"reddit_video": {"duration": self.seconds}}

    def _metadata(self) -> dict[str, Any] | None:
        return {f"g{self.id}": {"status": "valid", "m": "image/jpg"}} if self.gallery else None


_COMMENT = (
    '{{"author": "{author}", "body": {body}, "created_utc": {created}, "distinguished": null, '
    '"id": "{id}", "link_id": "t3_{post}", "name": "t1_{id}", "parent_id": "{parent}", '
    '"permalink": "/r/{subreddit}/comments/{post}/synthetic/{id}/", "retrieved_on": {retrieved}, '
    '"score": {score}, "stickied": false, "subreddit": "{subreddit}", '
    '"subreddit_id": "t5_2qh0u"{rest}}}'
)


def comment_line(
    id: str,
    post: str,
    subreddit: str,
    body: str,
    score: int,
    created: int,
    author: str,
    parent: str | None = None,
    rare: bool = False,
    meta: dict[str, Any] | None = None,
) -> str:
    """One RC dump line."""
    month = "2018-01" if created < 1_577_836_800 else "2021-12"
    return _COMMENT.format(
        author=author,
        body=json.dumps(body),
        created=created,
        id=id,
        post=post,
        parent=parent or f"t3_{post}",
        subreddit=subreddit,
        retrieved=created + 86_400,
        score=score,
        rest=_constant("RC", month, rare) + (f', "_meta": {json.dumps(meta)}' if meta else ""),
    )
