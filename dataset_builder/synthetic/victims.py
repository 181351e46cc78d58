"""Planted victims: for every rule at least one item that breaks this rule and no other."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dataset_builder.synthetic.reddit import END, START, Submission, base36, comment_line
from dataset_builder.synthetic.text import sentence
from dataset_builder.vocabulary import nsfw_words

Planted = dict[str, Any]
MIDDLE = 1_600_000_000


@dataclass
class World:
    """Lines of the three dumps and what is planted in them."""

    draw: random.Random
    submissions: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    videos: list[dict[str, Any]] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)
    serial: int = 900_000_000

    def next_id(self) -> str:
        """An id no other row has; far above those of the crowd."""
        self.serial += 1
        return base36(self.serial)

    def plant(self, kind: str, id: str, reason: str | None) -> None:
        """Note what must become of an item; None means kept."""
        self.planted.append({"id": id, "kind": kind, "reason": reason})

    def post(self, reason: str | None, comments: int = 3, **changes: Any) -> Submission:
        """A clean picture post with clean comments, changed in one respect."""
        id = changes.pop("id", None) or self.next_id()
        values: dict[str, Any] = {
            "id": id,
            "subreddit": "pics",
            "title": sentence(self.draw),
            "url": f"https://i.redd.it/{id}.jpg",
            "author": f"writer{id}",
            "created": MIDDLE + self.draw.randrange(1_000_000),
            "score": 500,
            "num_comments": comments,
        }
        post = Submission(**(values | changes))
        self.submissions.append(post.line(self.draw))
        self.plant("post", f"reddit-{id}", reason)
        for number in range(comments):
            self.comment(post, self._fate(reason), score=100 - number)
        return post

    def _fate(self, reason: str | None) -> str | None:
        return None if reason is None else f"post_dropped:{reason}"

    def comment(self, post: Submission, reason: str | None, **changes: Any) -> str:
        """A clean comment, changed in one respect; returns its text."""
        id = changes.pop("id", None) or self.next_id()
        values: dict[str, Any] = {
            "id": id,
            "post": post.id,
            "subreddit": post.subreddit,
            "body": sentence(self.draw),
            "score": 50,
            "created": (post.created or START) + 3600,
            "author": f"reader{id}",
        }
        values |= changes
        self.comments.append(comment_line(**values))
        self.plant("comment", id, reason)
        return str(values["body"])

    def video(self, reason: str | None, comments: int = 3, **changes: Any) -> dict[str, Any]:
        """A clean YouTube video with clean comments, changed in one respect."""
        id = f"v{self.next_id():0>10}"
        video: dict[str, Any] = {
            "id": id,
            "extractor": "youtube",
            "title": sentence(self.draw),
            "description": sentence(self.draw),
            "channel": f"channel {id}",
            "channel_id": f"UC{id:0>22}",
            "upload_date": "20200615",
            "duration": 42,
            "view_count": 250_000,
            "like_count": 5_000,
            "comment_count": comments,
            "age_limit": 0,
            "language": "en",
            "categories": ["Education"],
            "tags": ["garden"],
            "webpage_url": f"https://www.youtube.com/watch?v={id}",
        }
        video["comments"] = [
            self.remark(video, self._fate(reason), 100 - n) for n in range(comments)
        ]
        self.videos.append(video | changes)
        self.plant("post", f"youtube-{id}", reason)
        return self.videos[-1]

    def remark(
        self, video: dict[str, Any], reason: str | None, likes: int, **changes: Any
    ) -> dict[str, Any]:
        """A YouTube comment, changed in one respect."""
        id = f"Ug{self.next_id()}"
        self.plant("comment", id, reason)
        row = {"id": id, "text": sentence(self.draw), "like_count": likes, "parent": "root"}
        return row | changes


def _posts(world: World) -> None:
    world.post(None)
    world.post("no_date", created=None)
    world.post("before_overlay_rule", created=1_400_000_000)
    world.post("before_window", created=START - 1)
    world.post("after_window", created=END)
    world.post("nsfw", over_18=True)
    world.post("nsfw", title=sentence(world.draw) + " [NSFW]")
    world.post("nsfw", flair="nsfw")
    world.post("bot", author="AutoModerator")
    world.post("bot", author="Tree_Picture_Bot")
    world.post("deleted", author="[deleted]")
    world.post("bot", author="autowikibot")
    world.post(None, author="JTalbot")
    world.post("deleted", removed_by="moderator")
    world.post("deleted", title="[ Removed by Reddit ]")
    world.post("deleted", selftext="[ Removed by Reddit ]")
    world.post("deleted", meta={"retrieved_2nd_on": MIDDLE, "was_deleted_later": True})
    world.post(None, meta={"retrieved_2nd_on": MIDDLE, "was_deleted_later": False})
    first = world.post(None, score=900)
    world.post("duplicate", url=first.url, comments=0, score=10)
    _addresses(world)
    world.post("few_comments", comments=1)
    world.post("few_comments", comments=0)
    for reason, seconds in (("too_long", 501), ("not_hosted", 30)):
        url = f"https://v.redd.it/{world.next_id()}"
        world.post(reason, seconds=seconds, subreddit="videos", url=url)
    world.post("not_hosted", url="https://i.imgur.com/abc.jpg?" + world.next_id())
    world.post("not_hosted", is_self=True, selftext="words", url="https://www.reddit.com/r/pics/")
    gallery = world.next_id()
    world.post("gallery", gallery=True, id=gallery, url=f"https://www.reddit.com/gallery/{gallery}")
    other = world.post("other_subreddit", comments=0, subreddit="gardening")
    world.comment(other, "other_subreddit")


def _addresses(world: World) -> None:
    """One video under many addresses; what has no address is the same as nothing."""
    id = f"w{world.next_id():0>10}"
    films: dict[str, Any] = {"subreddit": "videos"}
    world.post("not_hosted", url=f"https://www.youtube.com/watch?v={id}", score=900)  # on r/pics
    world.post(None, url=f"https://youtu.be/watch?v={id}", score=20, **films)
    for shape in ("watch/{}", "e/{}", "shorts/{}?feature=share"):
        url = f"https://www.youtube.com/{shape.format(id)}"
        world.post("duplicate", comments=0, score=10, url=url, **films)
    away = f"https://www.youtube.com/redirect?q=https%3A%2F%2Fshop.example%2F&v={id}"
    world.post("not_hosted", score=10, url=away, **films)
    for _ in range(2):
        other = world.next_id()
        world.post("not_hosted", url=f"/r/gardening/comments/{other}/a_crosspost/")


def _comments(world: World) -> None:
    post = world.post(None)
    word = next(word for word in nsfw_words() if word.isalpha() and len(word) > 6)
    world.comment(post, "nsfw", body=sentence(world.draw) + " NSFW")
    world.comment(post, "bot", author="sneakpeekbot")
    world.comment(post, "bot", body=sentence(world.draw) + " I am a bot")
    world.comment(post, "deleted", body="[removed]")
    world.comment(post, "deleted", body="[ Removed by Reddit ]")
    world.comment(post, "deleted", author="[deleted]")
    world.comment(post, "deleted", meta={"removal_type": "removed by reddit"})
    world.comment(post, "bot", author="youtubefactsbot")
    of_others = world.post(None, comments=0)
    world.comment(of_others, None, body=f"OP, this is a bot account {sentence(world.draw)}")
    world.comment(of_others, None, body=f"I am a robot vacuum owner {sentence(world.draw)}")
    for reason, score in ((None, 20), ("exact_duplicate", 10)):
        world.comment(of_others, reason, body="\U0001f525 \U0001f525 \U0001f525", score=score)
    world.comment(post, "few_words", body="nice work")
    world.comment(post, "few_words", body="&gt; **nice**   work")
    world.comment(post, "empty", body="&amp;#x200B;")
    text = world.comment(post, None, score=300)
    world.comment(post, "near_duplicate", body=text + " indeed", score=20)
    world.comment(post, "exact_duplicate", body=text, score=19)
    twice = world.next_id()
    world.comment(post, None, id=twice, score=299)
    world.comments.append(world.comments[-1])
    world.plant("comment", twice, "repeated")
    crowded = world.post(None, comments=5)
    for number in range(47):
        # the worst two of 52 are not even compared
        reason = "beyond_top" if number < 45 else "beyond_candidates"
        world.comment(crowded, reason, score=40 - number)
    orphan = Submission(world.next_id(), "pics", "", "", "", MIDDLE, 1)
    world.comment(orphan, "no_post")
    video = world.video(None, comments=3)
    rows = video["comments"]
    rows.append(world.remark(video, "few_words", 5, text="only three words"))
    rows.append(world.remark(video, "many_words", 5, text="word " * 101))
    rows.append(world.remark(video, "nsfw_words", 5, text=f"{sentence(world.draw)} {word}"))
    rows.append(world.remark(video, "reply", 5, parent="Ugxyz"))
    rows.append(world.remark(video, "near_duplicate", 5, text=rows[0]["text"] + " indeed"))


def _videos(world: World) -> None:
    word = next(word for word in nsfw_words() if word.isalpha() and len(word) > 6)
    world.video(None)
    world.video("no_date", upload_date=None)
    world.video("before_window", upload_date="20171231")
    world.video("after_window", upload_date="20240101")
    world.video("category", categories=["Music"])
    for topic in ("lyrics", "minecraft", "live commentary", "anime", "memes", "breaking news"):
        world.video("topic", title=f"{sentence(world.draw)} {topic}")
    world.video("language", language="de-DE")
    world.video("language", language=None, title="川の近くの古い家と庭")
    world.video("comments_disabled", comments=0, comment_count=None)
    world.video("too_long", duration=60.5)
    world.video("few_views", view_count=10_000)
    world.video("few_views", view_count=None)
    world.video("nsfw", age_limit=18)
    world.video("nsfw_words", title=f"{sentence(world.draw)} {word}")
    world.video("few_comments", comments=0, comment_count=7)
    repeated = world.video(None)
    later = repeated | {"comments": [], "epoch": 1, "comment_count": 3}
    world.videos.append(later)
    world.plant("post", f"youtube-{repeated['id']}", "repeated")


KINDS: tuple[Callable[[World], None], ...] = (_posts, _comments, _videos)


def plant(world: World, times: int) -> Iterator[None]:
    """Plant every victim `times` times; one step at a time, so that a caller can show progress."""
    for _ in range(times):
        for kind in KINDS:
            kind(world)
            yield
