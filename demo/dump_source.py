"""Reads the hand-written posts and comments of `dumps/src/*.yaml`.

A comment is one line, `score [!victim] [@author] [^line] | text`: `!victim` names the rule that
should drop it, `^3` makes it a reply to the third comment of the same post, `\\n` is a line break.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SOURCES = Path(__file__).resolve().parent / "dumps" / "src"
POST_FILES = {
    "pics": "reddit_pics.yaml",
    "videos": "reddit_videos.yaml",
    "reddit_victims": "reddit_victims.yaml",
    "youtube": "youtube.yaml",
    "youtube_victims": "youtube_victims.yaml",
}
COMMENT_LINE = re.compile(
    r"^(?P<score>-?\d+)(?: !(?P<victim>\w+))?(?: @(?P<author>\S+))?(?: (?P<flag>stickied))?"
    r"(?: \^(?P<parent>\d+))? \| (?P<text>.+)$"
)
# what these marks promise: the comment itself goes (a mark outside this set only describes it)
DROPPED = {"few_words", "many_words", "near_duplicate", "deleted", "bot", "nsfw_words"}


@dataclass(frozen=True)
class SourceComment:
    """One comment line: `parent` is the 1-based line of the comment it answers, None for none."""

    score: int
    text: str
    victim: str | None
    author: str | None
    parent: int | None
    stickied: bool


@dataclass(frozen=True)
class SourcePost:
    """One post or video: the YAML fields as written, and its parsed comments."""

    fields: dict[str, Any]
    comments: tuple[SourceComment, ...]

    @property
    def id(self) -> str:
        return str(self.fields["id"])

    @property
    def media_name(self) -> str | None:
        """Name of the post's medium in `media.py`, None where none is collected."""
        name = self.fields.get("media")
        return None if name is None else str(name)

    @property
    def media_file(self) -> str:
        """File name of its medium: `<native id>.<ext>`, for videos `<youtube id>.mp4`."""
        if "channel" in self.fields:
            return f"{self.id}.mp4"
        if "youtube" in self.fields:
            return f"{self.fields['youtube']}.mp4"
        return f"{self.id}.{self.fields['ext']}"


def parse_comment(line: str, post_id: str) -> SourceComment:
    """Parse one comment line. Raises ValueError naming the post and the line."""
    match = COMMENT_LINE.match(line)
    if match is None:
        raise ValueError(
            f"post {post_id}: {line!r} is not 'score [!victim] [@author] [^line] | text'"
        )
    return SourceComment(
        score=int(match["score"]),
        text=match["text"].replace("\\n", "\n"),
        victim=match["victim"],
        author=match["author"],
        parent=int(match["parent"]) if match["parent"] else None,
        stickied=match["flag"] is not None,
    )


def read_posts(name: str) -> list[SourcePost]:
    """Posts of one source file, named as in POST_FILES, in the order written."""
    text = (SOURCES / POST_FILES[name]).read_text(encoding="utf-8")
    posts = []
    for fields in yaml.load(text, Loader=_TextDates):
        lines = (fields.pop("comments") or "").strip().splitlines()
        comments = tuple(parse_comment(line.strip(), fields["id"]) for line in lines)
        posts.append(SourcePost(fields, comments))
    return posts


def read_strays() -> dict[str, Any]:
    """Comments without a post and lines that are not JSON."""
    text = (SOURCES / "stray_comments.yaml").read_text(encoding="utf-8")
    strays: dict[str, Any] = yaml.load(text, Loader=_TextDates)
    return strays


class _TextDates(yaml.SafeLoader):
    """A loader that leaves dates as text: the time zone is written, never guessed."""


_TextDates.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
