"""The words of the Space: what it reads out of answers, its twins, its card."""

import re

import intake
import pytest
import questions
import yaml

from places import ROOT

SPACE = ROOT / "space"


# -- reading answers -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("The video will be liked by 2.0%", 2.0),
        ("The image will be liked by 97 %.", 97.0),
        ("about 3.25 percent of them", 3.25),
        ("100%", 100.0),
        ("The video will be liked by 250%", None),
        ("The video will be liked by 1.5.2%", None),
        ("between 2 and 3", None),
        ("-5%", None),
        ("many viewers", None),
        ("", None),
    ],
)
def test_a_percentage_is_read_or_not_given(text: str, percent: float | None):
    assert questions.read_percent(text) == percent


def test_numbered_comments_are_read_once_each_and_at_most_five():
    text = "Here they are:\n1. First!\n2) second one\n3: third\n3. First!\nno number\n4.\n"
    text += "5. fifth\n6. sixth\n7. seventh"
    assert questions.read_lines(text, questions.COMMENT, True, 5) == [
        "First!",
        "second one",
        "third",
        "fifth",
        "sixth",
    ]


def test_a_cut_last_comment_shows_that_it_is_cut():
    assert questions.read_lines("1. whole\n2. cut he", questions.COMMENT, False, 5) == [
        "whole",
        "cut he …",
    ]
    assert questions.read_lines("1. whole\nsome tail", questions.COMMENT, False, 5) == ["whole"]
    assert questions.read_lines("", questions.COMMENT, False, 5) == []


# -- twins and the card ----------------------------------------------------------------------------


@pytest.mark.parametrize("medium", ["image", "video"])
def test_questions_are_those_of_the_training_data(medium: str):
    from dataset_builder.samples import turns

    scene = {
        "caption": "a cat",
        "foreground_colors": ["Red"],
        "background_colors": ["Blue"],
        "tone": "warm",
        "tags": ["cat"],
    }
    made = turns.make_turns(medium, [scene], 2.0, ["a", "b", "c", "d", "e"])
    asked = {turn["task"]: turns.compose("", [turn])[0] for turn in made}
    assert asked == {task: text.format(medium=medium) for task, text in questions.QUESTIONS.items()}
    assert turns.SYSTEM == questions.SYSTEM


@pytest.mark.parametrize("title", ["", "Red bike", 'Is "this" it?'])
@pytest.mark.parametrize("brand", ["", "Spoke"])
@pytest.mark.parametrize("speech", ["", "ride on"])
def test_intro_is_that_of_the_training_data(title: str, brand: str, speech: str):
    from dataset_builder.samples import turns

    twin = turns.intro_text("video", title, brand, speech, None)
    assert questions.intro_text("video", title, brand, speech) == twin


def test_answers_of_the_training_data_are_readable():
    from dataset_builder.samples import turns

    scene = {
        "caption": "a cat",
        "foreground_colors": ["Red", "Mud_Green"],
        "background_colors": ["Blue"],
        "tone": "warm",
        "tags": ["cat", "sofa"],
    }
    other = {"caption": "a dog", "foreground_colors": [], "background_colors": [], "tone": ""}
    made = turns.make_turns("video", [scene, other | {"tags": []}], 2.0, ["one", "two"])
    answers = {turn["task"]: turn["answer"] for turn in made}
    assert questions.read_percent(answers["likes"]) == 2.0
    assert questions.read_lines(answers["comments"], questions.COMMENT, True, 5) == ["one", "two"]
    lines = questions.read_lines(answers["scenes"], questions.SCENE, True, 10)
    first, second = map(questions.read_scene, lines)
    assert {key: first[key] for key in scene} == scene | {"foreground_colors": ["Red", "Mud.Green"]}
    assert (second["caption"], second["tags"], second["tone"]) == ("a dog", [], "")


def test_the_share_that_is_weighed_is_worded_as_in_training():
    from dataset_builder.samples import turns

    made = turns.make_turns("video", [], 37.0, [])
    assert made[0]["answer"] == questions.LIKES_ANSWER.format(medium="video", share="37.0")


def test_colors_are_those_of_the_training_data():
    from swatches import COLORS

    from dataset_builder.annotate.palette import PALETTE

    assert {name: bytes(value).hex() for name, value in PALETTE.items()} == {
        name: value.removeprefix("#") for name, value in COLORS.items()
    }


def test_card_and_requirements_fit_the_app():
    import app
    import gradio

    card = (SPACE / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert front["sdk"] == "gradio"
    assert front["sdk_version"] == gradio.__version__
    assert (SPACE / front["app_file"]).is_file()
    assert front["models"] == [app.MODEL]
    assert len(front["short_description"]) <= 60
    for limit in (intake.MAX_FILE_MB, intake.MAX_SECONDS, *intake.TEXT_LIMITS.values()):
        assert f"{limit:,}" in card
    wanted = (SPACE / "requirements.txt").read_text(encoding="utf-8").split()
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M))
    for pin in wanted:
        name, _, version = pin.partition("==")
        assert not version or pins.get(name, version) == version


def test_no_file_of_the_space_is_long():
    for path in SPACE.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 450, path.name
