"""The turns give the paper's Listing 1 word for word, and nothing that must not be in them."""

import inspect

import pytest

import trainer.data.compose
from dataset_builder.samples import turns
from dataset_builder.samples.turns import SYSTEM, compose, intro_text, make_turns, posted_text

TITLE = "Gatorade | Make Your Own Footsteps with Suni Lee"
SCENES = [
    {
        "caption": "a woman looking off into the distance with an orange line going around the "
        "outside of the screen",
        "foreground_colors": ["Black", "Mud_Green", "Gray", "Dark_Gray"],
        "background_colors": ["Dark_Brown", "Black", "Dark_Gray"],
        "tone": "neutral",
        "tags": ["cosmetic", "eyebrow", "face", "girl", "ponytail", "stand", "string", "woman"],
    },
    {
        "caption": "a woman balancing on a skate board in a yard",
        "foreground_colors": ["Black", "Mud_Green", "Dark_Gray", "Olive"],
        "background_colors": ["Black", "Dark_Gray", "Gray", "Dark_Brown"],
        "tone": "neutral",
        "tags": ["athletic", "balance", "beam"],
    },
]
COMMENTS = ["Chills watching this. Such an inspiration", "Yooooo, this is straight up !"]
USER = (
    'The video advertisement is titled "Gatorade | Make Your Own Footsteps with Suni Lee" for the '
    'brand Gatorade. The audio in the ad says "[ASR HERE ...]".\n'
    "Analyze this video deeply, then write scene by scene description of the video and answer the "
    "following questions. What percentage of viewers would like this video, and what would be the "
    "top-2 popular comments on this video?."
)
ASSISTANT = (
    "The scene by scene descriptions are:\n"
    "Scene 1: The scene shows a woman looking off into the distance with an orange line going "
    "around the outside of the screen. The foreground colors of the scene are "
    "Black,Mud.Green,Gray,Dark.Gray, and the background colors are Dark.Brown,Black,Dark.Gray. The "
    "dominant tone of the scene is neutral. This scene is categorized by the tags cosmetic, "
    "eyebrow, face, girl, ponytail, stand, string, woman.\n"
    "Scene 2: The scene shows a woman balancing on a skate board in a yard. The foreground colors "
    "of the scene are Black,Mud.Green,Dark.Gray,Olive, and the background colors are "
    "Black,Dark.Gray,Gray,Dark.Brown. The dominant tone of the scene is neutral. This scene is "
    "categorized by the tags athletic, balance, beam.\n"
    "The video will be liked by 2.0%\n"
    "1. Chills watching this. Such an inspiration\n"
    "2. Yooooo, this is straight up !"
)


def test_listing_1_word_for_word():
    intro = intro_text("video", TITLE, "Gatorade", "[ASR HERE ...]", None)
    assert compose(intro, make_turns("video", SCENES, 2.0, COMMENTS)) == (USER, ASSISTANT)
    assert SYSTEM == (
        "You are an AI visual assistant, you are given a detailed description of a media, followed "
        "by the actual media. Answer all questions as you are seeing the media"
    )


def test_compose_is_the_trainers_word_for_word():
    assert inspect.getsource(compose) == inspect.getsource(trainer.data.compose.compose)


@pytest.mark.parametrize(
    ("tasks", "question"),
    [
        (
            ["scenes"],
            "Analyze this image deeply, then write scene by scene description of the image.",
        ),
        (["likes"], "What percentage of viewers would like this image?"),
        (["comments"], "What would be the top-2 popular comments on this image?"),
        (
            ["likes", "comments"],
            "What percentage of viewers would like this image, and what would be the top-2 popular "
            "comments on this image?",
        ),
    ],
)
def test_every_selection_reads_as_english(tasks, question):
    chosen = [t for t in make_turns("image", SCENES, 2.0, COMMENTS) if t["task"] in tasks]
    assert compose("", chosen)[0] == question


def test_no_turn_is_an_error():
    with pytest.raises(ValueError, match="no turn is selected"):
        compose("An intro.", [])


@pytest.mark.parametrize("kept", [1, 3, 5, 9])
def test_as_many_comments_are_asked_for_as_are_answered(kept):
    (turn,) = make_turns("video", [], None, [f"comment {at}" for at in range(kept)])
    shown = min(kept, 5)
    noun = "comments" if shown > 1 else "comment"
    assert turn["question"] == f"what would be the top-{shown} popular {noun} on this video"
    assert len(turn["answer"].splitlines()) == shown


def test_the_question_never_tells_likes_or_views():
    intro = intro_text(
        "video", TITLE, None, "we say things", posted_text("video", 1_600_000_000, "C", None)
    )
    for turn in make_turns("video", SCENES, 4.0419, COMMENTS):
        assert "4.04" not in intro + turn["question"]
    answers = [t["answer"] for t in make_turns("video", [], 4.0419, [])]
    assert answers == ["The video will be liked by 4.04%"]


def test_without_views_there_is_no_likes_turn():
    assert [t["task"] for t in make_turns("image", SCENES, None, COMMENTS)] == [
        "scenes",
        "comments",
    ]


def test_a_missing_field_leaves_out_its_sentence():
    bare = {
        "caption": "",
        "foreground_colors": ["Red"],
        "background_colors": [],
        "tone": None,
        "tags": [],
    }
    nothing = {**bare, "foreground_colors": []}
    (turn,) = make_turns("video", [nothing, bare], None, [])
    assert turn["answer"].splitlines()[1:] == [
        "Scene 1: The foreground colors of the scene are Red."
    ]
    assert make_turns("video", [nothing], None, []) == []


def test_line_breaks_of_users_do_not_break_the_lists():
    (turn,) = make_turns("video", [], None, ["one\n2. two", "three"])
    assert turn["answer"] == "1. one 2. two\n2. three"
    assert intro_text("image", "a\r\nb", None, None, None) == 'The image is titled "a b".'


def test_reddit_post_and_untitled_intros():
    assert intro_text("video", "T", None, "hi", None) == (
        'The video is titled "T". The audio in the video says "hi".'
    )
    assert intro_text("image", None, None, None, None) == ""
    assert intro_text("video", None, "Nike", None, None) == (
        "The video advertisement is for the brand Nike."
    )


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Who did this?", '"Who did this?"'),
        ("He asked me..?", '"He asked me..?"'),
        ('Then she said "what..?"', "\"Then she said 'what..?'\""),
        ('"Hello" is all', "\"'Hello' is all\"."),
        ("So it goes (again!)", '"So it goes (again!)"'),
        ("Look\u2026", '"Look\u2026"'),
        ('A 12" pizza', '"A 12" pizza".'),
        ("[REDACTED ...]", '"[REDACTED ...]".'),
        ("A title", '"A title".'),
    ],
)
def test_titles_that_end_in_punctuation_end_the_sentence(title, said):
    assert intro_text("image", title, None, None, None) == f"The image is titled {said}"
    spoken = intro_text("image", title, None, "Buy it now!", None)
    assert spoken == f'The image is titled {said} The audio in the image says "Buy it now!"'
    brand = intro_text("video", title, "Yahoo!", None, None)
    named = said.removesuffix(".")
    assert brand == f"The video advertisement is titled {named} for the brand Yahoo!"


def test_salicon_questions_stand_as_they_are():
    turn = {"task": "saliency", "question": "Rank them .", "answer": "dog\ncat"}
    assert compose("", [turn]) == ("Rank them .", "dog\ncat")
    assert turns.TOP_COMMENTS == 5
