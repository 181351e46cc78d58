"""Tokenisation and preprocessing against the reference's, exactly."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from model.fixtures import GOLDENS, golden_case, needs_goldens, workshop

pytestmark = needs_goldens
PICTURE = Image.new("RGB", (60, 60))


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("converted")
    request = workshop("converting.sources.Request")(
        source=GOLDENS / "checkpoint_llamavid", out=out
    )
    workshop("converting.convert.convert")(request)
    return out


@pytest.fixture
def processor(converted: Path) -> Any:
    return AutoProcessor.from_pretrained(converted, trust_remote_code=True)


def golden_json(name: str) -> list[dict[str, Any]]:
    return json.loads((GOLDENS / f"{name}.json").read_text("utf-8"))


def collapsed(ids: list[int], token_id: int, per_media: int) -> list[int]:
    """Ids with each run of `per_media` placeholders as the reference's single mark -200."""
    result, run = [], 0
    for i in ids:
        run = run + 1 if i == token_id else 0
        if run == 0 or run % per_media == 1 or per_media == 1:
            result.append(-200 if run else i)
    return result


def messages(sample: dict[str, Any]) -> list[dict[str, Any]]:
    """A LLaVA conversation as messages; `<image>` stands before or after the text."""
    chat = []
    for turn in sample["conversations"]:
        text, content = turn["value"], []
        image = {"type": "image", "image": PICTURE}
        if text.startswith("<image>\n"):
            content = [image, {"type": "text", "text": text.removeprefix("<image>\n")}]
        elif text.endswith("\n<image>"):
            content = [{"type": "text", "text": text.removesuffix("\n<image>")}, image]
        else:
            content = [{"type": "text", "text": text}]
        role = {"human": "user", "gpt": "assistant"}[turn["from"]]
        chat.append({"role": role, "content": content})
    return chat


def test_templated_strings_give_the_reference_ids(processor: Any) -> None:
    for golden in golden_json("tokenizer_image_token"):
        count = golden["text"].count("<image>")
        images = [PICTURE] * count if count else None
        batch = processor(text=golden["text"], images=images)
        ids = collapsed(batch["input_ids"][0].tolist(), processor.image_token_id, 2)
        assert ids == golden["input_ids"], golden["text"]


def test_conversations_give_the_reference_ids_labels_and_prompts(processor: Any) -> None:
    for golden in golden_json("text_preprocessing"):
        batch = processor.apply_chat_template(
            messages(golden["sample"]),
            tokenize=True,
            return_dict=True,
            return_assistant_tokens_mask=True,
        )
        ids, mask = batch["input_ids"][0], batch["assistant_masks"][0]
        image_id = processor.image_token_id
        assert collapsed(ids.tolist(), image_id, 2) == golden["input_ids"]
        labels = ids.masked_fill(mask == 0, -100).masked_fill(ids == image_id, image_id)
        kept = [-100 if i == -200 else i for i in collapsed(labels.tolist(), image_id, 2)]
        assert kept == golden["labels"]
        if "image" in golden["sample"]:
            expected = processor.qformer_tokenizer(golden["prompts"], padding=True)["input_ids"]
            assert batch["qformer_input_ids"].tolist() == expected


def test_the_generation_prompt_ends_as_the_reference(processor: Any) -> None:
    golden = golden_json("tokenizer_image_token")[0]
    question = "Describe this image briefly."
    chat = [{"role": "user", "content": [{"type": "image", "image": PICTURE}]}]
    chat[0]["content"].append({"type": "text", "text": question})
    batch = processor.apply_chat_template(
        chat, tokenize=True, return_dict=True, add_generation_prompt=True
    )
    ids = collapsed(batch["input_ids"][0].tolist(), processor.image_token_id, 2)
    assert ids == golden["input_ids"]


def test_a_leading_answer_is_dropped(processor: Any) -> None:
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes."}]
    leading = [{"role": "assistant", "content": "Welcome."}, *chat]
    texts = [processor.apply_chat_template(c) for c in (chat, leading)]
    assert texts[0] == texts[1]
    assert texts[0].endswith("questions. USER: Hi ASSISTANT: Yes.</s>")


def test_questions_give_the_reference_ids(processor: Any) -> None:
    for golden in golden_json("qformer_tokenization"):
        content = [
            {"type": "image", "image": PICTURE},
            {"type": "text", "text": golden["text"]},
        ]
        batch = processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=True, return_dict=True
        )
        assert batch["qformer_input_ids"][0].tolist() == golden["input_ids"]
        assert len(golden["input_ids"]) <= 256


@pytest.mark.parametrize("size", [56, 224])
@pytest.mark.parametrize("aspect", ["pad", "square"])
@pytest.mark.parametrize("name", ["wide", "tall", "noise"])
def test_pictures_are_preprocessed_exactly(
    processor: Any, name: str, aspect: str, size: int
) -> None:
    golden = golden_case("image_preprocessing")
    processor.image_processor = workshop("assembling.parts.clip_image_processor")(size)
    processor.image_aspect_ratio = aspect
    pixels = processor(text="<image>", images=golden[f"raw.{name}"].numpy())["pixel_values"]
    assert torch.equal(pixels[0], golden[f"{name}.{aspect}.{size}"])


@pytest.mark.parametrize("size", [56, 224])
def test_videos_are_preprocessed_exactly_and_never_padded(processor: Any, size: int) -> None:
    golden = golden_case("image_preprocessing")
    processor.image_processor = workshop("assembling.parts.clip_image_processor")(size)
    processor.image_aspect_ratio = "pad"
    pixels = processor(text="<video>", videos=golden["raw.video"].numpy())["pixel_values_videos"]
    assert torch.equal(pixels, golden[f"video.square.{size}"])
