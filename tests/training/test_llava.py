"""The original mix: its forms, its marks, and what of it cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainer.checkpoint import load_model
from trainer.data.collator import ABOUT, Collator, build_batch
from trainer.data.llava import MixProblem, load_mix, messages
from training.fixtures import COLOURS, clip, jpeg


def item(name: str, *talk: str, **media: Any) -> dict[str, Any]:
    turns = [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(talk)]
    return {"id": name, "conversations": turns, **media}


def write(path: Path, items: Any) -> str:
    path.write_text(json.dumps(items))
    return str(path)


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    (folder / "coco").mkdir(parents=True)
    (folder / "coco" / "1.jpg").write_bytes(jpeg(COLOURS["red"], 1))
    (folder / "coco" / "2.png").write_bytes(jpeg(COLOURS["blue"], 2))
    (folder / "film.mp4").write_bytes(clip(COLOURS["green"]))
    (folder / "broken.jpg").write_bytes(b"not a picture")
    return folder


def test_llava_and_llava_video_and_sharegpt(media: Path, tmp_path: Path) -> None:
    rows = [
        item(
            "a", "<image>\nWhat is this?", "A square.", "Which colour?", "Red.", image="coco/1.jpg"
        ),
        item("b", "Where?\n<image>", "Here.", image="coco/2.jpg"),  # there as .png
        {
            **item("c", "<image>\nDescribe it.", "It moves.", video="film.mp4"),
            "data_source": "0_30_s",
        },
        item("d", "Write <image> in HTML.", "Use <img>."),
        item("e", "no answer", "kept", "and a question"),
        item("f", "<image>\nGone?", "Yes.", image="coco/none.jpg"),
        item("g", "<image>\nOut?", "Yes.", image="../../etc/passwd"),
        {"id": "h", "text": "another form"},
    ]
    mix = load_mix([write(tmp_path / "mix.json", rows)], str(media), 1.0)
    assert [mix[i]["id"] for i in range(len(mix))] == ["a", "b", "c", "d"]
    assert mix.unusable == {
        "missing": 1,
        "outside mix_media": 1,
        "malformed": 1,
        "not a dialogue of questions and answers": 1,
    }
    first = [(part["type"], part.get("text")) for part in mix[0]["messages"][0]["content"]]
    assert first == [("image", None), ("text", "What is this?")]
    after = [part["type"] for part in mix[1]["messages"][0]["content"]]
    assert after == ["text", "image"]
    assert mix[2]["messages"][0]["content"][0]["type"] == "video"
    assert mix[3]["messages"][0]["content"] == [{"type": "text", "text": "Write <image> in HTML."}]
    assert mix.facts()[2] == [True, True, True, False]


def test_marks_inside_a_text_stay_text() -> None:
    talk = {
        "kind": "image",
        "turns": [{"role": "user", "text": "<image>\nWhat does <image> mean?"}],
    }
    content = messages(talk, ["x.jpg"])[0]["content"]
    assert content == [
        {"type": "image", "image": "x.jpg"},
        {"type": "text", "text": "What does <image> mean?"},
    ]


def test_json_lines_and_folders(media: Path, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    write(folder / "one.json", [item("a", "Hi", "Hello")])
    lines = [json.dumps(item(name, "Hi", "Hello")) for name in "bc"]
    (folder / "two.jsonl").write_text("\n".join(lines))
    mix = load_mix([str(folder)], None, 0.0)
    assert [mix[i]["id"] for i in range(3)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1}, "holds a dict: expected"),
        ([{"messages": []}], r"first item is \['messages'\], expected"),
        ([item("a", "<image>\nWhat?", "This.", image="x.jpg")], "give --mix_media FOLDER"),
    ],
)
def test_bad_mixes_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(MixProblem, match=message):
        load_mix([write(tmp_path / "m.json", content)], None, 1.0)


def test_too_much_missing_stops_the_run(media: Path, tmp_path: Path) -> None:
    rows = [item(str(i), "<image>\nWhat?", "This.", image=f"{i}.jpg") for i in range(3)]
    path = write(tmp_path / "m.json", [*rows, item("t", "Hi", "Hello")])
    with pytest.raises(MixProblem, match=r"3 of 4 items .*\{'missing': 3\}.*max_missing_media=0.5"):
        load_mix([path], str(media), 0.5)
    with pytest.raises(MixProblem, match="no such folder"):
        load_mix([path], str(tmp_path / "nowhere"), 0.5)


def test_a_broken_picture_is_counted_and_the_rest_of_its_batch_trains(
    media: Path, tmp_path: Path, base: Path
) -> None:
    processor = load_model(str(base), None)[1]
    rows = [
        item("sound", "<image>\nWhat?", "A square.", image="coco/1.jpg"),
        item("broken", "<image>\nWhat?", "Nothing.", image="broken.jpg"),
        item("words", "Say <image>.", "I said <image>."),
    ]
    mix = load_mix([write(tmp_path / "m.json", rows)], str(media), 1.0)
    batch = Collator(processor, {"all": 1.0}, 0, None, "error").counted([mix[i] for i in range(3)])
    assert batch[ABOUT]["broken"] == ["broken"]
    assert batch["input_ids"].shape[0] == 2
    assert batch["pixel_values"].shape[0] == 1
    said = build_batch(processor, [mix[2]["messages"]])
    assert "pixel_values" not in said
    assert "I said <image>." in processor.tokenizer.decode(said["labels"][said["labels"] != -100])
