"""The instruction turns of Listing 1: intro, questions and answers, and how they join.

A sample holds the pieces; `compose` joins the turns that a training run selects, so that one set of
shards serves every ablation. Words are the listing's own. `trainer/compose.py` holds the same
`compose`, word for word; a test keeps the two equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

SYSTEM = (
    "You are an AI visual assistant, you are given a detailed description of a media, followed by "
    "the actual media. Answer all questions as you are seeing the media"
)
TOP_COMMENTS = 5
_ENDED = re.compile("[.?!\u2026\u3002\uff01\uff1f][)\"'\u2019\u201d]*$")
_INNER_QUOTES = re.compile(r'(?<!\w)"([^"]+)"(?!\w)')  # not the sign for inches
_SINGLE = r"'\1'"


class Turn(TypedDict):
    """One question about a sample with its answer; `task` names what is asked for."""

    task: str
    question: str
    answer: str


def compose(intro: str, turns: Sequence[Turn]) -> tuple[str, str]:
    """Join an intro and the selected turns into (user text, assistant text).

    With scenes, likes and comments selected the result is Listing 1 of the paper, its "?."
    included; every other selection reads as plain English. ValueError without turns.
    """
    if not turns:
        raise ValueError("no turn is selected: a conversation needs at least one question")
    whole = [turn["question"] for turn in turns if turn["task"] == "saliency"]
    leads = [turn["question"] for turn in turns if turn["task"] == "scenes"]
    asks = [turn["question"] for turn in turns if turn["task"] not in ("scenes", "saliency")]
    if whole:
        question = "\n".join(whole)
    elif not asks:
        question = f"{' '.join(leads)}."
    else:
        joined = ", and ".join(asks)
        ending = "?." if leads and len(asks) > 1 else "?"
        question = joined[:1].upper() + joined[1:] + ending
        if leads:
            noun = "questions" if len(asks) > 1 else "question"
            question = f"{' '.join(leads)} and answer the following {noun}. {question}"
    user = f"{intro}\n{question}" if intro else question
    return user, "\n".join(turn["answer"] for turn in turns)


def intro_text(
    medium: str, title: str | None, brand: str | None, asr: str | None, posted: str | None
) -> str:
    """What the user says of the media: title, brand of an ad, speech, and `posted` where wanted."""
    name, said = _quoted(title), _quoted(asr)
    sentences = []
    if brand:
        titled = f"titled {name} " if name else ""
        about = f"The {medium} advertisement is {titled}for the brand {_flat(brand)}"
        sentences.append(_ended(about))
    elif name:
        sentences.append(_ended(f"The {medium} is titled {name}"))
    if posted:
        sentences.append(posted)
    if said:
        sentences.append(_ended(f"The audio in the {'ad' if brand else medium} says {said}"))
    return " ".join(sentences)


def posted_text(
    medium: str, created: int | None, channel: str | None, subreddit: str | None
) -> str | None:
    """The optional sentence on time and place of the post; counts are never in it."""
    if created is None:
        return None
    day = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%d")  # the same in every locale
    where = f" by the channel {_flat(channel)}" if channel else ""
    where = f" in r/{_flat(subreddit)}" if subreddit else where
    return _ended(f"The {medium} was posted on {day}{where}")


def make_turns(
    medium: str,
    scenes: Sequence[Mapping[str, Any]],
    percent_liked: float | None,
    comments: Sequence[str],
) -> list[Turn]:
    """The turns a sample has material for, in the listing's order."""
    turns: list[Turn] = []
    described = describe_scenes(scenes)
    if described:
        question = (
            f"Analyze this {medium} deeply, then write scene by scene description of the {medium}"
        )
        answer = f"The scene by scene descriptions are:\n{described}"
        turns.append({"task": "scenes", "question": question, "answer": answer})
    if percent_liked is not None:
        question = f"What percentage of viewers would like this {medium}"
        answer = f"The {medium} will be liked by {round(percent_liked, 2)}%"
        turns.append({"task": "likes", "question": question, "answer": answer})
    if comments:
        best = [_flat(text) for text in comments[:TOP_COMMENTS]]
        noun = "comments" if len(best) > 1 else "comment"
        question = f"what would be the top-{len(best)} popular {noun} on this {medium}"
        answer = "\n".join(f"{at}. {text}" for at, text in enumerate(best, start=1))
        turns.append({"task": "comments", "question": question, "answer": answer})
    return turns


def describe_scenes(scenes: Sequence[Mapping[str, Any]]) -> str:
    """One line per scene that has anything to say, numbered; "" where none has."""
    lines: list[str] = []
    for scene in scenes:
        text = describe_scene(scene)
        if text:
            lines.append(f"Scene {len(lines) + 1}: {text}")
    return "\n".join(lines)


def describe_scene(scene: Mapping[str, Any]) -> str:
    """The sentences of Listing 1 for one scene; a sentence without its field is left out."""
    sentences = []
    caption = _flat(scene["caption"]).rstrip(".")
    if caption:
        sentences.append(f"The scene shows {caption}.")
    front, back = _colors(scene["foreground_colors"]), _colors(scene["background_colors"])
    if front and back:
        sentences.append(
            f"The foreground colors of the scene are {front}, and the background colors are {back}."
        )
    elif front or back:
        place = "foreground" if front else "background"
        sentences.append(f"The {place} colors of the scene are {front or back}.")
    if scene["tone"]:
        sentences.append(f"The dominant tone of the scene is {scene['tone']}.")
    if scene["tags"]:
        sentences.append(f"This scene is categorized by the tags {', '.join(scene['tags'])}.")
    return " ".join(sentences)


def _colors(names: Sequence[str]) -> str:
    """Names as the listing prints them: the data's `Mud_Green` is `Mud.Green` there."""
    return ",".join(name.replace("_", ".") for name in names)


def _quoted(text: str | None) -> str:
    """The text on one line in double quotes, with single ones inside; "" where there is none."""
    line = _flat(text)
    return f'"{_INNER_QUOTES.sub(_SINGLE, line)}"' if line else ""


def _ended(sentence: str) -> str:
    """The sentence with its full stop, unless what it quotes at its end has brought one."""
    return sentence if _ENDED.search(sentence) else f"{sentence}."


def _flat(text: str | None) -> str:
    """One line: a line break inside a title or comment would break the answer's own lines."""
    return " ".join((text or "").split())
