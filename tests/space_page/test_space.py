"""The Space without a browser: its limits, what it reads out of answers, its twins."""

import importlib.util
import json
import re
import struct
import sys
import zlib
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from PIL import Image

from places import ROOT

SPACE = ROOT / "space"


@pytest.fixture(scope="module")
def app() -> ModuleType:
    spec = importlib.util.spec_from_file_location("space_app", SPACE / "app.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["space_app"] = module
    spec.loader.exec_module(module)
    return module


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
def test_a_percentage_is_read_or_not_given(app, text: str, percent: float | None):
    assert app.read_percent(text) == percent


def test_numbered_comments_are_read_once_each_and_at_most_five(app):
    text = "Here they are:\n1. First!\n2) second one\n3: third\n3. First!\nno number\n4.\n"
    text += "5. fifth\n6. sixth\n7. seventh"
    assert app.read_lines(text, app.COMMENT, True, 5) == [
        "First!",
        "second one",
        "third",
        "fifth",
        "sixth",
    ]


def test_a_cut_last_comment_shows_that_it_is_cut(app):
    assert app.read_lines("1. whole\n2. cut he", app.COMMENT, False, 5) == ["whole", "cut he …"]
    assert app.read_lines("1. whole\nsome tail", app.COMMENT, False, 5) == ["whole"]
    assert app.read_lines("", app.COMMENT, False, 5) == []


def test_unreadable_answers_are_not_given_and_never_invented(app):
    replies = {task: app.Reply("?", "I would rather not say", True) for task in app.QUESTIONS}
    data = app.readable(replies)
    assert data == {"simulated": True, "percent_liked": None, "comments": [], "scenes": []}
    panel = app.render(replies, None)
    assert panel.count("not given") == 3
    assert "<li>" not in panel
    assert "%" not in panel


def test_everything_a_model_writes_is_escaped(app):
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    replies = {
        "likes": app.Reply("?", f"{evil} 3%", True),
        "comments": app.Reply("?", f"1. {evil}", True),
        "scenes": app.Reply("?", f"Scene 1: {evil}", True),
    }
    panel = app.render(replies, evil)
    assert "<script" not in panel
    assert "<img" not in panel
    assert panel.count("&lt;script&gt;") == 3


def test_the_panel_says_that_it_is_simulated_and_counts_the_dots(app):
    panel = app.render({"likes": app.Reply("?", "liked by 3.4%", True)}, None)
    assert "Simulated by a model" in panel
    assert panel.count('<b class="on">') == 3
    assert panel.count("<b></b>") == 97


# -- limits ----------------------------------------------------------------------------------------


def test_pictures_and_videos_are_told_apart_by_content(app, tmp_path: Path):
    picture = tmp_path / "really_a_picture.mp4"
    Image.new("RGB", (8, 8), "red").save(picture, format="PNG")
    assert app.check_media(str(picture)) == "image"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plain text", "is not a JPEG"),
        (b"", "is not a JPEG"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "is not a JPEG"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "is not a JPEG"),
        (b"\x00\x00\x00\x18ftypisom" + b"\x00" * 64, "damaged"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 64, "damaged|is not a JPEG"),
    ],
)
def test_other_files_are_refused_by_content(app, tmp_path: Path, content: bytes, message: str):
    file = tmp_path / "upload.mp4"
    file.write_bytes(content)
    with pytest.raises(app.Refused, match=message):
        app.check_media(str(file))


def test_a_missing_upload_and_an_oversized_picture_are_refused(app, tmp_path: Path, monkeypatch):
    with pytest.raises(app.Refused, match="Add a picture"):
        app.check_media(None)
    picture = tmp_path / "big.png"
    Image.new("1", (7000, 6000)).save(picture)
    with pytest.raises(app.Refused, match="may have 40 megapixels at most"):
        app.check_media(str(picture))
    monkeypatch.setattr(app, "MAX_FILE_MB", 0)
    with pytest.raises(app.Refused, match="larger than 0 MB"):
        app.check_media(str(picture))


def test_a_picture_that_declares_absurd_sizes_is_refused_without_decoding(app, tmp_path: Path):
    size = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    header = struct.pack(">I", 13) + b"IHDR" + size + struct.pack(">I", zlib.crc32(b"IHDR" + size))
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(b"\x89PNG\r\n\x1a\n" + header + b"\x00\x00\x00\x00IDAT")
    with pytest.raises(app.Refused, match="damaged or far too large"):
        app.check_media(str(bomb))


def test_long_and_large_videos_are_refused(app, tmp_path: Path, monkeypatch):
    import av

    clip = tmp_path / "clip.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(125):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode())
    with pytest.raises(app.Refused, match="125 s long; the limit is 120 s"):
        app.check_media(str(clip))
    monkeypatch.setattr(app, "MAX_SECONDS", 1000)
    assert app.check_media(str(clip)) == "video"
    monkeypatch.setattr(app, "MAX_FRAME_PIXELS", 64 * 48 - 1)
    with pytest.raises(app.Refused, match="1080p at most"):
        app.check_media(str(clip))


def test_texts_are_flattened_and_their_length_is_checked(app):
    assert app.check_texts(title=" a\nb\t c ", brand=None) == {"title": "a b c", "brand": ""}
    with pytest.raises(app.Refused, match="speech has 2001 characters; the limit is 2000"):
        app.check_texts(speech="x" * 2001)


# -- twins and the card ----------------------------------------------------------------------------


@pytest.mark.parametrize("medium", ["image", "video"])
def test_questions_are_those_of_the_training_data(app, medium: str):
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
    assert asked == {task: text.format(medium=medium) for task, text in app.QUESTIONS.items()}
    assert turns.SYSTEM == app.SYSTEM


@pytest.mark.parametrize("title", ["", "Red bike"])
@pytest.mark.parametrize("brand", ["", "Spoke"])
@pytest.mark.parametrize("speech", ["", "ride on"])
def test_intro_is_that_of_the_training_data(app, title: str, brand: str, speech: str):
    from dataset_builder.samples import turns

    twin = turns.intro_text("video", title, brand, speech, None)
    assert app.intro_text("video", title, brand, speech) == twin


def test_answers_of_the_training_data_are_readable(app):
    from dataset_builder.samples import turns

    scene = {
        "caption": "a cat",
        "foreground_colors": ["Red"],
        "background_colors": [],
        "tone": "",
        "tags": [],
    }
    made = turns.make_turns("video", [scene, scene | {"caption": "a dog"}], 2.0, ["one", "two"])
    replies = {turn["task"]: app.Reply("?", turn["answer"], True) for turn in made}
    data = app.readable(replies)
    assert (data["percent_liked"], data["comments"]) == (2.0, ["one", "two"])
    assert [text[:21] for text in data["scenes"]] == [
        "The scene shows a cat",
        "The scene shows a dog",
    ]


def test_card_and_requirements_fit_the_app(app):
    card = (SPACE / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert front["sdk"] == "gradio"
    assert front["sdk_version"] == app.gr.__version__
    assert (SPACE / front["app_file"]).is_file()
    assert front["models"] == [app.MODEL]
    assert len(front["short_description"]) <= 60
    for limit in (app.MAX_FILE_MB, app.MAX_SECONDS, *app.TEXT_LIMITS.values()):
        assert f"{limit:,}" in card
    wanted = (SPACE / "requirements.txt").read_text(encoding="utf-8").split()
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M))
    for pin in wanted:
        name, _, version = pin.partition("==")
        assert not version or pins[name] == version
    assert json.dumps(app.readable({}))
