"""One shard row -> one conversation: which turns to ask for, in which words, with which media.

`compose` has a twin in the dataset builder (the rooms share no code, only artefacts); a test
keeps the two equal, word for word.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

ALL_TURNS = "all"


class Turn(TypedDict):
    """One question about a sample with its answer; `task` names what is asked for."""

    task: str
    question: str
    answer: str


class TaskMixError(ValueError):
    """The `task_mix` setting cannot be read."""


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


def parse_task_mix(text: str) -> dict[str, float]:
    """Read a mix of turn selections, such as `all=2,comments=1,scenes+likes=1`.

    A selection is `all` (every turn the sample has) or task names joined by `+`; its weight is
    how often it is drawn, 1 when left out. `scenes` alone is Ad-LLaVA. TaskMixError otherwise.
    """
    mix: dict[str, float] = {}
    for part in text.split(","):
        selection, _, weight = (piece.strip() for piece in part.partition("="))
        try:
            value = float(weight or 1)
        except ValueError:
            value = 0.0
        if not all(selection.split("+")) or selection in mix or not 0 < value < float("inf"):
            raise TaskMixError(
                f"task_mix {text!r}: cannot read {part.strip()!r}; write selections with positive "
                "weights, each once, such as 'all=2,comments=1,scenes+likes=1'"
            )
        mix[selection] = value
    return mix


def select_turns(
    turns: Sequence[Turn], mix: Mapping[str, float], draw: random.Random
) -> list[Turn]:
    """Draw one selection of the mix and return its turns, in the sample's order.

    Only selections of which the sample has at least one turn are drawn (a Reddit post has no
    likes turn); the result is empty when there is none.
    """
    chosen: list[list[Turn]] = []
    weights: list[float] = []
    for selection, weight in mix.items():
        wanted = set(selection.split("+"))
        found = [t for t in turns if selection == ALL_TURNS or t["task"] in wanted]
        if found:
            chosen.append(found)
            weights.append(weight)
    return draw.choices(chosen, weights)[0] if chosen else []


def turn_draw(seed: int, epoch: int, sample_id: str) -> random.Random:
    """Return the random source of one sample in one epoch.

    It depends on nothing else, so worker count, order and a resumed run do not change a draw.
    """
    return random.Random(f"{seed}/{epoch}/{sample_id}")


def media_content(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the message parts for a row's media: the video, else the picture, else nothing.

    A picture's `mp4` member has zero bytes; the metadata tier has neither column.
    """
    video = _payload(row.get("mp4"))
    if video is not None:
        return [{"type": "video", "video": video}]
    image = _payload(row.get("jpg"))
    return [] if image is None else [{"type": "image", "image": image}]


def conversation(
    row: Mapping[str, Any], turns: Sequence[Turn], *, with_answer: bool
) -> list[dict[str, Any]]:
    """Return the row's messages for the given turns; the media stands after the user text.

    Without the answer the conversation ends with the user, ready for a generation prompt.
    """
    sample = row["json"]
    user, answer = compose(sample["intro"], turns)
    messages = [
        {"role": "system", "content": [_text(sample["system"])]},
        {"role": "user", "content": [_text(user), *media_content(row)]},
    ]
    if with_answer:
        messages.append({"role": "assistant", "content": [_text(answer)]})
    return messages


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _payload(value: Any) -> Any:
    """Return what the processor can open (decoded picture, bytes or path); None when empty."""
    if isinstance(value, Mapping):
        # an undecoded feature: the path alone points inside a tar unless bytes are absent
        return value.get("bytes") or (value.get("path") if value.get("bytes") is None else None)
    return value if value is not None and value != b"" else None
