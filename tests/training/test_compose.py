"""The words of a conversation, the draw of turns and the media of a row."""

import inspect
import random
from collections import Counter

import pytest

from trainer.data.compose import (
    TaskMixError,
    compose,
    conversation,
    media_content,
    parse_task_mix,
    select_turns,
    turn_draw,
)
from training.fixtures import SYSTEM, sample

INTRO = 'The video advertisement is titled "Gatorade" for the brand Gatorade.'
SCENES = {
    "task": "scenes",
    "question": "Analyze this video deeply, then write scene by scene description of the video",
    "answer": "The scene by scene descriptions are:\nScene 1: The scene shows a woman.",
}
LIKES = {
    "task": "likes",
    "question": "What percentage of viewers would like this video",
    "answer": "The video will be liked by 2.0%",
}
COMMENTS = {
    "task": "comments",
    "question": "what would be the top-2 popular comments on this video",
    "answer": "1. Wow. Love it.\n2. Chills watching this.",
}


def test_all_turns_are_listing_1() -> None:
    user, answer = compose(INTRO, [SCENES, LIKES, COMMENTS])
    assert user == (
        f"{INTRO}\n"
        "Analyze this video deeply, then write scene by scene description of the video and answer "
        "the following questions. What percentage of viewers would like this video, and what "
        "would be the top-2 popular comments on this video?."
    )
    assert answer == (
        "The scene by scene descriptions are:\nScene 1: The scene shows a woman.\n"
        "The video will be liked by 2.0%\n1. Wow. Love it.\n2. Chills watching this."
    )


@pytest.mark.parametrize(
    ("turns", "question"),
    [
        (
            [SCENES],
            "Analyze this video deeply, then write scene by scene description of the video.",
        ),
        ([LIKES], "What percentage of viewers would like this video?"),
        ([COMMENTS], "What would be the top-2 popular comments on this video?"),
        (
            [LIKES, COMMENTS],
            "What percentage of viewers would like this video, and what would be the top-2 "
            "popular comments on this video?",
        ),
        (
            [SCENES, COMMENTS],
            "Analyze this video deeply, then write scene by scene description of the video and "
            "answer the following question. What would be the top-2 popular comments on this "
            "video?",
        ),
    ],
)
def test_other_selections_are_plain_english(turns: list, question: str) -> None:
    assert compose("", turns)[0] == question


def test_no_turn_is_an_error() -> None:
    with pytest.raises(ValueError, match="no turn is selected"):
        compose(INTRO, [])


def test_mix_reads_weights() -> None:
    assert parse_task_mix("all") == {"all": 1.0}
    assert parse_task_mix(" all=2, comments , scenes+likes=0.5") == {
        "all": 2.0,
        "comments": 1.0,
        "scenes+likes": 0.5,
    }


@pytest.mark.parametrize("text", ["", "all,all", "all=0", "all=x", "likes=-1", "a++b", "all=inf"])
def test_mix_refuses(text: str) -> None:
    with pytest.raises(TaskMixError, match="task_mix"):
        parse_task_mix(text)


def test_draw_follows_the_weights_and_repeats() -> None:
    mix = parse_task_mix("all=2,comments=1,likes=1")
    turns = [SCENES, LIKES, COMMENTS]
    drawn = Counter(
        "+".join(t["task"] for t in select_turns(turns, mix, turn_draw(0, epoch, "reddit-x")))
        for epoch in range(800)
    )
    assert set(drawn) == {"scenes+likes+comments", "comments", "likes"}
    assert 340 < drawn["scenes+likes+comments"] < 460
    assert turn_draw(1, 2, "a").random() == turn_draw(1, 2, "a").random()
    assert turn_draw(1, 2, "a").random() != turn_draw(1, 3, "a").random()


def test_draw_skips_turns_a_sample_lacks() -> None:
    turns = [SCENES, COMMENTS]
    draw = random.Random(0)
    assert select_turns(turns, {"likes": 1.0}, draw) == []
    assert select_turns(turns, {"likes": 9.0, "likes+comments": 1.0}, draw) == [COMMENTS]
    assert select_turns(turns, {"all": 1.0}, draw) == turns


@pytest.mark.parametrize(
    ("row", "kinds"),
    [
        ({"jpg": "poster", "mp4": {"bytes": b"film", "path": "a.mp4"}}, ["video"]),
        ({"jpg": "picture", "mp4": {"bytes": b"", "path": "a.mp4"}}, ["image"]),
        ({"jpg": "picture", "mp4": b""}, ["image"]),
        ({"jpg": None, "mp4": None}, []),
        ({}, []),
        ({"mp4": {"bytes": None, "path": "film.mp4"}}, ["video"]),
    ],
)
def test_media_of_a_row(row: dict, kinds: list[str]) -> None:
    assert [part["type"] for part in media_content(row)] == kinds


def test_media_stands_after_the_user_text() -> None:
    row = {"json": sample(1, "image", "red"), "jpg": "picture", "mp4": b""}
    messages = conversation(row, row["json"]["turns"], with_answer=True)
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert messages[0]["content"] == [{"type": "text", "text": SYSTEM}]
    assert [part["type"] for part in messages[1]["content"]] == ["text", "image"]
    assert len(conversation(row, row["json"]["turns"], with_answer=False)) == 2


def test_saliency_stands_alone() -> None:
    turn = {"task": "saliency", "question": "Rank these regions.", "answer": "upper-left"}
    assert compose("", [turn]) == ("Rank these regions.", "upper-left")


def test_twin_in_the_dataset_builder() -> None:
    """The same function twice: the rooms share no code, so its source is held equal."""
    from dataset_builder.samples import turns as builder

    assert inspect.getsource(builder.compose) == inspect.getsource(compose)
